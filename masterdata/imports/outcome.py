"""What an import did, or would do: counts, totals, problems, remarks and the first changes."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

# What is kept of each for people to look at; the counts are always whole.
PROBLEMS_KEPT = 20_000
SAMPLE_KEPT = 500


def written(value: Decimal) -> str:
    """A number as a run keeps it: plain, without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@dataclass(frozen=True)
class Problem:
    """A cell or row that is refused. row: as people count. column: the name of one, "" for the row as a whole."""

    row: int
    column: str
    place: str
    value: str
    sentence: str


@dataclass(frozen=True)
class Remark:
    """Something that an admin should know, though it stops nothing."""

    code: str
    place: str
    sentence: str

    def plain(self) -> dict[str, Any]:
        return {"code": self.code, "place": self.place, "sentence": self.sentence, "informative": True}


@dataclass
class Outcome:
    """The result of one run over a file.

    Rows are those of the file: one that creates or changes anything counts as such. tallies: what -> (created,
    updated, unchanged) of everything written. sample: "new" and "changed", each a list of {row, label, changes}.
    """

    rows_read: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    problem_count: int = 0
    problems: list[Problem] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    totals: dict[str, Any] = field(default_factory=dict)
    tallies: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    sample: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    layout: dict[str, Any] = field(default_factory=dict)
    batch: int | None = None
    written: bool = False
