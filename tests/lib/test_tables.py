"""Tables from workbooks and CSV: what comes back of good files as lines for COPY, and which sentence bad ones get."""

import datetime as dt
import time
import tracemalloc
from pathlib import Path

import openpyxl
import pytest

from sop_portal.lib.errors import DomainError
from sop_portal.lib.tables import FORMULA, Layout, Limits, fault, open_tables
from tests.workbooks import DIV0, Formula, save_ods, save_xlsb, save_xlsx

DATA = Path(__file__).parents[1] / "data"
ESCAPES = {r"\\": "\\", r"\t": "\t", r"\n": "\n", r"\r": "\r"}


def field(text: str) -> str | None:
    """What PostgreSQL makes of one field of COPY's text format."""
    if text == r"\N":
        return None
    found, at = "", 0
    while at < len(text):
        step = 2 if text[at] == "\\" else 1
        found += ESCAPES[text[at : at + 2]] if step == 2 else text[at]
        at += step
    return found


def rows(path: Path, *columns: int, header_row: int = 0, sheet: int = 0, limits: Limits | None = None) -> list[list]:
    """All rows below the headings as [number, value, ...]."""
    with open_tables(path, limits=limits or Limits()) as tables:
        blocks = list(tables.copy_rows(Layout(sheet, header_row, columns)))
    assert all(block.endswith(b"\n") for block in blocks)
    lines = b"".join(blocks).decode().removesuffix("\n")
    return [[int(number), *map(field, fields)] for number, *fields in (line.split("\t") for line in lines.split("\n"))]


def csv_file(folder: Path, content: str | bytes, encoding: str = "utf-8") -> Path:
    path = folder / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def sentence(path: Path, limits: Limits | None = None) -> str:
    """What is said when the file is opened, or at the latest when all of its first table has been read."""
    with pytest.raises(DomainError) as refusal, open_tables(path, limits=limits or Limits()) as tables:
        for _ in tables.copy_rows(Layout(0, 0, (0,))):
            pass
    return f"{refusal.value.status} {refusal.value.detail}"


GRID = {
    (0, 1): "Item", (0, 2): "Period", (0, 3): "Quantity", (0, 5): "Note",
    (1, 1): "110001", (1, 2): dt.date(2026, 12, 1), (1, 3): 480, (1, 5): " Cafe\u0301 \\ tab\there ",
    (3, 1): 110002, (3, 3): -15638.333, (3, 5): DIV0,
}  # fmt: skip


@pytest.mark.parametrize("write", [save_xlsx, save_xlsb, save_ods])
def test_a_workbook_gives_the_wanted_columns_in_the_wanted_order(tmp_path, write):
    path = write(tmp_path / "a", {"Alder": {(0, 0): 1}, "Beech": GRID})
    with open_tables(path, limits=Limits()) as tables:
        assert tables.format == write.__name__.removeprefix("save_")
        assert [(preview.name, preview.height) for preview in tables.previews] == [("Alder", 1), ("Beech", 4)]
        assert tables.previews[1].rows[0] == [None, "Item", "Period", "Quantity", None, "Note"]
        assert tables.previews[1].rows[2:] == [[], [None, "110002", None, "-15638.333", None, "\ue000#DIV/0!"]]
    found = rows(path, 5, 3, 1, 2, 9, sheet=1)
    assert found == [
        [2, "Café \\ tab\there", "480", "110001", "2026-12-01", None],
        [4, "\ue000#DIV/0!", "-15638.333", "110002", None, None],
    ]


def test_an_old_workbook_is_read_with_its_errors():
    found = rows(DATA / "plan.xls", 6, 7, 8, 9, header_row=6)
    assert found[0] == [8, "100", "\ue000#DIV/0!", None, "2.5"]


