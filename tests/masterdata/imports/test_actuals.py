"""Actuals from a file: what is accepted, what is refused and how it is said, and that the same file changes nothing."""

import datetime as dt
from decimal import Decimal

import pytest

from audit import registry
from audit.context import acting
from audit.models import Entry
from masterdata.imports import doing, keeping
from masterdata.imports.progress import Watch
from masterdata.models import Actual, ActualRevision, ImportRun
from sop_portal.lib.errors import Conflict, NotAllowed, Refused, TooLarge
from tests.factories import make_actual, make_customer, make_entry, make_product, make_user
from tests.imports import (
    ACTUALS,
    apply,
    counts,
    csv_bytes,
    imported,
    last_entry,
    remarks,
    sentences,
    stored,
    told,
    upload,
    xlsx_bytes,
)
from tests.workbooks import DIV0, Formula
from tests.world import next_transaction

pytestmark = pytest.mark.django_db
NOV, DEC = dt.date(2026, 11, 1), dt.date(2026, 12, 1)


@pytest.fixture
def pair():
    return make_entry(
        make_customer(customer_id="C1", name="Elm Supply"), make_product(item_code="110001", description="Garlic")
    )


def values():
    return {
        (row.customer.customer_id, row.product.item_code, row.period): (row.quantity, row.amount, row.cost)
        for row in Actual.objects.select_related("customer", "product")
    }


def test_a_file_creates_changes_and_leaves(admin, pair):
    make_actual(pair, NOV, 100, cost=Decimal(600))
    make_actual(pair, dt.date(2026, 10, 1), 50)
    content = csv_bytes(
        ACTUALS,
        [("C1", "110001", "2026-12", 7, "70.5", 40), ("C1", "110001", "2026-11", 120, 1000, ""),
         ("C1", "110001", "2026-10", 50, 500, "")],
    )  # fmt: skip
    run = upload("actuals", content, admin)
    assert (run.state, counts(run), run.rows_read) == ("checked", (1, 1, 1, 0), 3)
    assert Actual.objects.count() == 2
    assert run.control_totals["quantity"] == "177"
    assert run.control_totals["by_period"]["2026-12"] == {"rows": 1, "quantity": "7", "amount": "70.5", "cost": "40"}
    assert run.sample == {
        "new": [
            {
                "row": 2,
                "label": "Elm Supply · 110001 Garlic · Dec 2026",
                "changes": {
                    "customer": [None, f"Elm Supply (#{pair.customer_id})"],
                    "product": [None, f"110001 Garlic (#{pair.product_id})"],
                    "period": [None, "2026-12-01"],
                    "quantity": [None, "7"],
                    "amount": [None, "70.5"],
                    "cost": [None, "40"],
                },
            }
        ],
        "changed": [
            {"row": 3, "label": "Elm Supply · 110001 Garlic · Nov 2026", "changes": {"quantity": ["100", "120"]}}
        ],
    }
    assert told(0) == told(last_entry()) or not Entry.objects.filter(source="excel", entity_type="actual").exists()

    run = apply(run, admin)
    assert (run.state, counts(run), run.applied_by) == ("applied", (1, 1, 1, 0), admin)
    # A blank in an optional column leaves what is there.
    assert values()["C1", "110001", NOV] == (Decimal(120), Decimal(1000), Decimal(600))
    assert values()["C1", "110001", DEC] == (Decimal(7), Decimal("70.5"), Decimal(40))
    assert set(ActualRevision.objects.filter(batch=run.batch).values_list("period", flat=True)) == {NOV, DEC}


