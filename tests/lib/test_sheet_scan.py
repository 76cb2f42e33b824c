"""The light pass over a sheet's XML finds the same whether it looks at every cell or only where something is to find."""

import importlib
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sop_portal.lib.workbook.process import CHILD

FAR = 1_000_000


@pytest.fixture(scope="module")
def scan():
    """`SheetScan` as the reading process has it, which finds its neighbours beside it."""
    sys.path.insert(0, str(CHILD.parent))
    try:
        yield importlib.import_module("sheet_xml").SheetScan
    finally:
        sys.path.remove(str(CHILD.parent))


CELLS = st.sampled_from([
    "", ' t="s"><v>1</v></c>', "><v>2</v></c>", ' t="e"><v>#DIV/0!</v></c>', ' t="e"><f>1/0</f><v>#N/A</v></c>', ' t="e"/>',
    "><f>A1</f></c>", "><f>A1</f><v></v></c>", "><f>A1</f><v/></c>", "><f>A1</f><v>3</v></c>", '><f t="shared" si="0"/></c>',
    '><f t="shared" si="0"/><v>4</v></c>', ' t="str"><f>A1</f><v></v></c>', ' t="str"><f>A1</f></c>', "/>",
    ' t="inlineStr"><is><t>"e"</t></is></c>', ' s="3"><v>5</v></c>', ' t="b"><f>A1</f><v>1</v></c>', "><v> </v></c>",
])  # fmt: skip
ROWS = st.lists(st.tuples(st.integers(1, 3), st.lists(CELLS, max_size=6)), max_size=12)


def sheet(rows, prefix: str, addressed: bool) -> bytes:
    """The XML of rows, each some rows below the one before; a cell "" is left out."""
    text, number = f"<{prefix}worksheet><{prefix}sheetData>", 0
    for below, cells in rows:
        number += below if addressed else 1
        inner = ""
        for letter, cell in zip("ABCDEF", cells, strict=False):
            address = f' r="{letter}{number}"' if addressed else ""
            inner += f"<c{address}{cell}" if cell else ""
        address = f' r="{number}"' if addressed else ""
        text += f"<row{address}>{inner}</row>"
    text += "</sheetData></worksheet>"
    if prefix:
        for name in ("row", "c", "f", "v", "is", "t"):
            for before in ("<", "</"):
                for after in (" ", ">", "/"):
                    text = text.replace(f"{before}{name}{after}", f"{before}{prefix}{name}{after}")
    return text.encode()


def found(scan, xml: bytes, piece: int, *, rows: int, columns: int = 200):
    one = scan(rows, columns)
    for at in range(0, len(xml), piece):
        one.feed(xml[at : at + piece])
    return one.close()


@settings(max_examples=300, deadline=None)
@given(ROWS, st.sampled_from(["", "x:"]), st.booleans(), st.sampled_from([1, 7, 64, 100_000]))
def test_a_close_look_finds_what_looking_at_every_cell_finds(scan, rows, prefix, addressed, piece):
    xml = sheet(rows, prefix, addressed)
    # Where no row fits the limits, every cell is looked at.
    every, close = found(scan, xml, 100_000, rows=0), found(scan, xml, piece, rows=FAR)
    assert list(close.marks()) == list(every.marks())
    assert close.last_row >= every.last_row


def test_marks_are_told_by_row_and_code(scan):
    xml = sheet([(1, ["><v>1</v></c>"]), (2, ["", ' t="e"><v>#REF!</v></c>', "><f>A1</f></c>"])], "", True)
    facts = found(scan, xml, 100, rows=FAR)
    assert list(facts.marks()) == [(2, 1, "#REF!"), (2, 2, "formula")]
    assert list(facts.marks(0, 2)) == [] and list(facts.marks(2, 3)) == list(facts.marks())


def test_rows_in_disorder_are_put_in_order(scan):
    xml = b'<worksheet><row r="9"><c r="A9" t="e"><v>#N/A</v></c></row><row r="3"><c r="B3"><f>1</f></c></row></worksheet>'
    assert list(found(scan, xml, 1_000, rows=FAR).marks()) == [(2, 1, "formula"), (8, 0, "#N/A")]


@pytest.mark.parametrize(
    ("columns", "inside", "beyond"), [(200, "GR", "GS"), (26, "Z", "AA"), (3, "C", "D"), (702, "ZZ", "AAA")]
)
def test_columns_beyond_the_limit_are_seen(scan, columns, inside, beyond):
    def corner(letters: str) -> int:
        xml = f'<worksheet><row r="1"><c r="{letters}1"><v>1</v></c></row></worksheet>'.encode()
        return found(scan, xml, 1_000, rows=FAR, columns=columns).last_column

    assert corner(inside) < columns == corner(beyond)


def test_a_row_as_long_as_the_part_takes_no_time(scan):
    xml = b'<worksheet><row r="1">' + b'<c r="A1"><v>1</v></c>' * 400_000 + b"</row></worksheet>"
    assert list(found(scan, xml, 1 << 18, rows=FAR).marks()) == []


def test_a_sheet_in_utf_16_is_understood(scan):
    xml = sheet([(5, [' t="e"><v>#N/A</v></c>'])], "", True).decode().encode("utf-16")
    assert list(found(scan, xml, 11, rows=FAR).marks()) == [(4, 0, "#N/A")]
