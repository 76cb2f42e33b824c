"""The tables of columns: every heading means one thing, and everything a model keeps can be imported."""

from decimal import Decimal

import pytest

from masterdata.imports.kinds import KINDS, heading_key
from masterdata.models import Actual, Budget, Customer, ImportRun, MatrixEntry, Product
from sop_portal.accounts.models import User

# Columns that name the row a key points at, and what services alone write.
ELSEWHERE = {
    "products": {"group"},
    "matrix": {"customer", "product"},
    "actuals": {"customer", "product"},
    "budget": {"customer", "product"},
    "users": {"password", "must_change_password", "last_login", "is_superuser", "access_version", "date_joined"},
}
MODELS = {
    "customers": Customer,
    "products": Product,
    "matrix": MatrixEntry,
    "actuals": Actual,
    "budget": Budget,
    "users": User,
}


def test_there_is_a_table_for_every_kind_of_run_but_old_workbooks():
    assert set(KINDS) == set(ImportRun.Kind.values) - {"legacy"} == set(MODELS)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_heading_means_one_column(kind):
    keys = [key for column in kind.columns for key in column.keys]
    assert len(keys) == len(set(keys))
    assert all(keys)
    assert len(kind.by_name) == len(kind.columns)


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_every_field_of_the_model_has_a_column(kind):
    fields = {field.name for field in MODELS[kind.key]._meta.concrete_fields} - {"id"}
    assert fields - ELSEWHERE.get(kind.key, set()) <= set(kind.by_name)


@pytest.mark.parametrize(
    ("key", "headings"),
    {
        "customers": ["Customer ID", "Customer Name"],
        "products": ["Item Code", "Description", "Group Code", "Unit of Measure"],
        "matrix": ["Customer ID", "Item Code"],
        "actuals": ["Customer ID", "Item Code", "Period", "Quantity", "Amount"],
        "budget": ["Version", "Customer ID", "Item Code", "Period", "Quantity", "Amount"],
        "users": ["Email", "Full Name"],
    }.items(),
)
def test_the_required_headings(key, headings):
    assert [column.heading for column in KINDS[key].required] == headings
    assert set(KINDS[key].key_columns) - {"valid_from"} <= {column.name for column in KINDS[key].required}


@pytest.mark.parametrize(
    ("kind", "heading", "name"),
    [
        ("actuals", "ITEM\n CODE", "item_code"),
        ("actuals", "item_code", "item_code"),
        ("actuals", "  Customer-Id. ", "customer_id"),
        ("actuals", "ＩＴＥＭ ＣＯＤＥ", "item_code"),
        ("customers", "Customer S&OP", "short_name"),
        ("matrix", "MOQ", "minimum_order_quantity"),
        ("products", "U/M", "uom"),
    ],
)
def test_headings_are_compared_without_case_spaces_and_punctuation(kind, heading, name):
    assert KINDS[kind].by_heading[heading_key(heading)].name == name


def test_lengths_places_and_limits_are_those_of_the_model():
    quantity, price = KINDS["actuals"].column("quantity"), KINDS["matrix"].column("unit_price")
    assert (quantity.places, quantity.limit, quantity.signed) == (6, Decimal(10) ** 12, True)
    assert (price.places, price.limit, price.signed) == (4, Decimal(10) ** 10, False)
    assert KINDS["customers"].column("short_name").max_length == 60
    assert KINDS["customers"].column("notes").max_length == 2000
