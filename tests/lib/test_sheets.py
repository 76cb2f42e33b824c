"""The safe writer: hostile text stays text in every reader, numbers are numbers, totals carry their values."""

import csv
import datetime as dt
import io
import re
import shutil
import subprocess
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from sop_portal.lib.sheets import Book, CsvWriter, cell, clean_text, csv_text, plain_number

HOSTILE = [
    "=1+1", "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "http://example.com", "mailto:a@b.c",
    "internal:Sheet1!A1", "<r>bold</r>", "<r><t>x</t></r>", "</t></is><f>1+1</f>", "_x0041_", "_x003D_1", "1e5", "007",
    "TRUE", "#REF!", "<script>alert(1)</script>", "{{7*7}}", "'; DROP TABLE x", "'=1", "  blank  ", "a\nb", "&amp;", "]]>",
    "{=1+1}", "2027-01-01", "",
]  # fmt: skip


def written(texts: list[str]) -> bytes:
    target = io.BytesIO()
    with Book(target, title="=1+1", company="<x>") as book:
        sheet = book.sheet("Texts")
        style = book.text_style()
        for row, text in enumerate(texts):
            sheet.text(row, 0, text, style)
            sheet.texts(row, 1, [text, None], style)
    return target.getvalue()


def test_hostile_text_stays_text_for_openpyxl() -> None:
    sheet = load_workbook(io.BytesIO(written(HOSTILE)))["Texts"]
    for row, text in enumerate(HOSTILE, 1):
        for column in (1, 2):
            found = sheet.cell(row, column)
            assert found.data_type == "s" and found.hyperlink is None and found.quotePrefix
            # openpyxl leaves the escape of `_x0041_` in place; Excel and calamine take it away.
            assert (found.value or "").replace("_x005F_", "_") == text.replace("\r", "\n")


def test_hostile_text_stays_text_for_calamine() -> None:
    rows = CalamineWorkbook.from_filelike(io.BytesIO(written(HOSTILE))).get_sheet_by_name("Texts").to_python()
    assert [row[0] for row in rows if row[0] != ""] == [text.replace("\r", "\n") for text in HOSTILE if text]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=30))
def test_any_text_comes_back_without_what_nobody_can_see(texts: list[str]) -> None:
    sheet = load_workbook(io.BytesIO(written(texts)))["Texts"]
    for row, text in enumerate(texts, 1):
        found = sheet.cell(row, 1)
        assert found.data_type != "f"
        wanted = clean_text(text).replace("\r\n", "\n").replace("\r", "\n")
        assert (found.value or "").replace("_x005F_", "_") == wanted.replace("_x005F_", "_")


def test_text_longer_than_excel_keeps_is_cut_and_the_file_stays_readable() -> None:
    sheet = load_workbook(io.BytesIO(written(["x" * 40_000])))["Texts"]
    assert sheet["A1"].value == "x" * 32_767


def test_control_characters_are_removed() -> None:
    assert clean_text("a\x00b\x0bc\x1fd\x7fe\x85f\ufffeg\ud800h\ti\nj") == "abcdefgh\ti\nj"
    assert clean_text(None) == ""


def test_numbers_formulas_and_dates() -> None:
    target = io.BytesIO()
    with Book(target) as book:
        sheet = book.sheet("Numbers")
        plain = book.style(num_format="#,##0")
        sheet.numbers(0, 0, [Decimal("480.000000"), None, Decimal("15638.333333"), 0], plain, plain)
        sheet.formula(0, 4, "=SUM(A1:D1)", Decimal("16118.333333"), plain)
        sheet.date(1, 0, dt.date(2026, 12, 1), book.month_style())
        sheet.number(2, 0, None, plain)
    formulas = load_workbook(io.BytesIO(target.getvalue()))["Numbers"]
    values = load_workbook(io.BytesIO(target.getvalue()), data_only=True)["Numbers"]
    assert [values.cell(1, n).value for n in range(1, 6)] == [480, None, 15638.333333, 0, 16118.333333]
    assert formulas["E1"].value == "=SUM(A1:D1)"
    assert values["A2"].value == dt.datetime(2026, 12, 1) and values["A2"].number_format == "mmm yyyy"
    assert values["A3"].value is None


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        ("Rep 1", "Rep 1"),
        ("", "Sheet"),
        ("a/b\\c:d*e?f[g]h", "a b c d e f g h"),
        ("'quoted'", "quoted"),
        ("History", "History sheet"),
        ("x" * 40, "x" * 31),
        ("\N{GARLIC}" * 20, "\N{GARLIC}" * 15),
        ("=1+1", "=1+1"),
    ],
)
def test_sheet_names_are_what_excel_allows(wanted: str, got: str) -> None:
    with Book(io.BytesIO()) as book:
        assert book.sheet(wanted).name == got


def test_sheet_names_differ_whatever_their_case() -> None:
    with Book(io.BytesIO()) as book:
        names = [book.sheet(name).name for name in ("About", "ABOUT", "about", "y" * 31, "y" * 35)]
    assert names == ["About", "ABOUT (2)", "about (3)", "y" * 31, "y" * 27 + " (2)"]


def test_a_failed_book_writes_nothing_and_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    target = io.BytesIO()
    with pytest.raises(ZeroDivisionError), Book(target) as book:
        sheet = book.sheet("Half")
        sheet.text(0, 0, "x")
        raise ZeroDivisionError
    assert target.getvalue() == b"" and list(tmp_path.iterdir()) == []


def test_a_finished_book_leaves_no_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    written(["x"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\tx", "\rx", "＝1", "＋1", "－1", "＠x", "'=1", "''=1"])
def test_csv_puts_a_prefix_before_what_a_spreadsheet_would_run(text: str) -> None:
    assert csv_text(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "Garlic", "a=1", " =1", "'quoted'", "5", "1e5"])
def test_csv_leaves_other_texts_alone(text: str) -> None:
    assert csv_text(text) == text


@given(st.text(max_size=30))
def test_the_csv_prefix_can_be_taken_away_again(text: str) -> None:
    guarded = csv_text(text)
    back = guarded[1:] if re.match("'+[=+\\-@\t\r＝＋－＠]", guarded) else guarded
    assert back == clean_text(text)


def test_csv_rows() -> None:
    target = io.StringIO(newline="")
    writer = CsvWriter(target)
    writer.row(["=x", 'say "hi"', Decimal("-5.500000"), None, 0, Decimal("1E+3")])
    text = target.getvalue()
    assert text.startswith("\ufeff")
    assert next(csv.reader(io.StringIO(text[1:]))) == ["'=x", 'say "hi"', "-5.5", "", "0", "1000"]


def test_plain_numbers() -> None:
    assert [plain_number(value) for value in (None, 5, Decimal("10"), Decimal("0.10"), Decimal("0E-6"))] == [
        "", "5", "10", "0.1", "0",
    ]  # fmt: skip


def test_addresses() -> None:
    assert cell(0, 0) == "A1" and cell(4, 27, fixed=True) == "$AB$5"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_sees_text_where_we_wrote_text(tmp_path: Path) -> None:
    texts = [text for text in HOSTILE if text and "\r" not in text and "\n" not in text and "\t" not in text]
    (tmp_path / "book.xlsx").write_bytes(written(texts))
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless",
         # Comma, double quote, UTF-8.
         "--convert-to", "csv:Text - txt - csv (StarCalc):44,34,76", "--outdir", str(tmp_path), str(tmp_path / "book.xlsx")],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    rows = list(csv.reader(io.StringIO((tmp_path / "book.csv").read_text(encoding="utf-8"))))
    assert [row[0] for row in rows] == texts
