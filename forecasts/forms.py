"""What the grid's pages take from URLs and plain forms: filters, pairs of line and revision, typed cells."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.http import HttpRequest, QueryDict

from cycles.models import Cycle
from forecasts.grid import PRICE, QUANTITY, SHOWS, Row, shown_values
from forecasts.grid_html import number
from forecasts.grid_json import MAX_ID, MAX_REVISION, MAX_TEXT, TypedCell, TypedEdit
from forecasts.services import LineRef
from forecasts.services.writing import cell_label
from sop_portal.lib import periods
from sop_portal.lib.errors import Refused

MAX_FIND = 60
MAX_REFS = 20_000
# Stands between the sixteen texts of a line; no number is written with it.
SEPARATOR = "|"
_REF = re.compile(r"([0-9]{1,19}):([0-9]{1,10})")


@dataclass(frozen=True)
class GridQuery:
    """What the URL of a grid asks for; anything unknown falls back to the plain view."""

    show: str = QUANTITY
    dormant: bool = False
    find: str = ""
    page: int = 1
    form: bool = False

    @classmethod
    def of(cls, data: QueryDict) -> "GridQuery":
        show = data.get("show", QUANTITY)
        return cls(
            show=show if show in SHOWS else QUANTITY,
            dormant=data.get("dormant") == "1",
            find=data.get("find", "").replace("\x00", "").strip()[:MAX_FIND],
            page=whole_number(data.get("page", "")) or 1,
            form=data.get("form") == "1",
        )

    def with_(self, **changes: Any) -> str:
        """The query string of this view with something changed; what is plain is left out."""
        values = {"show": self.show, "dormant": self.dormant, "find": self.find, "page": self.page, "form": self.form}
        values |= changes
        plain = {"show": QUANTITY, "dormant": False, "find": "", "page": 1, "form": False}
        query = QueryDict(mutable=True)
        for key, value in values.items():
            if value != plain[key]:
                query[key] = "1" if value is True else str(value)
        return f"?{query.urlencode()}" if query else "?"


def whole_number(text: str, largest: int = 10_000) -> int | None:
    """A whole number from 1 to `largest` in ASCII digits, else None."""
    if not text.isascii() or not text.isdigit() or len(text) > 19:
        return None
    value = int(text)
    return value if 1 <= value <= largest else None


def line_refs(texts: Sequence[str]) -> list[LineRef]:
    """Lines as their reader saw them, from values written "line:revision". Raises Refused for anything else."""
    if not texts:
        raise Refused("Choose at least one line.")
    if len(texts) > MAX_REFS:
        raise Refused(f"These are {len(texts):,} lines; send at most {MAX_REFS:,} at once.")
    refs = []
    for text in texts:
        match = _REF.fullmatch(text)
        if match is None or int(match[1]) > MAX_ID or int(match[2]) > MAX_REVISION:
            raise Refused("The list of lines is not readable; reload the page and try again.")
        refs.append(LineRef(int(match[1]), int(match[2])))
    return refs


@dataclass
class CellForm:
    """The form of one page of lines without JavaScript: a field per cell, named q-<line>-<YYYY-MM>.

    Prices are p-, risk classes k-, the revision its reader saw r-<line>, the sixteen texts it showed o-<line>. What
    differs from those texts was typed: so a page of fifty lines changes just the cells that somebody touched, and
    after a conflict nobody's untouched cells are taken for an answer.
    """

    cycle: Cycle
    show: str
    data: Mapping[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    # Whether the form came back because somebody else saved: then the fields are compared with the newest revision.
    renewed: bool = False

    @property
    def letter(self) -> str:
        return "p" if self.show == PRICE else "q"

    @property
    def cell_field(self) -> str:
        return "unit_price" if self.show == PRICE else "quantity"

    @cached_property
    def keys(self) -> list[str]:
        return [periods.key(period) for period in self.cycle.periods]

    def name(self, line_id: int, position: int) -> str:
        """The name of a cell's field."""
        return f"{self.letter}-{line_id}-{self.keys[position]}"

    def values(self, row: Row) -> list[str]:
        """The texts of the line's sixteen cells as they stand."""
        return [number(value, self.show) for value in shown_values(row.line, self.show)]

    def shown(self, row: Row) -> list[str]:
        """The texts that the reader saw, from the form itself; those of now when it does not say."""
        texts = self.data.get(f"o-{row.line.pk}", "").split(SEPARATOR)
        return texts if len(texts) == self.cycle.horizon else self.values(row)

    def typed(self, row: Row) -> dict[int, str]:
        """Position -> text of the cells that somebody touched."""
        shown = self.shown(row)
        found = {}
        for position in range(self.cycle.horizon):
            text = self.data.get(self.name(row.line.pk, position))
            if text is not None and text.strip() != shown[position]:
                found[position] = text
        return found

    def risk(self, row: Row) -> int:
        """The risk class as chosen in the form, else as it stands."""
        chosen = self.data.get(f"k-{row.line.pk}", "")
        return int(chosen) if chosen in {"0", "1", "2", "3"} else row.line.risk_class

    def revision(self, row: Row) -> str:
        """The revision that the line's fields belong to."""
        return str(row.line.revision) if self.renewed else self.data.get(f"r-{row.line.pk}", str(row.line.revision))

    def originals(self, row: Row) -> str:
        """The texts that the line's fields are compared with when they come in."""
        return SEPARATOR.join(self.values(row) if self.renewed else self.shown(row))

    @property
    def line_ids(self) -> set[int]:
        """The lines whose fields came in."""
        ids = (whole_number(key.removeprefix("r-"), MAX_ID) for key in self.data if key.startswith("r-"))
        return {pk for pk in ids if pk is not None}

    def edits(self, rows: Sequence[Row]) -> list[TypedEdit]:
        """What was typed in the fields of `rows`. Raises Refused when a line is gone or its revision not readable."""
        if self.line_ids - {row.line.pk for row in rows}:
            raise Refused("Some of these lines are no longer there; open the page again.")
        found = []
        for row in rows:
            line = row.line
            revision = whole_number(self.data.get(f"r-{line.pk}", ""), MAX_REVISION)
            if revision is None:
                raise Refused("The form is not readable; reload the page and try again.")
            edit = TypedEdit(line.pk, revision)
            for position, text in self.typed(row).items():
                edit.cells.append(TypedCell(line.pk, self.cycle.periods[position], self.cell_field, text[:MAX_TEXT]))
            if self.risk(row) != line.risk_class:
                edit.risk_class = self.risk(row)
            if edit.cells or edit.risk_class is not None:
                found.append(edit)
        return found

    def unsaved(self, rows: Sequence[Row]) -> list[tuple[str, str]]:
        """What was typed into lines that take no input any more: the cell in words and the text, to keep it."""
        return [
            (cell_label(row.line, position), text)
            for row in rows
            if not row.editable
            for position, text in self.typed(row).items()
        ]

    def refuse(self, cells: Sequence[Mapping[str, Any]]) -> None:
        """Keep the sentence of each refused cell beside its field."""
        for cell in cells:
            self.errors[f"{self.letter}-{cell['line']}-{cell['period']}"] = cell["sentence"]


def posted(request: HttpRequest) -> dict[str, str]:
    """The fields of a plain form, the last one winning, without characters that no field can hold."""
    return {key: str(value).replace("\x00", "") for key, value in request.POST.items()}
