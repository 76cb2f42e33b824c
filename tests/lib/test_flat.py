"""Flat tables: hostile text stays text in both forms, numbers stay numbers, and what goes out comes in unchanged."""

import csv
import datetime as dt
import io
import re
import tempfile
from decimal import Decimal
from pathlib import Path

import pytest
from django.db.models import DateField, F, Value
from django.db.models.functions import Concat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from audit.context import acting
from masterdata.models import Actual, Customer, Product
from sop_portal.lib import flat
from sop_portal.lib.errors import TooLarge
from sop_portal.lib.flat import Column, write_csv, write_workbook
from sop_portal.lib.sheets import clean_text
from sop_portal.lib.text import normal
from tests.factories import make_actual, make_entry
from tests.lib.test_sheets import HOSTILE
from tests.lib.test_tables import rows as read

pytestmark = pytest.mark.django_db
TEXTS = [Column("Code", "text", "customer_id"), Column("Notes", "text", "notes")]
# What PostgreSQL can hold: no zero byte, no half of a pair.
STORABLE = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=40)
DANGEROUS = re.compile("[=+\\-@\t\r＝＋－＠]")


def filled(texts: list[str]):
    """Customers whose notes are `texts`, in their order, put there past all validation."""
    with acting("system", source="command"):
        Customer.objects.all().delete()
        Customer.objects.bulk_create(
            Customer(customer_id=f"C{number:04d}", name="x", notes=text) for number, text in enumerate(texts)
        )
    return Customer.objects.order_by("customer_id")


def as_csv(rows, columns=TEXTS) -> bytes:
    target = io.BytesIO()
    write_csv(target, rows, columns)
    return target.getvalue()


def as_workbook(rows, columns=TEXTS) -> bytes:
    target = io.BytesIO()
    write_workbook(target, rows, columns, sheet="Customers")
    return target.getvalue()


def kept(text: str) -> str:
    """What a stored text looks like after it went out and came in again."""
    return normal(clean_text(normal(text)))


def came_back(tmp_path: Path, content: bytes, *columns: int) -> dict[str, str | None]:
    path = tmp_path / "export"
    path.write_bytes(content)
    return {code: text for _, code, text in read(path, *columns)}


@pytest.mark.parametrize("write", [as_csv, as_workbook])
def test_hostile_text_comes_back_as_it_was(tmp_path, write):
    found = came_back(tmp_path, write(filled(HOSTILE)), 0, 1)
    assert list(found.values()) == [kept(text) or None for text in HOSTILE]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STORABLE, min_size=1, max_size=30))
def test_any_text_comes_back_and_never_runs(tmp_path, texts):
    rows = filled(texts)
    wanted = [kept(text) or None for text in texts]
    written = as_csv(rows)
    assert list(came_back(tmp_path, written, 0, 1).values()) == wanted
    for row in csv.reader(io.StringIO(written.decode("utf-8-sig"), newline="")):
        assert not any(DANGEROUS.match(cell) for cell in row)
    book = as_workbook(rows)
    assert list(came_back(tmp_path, book, 0, 1).values()) == wanted
    assert all(cell.data_type != "f" for row in load_workbook(io.BytesIO(book)).active.iter_rows() for cell in row)


@pytest.mark.parametrize(
    ("stored", "cell"),
    [
        ("=1+1", "'=1+1"), ("'=1+1", "''=1+1"), ("\x01=1+1", "'=1+1"), ("\x85-1", "'-1"), ("＝1", "'＝1"), ("-", "'-"),
        ("a=1", "a=1"), ("'a", "'a"), ("1-2", "1-2"), ("a\x01b\x85c\ufffe", "abc"), ("\x01", ""), ("Émile", "Émile"),
    ],
)  # fmt: skip
def test_a_csv_cell_carries_the_prefix_where_a_spreadsheet_would_run_it(stored, cell):
    rows = filled(["x"])
    columns = [Column("Text", "text", Value(stored))]
    assert list(csv.reader(io.StringIO(as_csv(rows, columns).decode("utf-8-sig"))))[1:] == ([[cell]] if cell else [[]])


