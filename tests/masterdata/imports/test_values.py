"""One cell of a file on its own: the value that a text writes, or the sentence that refuses it."""

import datetime as dt
import random
from decimal import Decimal

import pytest
from django.db import connection

from masterdata.imports import values
from masterdata.imports.kinds import ACTUALS, CUSTOMERS, KINDS, MATRIX, USERS, Column
from masterdata.imports.values import Unreadable, day, may_be_too_long, period, plain_digits, plain_pattern, read
from sop_portal.lib.tables import FORMULA, MARK

QUANTITY, AMOUNT = ACTUALS.column("quantity"), ACTUALS.column("amount")
PRICE, LEAD_TIME, NOTES = MATRIX.column("unit_price"), MATRIX.column("lead_time_days"), MATRIX.column("notes")
ACTIVE, RISK, NAME, EMAIL = (
    CUSTOMERS.column("is_active"),
    CUSTOMERS.column("default_risk_class"),
    CUSTOMERS.column("name"),
    USERS.column("email"),
)


def refusal(column: Column, text: str, mark: str = ".") -> str:
    with pytest.raises(Unreadable) as refused:
        read(column, text, mark)
    return str(refused.value)


@pytest.mark.parametrize(
    ("column", "text", "mark", "value", "ambiguous"),
    [
        (QUANTITY, "1250", ".", "1250.000000", False),
        (QUANTITY, "1,250.5", ".", "1250.500000", False),
        (QUANTITY, "1.250,5", ",", "1250.500000", False),
        (QUANTITY, "1 250", ",", "1250.000000", False),
        (QUANTITY, "1.250", ".", "1.250000", True),
        (QUANTITY, "1.250", ",", "1250.000000", True),
        (QUANTITY, "-5", ".", "-5.000000", False),
        (QUANTITY, "\u22125", ".", "-5.000000", False),
        (QUANTITY, "5-", ".", "-5.000000", False),
        (QUANTITY, "(5)", ".", "-5.000000", False),
        (QUANTITY, "-0", ".", "0.000000", False),
        (AMOUNT, "0.1234000", ".", "0.1234", False),
        (AMOUNT, "-0.000100", ".", "-0.0001", False),
        (AMOUNT, "-0.0000000", ".", "0.0000", False),
        (PRICE, "52,50", ",", "52.5000", False),
        (LEAD_TIME, "14", ".", "14", False),
        (LEAD_TIME, "14.0", ".", "14", False),
    ],
)
def test_numbers_are_read_as_people_and_ledgers_write_them(column, text, mark, value, ambiguous):
    cell = read(column, text, mark)
    assert (cell.text, cell.ambiguous) == (value, ambiguous)


@pytest.mark.parametrize(
    ("column", "text", "sentence"),
    [
        (QUANTITY, "many", "'many' is not a quantity; write a plain number such as 1000."),
        (QUANTITY, "1e3", "'1e3' is not a quantity; write a plain number such as 1000."),
        (QUANTITY, "--5", "'--5' is not a quantity; write a plain number such as 1000."),
        (QUANTITY, "1000000000000", "'1000000000000' is too large; a quantity must be below 1,000,000,000,000."),
        (AMOUNT, "NaN", "'NaN' is not an amount; write a plain number such as 1000."),
        (PRICE, "52.12345", "'52.12345' has 5 decimals; a price has at most 4. Round it to 4."),
        (AMOUNT, "-0.0000001", "'-0.0000001' has 7 decimals; an amount has at most 4. Round it to 4."),
        (AMOUNT, "0.30000000000000004", "'0.30000000000000004' has 17 decimals; an amount has at most 4. Round it to 4."),
        (QUANTITY, "9" * 60, f"'{'9' * 60}' is too large; a quantity must be below 1,000,000,000,000."),
        (PRICE, "-1", "'-1' is below 0; a price must be 0 or more."),
        (LEAD_TIME, "1.5", "'1.5' is not a whole number; write it without decimals."),
        (LEAD_TIME, "soon", "'soon' is not a whole number; write a plain number such as 14."),
        (QUANTITY, FORMULA, "The cell holds a formula that was saved without its result; open the file in Excel, save it "
                            "and upload it again."),
        (QUANTITY, f"{MARK}#DIV/0!", "The cell holds the error #DIV/0!; correct it in the file."),
    ],
)  # fmt: skip
def test_what_is_no_number_is_said_with_its_remedy(column, text, sentence):
    assert refusal(column, text) == sentence


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.30000000000000004", "0.3000"),
        ("52.24999999999999", "52.2500"),
        ("0.33333333333333", "0.3333"),
        ("0.000050000000000001", "0.0001"),
        ("123456789.12345678", "123456789.1235"),
    ],
)
def test_what_a_workbook_worked_out_is_rounded_half_away_from_zero(text, value):
    assert read(AMOUNT, text, computed=True).text == value
    assert read(AMOUNT, f"-{text}", computed=True).text == f"-{value}"


@pytest.mark.parametrize("text", ["52.12345", "0.00001", "0.0000300000000000001", "0.00000000000000005551115123125783"])
def test_what_somebody_typed_into_a_workbook_is_not_rounded_and_nothing_becomes_0(text):
    with pytest.raises(Unreadable, match=r"decimals; an amount has at most 4\. Round it to 4\."):
        read(AMOUNT, text, computed=True)


def test_a_long_text_is_quoted_in_part():
    assert refusal(QUANTITY, "x" * 500) == f"'{'x' * 60}…' is not a quantity; write a plain number such as 1000."


