"""The same facts as `container` for the two formats that are no Office Open XML: xls (BIFF in OLE) and ods.

Runs in the reading process only. Sources: [MS-CFB], [MS-XLS] 2.4, OpenDocument 1.2 part 1 section 9.1.
"""

import struct
import zipfile
from collections.abc import Iterator
from xml.etree import ElementTree

from container import ERROR_BYTES, Facts

_TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_CALC = "{urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0}"

_END_OF_FILE, _FORMULA, _DATE_1904, _FILE_PASS, _BOUND_SHEET, _BOOL_ERROR = 0x0A, 0x06, 0x22, 0x2F, 0x85, 0x205
# MULRK, LABELSST, NUMBER, LABEL, RK: what else holds a value.
_MULTIPLE, _VALUES = 0xBD, {0xFD, 0x203, 0x204, 0x27E}


class Protected(Exception):
    """The workbook's stream is encrypted."""


def ods_facts(archive: zipfile.ZipFile) -> dict[str, Facts]:
    """Facts by sheet name; repeated rows and columns are counted, not unrolled."""
    found: dict[str, Facts] = {}
    facts = Facts()
    row = column = 0
    with archive.open("content.xml") as content:
        for event, element in ElementTree.iterparse(content, ("start", "end")):
            tag = element.tag
            if event == "start":
                if tag == f"{_TABLE}table":
                    facts = found[element.get(f"{_TABLE}name", "")] = Facts()
                    row = 0
                elif tag == f"{_TABLE}table-row":
                    column = 0
                continue
            if tag in (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"):
                repeated = int(element.get(f"{_TABLE}number-columns-repeated", "1"))
                if element.get(f"{_OFFICE}value-type"):
                    facts.saw(row, column + repeated - 1)
                if element.get(f"{_CALC}value-type") == "error":
                    code = "".join(element.itertext()).strip()[:20]
                    facts.mark(row, column, code if code.startswith("#") else "#VALUE!")
                column += repeated
            elif tag == f"{_TABLE}table-row":
                repeated = int(element.get(f"{_TABLE}number-rows-repeated", "1"))
                if facts.last_row == row:
                    facts.saw(row + repeated - 1, -1)
                row += repeated
                element.clear()
    return found


def xls_facts(data: bytes) -> tuple[dict[str, Facts], bool]:
    """Facts by sheet name, and whether dates count from 1904. Raises Protected; struct.error when it is damaged."""
    stream = _workbook_stream(data)
    facts: dict[str, Facts] = {}
    date1904 = False
    sheets: list[tuple[str, int]] = []
    for kind, payload in _records(stream, 0):
        if kind == _FILE_PASS:
            raise Protected
        if kind == _DATE_1904 and payload[:1] == b"\x01":
            date1904 = True
        elif kind == _BOUND_SHEET and len(payload) > 8:
            wide = payload[7] & 1
            name = payload[8 : 8 + payload[6] * (1 + wide)].decode("utf-16-le" if wide else "latin-1", "replace")
            sheets.append((name, struct.unpack_from("<I", payload)[0]))
    for name, offset in sheets:
        facts[name] = _scan(stream, offset)
    return facts, date1904


def _scan(stream: bytes, offset: int) -> Facts:
    facts = Facts()
    for kind, payload in _records(stream, offset):
        if len(payload) < 6 or kind not in _VALUES | {_FORMULA, _BOOL_ERROR, _MULTIPLE}:
            continue
        row, column = struct.unpack_from("<HH", payload)
        error: int | None = None
        if kind == _BOOL_ERROR and len(payload) >= 8 and payload[7]:
            error = payload[6]
        elif kind == _FORMULA and len(payload) >= 14 and payload[12:14] == b"\xff\xff" and payload[6] == 2:
            error = payload[8]
        elif kind == _MULTIPLE:
            column = struct.unpack_from("<H", payload, len(payload) - 2)[0]
        facts.saw(row, column)
        if error is not None:
            facts.mark(row, column, ERROR_BYTES.get(error, "#VALUE!"))
    return facts


def _records(stream: bytes, position: int) -> Iterator[tuple[int, bytes]]:
    while position + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, position)
        yield kind, stream[position + 4 : position + 4 + size]
        if kind == _END_OF_FILE:
            return
        position += 4 + size


def _workbook_stream(data: bytes) -> bytes:
    """The stream "Workbook" (or "Book") of a compound file."""
    sector_size, mini_size = 1 << struct.unpack_from("<H", data, 30)[0], 1 << struct.unpack_from("<H", data, 32)[0]
    if sector_size not in (512, 4096) or mini_size != 64:
        raise struct.error("odd sector size")
    directory, cutoff, mini_start = (struct.unpack_from("<I", data, at)[0] for at in (48, 56, 60))
    tables = list(struct.unpack_from("<109I", data, 76))
    extra, most = struct.unpack_from("<I", data, 68)[0], len(data) // sector_size + 1
    per_sector = sector_size // 4
    while extra < 0xFFFFFFFA and len(tables) < most + 109:
        more = struct.unpack_from(f"<{per_sector}I", data, (extra + 1) * sector_size)
        tables += more[:-1]
        extra = more[-1]
    fat: list[int] = []
    for table in tables:
        if table < 0xFFFFFFFA:
            fat += struct.unpack_from(f"<{per_sector}I", data, (table + 1) * sector_size)

    def chain(start: int, links: list[int], source: bytes, size: int, skip: int) -> bytes:
        parts, seen = [], 0
        while start < len(links) and seen <= most * (sector_size // size):
            parts.append(source[(start + skip) * size : (start + skip + 1) * size])
            start, seen = links[start], seen + 1
        return b"".join(parts)

    entries = chain(directory, fat, data, sector_size, 1)
    root, book = b"", b""
    for at in range(0, len(entries) - 127, 128):
        entry = entries[at : at + 128]
        name = entry[: max(0, struct.unpack_from("<H", entry, 64)[0] - 2)].decode("utf-16-le", "replace").casefold()
        if entry[66] == 5:
            root = entry
        elif name in ("workbook", "book") and entry[66] == 2 and not book:
            book = entry
    if not book or not root:
        raise struct.error("no workbook stream")
    start, size = struct.unpack_from("<II", book, 116)
    if size >= cutoff:
        return chain(start, fat, data, sector_size, 1)[:size]
    mini_links = chain(mini_start, fat, data, sector_size, 1)
    links = list(struct.unpack(f"<{len(mini_links) // 4}I", mini_links[: len(mini_links) // 4 * 4]))
    mini_stream = chain(struct.unpack_from("<I", root, 116)[0], fat, data, sector_size, 1)
    return chain(start, links, mini_stream, mini_size, 0)[:size]
