"""Importing old planning workbooks into the database: upload, dry run, apply, once more."""

import datetime as dt
import functools
import json
from decimal import Decimal

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from cycles.models import Cycle
from forecasts.excel.legacy_apply import apply_book
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line, Snapshot
from masterdata.models import Budget, Customer, CustomerAlias, ImportRun, MatrixEntry, Price, Product
from sop_portal.lib.workbook import read_workbook
from tests.factories import answer, make_customer, make_line, make_product, make_user, submit
from tests.real import REAL, needs_real_files
from tests.workbooks import Plan, Row, as_workbook, grid, save_xlsx

pytestmark = pytest.mark.django_db


@pytest.fixture
def uploads(settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path / "uploads"
    return settings.UPLOAD_DIR


@pytest.fixture
def admin(client):
    user = make_user("admin")
    client.force_login(user)
    return user


def upload(client, path, rep=None):
    with path.open("rb") as file:
        return client.post(
            reverse("forecasts:legacy_upload"), {"file": file, "rep": rep.pk if rep else ""}, follow=True
        )


def totals():
    return {
        "customers": Customer.objects.count(),
        "products": Product.objects.count(),
        "entries": MatrixEntry.objects.count(),
        "prices": Price.objects.count(),
        "lines": Line.objects.count(),
        "snapshots": Snapshot.objects.count(),
        "aliases": CustomerAlias.objects.count(),
    }


@needs_real_files
def test_the_real_workbook_comes_in_whole_and_a_second_time_changes_nothing(client, admin, uploads):
    rep = make_user("sales_rep")
    page = upload(client, REAL / "rep-workbook-a.xlsx", rep)
    assert "holds 512 cells, 75,680 cases" in page.content.decode()
    assert set(totals().values()) == {0}  # a dry run writes nothing

    run = ImportRun.objects.get()
    client.post(reverse("forecasts:legacy_run", args=[run.pk]))
    run.refresh_from_db()
    assert run.state == ImportRun.State.APPLIED
    lines = Line.objects.all()
    cells = [value for line in lines for value in line.quantity if value]
    assert (len(cells), sum(cells)) == (512, Decimal(75680))
    assert Customer.objects.filter(sales_rep=rep).count() == 16
    cycle = Cycle.objects.get()
    assert (cycle.kind, cycle.status, cycle.first_period) == ("legacy", "closed", dt.date(2025, 11, 1))
    assert all((line.status, line.owner, line.live) == ("submitted", rep, True) for line in lines)
    assert Snapshot.objects.filter(event="submit").count() == len(lines)

    before = totals()
    upload(client, REAL / "rep-workbook-a.xlsx", rep)
    again = ImportRun.objects.latest("pk")
    assert again.control_totals["changed"] == 0
    client.post(reverse("forecasts:legacy_run", args=[again.pk]))
    assert totals() == before


@needs_real_files
def test_a_book_without_business_writes_nothing_and_says_why(client, admin, uploads):
    page = upload(client, REAL / "rep-workbook-b.xlsx").content.decode()
    assert "no prospect was made of it" in page
    assert "without any live business" in page
    assert set(totals().values()) == {0}


@needs_real_files
def test_the_real_budget_comes_in_and_a_second_time_changes_nothing():
    outcome = apply(real_book())
    assert (outcome.budget_rows, outcome.budget_cells) == (30, 21)
    assert (outcome.budget_quantity, outcome.budget_amount) == (12_507, Decimal("508087.2"))
    rows = Budget.objects.all()
    assert (sum(row.quantity for row in rows), sum(row.amount for row in rows)) == (12_507, Decimal("508087.2"))
    alder = Budget.objects.get(customer__name="Alder Produce", period=dt.date(2025, 11, 1))
    assert (alder.version, alder.product, alder.quantity, alder.amount) == ("2025", None, 1_385, 46_898)
    assert Entry.objects.filter(entity_type="budget", action="budget_created").count() == 30
    assert apply(real_book()).tallies["budget"].unchanged == 30
    with acting("system", source="command"):
        alder.quantity, alder.amount = 1, 2
        alder.save()
    again = apply(real_book())
    alder.refresh_from_db()
    assert (alder.quantity, alder.amount, again.tallies["budget"].updated) == (1_385, 46_898, 1)


@needs_real_files
def test_the_command_ends_with_one_object(uploads, capsys):
    rep = make_user("sales_rep")
    path = str(REAL / "rep-workbook-a.xlsx")
    call_command("import_legacy", path, "--json")
    tried = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (tried["changed"], tried["cells"], tried["volume"]) == (0, 512, 75680)
    assert tried["would_change"] > 0
    assert set(totals().values()) == {0}
    call_command("import_legacy", path, "--apply", "--json", "--rep", rep.email)
    done = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (done["sheets"], done["customers"], done["cells"], done["volume"]) == (16, 16, 512, 75680)
    assert done["changed"] == tried["would_change"]
    call_command("import_legacy", path, "--apply", "--json")
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again["changed"], again["unknown"]) == (0, 0)
    assert not uploads.exists()