def test_what_the_trail_says_is_what_it_says_of_single_writes(admin, pair):
    """One entry per object, with the labels and values that the tracked model itself would give."""
    make_actual(pair, NOV, 100, cost=Decimal("1.5"))
    next_transaction()
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", "7.50", "70", ""), ("C1", "110001", "2026-11", 5, 5, 2)])
    run = imported("actuals", content, admin)
    declared = registry.tracked[Actual]
    entries = {entry.entity_id: entry for entry in Entry.objects.filter(source="excel", entity_type="actual")}
    assert len(entries) == Entry.objects.filter(source="excel", entity_type="actual").count() == 2
    for row in Actual.objects.select_related("customer", "product"):
        entry = entries[str(row.pk)]
        assert entry.label == declared.label(row)
        assert (entry.actor, entry.request_id) == (admin, "")
        plain = declared.values(row, declared.fields)
        for name, (_, new) in entry.changes.items():
            key = f"{getattr(row, name)} (#{plain[name]})" if name in ("customer", "product") else plain[name]
            assert new == key
    created = entries[str(Actual.objects.get(period=DEC).pk)]
    assert (created.action, set(created.changes)) == (
        "actual_created", {"customer", "product", "period", "quantity", "amount"},
    )  # fmt: skip
    updated = entries[str(Actual.objects.get(period=NOV).pk)]
    assert (updated.action, updated.changes) == (
        "actual_updated", {"quantity": ["100", "5"], "amount": ["1000", "5"], "cost": ["1.5", "2"]},
    )  # fmt: skip
    (told_of_run,) = Entry.objects.filter(entity_type="import", action="excel_imported")
    assert (told_of_run.entity_id, told_of_run.actor) == (str(run.pk), admin)


@pytest.mark.parametrize(
    ("cost", "row", "changes"),
    [
        ("1.5", (7, 80, "2.50"), {"quantity": ["100", "7"], "amount": ["1000", "80"], "cost": ["1.5", "2.5"]}),
        ("1.5", (7, 80, "1.5"), {"quantity": ["100", "7"], "amount": ["1000", "80"]}),
        ("1.5", (100, 1000, 0), {"cost": ["1.5", "0"]}),
        ("1.5", (7, 1000, ""), {"quantity": ["100", "7"]}),
        (None, (7, 80, "2.5"), {"quantity": ["100", "7"], "amount": ["1000", "80"], "cost": [None, "2.5"]}),
        (None, (100, 80, ""), {"amount": ["1000", "80"]}),
    ],
)
def test_what_changed_is_told_and_nothing_else(admin, pair, cost, row, changes):
    make_actual(pair, NOV, 100, cost=cost and Decimal(cost))
    next_transaction()
    imported("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-11", *row)]), admin)
    assert Entry.objects.get(action="actual_updated").changes == changes


def test_a_revision_holds_what_an_actual_was_and_became(admin, pair):
    with acting(admin, source="web"):
        actual = make_actual(pair, NOV, 100, cost=Decimal("1.5"))
        Actual.objects.filter(pk=actual.pk).update(quantity=5, cost=None)
        # A changed key is one actual that went and one that came.
        Actual.objects.filter(pk=actual.pk).update(period=DEC)
        Actual.objects.filter(pk=actual.pk).delete()
    names = [f"{side}_{name}" for side in ("old", "new") for name in ("quantity", "amount", "cost")]
    first, changed, nothing = (100, 1000, Decimal("1.5")), (5, 1000, None), (None, None, None)
    assert list(ActualRevision.objects.order_by("pk").values_list("period", *names)) == [
        (NOV, *nothing, *first), (NOV, *first, *changed), (NOV, *changed, *nothing), (DEC, *nothing, *changed),
        (DEC, *changed, *nothing),
    ]  # fmt: skip


def test_the_same_file_twice_changes_nothing(admin, pair):
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 7, 70, 1), ("C1", "110001", "2026-11", 1, 1, "")])
    imported("actuals", content, admin)
    revisions, entry = ActualRevision.objects.count(), last_entry()
    again = imported("actuals", content, admin)
    assert counts(again) == (0, 0, 2, 0)
    assert again.batch is None
    assert ActualRevision.objects.count() == revisions
    assert told(entry) == []


def test_one_wrong_row_in_five_thousand(admin, pair):
    """Nothing is imported, and the sentence says where and what to write."""
    products = [make_product(item_code=f"P{n}", group=pair.product.group) for n in range(250)]
    months = [dt.date(2025, 1 + n % 12, 1) for n in range(12)] + [dt.date(2026, 1 + n, 1) for n in range(8)]
    rows = [("C1", product.item_code, f"{month:%Y-%m}", 10, 100, "") for product in products for month in months]
    assert len(rows) == 5_000
    rows[15] = (*rows[15][:3], "1e3", 100, "")
    run = upload("actuals", csv_bytes(ACTUALS, rows), admin)
    # So many rows are for the worker.
    assert run.state == "queued"
    with acting(admin, source="excel"):
        outcome = doing.check(run, Watch(), None)
        keeping.save(run, outcome.problems)
    assert counts(run) == (4_999, 0, 0, 1)
    assert sentences(run) == ["D17: '1e3' is not a quantity; write a plain number such as 1000."]
    with pytest.raises(Refused) as refusal:
        apply(run, admin)
    assert refusal.value.detail == (
        "1 row is refused of 5,000, so nothing was imported. Correct the file and upload it again, or apply the 4,999 "
        "good rows only."
    )
    assert Actual.objects.count() == 0


