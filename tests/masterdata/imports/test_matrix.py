"""The pricing matrix from a file: entries, and prices where they change."""

import datetime as dt
from decimal import Decimal

import pytest

from audit import registry
from audit.context import acting
from audit.models import Entry
from masterdata.models import MatrixEntry, Price
from sop_portal.conf.services import set_value
from tests.factories import make_customer, make_entry, make_product, make_user
from tests.imports import apply, commit, counts, csv_bytes, imported, last_entry, remarks, sentences, told, undo, upload

pytestmark = pytest.mark.django_db
HEAD = [
    "Customer ID",
    "Item Code",
    "Unit Price",
    "Valid From",
    "Active",
    "MOQ",
    "Max",
    "Lead Time",
    "Proposed By",
    "Notes",
]
JAN, JUL = dt.date(2027, 1, 1), dt.date(2027, 7, 1)


@pytest.fixture(autouse=True)
def pair(db):
    """An entry with the price 10 from 2020 on, and a product without one."""
    entry = make_entry(
        make_customer(customer_id="C1", name="Elm"), make_product(item_code="P1", description="Garlic"), price="10"
    )
    make_product(item_code="P2", description="Onion", group=entry.product.group)
    return entry


def row(code="P1", price="", day="", active="", low="", high="", days="", by="", notes="", customer="C1"):
    return (customer, code, price, day, active, low, high, days, by, notes)


def prices(code):
    found = Price.objects.filter(entry__product__item_code=code).order_by("valid_from")
    return [(price.valid_from, price.unit_price) for price in found]


def test_entries_and_prices_come_where_they_change(admin, pair):
    commit()
    entry = last_entry()
    rows = [
        row("P1", price="10", day="2027-01-01"),  # holds anyway
        row("P1", price="11,5", day="2027-07-01", low="5", high="50", days="14", notes="Pallets only"),
        row("P1", price="11.5", day="2027-08-01"),  # goes on
        row("P2", price="20", day="1 Jan 2027", active="no", by=""),
    ]
    run = imported("matrix", csv_bytes(HEAD, rows), admin)
    assert run.rows_read == 4
    assert counts(run) == (1, 2, 1, 0)
    assert run.control_totals["tallies"] == {"matrix": [1, 1, 0], "price": [2, 0, 2]}
    assert prices("P1") == [(dt.date(2020, 1, 1), Decimal(10)), (JUL, Decimal("11.5"))]
    assert prices("P2") == [(JAN, Decimal(20))]
    one, two = MatrixEntry.objects.order_by("product__item_code")
    assert (one.minimum_order_quantity, one.maximum_order_quantity, one.lead_time_days, one.notes, one.is_active) == (
        5, 50, 14, "Pallets only", True,
    )  # fmt: skip
    assert (two.is_active, two.notes, two.lead_time_days) == (False, "", None)
    assert told(entry) == [
        ("matrix_created", "Elm · P2 Onion"),
        ("matrix_updated", "Elm · P1 Garlic"),
        ("price_created", "Elm · P1 Garlic from 2027-07-01"),
        ("price_created", "Elm · P2 Onion from 2027-01-01"),
    ]
    for price in Price.objects.filter(valid_from__gte=JAN):
        said = Entry.objects.get(entity_type="price", entity_id=str(price.pk))
        assert said.label == registry.tracked[Price].label(price)
        assert said.changes == {
            "entry": [None, f"{price.entry} (#{price.entry_id})"],
            "valid_from": [None, f"{price.valid_from}"],
            "unit_price": [None, f"{price.unit_price.normalize():f}"],
        }
    entry = last_entry()
    assert counts(imported("matrix", csv_bytes(HEAD, rows), admin)) == (0, 0, 4, 0)
    assert told(entry) == []


def test_a_price_of_the_same_day_is_changed(admin, pair):
    run = imported("matrix", csv_bytes(HEAD, [row(price="12", day="2020-01-01")]), admin)
    assert counts(run) == (0, 1, 0, 0)
    assert prices("P1") == [(dt.date(2020, 1, 1), Decimal(12))]
    assert run.sample["changed"] == [
        {"row": 2, "label": "Elm · P1 Garlic from 2020-01-01", "changes": {"unit_price": ["10", "12"]}}
    ]