def test_a_file_that_is_no_workbook_is_refused_with_its_sentence(client, admin, uploads, tmp_path):
    fake = tmp_path / "plan.xlsx"
    fake.write_bytes(b"%PDF-1.7 not a workbook")
    page = upload(client, fake)
    assert page.status_code == 200
    assert "could not be read" in page.content.decode()
    run = ImportRun.objects.get()
    assert run.state == ImportRun.State.REFUSED
    assert list(uploads.iterdir()) == []
    answer = client.post(reverse("forecasts:legacy_run", args=[run.pk]))
    assert answer.status_code == 409


def test_a_file_over_the_limit_is_refused_before_it_is_read(client, admin, uploads, tmp_path):
    from sop_portal.conf.services import set_value

    with acting(admin, source="web"):
        set_value("max_import_file_size_mb", 1, admin)
    big = tmp_path / "plan.xlsx"
    big.write_bytes(b"PK\x03\x04" + b"0" * (1024 * 1024 + 1))
    answer = upload(client, big)
    assert answer.status_code == 413
    assert "larger than 1 MB" in answer.content.decode()
    assert ImportRun.objects.count() == 0
    assert list(uploads.iterdir()) == []


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_only_admins_import(client, uploads, role):
    client.force_login(make_user(role))
    assert client.get(reverse("forecasts:legacy_upload")).status_code == 403


def test_an_empty_file_is_named(client, admin, uploads):
    empty = SimpleUploadedFile("book.xlsx", b"")
    answer = client.post(reverse("forecasts:legacy_upload"), {"file": empty, "rep": ""}, follow=True)
    assert answer.status_code in (200, 422)
    assert "empty" in answer.content.decode()


@functools.cache
def real_book():
    """Parsed once: reading a workbook of 16 sheets takes a second."""
    return parse_book(read_workbook(REAL / "rep-workbook-a.xlsx"))


def apply(book, **kw):
    with acting("system", source="command"):
        return apply_book(book, rep=kw.get("rep"), by=None, dry_run=kw.get("dry_run", False))


@needs_real_files
def test_a_renamed_customer_is_found_again():
    book = real_book()
    apply(book)
    with acting("system", source="command"):
        customer = Customer.objects.get(name="Alder Produce")
        customer.name, customer.short_name, customer.customer_id = "Alder Produce LLC", "Alder", "100234"
        customer.save()
    outcome = apply(book)
    assert outcome.changed == 0
    assert Customer.objects.count() == 16


@needs_real_files
def test_a_name_that_fits_two_customers_leaves_the_sheet_out():
    for _ in range(2):
        make_customer(name="Alder Produce")
    outcome = apply(real_book())
    assert outcome.sheets == 15
    assert any(warning.code == "ambiguous_customer" for warning in outcome.warnings)


@needs_real_files
def test_a_customer_of_another_rep_stays_with_them():
    theirs = make_user("sales_rep")
    make_customer(name="Alder Produce", sales_rep=theirs)
    mine = make_user("sales_rep")
    outcome = apply(real_book(), rep=mine)
    assert Customer.objects.get(name="Alder Produce").sales_rep == theirs
    assert [warning.code for warning in outcome.warnings].count("other_rep") == 1


@needs_real_files
def test_every_row_that_came_in_stands_in_the_trail():
    apply(real_book())
    for entity, model in (
        ("customer", Customer), ("product", Product), ("matrix", MatrixEntry), ("price", Price), ("forecast", Line),
    ):  # fmt: skip
        entries = Entry.objects.filter(entity_type=entity)
        assert entries.count() == model.objects.count() > 0
        assert set(entries.values_list("source", flat=True)) == {"excel"}


@needs_real_files
def test_a_failure_at_the_end_leaves_nothing(monkeypatch):
    from forecasts.excel import legacy_apply

    def fail(*args, **kw):
        raise RuntimeError("the last step fails")

    monkeypatch.setattr(legacy_apply, "write_plan", fail)
    with pytest.raises(RuntimeError):
        apply(real_book())
    assert set(totals().values()) == {0}


def test_two_sheets_of_one_customer_are_added_up():
    plans = [
        Plan(
            name="Elm Supply", rows=[Row(code="110001", description="Garlic", volumes=[5, 0, 7], prices=[10, 10, 10])]
        ),
        Plan(
            name="elm  supply ", rows=[Row(code="110001", description="Garlic", volumes=[1, 2, None], prices=[9, 9, 9])]
        ),
    ]
    outcome = apply(parse_book(as_workbook({plan.name: grid(plan) for plan in plans})))
    assert Customer.objects.count() == 1
    line = Line.objects.get()
    assert line.quantity[:3] == [6, 2, 7]
    assert line.unit_price[0] == 10
    assert (outcome.cells, outcome.volume, outcome.lines) == (3, 15, 1)
    assert any(warning.code == "same_line" for warning in outcome.warnings)
    assert apply(parse_book(as_workbook({plan.name: grid(plan) for plan in plans}))).changed == 0