def test_values_become_text_without_loss(tmp_path):
    book = openpyxl.Workbook()
    values = [
        (0.1, "General", "0.1"), (1e16, "General", "10000000000000000"), (1e-7, "General", "0.0000001"),
        (-0.0, "General", "0"), (110001.0, "0", "110001"), (True, "General", "TRUE"), (False, "General", "FALSE"),
        (45000.5, "yyyy-mm-dd hh:mm", "2023-03-15T12:00:00"), (0.5, "hh:mm", "12:00:00"), (1.5, "[h]:mm", "36:00:00"),
        (45000, "mmm yy", "2023-03-15"), ("1e5", "@", "1e5"), ("007", "@", "007"), ("'=1", "@", "'=1"),
        ("a\r\nb", "@", "a\nb"), ("\\N", "@", "\\N"), ("\\.", "@", "\\."), ("a_x0000_b", "@", "a\x01b"),
    ]  # fmt: skip
    for number, (value, shape, _) in enumerate(values, 2):
        cell = book.active.cell(number, 1, value)
        cell.number_format = shape
        if isinstance(value, str):
            cell.data_type = "s"
    book.save(tmp_path / "a.xlsx")
    wanted = [text for _, _, text in values]
    assert [row[1] for row in rows(tmp_path / "a.xlsx", 0)] == wanted
    with open_tables(tmp_path / "a.xlsx", limits=Limits()) as tables:
        assert [cells[0] for cells in tables.previews[0].rows[1:]] == wanted


def test_dates_count_from_the_year_that_the_workbook_says(tmp_path):
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active["A2"] = dt.date(2026, 12, 1)
    book.save(tmp_path / "a.xlsx")
    assert rows(tmp_path / "a.xlsx", 0) == [[2, "2026-12-01"]]


def test_a_formula_without_result_is_marked_even_where_nothing_else_stands(tmp_path):
    path = save_xlsx(
        tmp_path / "a.xlsx", {"S": {(0, 0): "A", (1, 0): 7, (1, 2): Formula("=A2"), (6, 1): Formula("=A2")}}
    )
    assert rows(path, 0, 1, 2) == [[2, "7", None, FORMULA], [7, None, FORMULA, None]]


def test_a_file_is_parsed_once_and_may_be_asked_again(tmp_path):
    path = save_xlsx(tmp_path / "a.xlsx", {"S": GRID, "T": {(0, 0): "A", (1, 0): 3}})
    with open_tables(path, limits=Limits()) as tables:
        half = tables.copy_rows(Layout(0, 0, (1,)))
        next(half)
        assert b"".join(tables.copy_rows(Layout(1, 0, (0,)))) == b"2\t3\n"
        assert b"".join(tables.copy_rows(Layout(0, 0, (3,)))) == b"2\t480\n4\t-15638.333\n"


def test_a_sheet_beyond_the_limits_says_so_and_how_else_to_send_it(tmp_path):
    path = save_xlsx(tmp_path / "a.xlsx", {"Long": {(0, 0): "A", (50, 0): 1}, "Fits": {(0, 0): "A", (49, 0): 1}})
    limits = Limits(rows=50)
    with open_tables(path, limits=limits) as tables:
        assert "It reaches to A51; at most 50 rows" in tables.previews[0].unread
        assert "saved as CSV" in tables.previews[0].unread
        with pytest.raises(DomainError, match="The sheet Long was not read"):
            next(tables.copy_rows(Layout(0, 0, (0,))))
    assert rows(path, 0, sheet=1, limits=limits) == [[50, "1"]]