def test_every_fault_of_every_row_is_named(admin, pair, tmp_path):
    rows = [
        ("C1", "110001", dt.date(2026, 12, 5), 1, 1, None),
        (" c1 ", "999", "2026-13", "1.234.567", "abc", "x"),
        (None, None, None, None, None, 5),
        ("C1", "110001", dt.date(2026, 12, 9), 2, 2, None),
        ("C1", DIV0, dt.date(2026, 11, 9), Formula("=1+1"), 2, None),
        ("C1", "110001", "01/02/2026", "1 000 000 000 000", "(5.5)", "-3-"),
    ]
    run = upload("actuals", xlsx_bytes(ACTUALS, rows, tmp_path), admin, "plan.xlsx")
    assert sentences(run) == [
        "Sheet1!A2: Rows 2 and 5 hold the same customer, item and period; delete one of them, or let the import add up "
        "rows with the same key.",
        "Sheet1!A3: There is no customer 'c1', but there is 'C1'; write the code exactly like that.",
        "Sheet1!B3: There is no product '999'; correct the code, or add the product first.",
        "Sheet1!C3: '2026-13' is not a month; write it like 2027-01 or Jan 2027.",
        "Sheet1!D3: '1.234.567' is not a quantity; write a plain number such as 1000.",
        "Sheet1!E3: 'abc' is not an amount; write a plain number such as 1000.",
        "Sheet1!F3: 'x' is not an amount; write a plain number such as 1000.",
        "Sheet1!A4: Customer ID is missing; write one such as C0001, or delete the row.",
        "Sheet1!B4: Item Code is missing; write one such as 110001, or delete the row.",
        "Sheet1!C4: Period is missing; write one such as 2027-01, or delete the row.",
        "Sheet1!D4: Quantity is missing; write one such as 1250, or delete the row.",
        "Sheet1!E4: Amount is missing; write one such as 65625.00, or delete the row.",
        "Sheet1!A5: Rows 2 and 5 hold the same customer, item and period; delete one of them, or let the import add up "
        "rows with the same key.",
        "Sheet1!B6: The cell holds the error #DIV/0!; correct it in the file.",
        "Sheet1!D6: The cell holds a formula that was saved without its result; open the file in Excel, save it and "
        "upload it again.",
        "Sheet1!C7: '01/02/2026' may be Jan 2026 or Feb 2026; write it like 2027-01 or Jan 2027.",
        "Sheet1!D7: '1 000 000 000 000' is too large; a quantity must be below 1,000,000,000,000.",
        "Sheet1!F7: '-3-' is not an amount; write a plain number such as 1000.",
    ]
    assert counts(run) == (0, 0, 0, 6)
    with pytest.raises(Conflict):
        apply(run, admin, only_good=True)


def test_the_good_rows_are_applied_and_the_others_kept_as_a_list(admin, pair):
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 7, 70, ""), ("C2", "110001", "2026-12", 7, 70, "")])
    run = apply(upload("actuals", content, admin), admin, only_good=True)
    assert (run.state, counts(run)) == ("applied", (1, 0, 0, 1))
    assert list(values()) == [("C1", "110001", DEC)]
    assert sentences(run) == ["A3: There is no customer 'C2'; correct the code, or add the customer first."]


def test_rows_with_the_same_key_are_added_up_if_asked(admin, pair):
    rows = [("C1", "110001", "2026-12-03", 7, "70.25", 5), ("C1", "110001", "2026-12-28", 3, 30, ""),
            ("C1", "110001", "2026-11", 1, 1, "")]  # fmt: skip
    run = imported("actuals", csv_bytes(ACTUALS, rows), admin, sum_duplicates=True)
    assert counts(run) == (3, 0, 0, 0)
    assert run.control_totals["tallies"] == {"actual": [2, 0, 0]}
    assert values()["C1", "110001", DEC] == (Decimal(10), Decimal("100.25"), Decimal(5))


