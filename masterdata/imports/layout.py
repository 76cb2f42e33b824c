"""Where the columns of a kind stand in a file: found by their headings, never by their position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from masterdata.imports.kinds import Column, Kind, heading_key
from sop_portal.lib.errors import Refused
from sop_portal.lib.tables import Layout, Preview
from sop_portal.lib.workbook import cell_name

LEFT_OUT = ""
# The forms of a table that is no workbook: a file of separated texts, the items of a body.
CSV, JSON = "csv", "json"


class HeadingsRefused(Refused):
    """The headings do not fit. `extra["layout"]` holds what was found, so that a page can offer to map it."""


@dataclass(frozen=True)
class Heading:
    """A heading as it stands in the file, and the column of the file in which it stands, from 0."""

    text: str
    at: int


@dataclass(frozen=True)
class Found:
    """The table of a file: its sheet, the zero-based row of its headings, the file's column of each column by name,
    and the headings that are left out. `sheet` is "" where a file has no sheets."""

    index: int
    sheet: str
    header_row: int
    columns: dict[str, int]
    headings: list[Heading] = field(default_factory=list)
    ignored: list[Heading] = field(default_factory=list)
    hidden: list[str] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """The columns that the file has, in the order in which they are read."""
        return list(self.columns)

    @property
    def layout(self) -> Layout:
        return Layout(self.index, self.header_row, tuple(self.columns.values()))

    def place(self, row: int, name: str = "") -> str:
        """The address of a cell by the row as people count it: "Sheet1!D17"; of a row without `name`: "Sheet1!17"."""
        cell = cell_name(row - 1, self.columns[name]) if name in self.columns else str(row)
        return f"{self.sheet}!{cell}" if self.sheet else cell

    def plain(self) -> dict[str, Any]:
        """What is kept on the run."""
        return {
            "sheet": self.sheet,
            "header_row": self.header_row + 1,
            "columns": self.columns,
            "headings": [[heading.text, heading.at] for heading in self.headings],
            "ignored": [heading.text for heading in self.ignored],
        }


@dataclass
class _Header:
    """A row read as headings."""

    index: int
    row: int
    columns: dict[str, Heading] = field(default_factory=dict)
    doubled: list[tuple[Column, Heading, Heading]] = field(default_factory=list)
    ignored: list[Heading] = field(default_factory=list)
    headings: list[Heading] = field(default_factory=list)

    def missing(self, kind: Kind) -> list[Column]:
        return [column for column in kind.required if column.name not in self.columns]


def find_layout(
    previews: Sequence[Preview], kind: Kind, mapped: Mapping[str, str], *, form: str, sheet: str = ""
) -> Found:
    """Where the columns of `kind` stand.

    mapped: headings mapped by hand, as they are compared -> the column's name, or LEFT_OUT. form: the format of the
    file. sheet: the only sheet to look at, where somebody chose one. Raises HeadingsRefused listing what is expected
    and what was found, and Refused for a sheet that was not read or has no rows.
    """
    seen = [
        (index, preview)
        for index, preview in enumerate(previews)
        if (preview.visible and not sheet) or (sheet and preview.name == sheet)
    ]
    if sheet and not seen:
        raise Refused(f"There is no sheet '{sheet}'; there are {_listed([preview.name for preview in previews])}.")
    best = [header for index, preview in seen if (header := _best_header(index, preview, kind, mapped))]
    whole = [header for header in best if not header.missing(kind)]
    if len(whole) > 1:
        names = _listed([f"'{previews[header.index].name}'" for header in whole], "and")
        raise Refused(f"The sheets {names} each hold such a table; keep one of them in the file, or choose one.")
    if not whole:
        for _, preview in seen:
            if preview.unread:
                raise Refused(f"The sheet '{preview.name}' was not read: {preview.unread}")
        raise _refusal(max(best, key=lambda one: len(one.columns), default=None), previews, seen, kind)
    (header,) = whole
    preview = previews[header.index]
    if preview.unread:
        raise Refused(f"The sheet '{preview.name}' was not read: {preview.unread}")
    _refuse_doubled(header, preview)
    if form != CSV:
        _refuse_merged(header, preview)
    if preview.height is not None and preview.height <= header.row + 1:
        raise Refused(f"{_where(preview, form)} has headings but no rows below them; fill it and upload it again.")
    return Found(
        index=header.index,
        sheet="" if form == CSV else preview.name,
        header_row=header.row,
        columns={
            column.name: header.columns[column.name].at for column in kind.columns if column.name in header.columns
        },
        headings=header.headings,
        ignored=header.ignored,
        hidden=[preview.name for preview in previews if not preview.visible],
    )


def _best_header(index: int, preview: Preview, kind: Kind, mapped: Mapping[str, str]) -> _Header | None:
    """The first row with every required heading, else the one with most headings of the kind."""
    best: _Header | None = None
    for row, cells in enumerate(preview.rows):
        header = _read_header(index, row, cells, kind, mapped)
        if header.columns and (best is None or len(header.columns) > len(best.columns)):
            best = header
        if header.columns and not header.missing(kind):
            return header
    return best


def _read_header(index: int, row: int, cells: Sequence[str | None], kind: Kind, mapped: Mapping[str, str]) -> _Header:
    header = _Header(index, row)
    strong: dict[str, bool] = {}
    for at, text in enumerate(cells):
        key = heading_key(text or "")
        if not text or not key:
            continue
        heading = Heading(text, at)
        header.headings.append(heading)
        name = mapped.get(key)
        column = kind.by_heading.get(key) if name is None else kind.by_name.get(name)
        if column is None:
            header.ignored.append(heading)
            continue
        # The heading itself, or one that somebody mapped, is meant rather than a word that often means the same.
        firm = name is not None or key in (heading_key(column.heading), heading_key(column.name))
        other = header.columns.get(column.name)
        if other is None or (firm and not strong[column.name]):
            if other is not None:
                header.ignored.append(other)
            header.columns[column.name], strong[column.name] = heading, firm
        elif strong[column.name] and not firm:
            header.ignored.append(heading)
        else:
            header.doubled.append((column, other, heading))
    return header


def _refuse_doubled(header: _Header, preview: Preview) -> None:
    """Refuse two columns of one meaning."""
    if header.doubled:
        column, one, other = header.doubled[0]
        places = " and ".join(f"{cell_name(header.row, each.at)} '{each.text}'" for each in (one, other))
        raise HeadingsRefused(
            f"{column.heading} stands twice: {places}. Delete one of the two columns, or change its heading.",
            layout=_found(header, preview),
        )


def _refuse_merged(header: _Header, preview: Preview) -> None:
    """Refuse values beside a heading that may have been merged over them; a CSV file knows no such thing."""
    headed = {heading.at for heading in header.headings}
    for heading in header.columns.values():
        beside = heading.at + 1
        below = preview.rows[header.row + 1 :]
        if beside not in headed and any(len(cells) > beside and cells[beside] for cells in below):
            raise HeadingsRefused(
                f"Column {cell_name(0, beside)[:-1]} has values but no heading of its own, perhaps because "
                f"'{heading.text}' was merged over it. Give each column one heading, or delete the column.",
                layout=_found(header, preview),
            )


def _refusal(
    header: _Header | None, previews: Sequence[Preview], seen: Sequence[tuple[int, Preview]], kind: Kind
) -> HeadingsRefused:
    expected = _listed([column.heading for column in kind.required], "and")
    if header is None:
        first = next((preview for _, preview in seen if preview.rows), None)
        texts = next((cells for cells in first.rows if any(cells)), []) if first else []
        found = _listed([text for text in texts if text]) if texts else "nothing"
        return HeadingsRefused(
            f"No row has the headings of {kind.title.lower()}. Expected: {expected}. Found first: {found}. Put the "
            "headings above the table, one for each column.",
            layout={"missing": [column.name for column in kind.required], "unknown": []},
        )
    preview = previews[header.index]
    missing = _listed([column.heading for column in header.missing(kind)], "and")
    found = _listed([heading.text for heading in header.headings])
    return HeadingsRefused(
        f"Row {header.row + 1} of '{preview.name}' has no column headed {missing}. Expected: {expected}. Found: "
        f"{found}. Change the headings, or say which of them is meant.",
        layout={**_found(header, preview), "missing": [column.name for column in header.missing(kind)]},
    )


def _found(header: _Header, preview: Preview) -> dict[str, Any]:
    return {
        "sheet": preview.name,
        "header_row": header.row + 1,
        "columns": {name: heading.at for name, heading in header.columns.items()},
        "headings": [[heading.text, heading.at] for heading in header.headings],
        "unknown": [heading.text for heading in header.ignored],
        "missing": [],
    }


def _where(preview: Preview, form: str) -> str:
    return "The file" if form == CSV else f"The sheet '{preview.name}'"


def _listed(texts: Sequence[str], last: str = "") -> str:
    """ "a, b, c", or with a word before the last one "a, b and c"."""
    shown = [text if len(text) <= 60 else f"{text[:60]}…" for text in texts]
    if not last or len(shown) < 2:
        return ", ".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"