def test_numbers_dates_months_and_flags_keep_their_kind():
    entry = make_entry()
    make_actual(entry, dt.date(2026, 12, 1), quantity=Decimal("-480.500000"), amount=Decimal("15638.3330"), cost=None)
    columns = [
        Column("Period", "month", "period"), Column("Quantity", "number", "quantity"), Column("Amount", "number", "amount"),
        Column("Cost", "number", "cost"), Column("Active", "flag", "customer__is_active"),
        Column("Day", "date", Value(dt.date(2027, 2, 28), output_field=DateField())),
        Column("Early", "date", Value(dt.date(1899, 5, 6), output_field=DateField())),
    ]  # fmt: skip
    rows = Actual.objects.order_by("pk")
    assert as_csv(rows, columns).decode("utf-8-sig").splitlines() == [
        "Period,Quantity,Amount,Cost,Active,Day,Early",
        "2026-12-01,-480.5,15638.3330,,Yes,2027-02-28,1899-05-06",
    ]
    sheet = load_workbook(io.BytesIO(as_workbook(rows, columns)))["Customers"]
    assert [cell.value for cell in sheet[2]] == [
        dt.datetime(2026, 12, 1), -480.5, 15638.333, None, "Yes", dt.datetime(2027, 2, 28), "1899-05-06",
    ]  # fmt: skip
    assert sheet["A2"].number_format == "mmm yyyy" and sheet["F2"].number_format == "yyyy-mm-dd"
    assert sheet.freeze_panes == "A2" and sheet.auto_filter.ref == "A1:G2"
    assert sheet["E2"].quotePrefix and not sheet["B2"].quotePrefix


@pytest.mark.parametrize(
    ("stored", "in_csv", "in_sheet"),
    [
        ("1.234000", "1.2340", 1.234), ("-999.999", "-999.9990", -999.999), ("0.123", "0.1230", 0.123),
        ("1234.567", "1234.5670", 1234.567), ("123456789012.123456", "123456789012.123456", "123456789012.123456"),
        ("-99999999999.1234", "-99999999999.1234", -99999999999.1234), ("0.000001", "0.000001", 0.000001),
    ],
)  # fmt: skip
def test_a_number_means_the_same_to_everybody_and_keeps_every_digit(stored, in_csv, in_sheet):
    make_actual(make_entry(), dt.date(2026, 12, 1), quantity=Decimal(stored))
    rows, columns = Actual.objects.all(), [Column("Quantity", "number", "quantity")]
    assert as_csv(rows, columns).decode("utf-8-sig").splitlines()[1] == in_csv
    cell = load_workbook(io.BytesIO(as_workbook(rows, columns))).active["A2"]
    assert cell.value == in_sheet and cell.data_type == ("s" if isinstance(in_sheet, str) else "n")


def test_filters_with_parameters_and_percent_signs_reach_the_database():
    filled(["50 % off", "=5%", "none"])
    rows = Customer.objects.filter(notes__contains="%").order_by("customer_id")
    columns = [*TEXTS, Column("Both", "text", Concat(F("name"), Value(" %s 100%")))]
    assert as_csv(rows, columns).decode("utf-8-sig").splitlines()[1:] == [
        "C0000,50 % off,x %s 100%", "C0001,'=5%,x %s 100%",
    ]  # fmt: skip


def test_blanks_at_the_ends_and_long_texts_fit_into_a_cell():
    rows = filled(["x"])
    long = "<&" + "\N{GARLIC}" * 20_000
    columns = [
        Column("A", "text", Value("  edge ")),
        Column("B", "text", Value(long)),
        Column("C", "text", Value("_x0041_")),
    ]
    sheet = load_workbook(io.BytesIO(as_workbook(rows, columns))).active
    assert sheet["A2"].value == "  edge "
    assert sheet["B2"].value == "<&" + "\N{GARLIC}" * 16_382
    assert sheet["C2"].value == "_x005F_x0041_"


def test_an_empty_list_gives_the_headings():
    rows = Product.objects.none()
    columns = [Column("=Code", "text", "item_code")]
    assert as_csv(Product.objects.filter(pk=0), columns) == b"\xef\xbb\xbf'=Code\n"
    assert [cell.value for cell in load_workbook(io.BytesIO(as_workbook(rows, columns))).active[1]] == ["=Code"]


def test_more_rows_than_a_sheet_holds_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(flat, "MOST_ROWS", 3)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    rows = filled(["a", "b"])
    assert load_workbook(io.BytesIO(as_workbook(rows))).active.max_row == 3
    rows = filled(["a", "b", "c"])
    with pytest.raises(TooLarge, match="more than 2 rows"):
        as_workbook(rows)
    assert list(tmp_path.iterdir()) == []