def test_a_price_without_a_day_holds_from_this_month(admin, pair, at):
    # Half past three in the morning of the first of January in UTC is still December in New York.
    at(dt.datetime(2027, 1, 1, 3, 30, tzinfo=dt.UTC))

    with acting("system", source="command"):
        set_value("business_time_zone", "America/New_York", by=None)
    run = upload("matrix", csv_bytes(HEAD, [row(price="12")]), admin)
    assert remarks(run, "undated") == ["Prices without a day: 1. They hold from 01 Dec 2026 on."]
    assert run.options["valid_from"] == "2026-12-01"
    # It means the same a month later.
    at(dt.datetime(2027, 2, 1, tzinfo=dt.UTC))
    apply(run, admin)
    assert prices("P1")[-1] == (dt.date(2026, 12, 1), Decimal(12))
    imported("matrix", csv_bytes(HEAD, [row(price="13")]), admin, valid_from="2027-07-01")
    assert prices("P1")[-1] == (JUL, Decimal(13))


def test_what_is_refused(admin, pair):
    rows = [
        row("P1", price="-1", day="soon", active="maybe", low="x", high="1.5.5", days="2.5", by="ghost"),
        row("P2", price="5", day="2027-01-01", active="yes", low="10"),
        row("P2", price="6", day="2027-01-01"),
        row("P2", price="7", day="2027-02-01", active="no", low="10.0"),
        row("P9", customer="C9"),
    ]
    run = upload("matrix", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == [
        "C2: '-1' is below 0; a price must be 0 or more.",
        "D2: 'soon' is not a day; write it like 2027-01-31.",
        "E2: 'maybe' is neither Yes nor No; write one of them.",
        "F2: 'x' is not a quantity; write a plain number such as 1000.",
        "G2: '1.5.5' is not a quantity; write a plain number such as 1000.",
        "H2: '2.5' is not a whole number; write it without decimals.",
        "I2: 'ghost' is nobody here; write the e-mail address, username or employee ID of a user, or add the user first.",
        "A3: Rows 3 and 4 hold the same customer and item with the same day; delete one of them.",
        "A4: Rows 3 and 4 hold the same customer and item with the same day; delete one of them.",
        "E5: Active is 'no' here and 'yes' in row 3 of the same customer and item; write the same in both.",
        "A6: There is no customer 'C9'; correct the code, or add the customer first.",
        "B6: There is no product 'P9'; correct the code, or add the product first.",
    ]
    assert counts(run) == (0, 0, 0, 5)


def test_long_texts_that_disagree_are_quoted_in_part(admin, pair):
    one, other = "x" * 1_000, "z" * 1_000
    rows = [row("P1", day="2027-01-01", notes=one), row("P1", day="2027-02-01", notes=other)]
    (problem,) = upload("matrix", csv_bytes(HEAD, rows), admin).problems.all()
    assert problem.value == f"{other[:200]}…"
    assert problem.sentence == (
        f"Notes is '{other[:60]}…' here and '{one[:60]}…' in row 2 of the same customer and item; write the same in both."
    )


def test_the_maximum_is_compared_with_what_is_stored(admin, pair):
    imported("matrix", csv_bytes(HEAD, [row(low="10", high="20")]), admin)
    run = upload("matrix", csv_bytes(HEAD, [row(high="5"), row("P2", low="1", high="2")]), admin)
    assert sentences(run) == ["G2: The maximum order quantity is below the minimum. Correct one of the two."]
    assert counts(run) == (1, 0, 0, 1)


def test_blanks_leave_and_empty(admin, pair):
    rep = make_user("sales_rep", email="rita@example.com")
    imported("matrix", csv_bytes(HEAD, [row(low="10", notes="Kept", by="rita@example.com", active="no")]), admin)
    assert MatrixEntry.objects.get().proposed_by == rep
    assert counts(imported("matrix", csv_bytes(HEAD, [row()]), admin)) == (0, 0, 1, 0)
    assert counts(imported("matrix", csv_bytes(HEAD, [row()]), admin, clear_blanks=True)) == (0, 1, 0, 0)
    entry = MatrixEntry.objects.get()
    assert (entry.minimum_order_quantity, entry.notes, entry.proposed_by, entry.is_active) == (None, "", None, False)
    assert len(prices("P1")) == 1


def test_undoing_takes_entries_and_prices_back(admin, pair):
    rows = [row("P1", price="11", day="2027-07-01", low="5"), row("P1", price="12", day="2020-01-01"),
            row("P2", price="20", day="2027-01-01")]  # fmt: skip
    run = undo(imported("matrix", csv_bytes(HEAD, rows), admin), admin)
    assert run.state == "undone"
    entry = MatrixEntry.objects.get()
    assert (entry.pk, entry.minimum_order_quantity) == (pair.pk, None)
    assert prices("P1") == [(dt.date(2020, 1, 1), Decimal(10))]
