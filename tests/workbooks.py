"""Maker of planning workbooks of the old kind, with every shape and fault that real ones have.

A `Plan` says what stands on a customer's sheet, `grid` lays it out as {(row, column): value}, and the writers put
grids into xlsx (openpyxl), xlsb or ods (both minimal, written here), or straight into the reader's own model.
"""

import datetime as dt
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from xml.sax.saxutils import escape, quoteattr

import openpyxl

from sop_portal.lib import periods
from sop_portal.lib.workbook import ErrorCell, Sheet, Workbook, cell_name

Grid = dict[tuple[int, int], Any]
HeadStyle = Literal["date", "drift", "serial", "text", "long_text", "iso_text"]
DIV0 = ErrorCell("#DIV/0!")
EPOCH = dt.date(1899, 12, 30)


@dataclass(frozen=True)
class Formula:
    """A formula saved without its result."""

    text: str


@dataclass
class Row:
    """One row of a plan: cell values as they stand there, None for an empty cell."""

    code: Any = None
    description: Any = None
    volumes: Sequence[Any] = ()
    prices: Sequence[Any] = ()
    group: Any = "G01 - Garlic Production                  "
    probability: Any = None
    number: Any = None


@dataclass
class Plan:
    """A customer's sheet. `prices`: one column per month, one for all, or none; `history`: months before the volumes."""

    name: str = "Alder Produce"
    rows: list[Row] = field(default_factory=list)
    below: list[Row] = field(default_factory=list)
    first: dt.date = dt.date(2025, 11, 24)
    months: int = 16
    below_months: int | None = None
    header_row: int = 6
    first_column: int = 1
    heads: HeadStyle = "drift"
    volume_heads: Sequence[Any] | None = None
    prices: Literal["monthly", "single", "none"] = "monthly"
    titles: bool = True
    title_rows_above: int = 3
    total: bool = True
    errors_beside: bool = True
    visible: bool = True

    @property
    def volume_column(self) -> int:
        """The column of the first volume."""
        return self.first_column + 5

    @property
    def price_column(self) -> int:
        """The column of the first price; behind the total, an average and a gap."""
        return self.volume_column + self.months + 3


def heads(plan: Plan) -> list[Any]:
    """The month headings of a plan's blocks, in its style."""
    if plan.volume_heads is not None:
        return list(plan.volume_heads)
    months = periods.span(periods.first_of_month(plan.first), plan.months)
    if plan.heads == "drift":
        return [plan.first + dt.timedelta(days=30 * month) for month in range(plan.months)]
    if plan.heads == "serial":
        return [(month - EPOCH).days for month in months]
    if plan.heads == "text":
        return [f"{month:%b-%y}" for month in months]
    if plan.heads == "long_text":
        return [f"{month:%B %Y}" for month in months]
    if plan.heads == "iso_text":
        return [periods.key(month) for month in months]
    return list(months)


def grid(plan: Plan) -> Grid:
    """The cells of a customer's sheet."""
    cells: Grid = {}
    left, volumes, prices = plan.first_column, plan.volume_column, plan.price_column
    top = plan.header_row
    months = heads(plan)
    if plan.titles and top >= 1:
        title_row = max(0, top - plan.title_rows_above)
        cells[title_row, volumes] = "VOLUME FORECAST (CASES)"
        if plan.prices != "none":
            cells[title_row, prices] = "PRICE FORECAST"
    _heading(cells, top, left, ["#", "Group - Category", "ITEM\n CODE", "DESCRIPTION", "Probability"])
    _heading(cells, top, volumes, months)
    if plan.total:
        cells[top, volumes + plan.months] = "TOTAL"
    sales = prices + 1
    if plan.prices == "monthly":
        _heading(cells, top, prices, months)
        sales = prices + plan.months + 1
    elif plan.prices == "single":
        cells[top, prices] = "Price"
        sales = prices + 2
    if plan.titles and top >= 1:
        cells[max(0, top - plan.title_rows_above), sales] = "SALES FORECAST"
        _heading(cells, top, sales, months)
    row = top + 1
    for number, line in enumerate(plan.rows, 1):
        _line(cells, plan, row, line, number)
        row += 1
    if plan.below:
        cells[row + 2, left + 1] = "If you need to add new Item Codes:"
        _heading(cells, row + 4, left, ["#", "Group - Category", "ITEM CODE", "DESCRIPTION"])
        _heading(cells, row + 4, volumes, months[: plan.below_months or plan.months])
        row += 5
        for line in plan.below:
            _line(cells, plan, row, line, None)
            row += 1
    return {at: value for at, value in cells.items() if value is not None}