def test_a_row_is_not_added_to_one_that_is_refused(admin, pair):
    rows = [("C1", "110001", "2026-12-03", 7, 70, ""), ("C1", "110001", "2026-12-28", "x", 30, ""),
            ("C1", "110001", "2026-11", 1, 1, "")]  # fmt: skip
    run = upload("actuals", csv_bytes(ACTUALS, rows), admin, sum_duplicates=True)
    assert sentences(run) == [
        "A2: Row 3 of the same customer, item and period is refused, so this one cannot be added to it; correct that "
        "row.",
        "D3: 'x' is not a quantity; write a plain number such as 1000.",
    ]
    apply(run, admin, only_good=True)
    assert list(values()) == [("C1", "110001", NOV)]


@pytest.mark.parametrize(
    ("mark", "read", "said"),
    [
        (".", Decimal(1234), "'1,234' was read as 1234, since your decimal mark is the point."),
        (",", Decimal("1.234"), "'1,234' was read as 1.234, since your decimal mark is the comma."),
    ],
)
def test_a_number_with_two_readings_is_read_by_the_own_mark_and_said(admin, pair, mark, read, said):
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", "1,234", "1.234,50", "")])
    run = imported("actuals", content, admin, decimal_mark=mark)
    assert values()["C1", "110001", DEC][:2] == (read, Decimal("1234.5"))
    assert remarks(run, "ambiguous") == [f"Texts under Quantity that fit two readings: 1. {said}"]


def test_a_point_stands_for_thousands_where_the_comma_is_the_decimal_mark(admin, pair):
    imported("actuals", csv_bytes(ACTUALS, [("C1", "110001", "2026-12", "1.234", "12.5", "")]), admin, decimal_mark=",")
    assert values()["C1", "110001", DEC][:2] == (Decimal(1234), Decimal("12.5"))


def test_credits_are_negative_however_they_are_written(admin, pair):
    rows = [("C1", "110001", "2026-12", "-5", "(50.25)", "25-")]
    imported("actuals", csv_bytes(ACTUALS, rows), admin)
    assert values()["C1", "110001", DEC] == (Decimal(-5), Decimal("-50.25"), Decimal(-25))


def test_two_numbers_in_one_cell_are_none(admin, pair, tmp_path):
    rows = [("C1", "110001", "2026-11", "110", "5 77.5", ""), ("C1", "110001", "2026-12", "1 100", "550", "")]
    for content in (csv_bytes(ACTUALS, rows), xlsx_bytes(ACTUALS, rows, tmp_path)):
        run = upload("actuals", content, admin, name="file.xlsx" if content.startswith(b"PK") else "file.csv")
        assert [told.split("E2: ")[-1] for told in sentences(run)] == [
            "'5 77.5' is not an amount; write a plain number such as 1000."
        ]
    assert apply(run, admin, only_good=True).state == "applied"
    assert values() == {("C1", "110001", DEC): (1100, 550, None)}


def test_decimals_that_a_workbook_worked_out_are_rounded(admin, pair, tmp_path):
    rows = [("C1", "110001", DEC, 15638.333333333334, 0.1 + 0.2, None)]
    imported("actuals", xlsx_bytes(ACTUALS, rows, tmp_path), admin)
    assert values()["C1", "110001", DEC][:2] == (Decimal("15638.333333"), Decimal("0.3"))


def test_decimals_beyond_those_of_a_field_are_refused_at_their_cells(admin, pair, tmp_path):
    """Rounding them without a word once made a quantity of 0.0000001 nothing at all."""
    said = [
        "D2: '0.0000001' has 7 decimals; a quantity has at most 6. Round it to 6.",
        "E2: '52.12345' has 5 decimals; an amount has at most 4. Round it to 4.",
    ]
    row = ("C1", "110001", "2026-12")
    for content, name in (
        (csv_bytes(ACTUALS, [(*row, "0.0000001", "52.12345", "5.0000000")]), "file.csv"),
        (xlsx_bytes(ACTUALS, [(*row, 0.0000001, 52.12345, 5)], tmp_path), "file.xlsx"),
    ):
        found = [sentence.removeprefix("Sheet1!") for sentence in sentences(upload("actuals", content, admin, name))]
        assert found == said
    # Arithmetic's own digits are no amount that anybody wrote, yet none of them may vanish.
    run = upload("actuals", xlsx_bytes(ACTUALS, [(*row, 1, 0.1 + 0.2 - 0.3, 5)], tmp_path), admin, "file.xlsx")
    assert [sentence.partition(" has ")[2] for sentence in sentences(run)] == [
        "32 decimals; an amount has at most 4. Round it to 4."
    ]


