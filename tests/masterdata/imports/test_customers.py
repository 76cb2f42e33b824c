"""Customers from a file: upsert by ID, the rules of the model, reps and successors by name, open lines that follow."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from audit.models import Entry
from forecasts.models import Line
from masterdata.models import Customer, ImportRun
from masterdata.signals import customers_assigned
from tests.factories import make_customer, make_line, make_user
from tests.imports import apply, commit, counts, csv_bytes, imported, last_entry, sentences, told, upload, xlsx_bytes

pytestmark = pytest.mark.django_db
HEAD = ["Customer ID", "Customer Name", "Sales Rep", "Credit Limit", "Default Risk Class", "Active", "Replaced By"]


def customer(code):
    return Customer.objects.get(customer_id=code)


def test_a_file_creates_changes_and_leaves(admin):
    rep = make_user("sales_rep", email="rita@example.com", employee_id="4711", full_name="Rita Rep")
    make_customer(customer_id="C1", name="Elm Supply", region="South", sales_rep=rep)
    make_customer(customer_id="C2", name="Fir")
    commit()
    entry = last_entry()
    rows = [
        ("C1", "Elm Supply, Inc.", "RITA@example.com", "1,500.50", "plan", "yes", ""),
        ("C2", "Fir", "", "", "", "", ""),
        ("C3", "  Oak & Sons ", "4711", "", "3 Estimate", "No", "C1"),
    ]
    run = imported("customers", csv_bytes(HEAD, rows), admin)
    assert counts(run) == (1, 1, 1, 0)
    one, three = customer("C1"), customer("C3")
    assert (one.name, str(one.credit_limit), one.default_risk_class) == ("Elm Supply, Inc.", "1500.50", 1)
    # Not in the file, so left as it is.
    assert one.region == "South"
    assert (three.name, three.sales_rep, three.is_active, three.replaced_by) == ("Oak & Sons", rep, False, one)
    assert (three.default_risk_class, three.short_name, three.credit_limit) == (3, "", None)
    assert told(entry) == [("customer_created", "Oak & Sons"), ("customer_updated", "Elm Supply, Inc.")]
    created = Entry.objects.get(action="customer_created", label="Oak & Sons")
    assert created.changes == {
        "customer_id": [None, "C3"],
        "name": [None, "Oak & Sons"],
        "sales_rep": [None, f"Rita Rep (#{rep.pk})"],
        "default_risk_class": [None, 3],
        "is_prospect": [None, False],
        "replaced_by": [None, f"Elm Supply, Inc. (#{one.pk})"],
        "is_active": [None, False],
    }
    updated = Entry.objects.get(action="customer_updated", label="Elm Supply, Inc.")
    assert updated.changes == {
        "name": ["Elm Supply", "Elm Supply, Inc."], "credit_limit": [None, "1500.5"], "default_risk_class": [None, 1],
    }  # fmt: skip
    assert counts(imported("customers", csv_bytes(HEAD, rows), admin)) == (0, 0, 3, 0)


def test_what_a_row_says_wrong_is_named_cell_by_cell(admin):
    make_customer(customer_id="C1", name="Elm")
    viewer = make_user("viewer", email="vera@example.com", full_name="Vera Viewer")
    rows = [
        ("C1", "", "nobody@example.com", "-1", "sure", "perhaps", "C99"),
        ("c1", "Elm again", viewer.email, "", "", "", ""),
        ("C2", "Fir", "", "", "", "", ""),
        ("C2", "Fir", "", "", "", "", ""),
        ("C3", "Oak\u200e", "", "", "", "", ""),
        ("C4", "N" * 201, "", "", "", "", "C4"),
    ]
    run = upload("customers", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == [
        "B2: Customer Name is missing; write one such as Elm Supply, Inc., or delete the row.",
        "C2: 'nobody@example.com' is nobody here; write the e-mail address, username or employee ID of a user, or add "
        "the user first.",
        "D2: '-1' is below 0; an amount must be 0 or more.",
        "E2: 'sure' is not offered here; write one of Order, Plan, Customer, Estimate.",
        "F2: 'perhaps' is neither Yes nor No; write one of them.",
        "G2: There is no customer 'C99'; correct the code, or add the customer first.",
        "A3: 'c1' differs from 'C1' by capitals only; write the code exactly like that.",
        "C3: Vera Viewer is not an active sales rep; choose one, or give them the role sales_rep first.",
        "A4: Rows 4 and 5 hold the same Customer ID; delete one of them.",
        "A5: Rows 4 and 5 hold the same Customer ID; delete one of them.",
        "B6: The text holds the invisible character U+200E; type it again without.",
        "B7: The text has 201 characters; at most 200 are kept. Shorten it.",
        "G7: A customer cannot replace itself.",
    ]
    assert counts(run) == (0, 0, 0, 6)


def test_nothing_points_at_a_customer_whose_row_is_refused(admin):
    rows = [
        ("C1", "Elm", "", "", "", "", "C2"), ("C2", "Fir", "", "", "", "", "C3"), ("C3", "", "", "", "", "", ""),
        ("C4", "Oak", "", "", "", "", ""),
    ]  # fmt: skip
    run = upload("customers", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == [
        "G2: The row of 'C2' is refused, so nothing can point at it; correct that row.",
        "G3: The row of 'C3' is refused, so nothing can point at it; correct that row.",
        "B4: Customer Name is missing; write one such as Elm Supply, Inc., or delete the row.",
    ]
    apply(run, admin, only_good=True)
    assert list(Customer.objects.values_list("customer_id", flat=True)) == ["C4"]


def test_customers_that_replace_each_other(admin):
    make_customer(customer_id="C1", name="Elm")
    make_customer(customer_id="C2", name="Fir", replaced_by=customer("C1"))
    run = upload("customers", csv_bytes(HEAD, [("C1", "Elm", "", "", "", "", "C2")]), admin)
    assert sentences(run) == ["G2: Fir is itself replaced by Elm; they cannot replace each other."]
    rows = [("C3", "Oak", "", "", "", "", "C4"), ("C4", "Yew", "", "", "", "", "C3")]
    run = upload("customers", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == [
        "G2: Yew is itself replaced by Oak; they cannot replace each other.",
        "G3: Oak is itself replaced by Yew; they cannot replace each other.",
    ]


def test_a_blank_empties_only_if_asked(admin):
    rep = make_user("sales_rep")
    make_customer(customer_id="C1", name="Elm", credit_limit=5, default_risk_class=1, sales_rep=rep)
    content = csv_bytes(HEAD, [("C1", "Elm", "", "", "", "", "")])
    assert counts(imported("customers", content, admin)) == (0, 0, 1, 0)
    assert counts(imported("customers", content, admin, clear_blanks=True)) == (0, 1, 0, 0)
    one = customer("C1")
    assert (one.credit_limit, one.default_risk_class, one.sales_rep, one.is_active) == (None, None, None, True)


def test_a_rep_who_left_stays_where_the_file_says_nothing_new(admin):
    rep = make_user("sales_rep", email="rita@example.com")
    make_customer(customer_id="C1", name="Elm", sales_rep=rep)
    with acting(admin, source="admin"):
        rep.is_active = False
        rep.save(update_fields=["is_active"])
    content = csv_bytes(HEAD[:3], [("C1", "Elm", "rita@example.com")])
    assert counts(imported("customers", content, admin)) == (0, 0, 1, 0)


def test_open_lines_go_with_their_customer(admin):
    line = make_line()
    other = make_user("sales_rep", email="oskar@example.com")
    heard = []

    def hear(customer_ids, rep, by, **kwargs):
        heard.append((list(customer_ids), rep, by))

    customers_assigned.connect(hear)
    try:
        content = csv_bytes(HEAD[:3], [(line.customer.customer_id, line.customer.name, "oskar@example.com")])
        run = upload("customers", content, admin)
        heard.clear()
        apply(run, admin)
    finally:
        customers_assigned.disconnect(hear)
    assert heard == [([line.customer_id], other, admin)]
    assert Line.objects.get(pk=line.pk).owner == other


def test_the_number_of_statements_does_not_grow_with_the_rows(admin):
    def statements(number):
        rows = [(f"C{number}-{n}", f"Customer {n}", "", "5", "Plan", "Yes", "") for n in range(number)]
        run = upload("customers", csv_bytes(HEAD, rows), admin)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            apply(run, admin)
        return len(captured)

    assert statements(2) == statements(200)


def test_of_a_refused_cell_only_the_beginning_is_kept(admin):
    """One text of a workbook of 10 kB, named by two thousand rows, once became 60 MB of refused cells."""
    rows = [(f"C{number}", "y" * 30_000) for number in range(3)]
    run = upload("customers", csv_bytes(HEAD[:2], rows), admin)
    assert [problem.value for problem in run.problems.all()] == [f"{'y' * 200}…"] * 3
    assert sentences(run)[0] == "B2: The text has 30,000 characters; at most 200 are kept. Shorten it."
    assert run.state == ImportRun.State.CHECKED


def test_much_text_in_few_rows_is_left_to_the_worker(admin, monkeypatch, tmp_path):
    monkeypatch.setattr("masterdata.imports.staging.LONG_TEXT", 100_000)
    rows = [(f"C{number}", "y" * 30_000) for number in range(4)]
    content = xlsx_bytes(HEAD[:2], rows, tmp_path)
    assert len(content) < 20_000
    run = upload("customers", content, admin, "file.xlsx")
    assert (run.state, run.problems.count()) == (ImportRun.State.QUEUED, 0)
    assert upload("customers", xlsx_bytes(HEAD[:2], rows[:3], tmp_path), admin, "file.xlsx").state == "checked"
