"""What the cell reader does not tell: which cells are errors, formulas saved without a result, the true extent.

Runs in the reading process only and imports nothing of ours. Works on the parts of the archive directly: for xlsx by
expressions over the sheet's XML (`sheet_xml`), for xlsb by its records ([MS-XLSB] 2.1.4).
"""

from __future__ import annotations

import posixpath
import struct
import zipfile
from array import array
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from operator import gt
from xml.etree import ElementTree

from copytext import NO_RESULT

REL = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
ERROR_BYTES = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A",
    0x2B: "#GETTING_DATA",
}  # fmt: skip

# Records of a sheet: BrtRowHdr, and the cells with a value (BrtCellBlank, 1, has none).
_ROW_HEADER, _CELL_ERROR, _FORMULA_ERROR, _BUNDLE_SHEET, _WORKBOOK_PROPERTIES = 0, 3, 11, 156, 153
_VALUE_CELLS = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 62}


@dataclass(slots=True)
class Facts:
    """Of one sheet, zero-based: the cells that are errors or formulas without a value, and the last row and column that
    hold a value.

    The marked cells stand in three arrays side by side, in the order of the file: old workbooks have 100,000 of them.
    """

    rows: array[int] = field(default_factory=lambda: array("I"))
    columns: array[int] = field(default_factory=lambda: array("I"))
    codes: list[str] = field(default_factory=list)
    last_row: int = -1
    last_column: int = -1

    def saw(self, row: int, column: int) -> None:
        """Widen the extent to a cell that holds a value."""
        self.last_row, self.last_column = max(self.last_row, row), max(self.last_column, column)

    def mark(self, row: int, column: int, code: str = NO_RESULT) -> None:
        """A cell without a value that could be read: an error with its code, or a formula saved without its result."""
        self.rows.append(row)
        self.columns.append(column)
        self.codes.append(code)

    def in_order(self) -> Facts:
        """The marks sorted by row; only a sheet whose rows stand in disorder, which no program writes, has work here."""
        if any(map(gt, self.rows, self.rows[1:])):
            places = sorted(range(len(self.rows)), key=self.rows.__getitem__)
            self.rows = array("I", (self.rows[place] for place in places))
            self.columns = array("I", (self.columns[place] for place in places))
            self.codes = [self.codes[place] for place in places]
        return self

    def marks(self, first: int = 0, end: int | None = None) -> Iterator[tuple[int, int, str]]:
        """The marked cells of the rows from `first` to before `end` as (row, column, code), row by row."""
        part = slice(bisect_left(self.rows, first), None if end is None else bisect_left(self.rows, end))
        return zip(self.rows[part], self.columns[part], self.codes[part], strict=True)


def zip_format(archive: zipfile.ZipFile) -> str:
    """xlsx, xlsb or ods by what the archive holds, else a word for what it is."""
    names = set(archive.namelist())
    if "mimetype" in names:
        kind = archive.read("mimetype")[:200].strip()
        return "ods" if kind.startswith(b"application/vnd.oasis.opendocument.spreadsheet") else "another document"
    if "xl/workbook.bin" in names:
        return "xlsb"
    if "xl/workbook.xml" in names:
        return "xlsx"
    if "word/document.xml" in names:
        return "a Word document"
    if "ppt/presentation.xml" in names:
        return "a presentation"
    if "Index/Document.iwa" in names:
        return "a Numbers document"
    types = archive.read("[Content_Types].xml") if "[Content_Types].xml" in names else b""
    return "xlsx" if b"spreadsheetml.sheet.main+xml" in types else "an archive"


def xlsx_sheets(archive: zipfile.ZipFile) -> tuple[dict[str, str], bool]:
    """The part of each sheet by the sheet's name, and whether serial numbers count from 1904."""
    names = set(archive.namelist())
    book = "xl/workbook.xml"
    if book not in names:
        # A few writers put the workbook elsewhere; the reader finds it by its relation and so do we.
        for relation in ElementTree.fromstring(archive.read("_rels/.rels")).iter(REL):
            if relation.get("Type", "").endswith("/officeDocument"):
                book = relation.get("Target", "").lstrip("/")
    targets = _targets(archive, book)
    parts: dict[str, str] = {}
    date1904 = False
    for element in ElementTree.fromstring(archive.read(book)).iter():
        tag = element.tag.rpartition("}")[2]
        if tag == "workbookPr":
            date1904 = element.get("date1904") in ("1", "true")
        elif tag == "sheet":
            relation_id = next((value for key, value in element.items() if key.rpartition("}")[2] == "id"), "")
            part = targets.get(relation_id, "")
            if part in names:
                parts[element.get("name", "")] = part
    return parts, date1904


def _targets(archive: zipfile.ZipFile, book: str) -> dict[str, str]:
    folder, name = posixpath.split(book)
    relations = ElementTree.fromstring(archive.read(f"{folder}/_rels/{name}.rels".lstrip("/")))
    found = {}
    for relation in relations.iter(REL):
        target = relation.get("Target", "")
        absolute = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join(folder, target))
        found[relation.get("Id", "")] = absolute
    return found


def xlsb_facts(archive: zipfile.ZipFile) -> tuple[dict[str, Facts], bool]:
    """Facts by sheet name, and whether dates count from 1904; formulas of the binary format always carry a value."""
    names = set(archive.namelist())
    targets = _targets(archive, "xl/workbook.bin")
    facts: dict[str, Facts] = {}
    date1904 = False
    for kind, payload in _records(archive.read("xl/workbook.bin")):
        if kind == _WORKBOOK_PROPERTIES and payload:
            date1904 = bool(payload[0] & 1)
        elif kind == _BUNDLE_SHEET:
            relation_id, rest = _wide_string(payload, 8)
            name, _ = _wide_string(payload, rest)
            part = targets.get(relation_id, "")
            if part in names:
                facts[name] = _scan_records(archive.read(part))
    return facts, date1904


def _scan_records(data: bytes) -> Facts:
    facts = Facts()
    row = -1
    for kind, payload in _records(data):
        if kind == _ROW_HEADER and len(payload) >= 4:
            row = struct.unpack_from("<I", payload)[0]
        elif kind in _VALUE_CELLS and len(payload) >= 8:
            column = struct.unpack_from("<I", payload)[0]
            facts.saw(row, column)
            if kind in (_CELL_ERROR, _FORMULA_ERROR) and len(payload) > 8:
                facts.mark(row, column, ERROR_BYTES.get(payload[8], "#VALUE!"))
    return facts


def _records(data: bytes) -> Iterator[tuple[int, bytes]]:
    position, end = 0, len(data)
    while position < end:
        kind = data[position]
        position += 1
        if kind & 0x80 and position < end:
            kind = (kind & 0x7F) | (data[position] & 0x7F) << 7
            position += 1
        size = shift = 0
        while position < end and shift < 28:
            byte = data[position]
            position += 1
            size |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                break
        yield kind, data[position : position + size]
        position += size


def _wide_string(payload: bytes, position: int) -> tuple[str, int]:
    length = struct.unpack_from("<I", payload, position)[0]
    end = position + 4 + 2 * length
    return payload[position + 4 : end].decode("utf-16-le", "replace"), end