@pytest.mark.parametrize(
    ("encoding", "mark", "named"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", b"\xef\xbb\xbf", "UTF-8"),
        ("utf-16", b"", "UTF-16"),
        ("utf-16-be", b"\xfe\xff", "UTF-16"),
        ("utf-16-le", b"", "UTF-16"),
        ("utf-16-be", b"", "UTF-16"),
        ("cp1252", b"", "Windows-1252"),
    ],
)
@pytest.mark.parametrize(("separator", "called"), [(",", ","), (";", ";"), ("\t", "tab")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_csv_in_every_encoding_separator_and_line_end(tmp_path, encoding, mark, named, separator, called, line_end):
    text = line_end.join(
        ["Customer ID|Name|Quantity", 'C1|"Café ""Søren""|Zürich"|12.5', "", f'"C2"|"Two{line_end}lines"|-3', ""]
    ).replace("|", separator)
    path = csv_file(tmp_path, mark + text.encode(encoding))
    with open_tables(path, limits=Limits()) as tables:
        assert tables.description == f"CSV, {named}, separated by {called}"
        assert tables.format == "csv" and tables.previews[0].height is None
        assert tables.previews[0].rows[0] == ["Customer ID", "Name", "Quantity"]
    assert rows(path, 2, 0, 1) == [
        [2, "12.5", "C1", f'Café "Søren"{separator}Zürich'],
        [4, "-3", "C2", "Two\nlines"],
    ]


def test_a_decimal_comma_does_not_separate(tmp_path):
    path = csv_file(tmp_path, "Item;Quantity;Amount\n1;1,5;2,5\n2;3,25;4,75\n")
    assert rows(path, 0, 1, 2) == [[2, "1", "1,5", "2,5"], [3, "2", "3,25", "4,75"]]


def test_a_title_above_the_headings_does_not_mislead(tmp_path):
    path = csv_file(tmp_path, "Actuals, all customers\n\nItem;Quantity\n1;2\n")
    assert rows(path, 0, 1, header_row=2) == [[4, "1", "2"]]


def test_a_told_separator_is_believed(tmp_path):
    path = csv_file(tmp_path, "sep=;\nItem, code;Quantity, pieces\n1;2\n")
    with open_tables(path, limits=Limits()) as tables:
        assert tables.previews[0].rows[:2] == [[], ["Item, code", "Quantity, pieces"]]
    assert rows(path, 0, 1, header_row=1) == [[3, "1", "2"]]


def test_one_column_needs_no_separator(tmp_path):
    assert rows(csv_file(tmp_path, "Item\n1\n\n2\n"), 0) == [[2, "1"], [4, "2"]]


def test_rows_with_more_fields_than_headings_are_marked_and_the_rest_is_read(tmp_path):
    path = csv_file(tmp_path, "Item,Name\n1,a\n2,b,c,d,\n3,e,,\n4\n")
    found = rows(path, 1, 0)
    assert found == [[2, "a", "1"], [3, "\ue000fields 4", "2"], [4, "e", "3"], [5, None, "4"]]
    assert fault(found[1][1]) == (
        "belongs to a row of 4 fields, more than there are headings; put texts that hold the separator in quotation marks"
    )


def test_a_column_that_is_none_takes_the_mark(tmp_path):
    path = csv_file(tmp_path, "Item,Name\n1,a\n2,b,c\n")
    assert rows(path, -1, 0, 1, 2) == [[2, None, "1", "a", None], [3, "\ue000fields 3", "2", "b", "c"]]
    book = save_xlsx(tmp_path / "a.xlsx", {"S": {(0, 1): "Item", (1, 1): 1}})
    assert rows(book, -1, 1) == [[2, None, "1"]]


def test_the_prefix_of_our_own_exports_is_taken_away_where_we_put_it(tmp_path):
    path = csv_file(tmp_path, "Name\n'=1+1\n''=1\n'-\n'plain\n=1+1\n'\n' =1\n'\u20141\n'\uff0b1\n-5\n")
    texts = [row[1] for row in rows(path, 0)]
    assert texts == ["=1+1", "'=1", "-", "'plain", "=1+1", "'", "' =1", "'\u20141", "\uff0b1", "-5"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "422 The file is empty (0 bytes)"),
        (b"%PDF-1.7\nand so on", "422 The file is a PDF document, not a table."),
        (b"\x89PNG\r\n\x1a\n", "422 The file is a picture, not a table."),
        (b"PK\x05\x06" + bytes(18), "422 The file is a packed archive, not a table."),
        (b"A,B\n1,2\n3,\x00\n", "422 Line 3 holds a zero byte"),
        (b"\x00\x01\x02\x03\xff\xfe", "422 The file is of an unknown kind, not a table."),
        (b'A,B\n1,"2\n3,4\n', "422 Row 2 opens a quotation mark that is never closed"),
        (b'A,B\n1,2\n' + b'1,"' + b"x\n" * 100_000, "422 Row 3 holds a cell of more than 131,072 characters"),
        (b'A,B\n1,"2" inch\n', "422 Row 2 has text behind a closing quotation mark."),
        (b"A,B\n" + b"x" * 1_500_000, "422 Line 2 has more than 1,000,000 characters"),
        (b"A,B;C\n1,2;3\n", "422 The columns may be separated by ; or by ,: both divide the rows evenly."),
        (b"A" + b",B" * 200 + b"\n1\n", "413 The table has 201 columns separated by ,; at most 200 are read."),
        ("Name\nCaf\ufffd\n".encode(), "422 Line 2 holds the sign \ufffd that stands for a lost letter"),
        ("Name\nCafé\n".encode("utf-8-sig") + b"Caf\xe9\n", "422 The file is in UTF-8, but line 3 is not"),
        ("Name\nCafé\n".encode("utf-16")[:-1], "422 The file is in UTF-16, but line 2 is not"),
    ],
    ids=range(15),
)  # fmt: skip
def test_what_is_no_table_is_named_with_its_place(tmp_path, content, said):
    assert sentence(csv_file(tmp_path, content)).startswith(said)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Wrocław", "cp1250"), ("Łódź", "cp1250"), ("Москва", "cp1251"), ("Αθήνα", "cp1253"), ("Café", "mac_roman"),
        ("Café", "cp850"), ("Niño", "cp850"), ("Zürich", "cp437"), ("大蒜产品", "gbk"), ("にんにく", "shift_jis"),
        ("Ğarlıç", "cp1254"),
    ],
)  # fmt: skip
def test_letters_of_another_encoding_are_refused_instead_of_misread(tmp_path, text, encoding):
    said = sentence(csv_file(tmp_path, f"Name,City\nGarlic,{text}\n", encoding))
    assert said.startswith("422 The file is not in UTF-8, and line 2 holds letters")


