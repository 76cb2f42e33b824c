"""Files made to exhaust whoever opens them: refused, or their sheet left unread, in next to no time and memory."""

import io
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sop_portal.lib.errors import DomainError
from sop_portal.lib.tables import Layout, Limits, open_tables
from sop_portal.lib.workbook import read_workbook
from tests.workbooks import save_xlsx

MB = 1 << 20
# What imports by admins may be.
LIMITS = Limits(size=200 * MB, unpacked=300 * MB, rows=300_025, cells=8_000_000)
SHEET, STRINGS, BOOK = "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/workbook.xml"
SPREADSHEET = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
ENTITIES = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "%s">]><sst %s><si><t>%s</t></si></sst>'


def packed(parts: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return target.getvalue()


def sheet(cells: bytes) -> bytes:
    return b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (SPREADSHEET, cells)


def lying(content: bytes) -> bytes:
    """The archive with every size of its largest part told as 1,000 bytes."""
    return content.replace(struct.pack("<I", 40_000_000), struct.pack("<I", 1_000))


def locked(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[changed.index(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


def many_sheets(good: dict[str, bytes]) -> bytes:
    names = b"".join(b'<sheet name="S%d" sheetId="%d" r:id="rId1"/>' % (n, n) for n in range(1, 10_001))
    relations = b'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
    return packed({**good, BOOK: b"<workbook %s %s><sheets>%s</sheets></workbook>" % (SPREADSHEET, relations, names)})


BOMBS: dict[str, tuple[Callable[[dict[str, bytes]], bytes], str]] = {
    "432 MB of shared strings": (
        lambda good: packed({**good, STRINGS: b"<sst>" + b"<si><t>xxxxxxxx</t></si>" * (432 * MB // 24) + b"</sst>"}),
        "unpacks to more than 300 MB",
    ),
    "a ratio of a thousand": (lambda good: packed({**good, "xl/media/a.png": bytes(30 * MB)}), "or to more than 100 times"),
    "a lie about sizes": (lambda good: lying(packed({**good, "xl/media/a.png": bytes(40_000_000)})), "not a readable workbook"),
    "2,001 parts": (lambda good: packed({**good, **{f"xl/p{n}": b"" for n in range(2_001)}}), "an archive of 2,0"),
    "a zip in a zip": (
        lambda good: packed({"a.zip": packed({"b.zip": packed({"c": bytes(MB)})})}), "is an archive, not a workbook",
    ),
    "quadratic entities": (
        lambda good: packed({**good, STRINGS: ENTITIES % (b"x" * 50_000, SPREADSHEET, b"&a;" * 50_000)}),
        "document type definition (in xl/sharedStrings.xml)",
    ),
    "an external entity": (
        lambda good: packed({**good, STRINGS: b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><sst/>'}),
        "document type definition",
    ),
    "a password": (lambda good: locked(packed(good)), "protected by a password"),
    "one cell in the last corner": (
        lambda good: packed({**good, SHEET: sheet(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>')}),
        "It reaches to XFD1048576",
    ),
    "a formula in the last row": (
        lambda good: packed({**good, SHEET: sheet(b'<row r="1048576"><c r="A1048576"><f>1</f></c></row>')}),
        "",
    ),
    "rows without end": (
        lambda good: packed({**good, SHEET: sheet(b"<row><c><v>1</v></c></row>" * 400_000)}),
        "at most 300,025 rows",
    ),
    "one row of 16,384 columns": (
        lambda good: packed({**good, SHEET: sheet(b'<row r="1">' + b"<c><v>1</v></c>" * 16_384 + b"</row>")}),
        "at most 300,025 rows and 200 columns",
    ),
    "10,000 sheets": (many_sheets, ""),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> dict[str, bytes]:
    path = save_xlsx(tmp_path_factory.mktemp("good") / "good.xlsx", {"S": {(0, 0): "Item", (1, 0): 1}})
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_does_not_go_off(tmp_path: Path, good, bomb):
    make, said = BOMBS[bomb]
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(make(good))
    start = time.monotonic()
    try:
        with open_tables(path, limits=LIMITS) as tables:
            heard = tables.previews[0].unread
            if not heard:
                assert sum(len(block) for block in tables.copy_rows(Layout(0, 0, (0,)))) < MB
    except DomainError as refusal:
        heard = refusal.detail
    assert said in heard
    assert time.monotonic() - start < 20


def test_of_thousands_of_sheets_the_first_are_looked_at(tmp_path, good):
    path = tmp_path / "sheets.xlsx"
    path.write_bytes(many_sheets(good))
    with open_tables(path, limits=LIMITS) as tables:
        assert [preview.unread for preview in tables.previews[:50]] == [""] * 50
        assert "too many sheets" in tables.previews[50].unread


def test_macros_and_links_to_other_files_are_left_alone(tmp_path, good):
    path = tmp_path / "macro.xlsm"
    extra = {"xl/vbaProject.bin": b"macro", "xl/externalLinks/externalLink1.xml": b"<externalLink/>"}
    path.write_bytes(packed({**good, **extra}))
    with open_tables(path, limits=LIMITS) as tables:
        assert b"".join(tables.copy_rows(Layout(0, 0, (0,)))) == b"2\t1\n"


def test_a_sheet_beyond_memory_is_refused_and_the_portal_does_not_grow(tmp_path, good):
    row = b"<row>" + b"<c><v>1</v></c>" * 150 + b"</row>"
    path = tmp_path / "huge.xlsx"
    path.write_bytes(packed({**good, SHEET: sheet(row * 4_000)}))
    tight = Limits(memory=70 * MB, ratio=10_000)
    with pytest.raises(DomainError, match="needs more than 70 MB or 15 seconds"), open_tables(path, limits=tight):
        pass
    with pytest.raises(DomainError, match="needs more than 70 MB or 15 seconds"):
        read_workbook(path, limits=tight)