def _heading(cells: Grid, row: int, column: int, words: Sequence[Any]) -> None:
    for place, word in enumerate(words):
        cells[row, column + place] = word


def _line(cells: Grid, plan: Plan, row: int, line: Row, number: int | None) -> None:
    left = plan.first_column
    _heading(cells, row, left, [line.number or number, line.group, line.code, line.description, line.probability])
    _heading(cells, row, plan.volume_column, line.volumes)
    if plan.prices != "none":
        _heading(cells, row, plan.price_column, line.prices)
    numbers = [value for value in line.volumes[:12] if isinstance(value, int | float)]
    cells[row, plan.volume_column + plan.months] = sum(numbers)
    if plan.errors_beside:
        cells[row, plan.volume_column + plan.months + 1] = DIV0


def legend() -> Grid:
    """The list of probability texts."""
    texts = [
        "With Sales Order - Low Risk", "In Customer Supply Plan - Low/Mid Risk", "Customer Forecast - Mid Risk",
        "Volume Estimated by Sales Rep (Budget)",
    ]  # fmt: skip
    return {(row, 1): text for row, text in enumerate(texts)}


def budget(rep: str, customers: Sequence[str]) -> Grid:
    """A budget as the pivot that real books hold."""
    cells: Grid = {(2, 0): "Row Labels", (2, 1): "Customer S&OP", (2, 2): "Sum of Q-11", (2, 3): "Sum of Q-12"}
    for row, customer in enumerate(customers, 3):
        cells[row, 1], cells[row, 2], cells[row, 3] = customer, 100, 200
    cells[3, 0] = rep
    cells[3 + len(customers), 0] = "Grand Total"
    return cells


def rep_rows(rows: int = 20) -> Grid:
    """A rep's sheet of a consolidated book: no header row."""
    cells: Grid = {}
    for row in range(rows):
        _heading(cells, row, 0, [f"Customer {row}", row + 1, "G01 - Garlic", 110000 + row, "Peeled", None, *[5] * 12])
        _heading(cells, row, 25, [2.5] * 16)
    return {at: value for at, value in cells.items() if value is not None}


def as_workbook(sheets: Mapping[str, Grid], *, hidden: Sequence[str] = (), date1904: bool = False) -> Workbook:
    """The grids as the reader would return them."""
    found = []
    for name, cells in sheets.items():
        height = max((row for row, _ in cells), default=-1) + 1
        rows: list[list[Any]] = [[] for _ in range(height)]
        formulas = set()
        for (row, column), value in cells.items():
            if isinstance(value, Formula):
                formulas.add((row, column))
                continue
            rows[row].extend([None] * (column + 1 - len(rows[row])))
            rows[row][column] = float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        found.append(Sheet(name, name not in hidden, rows, "", frozenset(formulas)))
    return Workbook("xlsx", found, date1904)