def test_utf_8_and_another_encoding_in_one_file_are_refused(tmp_path):
    said = sentence(csv_file(tmp_path, "Name\nCafé\n".encode() + "Café\n".encode("cp1252")))
    assert "422 The file is not in UTF-8, and line 2 holds letters (“CafÃ©”)" in said


def test_no_more_than_a_block_of_a_file_is_held(tmp_path):
    path = csv_file(tmp_path, "Item,Name,Quantity\n" + "110001,Peeled garlic 4x5,12.5\n" * 30_000)
    tracemalloc.start()
    try:
        with open_tables(path, limits=Limits()) as tables:
            count = sum(block.count(b"\n") for block in tables.copy_rows(Layout(0, 0, (0, 1, 2))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 30_000
    assert peak < 5 << 20, f"{peak:,} bytes"


def test_a_long_text_in_another_encoding_takes_no_time(tmp_path):
    path = csv_file(tmp_path, b"Name,Caf\xe9\n" + b"x" * 130_000 + b",1\n" + b"1" * 130_000 + b"x,2\n")
    start = time.process_time()
    assert [len(row[1]) for row in rows(path, 0)] == [130_000, 130_001]
    assert time.process_time() - start < 2


@pytest.mark.parametrize(
    "text",
    [
        "Société Générale",
        "Ñandú",
        "NESCAFÉ® CRÈME",
        "L’Oréal – naïve œuvre…",
        "Größe ½ “Spaß”",
        "10 °C, 5 m², 3 €",
        "ÅÄÖ åäö",
    ],
)
def test_western_text_is_believed(tmp_path, text):
    assert rows(csv_file(tmp_path, f'Name\n"{text}"\n', "cp1252"), 0) == [[2, text]]


def test_a_number_beyond_all_numbers_is_an_error():
    assert fault("\ue000#NUM!") == "holds the error #NUM!; correct it in the file"
    assert fault(FORMULA).startswith("holds a formula that was saved without its result")
    assert fault("plain") is None