def test_blank_cells_empty_optional_columns_only_if_asked(admin, pair):
    make_actual(pair, DEC, 1, amount=Decimal(1), cost=Decimal(9))
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 1, 1, "")])
    assert counts(imported("actuals", content, admin)) == (0, 0, 1, 0)
    assert counts(imported("actuals", content, admin, clear_blanks=True)) == (0, 1, 0, 0)
    assert values()["C1", "110001", DEC][2] is None
    # A column that is not in the file is left alone even then.
    Actual.objects.untracked().update(cost=Decimal(9))
    content = csv_bytes(ACTUALS[:5], [("C1", "110001", "2026-12", 1, 1)])
    assert counts(imported("actuals", content, admin, clear_blanks=True)) == (0, 0, 1, 0)


def test_what_an_admin_should_know_though_it_stops_nothing(admin, pair):
    pair.customer.is_active = False
    type(pair.customer).objects.untracked().filter(pk=pair.customer_id).update(is_active=False)
    content = csv_bytes([*ACTUALS, "Invoice"], [("C1", "110001", "2096-12", 1, 1, "", "A-17")])
    run = imported("actuals", content, admin)
    assert remarks(run, "inactive") == ["Rows about inactive customers or products: 1. They are taken like the others."]
    assert remarks(run, "future") == ["Some rows are about months that have not begun: Dec 2096 (1). Check the years."]
    assert remarks(run, "ignored") == ["These columns are not read: 'Invoice'."]
    assert run.layout["ignored"] == ["Invoice"]


def test_a_row_with_more_fields_than_headings_is_refused(admin, pair):
    content = csv_bytes(ACTUALS, [("C1", "110001", "2026-12", 1, 1, "")]) + b"C1,110001,2026-11,1,250,00,7\r\n"
    run = upload("actuals", content, admin)
    assert sentences(run) == [
        "3: The row has 7 fields, more than there are headings; put texts that hold the separator in quotation marks."
    ]
    assert counts(run) == (1, 0, 0, 1)


def test_who_may_import(pair):
    content = csv_bytes(ACTUALS, [])
    for role in ("sales_rep", "manager", "viewer"):
        with pytest.raises(NotAllowed):
            upload("actuals", content, make_user(role))
    assert ImportRun.objects.count() == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"sum": True},
            "There is no option 'sum'; there are sum_duplicates, clear_blanks, sheet, decimal_mark, valid_from.",
        ),
        ({"sum_duplicates": "yes"}, "sum_duplicates must be true or false."),
        ({"decimal_mark": ";"}, "decimal_mark must be one of . ,"),
        ({"valid_from": "2027-01-01"}, "Actuals have no prices; only the pricing matrix has."),
    ],
)
def test_options_are_checked(admin, options, sentence):
    with pytest.raises(Refused) as refusal:
        upload("actuals", b"x", admin, **options)
    assert refusal.value.detail == sentence


def test_what_is_no_table_leaves_a_refused_run(admin):
    run = upload("actuals", b"%PDF-1.4 nothing", admin, "..\\report.csv")
    assert (run.state, run.file_name) == ("refused", "report.csv")
    assert run.reason.startswith("The file is a PDF document, not a table.")
    assert stored(run).findings[0]["sentence"] == run.reason


def test_a_file_beyond_the_limit_leaves_nothing(admin, monkeypatch, settings):
    monkeypatch.setattr("masterdata.imports.files.largest", lambda: 10)
    with pytest.raises(TooLarge):
        upload("actuals", b"x" * 11, admin)
    assert ImportRun.objects.count() == 0
    assert list(settings.UPLOAD_DIR.iterdir()) == []