def save_xlsx(path: Path, sheets: Mapping[str, Grid], *, hidden: Sequence[str] = ()) -> Path:
    """Write the grids with openpyxl: values as they are, errors as errors, text never as a formula."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, cells in sheets.items():
        sheet = book.create_sheet(name)
        sheet.sheet_state = "hidden" if name in hidden else "visible"
        for (row, column), value in cells.items():
            cell = sheet.cell(row + 1, column + 1)
            if isinstance(value, ErrorCell):
                cell.value, cell.data_type = value.code, "e"
            elif isinstance(value, Formula):
                cell.value = value.text
            else:
                cell.value = value
                if isinstance(value, str):
                    cell.data_type = "s"
    book.save(path)
    return path


def save_ods(path: Path, sheets: Mapping[str, Grid]) -> Path:
    """Write the grids as a minimal OpenDocument spreadsheet."""
    tables = []
    for name, cells in sheets.items():
        rows = []
        for row in range(max((row for row, _ in cells), default=-1) + 1):
            width = max((column for at, column in cells if at == row), default=-1) + 1
            rows.append(
                f"<table:table-row>{''.join(_ods(cells.get((row, c))) for c in range(width))}</table:table-row>"
            )
        tables.append(f"<table:table table:name={quoteattr(name)}>{''.join(rows)}</table:table>")
    content = (
        '<?xml version="1.0" encoding="UTF-8"?><office:document-content office:version="1.2"'
        ' xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
        ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
        ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
        ' xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0">'
        f"<office:body><office:spreadsheet>{''.join(tables)}</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr(
            "META-INF/manifest.xml",
            '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        )
        archive.writestr("content.xml", content, zipfile.ZIP_DEFLATED)
    return path


def _ods(value: Any) -> str:
    if value is None or isinstance(value, Formula):
        return "<table:table-cell/>"
    if isinstance(value, ErrorCell):
        kind = 'office:value-type="string" office:string-value="" calcext:value-type="error"'
        return f"<table:table-cell {kind}><text:p>{value.code}</text:p></table:table-cell>"
    if isinstance(value, str):
        text = f"<text:p>{escape(value)}</text:p>"
        return f'<table:table-cell office:value-type="string">{text}</table:table-cell>'
    if isinstance(value, dt.date):
        return f'<table:table-cell office:value-type="date" office:date-value="{value.isoformat()}"/>'
    return f'<table:table-cell office:value-type="float" office:value="{value!r}"/>'


RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
BINARY = "application/vnd.ms-excel"
ERROR_BYTES = {"#NULL!": 0, "#DIV/0!": 7, "#VALUE!": 15, "#REF!": 23, "#NAME?": 29, "#NUM!": 36, "#N/A": 42}


def save_xlsb(path: Path, sheets: Mapping[str, Grid]) -> Path:
    """Write the grids as a minimal binary workbook ([MS-XLSB]): inline strings, doubles, dates by style 1, errors."""
    bundle = b"".join(
        _record(156, struct.pack("<II", 0, number) + _wide(f"rId{number}") + _wide(name))
        for number, name in enumerate(sheets, 1)
    )
    workbook = _record(131) + _record(143) + bundle + _record(144) + _record(132)
    formats = b"".join(_record(47, struct.pack("<HH", 0, kind) + bytes(12)) for kind in (0, 14))
    styles = _record(278) + _record(617, struct.pack("<I", 2)) + formats + _record(618) + _record(279)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{number}.bin" ContentType="{BINARY}.worksheet"/>'
        for number in range(1, len(sheets) + 1)
    )
    relations = "".join(
        f'<Relationship Id="rId{number}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{number}.bin"/>'
        for number in range(1, len(sheets) + 1)
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "[Content_Types].xml",
            '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
            f'<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/xl/workbook.bin" ContentType="{BINARY}.sheet.binary.macroEnabled.main"/>{types}</Types>',
        )
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{RELATIONS}"><Relationship Id="rId1" Type="{OFFICE}/officeDocument"'
            ' Target="xl/workbook.bin"/></Relationships>',
        )
        archive.writestr(
            "xl/_rels/workbook.bin.rels", f'<Relationships xmlns="{RELATIONS}">{relations}</Relationships>'
        )
        archive.writestr("xl/workbook.bin", workbook)
        archive.writestr("xl/styles.bin", styles)
        for number, cells in enumerate(sheets.values(), 1):
            archive.writestr(f"xl/worksheets/sheet{number}.bin", _binary_sheet(cells))
    return path


def _binary_sheet(cells: Grid) -> bytes:
    rows = sorted({row for row, _ in cells})
    last_row, last_column = max(rows, default=0), max((column for _, column in cells), default=0)
    data = _record(129) + _record(148, struct.pack("<IIII", 0, last_row, 0, last_column)) + _record(145)
    for row in rows:
        data += _record(0, struct.pack("<II", row, 0) + bytes(17))
        for at, column in sorted(cells):
            if at == row:
                data += _binary_cell(column, cells[at, column])
    return data + _record(146) + _record(130)


def _binary_cell(column: int, value: Any) -> bytes:
    def at(style: int = 0) -> bytes:
        return struct.pack("<II", column, style)

    if isinstance(value, ErrorCell):
        return _record(3, at() + bytes([ERROR_BYTES[value.code]]))
    if isinstance(value, str):
        return _record(6, at() + _wide(value))
    if isinstance(value, Formula):
        return b""
    if isinstance(value, dt.date):
        return _record(5, at(1) + struct.pack("<d", (value - EPOCH).days))
    return _record(5, at() + struct.pack("<d", value))


def _record(kind: int, payload: bytes = b"") -> bytes:
    head = bytes([kind]) if kind < 128 else bytes([kind & 0x7F | 0x80, kind >> 7])
    size, length = b"", len(payload)
    while True:
        length, low = length >> 7, length & 0x7F
        size += bytes([low | 0x80 if length else low])
        if not length:
            return head + size + payload


def _wide(text: str) -> bytes:
    data = text.encode("utf-16-le")
    return struct.pack("<I", len(data) // 2) + data


def address(plan: Plan, row: int, month: int) -> str:
    """The address of a volume: `row` counts the plan's rows from 0."""
    return cell_name(plan.header_row + 1 + row, plan.volume_column + month)
