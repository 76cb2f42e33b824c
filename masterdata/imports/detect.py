"""What kind of file somebody dropped: told by its headings alone."""

from collections.abc import Sequence
from pathlib import Path

from masterdata.imports.files import opened
from masterdata.imports.kinds import ACTUALS, KINDS, Kind, heading_key
from sop_portal.lib.errors import Refused
from sop_portal.lib.tables import Preview


def kind_of_file(path: Path) -> Kind:
    """The kind whose required headings stand in one row of the file at `path`.

    Where several fit (the matrix asks for less than actuals do), the one with most of its own headings there.
    Raises Refused when none fits, and what reading the file raises.
    """
    # The widest limits: how many rows the kind allows is said when it is known.
    with opened(path, ACTUALS) as tables:
        found = best_kind(tables.previews)
    if found is None:
        raise Refused(
            "No row of this file has the headings of something that can be imported: "
            + "; ".join(
                f"{kind.title.lower()} need {', '.join(column.heading for column in kind.required)}"
                for kind in KINDS.values()
            )
            + ". Take the template of the kind, or choose the kind and say there what the headings mean. An old planning "
            "workbook is imported on its own page."
        )
    return found


def best_kind(previews: Sequence[Preview]) -> Kind | None:
    """The kind that fits best, None where none has all it needs."""
    scores: list[tuple[int, int, Kind]] = []
    for kind in KINDS.values():
        for preview in previews:
            if not preview.visible:
                continue
            for cells in preview.rows:
                names = {
                    kind.by_heading[key].name for text in cells if (key := heading_key(text or "")) in kind.by_heading
                }
                if names and all(column.name in names for column in kind.required):
                    scores.append((len(kind.required), len(names), kind))
    # More that must be there tells more than more that happens to be there.
    return max(scores, key=lambda score: score[:2])[2] if scores else None
