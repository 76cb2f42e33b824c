"""Templates: the import takes them as they are, and they say what each column wants."""

import io

import pytest
from openpyxl import load_workbook

from masterdata.imports.kinds import CUSTOMERS, KINDS, heading_key
from masterdata.imports.templates import INSTRUCTIONS, write_template
from masterdata.models import Actual, ImportRun
from tests.factories import make_customer, make_product
from tests.imports import sentences, upload

KIND = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def template(kind) -> bytes:
    target = io.BytesIO()
    write_template(target, kind)
    return target.getvalue()


def opened(kind):
    return load_workbook(io.BytesIO(template(kind)))


@KIND
def test_every_column_has_its_heading_and_required_ones_are_marked(kind):
    cells = opened(kind)[kind.title][1]
    assert [heading_key(cell.value) for cell in cells] == [heading_key(column.heading) for column in kind.columns]
    assert [cell.value.endswith(" *") for cell in cells] == [column.required for column in kind.columns]
    assert all(cell.font.bold and cell.fill.fgColor.rgb in ("FF0B6157", "FF4E857D") for cell in cells)


@KIND
def test_the_instructions_explain_every_column_with_an_example_where_there_is_one(kind):
    rows = {row[0]: row[1:] for row in opened(kind)[INSTRUCTIONS].iter_rows(values_only=True) if row[0]}
    for column in kind.columns:
        filled, holds, example, aliases = rows[f"{column.heading} *" if column.required else column.heading]
        assert filled == ("Yes" if column.must_be_filled else "The heading only" if column.required else "No")
        assert column.help in holds and (example or "") == column.example
        assert (aliases or "").split(", ") == [*column.aliases] or not column.aliases


def rules(kind) -> dict[str, object]:
    """The rules of the spreadsheet by heading."""
    sheet = opened(kind)[kind.title]
    found = {}
    for rule in sheet.data_validations.dataValidation:
        letters = str(rule.sqref).split(":")[0].rstrip("0123456789")
        found[sheet[f"{letters}1"].value.removesuffix(" *")] = rule
    return found


def test_choices_are_drop_downs_and_numbers_are_checked_while_they_are_typed():
    customers = rules(CUSTOMERS)
    assert customers["Active"].formula1 == '"Yes,No"' and customers["Active"].type == "list"
    assert customers["Default Risk Class"].formula1 == '"Order,Plan,Customer,Estimate"'
    assert (customers["Credit Limit"].type, customers["Credit Limit"].operator) == ("decimal", "greaterThanOrEqual")
    assert customers["Region"].type is None and customers["Region"].prompt == "Any text."
    quantity = rules(KINDS["actuals"])["Quantity"]
    assert (quantity.operator, quantity.formula1) == ("between", "-999999999999")
    assert rules(KINDS["matrix"])["Lead Time Days"].type == "whole"


def test_columns_of_codes_are_text_so_that_zeros_stay():
    sheet = opened(KINDS["actuals"])["Actuals"]
    assert [sheet.column_dimensions[letter].number_format for letter in "ABC"] == ["@", "@", "mmm yyyy"]


@pytest.mark.django_db
def test_an_empty_template_is_refused_for_having_no_rows(admin):
    run = upload("actuals", template(KINDS["actuals"]), admin, "actuals.xlsx")
    assert run.state == ImportRun.State.REFUSED
    assert "has headings but no rows below them" in run.reason


@pytest.mark.django_db
def test_a_filled_template_is_imported(admin):
    make_customer(customer_id="007"), make_product(item_code="110001")
    book = opened(KINDS["actuals"])
    sheet = book["Actuals"]
    for column, value in enumerate(["007", "110001", "2026-12", 480, 24960.5], 1):
        sheet.cell(2, column, value)
    target = io.BytesIO()
    book.save(target)
    run = upload("actuals", target.getvalue(), admin, "actuals.xlsx")
    assert (run.state, sentences(run), run.rows_created) == ("checked", [], 1)
    assert not Actual.objects.exists()