@pytest.mark.parametrize(
    "text",
    ["2026-03", "2026-03-17", "2026-03-17 00:00:00", "2026/3", "2026.03.01", "202603", "20260317", "03/2026", "3.2026",
     "Mar 2026", "March 2026", "mar-26", "17 Mar 2026", "Mar 17, 2026", "17.03.2026", "03/17/2026"],
)  # fmt: skip
def test_months_are_read_in_many_spellings(text):
    assert period(text) == dt.date(2026, 3, 1)


def test_a_day_that_could_be_two_is_refused_unless_both_mean_the_same_month():
    with pytest.raises(Unreadable) as refused:
        period("03/04/2026")
    assert str(refused.value) == "'03/04/2026' may be Mar 2026 or Apr 2026; write it like 2027-01 or Jan 2027."
    assert period("03/03/2026") == dt.date(2026, 3, 1)
    with pytest.raises(Unreadable) as refused:
        day("03/04/2026")
    assert str(refused.value) == "'03/04/2026' may be 04 Mar 2026 or 03 Apr 2026; write it like 2027-01-31."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("soon", "'soon' is not a day; write it like 2027-01-31."),
        ("2026-02-30", "'2026-02-30' is not a day; write it like 2027-01-31."),
        ("31 Feb 2026", "'31 Feb 2026' is not a day; write it like 2027-01-31."),
        ("1999-12-31", "'1999-12-31' lies outside the years 2000 to 2099; correct the year."),
        ("46000", "'46000' is not a day; write it like 2027-01-31, or give the column a date format."),
        ("99999", "'99999' is not a day; write it like 2027-01-31."),
    ],
)
def test_what_is_no_day_is_said_with_its_remedy(text, sentence):
    with pytest.raises(Unreadable) as refused:
        day(text)
    assert str(refused.value) == sentence


def test_words_stand_for_yes_and_no_and_choices():
    assert {read(ACTIVE, word).text for word in ("Yes", "TRUE", "1", "x", "Active")} == {"true"}
    assert {read(ACTIVE, word).text for word in ("no", "False", "0", "inactive")} == {"false"}
    assert refusal(ACTIVE, "maybe") == "'maybe' is neither Yes nor No; write one of them."
    for value, words in RISK.choices:
        assert read(RISK, value.upper()).text == read(RISK, words).text == value
    assert refusal(RISK, "wild").startswith("'wild' is not offered here; write one of ")


def test_texts_are_one_spelling_of_bounded_length_without_invisible_characters():
    assert read(NAME, "  Cafe\u0301 ").text == "Caf\u00e9"
    long = refusal(NAME, "x" * (NAME.max_length + 1))
    assert long == f"The text has {NAME.max_length + 1:,} characters; at most {NAME.max_length:,} are kept. Shorten it."
    assert refusal(NAME, "bell\x07") == "The text holds the invisible character U+0007; type it again without."
    assert read(NOTES, "two\r\nlines").text == "two\nlines"
    assert read(EMAIL, "rep1@example.com").text == "rep1@example.com"
    assert refusal(EMAIL, "rep1") == "'rep1' is not an e-mail address; write one like name@example.com."


def _texts() -> list[str]:
    """Texts near the border between plain numbers and others."""
    chance = random.Random(8)
    return ["", "0", "-0", "5.", ".5", "-", "1-", "007", "1e5", "0x1F", "1_000", "Infinity", "NaN", " 5", "٣", "1.234",
            "0.123", "1234.567", "1234.5670000", "0.5000000", "12.3400000", "0.0000001", "5.0000000", "7.12345",
            *("9" * n for n in range(1, 20)), *(f"{'9' * n}.5" for n in range(1, 20)),
            *("".join(chance.choices("0123456789.-, ", k=chance.randint(1, 16))) for _ in range(1_500))]  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("own_points", [True, False])
@pytest.mark.parametrize("column", [QUANTITY, AMOUNT, PRICE, LEAD_TIME], ids=lambda column: column.name)
def test_a_plain_number_means_to_the_database_what_reading_it_means(column, own_points):
    """What the database takes unread is what `read` would give, whatever the decimal mark where points are not ours."""
    pattern = plain_pattern(column, own_points=own_points)
    loose = plain_pattern(column, own_points=own_points, counted=False)
    cast = f"numeric({plain_digits(column) + 1 + (column.places or 0)}, {column.places or 0})"
    long = may_be_too_long(column, ["text"]).replace("%", "%%")
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT text, text ~ '^(?:{pattern})$', text ~ '^(?:{loose})$', NOT {long}, "
            f"CASE WHEN text ~ '^(?:{pattern})$' THEN text::{cast} END FROM unnest(%s::text[]) AS text",
            [_texts()],
        )
        rows = cursor.fetchall()
    plain = [row for row in rows if row[1]]
    assert len(plain) > 50
    for text, _, _, _, value in plain:
        for mark in "." if own_points else ".,":
            assert Decimal(read(column, text, mark).text) == value, (text, mark)
    # The pattern that does not count digits and decimals differs only where there may be too many.
    assert all(is_plain == is_loose for _, is_plain, is_loose, is_short, _ in rows if is_short)
    assert all(is_loose for _, is_plain, is_loose, _, _ in rows if is_plain)


def test_every_column_refuses_what_no_cell_may_hold():
    for kind in KINDS.values():
        for column in kind.columns:
            assert refusal(column, f"{values.MARK}#N/A") == "The cell holds the error #N/A; correct it in the file."