def elm_book(first, volumes):
    plan = Plan(
        name="Elm Supply",
        first=first,
        heads="date",
        rows=[
            Row(code="110001", description="Garlic", volumes=volumes, prices=[10] * 16),
            Row(code="999999", description="Not in the cycle", volumes=volumes, prices=[10] * 16),
        ],
    )
    return parse_book(as_workbook({plan.name: grid(plan)}))


def elm_line():
    """A rep's line of Elm Supply and 110001 in a cycle that opens in January 2027."""
    rep = make_user("sales_rep")
    customer = make_customer(name="Elm Supply", sales_rep=rep)
    return make_line(owner=rep, customer=customer, product=make_product(item_code="110001"), quantity=None)


def test_a_plan_goes_into_the_open_cycle_on_behalf_of_the_rep_where_months_match():
    line, admin = elm_line(), make_user("admin")
    # November 2026 is month 1, so months 3 to 16 are January 2027 to February 2028; month 4 is blank.
    book = elm_book(dt.date(2026, 11, 1), [1, 2, 3, None, *range(5, 17)])
    with acting(admin, source="web"):
        outcome = apply_book(book, rep=None, by=admin, dry_run=False, into_open=True)
    line.refresh_from_db()
    assert line.quantity == [3, None, *range(5, 17), None, None]
    assert line.quantity_source == "l-" + "l" * 12 + "--"
    assert (line.status, line.edited_by) == ("draft", admin)
    assert not Cycle.objects.filter(kind="legacy").exists()
    assert (outcome.lines, outcome.cells, outcome.volume) == (1, 13, 3 + sum(range(5, 17)))
    assert [warning.code for warning in outcome.warnings if not warning.informative].count("no_line") == 1
    trail = Entry.objects.get(entity_type="forecast", entity_id=str(line.pk))
    assert (trail.on_behalf_of, trail.changes["quantity 2027-01"]) == (line.owner, [None, "3"])
    with acting(admin, source="web"):
        again = apply_book(book, rep=None, by=admin, dry_run=False, into_open=True)
    assert again.changed == 0


def test_a_submitted_line_is_left_out_of_a_plan_for_the_open_cycle():
    line, admin = elm_line(), make_user("admin")
    submit(answer(line, 7))
    with acting(admin, source="web"):
        outcome = apply_book(elm_book(dt.date(2027, 1, 1), [9] * 16), rep=None, by=admin, dry_run=False, into_open=True)
    line.refresh_from_db()
    assert line.quantity[0] == 7
    assert any(warning.code == "takes_no_input" for warning in outcome.warnings)


def test_without_an_open_cycle_such_an_import_is_refused(client, admin, uploads, tmp_path):
    path = tmp_path / "plan.xlsx"
    save_xlsx(path, {"Elm": grid(Plan(name="Elm", rows=[Row(code="1", description="Garlic", volumes=[5] * 16)]))})
    with path.open("rb") as file:
        page = client.post(reverse("forecasts:legacy_upload"), {"file": file, "rep": "", "into": "open"}, follow=True)
    assert "No cycle is open" in page.content.decode()
    assert Customer.objects.count() == 0


def test_what_was_taken_but_asks_for_a_look_is_not_refused():
    """A volume without a price is kept and named with its remedy; only what was left out counts as refused."""
    plan = Plan(
        name="Elm Supply",
        rows=[
            Row(code="110001", description="Garlic", volumes=[5, 6, "many"], prices=[None, None, None]),
        ],
    )
    outcome = apply(parse_book(as_workbook({plan.name: grid(plan)})))
    (missing,) = [warning for warning in outcome.warnings if warning.code == "price_missing"]
    assert missing.sentence.endswith(
        "they are taken and count no sales. Write the prices and upload the workbook again, or set one in the pricing "
        "matrix."
    )
    assert (missing.informative, missing.left_out) == (False, False)
    left_out = [warning for warning in outcome.warnings if warning.left_out]
    assert [warning.code for warning in left_out] == ["refused_number"]


def test_a_zero_of_the_last_month_stands_in_the_control_totals():
    volumes = [*range(1, 16), 0]
    plan = Plan(name="Elm Supply", rows=[Row(code="110001", description="Garlic", volumes=volumes, prices=[10] * 16)])
    outcome = apply(parse_book(as_workbook({plan.name: grid(plan)})))
    assert list(outcome.by_period.values()) == volumes
    assert (outcome.cells, outcome.volume) == (15, 120)
