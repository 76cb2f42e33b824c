"""The page that says who is who in old workbooks."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from forecasts.excel.legacy_near import near_customers
from forecasts.models import Line
from masterdata.models import Budget, Customer, CustomerAlias, ImportRun, RepAlias
from sop_portal.accounts.services import set_active
from tests.factories import make_customer, make_user
from tests.legacy_shapes import BudgetRow, BudgetSheet, Consol, ConsolRow
from tests.workbooks import Plan, Row, grid, save_xlsx

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path / "uploads"


@pytest.fixture
def admin(client):
    user = make_user("admin")
    client.force_login(user)
    return user


def plan(name="Alder", volume=5):
    return grid(Plan(name=name, rows=[Row(110001, "Peeled", [volume] * 16, [2] * 16)]))


def upload(client, tmp_path, sheets, name="west.xlsx", **data):
    path = save_xlsx(tmp_path / name, sheets)
    client.post(reverse("forecasts:legacy_upload"), {"file": SimpleUploadedFile(name, path.read_bytes()), **data})
    return ImportRun.objects.latest("pk")


def names_url(run):
    return reverse("forecasts:legacy_names", args=[run.pk])


def say(client, run, **fields):
    return client.post(names_url(run), {key.replace("_", "-"): value for key, value in fields.items()})


def apply(client, run):
    return client.post(reverse("forecasts:legacy_run", args=[run.pk]))


def test_an_unknown_sheet_is_mapped_to_a_customer_and_remembered(client, admin, tmp_path):
    customer = make_customer(customer_id="100234", name="Alder Produce of Miami")
    run = upload(client, tmp_path, {"Alder Produce": plan("Alder Produce")})
    page = client.get(names_url(run)).content.decode()
    assert "one is enough" in page
    assert 'value="id:100234"' in page  # a customer of a like name is offered
    answer = say(client, run, do_0="id:100234")
    assert answer.status_code == 302
    run.refresh_from_db()
    assert run.control_totals["tallies"]["customers"] == [0, 0, 1]
    assert not CustomerAlias.objects.exists()  # still a dry run
    apply(client, run)
    assert Line.objects.get().customer == customer
    assert Customer.objects.count() == 1
    alias = CustomerAlias.objects.get()
    assert (alias.key, alias.customer) == ("alder produce", customer)
    assert Entry.objects.get(entity_type="customer_alias").actor == admin
    again = upload(client, tmp_path, {"ALDER  produce": plan("ALDER  produce")})
    assert again.control_totals["changed"] == 0
    assert again.control_totals["open_names"] == []


def test_a_customer_may_be_typed_by_id_or_name(client, admin, tmp_path):
    customer = make_customer(customer_id="100234", name="Maple Deli")
    run = upload(client, tmp_path, {"Alder": plan()})
    assert say(client, run, do_0="new", customer_0=" maple  deli ").status_code == 302
    run.refresh_from_db()
    assert run.options["choices"]["customers"] == {"alder": ["customer", "100234"]}
    assert say(client, run, do_0="new", customer_0="100234").status_code == 302
    apply(client, run)
    assert Line.objects.get().customer == customer


def test_what_names_nobody_or_several_is_refused_beside_its_field(client, admin, tmp_path):
    for _ in range(2):
        make_customer(name="Maple Deli")
    run = upload(client, tmp_path, {"Alder": plan()})
    answer = say(client, run, do_0="new", customer_0="Nobody & Sons")
    assert answer.status_code == 422
    assert "No customer has the ID or name “Nobody &amp; Sons”." in answer.content.decode()
    answer = say(client, run, do_0="new", customer_0="Maple Deli")
    assert answer.status_code == 422 and "fits several" in answer.content.decode()
    assert say(client, run, do_0="id:../../etc").status_code == 422
    run.refresh_from_db()
    assert "choices" not in run.options


def test_a_name_that_fits_several_waits_for_a_decision(client, admin, tmp_path):
    first, _ = [make_customer(name="Alder") for _ in range(2)]
    run = upload(client, tmp_path, {"Alder": plan(), "Birch": plan("Birch")})
    page = client.get(reverse("forecasts:legacy_run", args=[run.pk])).content.decode()
    assert "1 name cannot be placed yet (Alder)" in page
    assert run.control_totals["sheets"] == 1
    say(client, run, do_0=f"id:{first.customer_id}", do_1="new")
    run.refresh_from_db()
    assert run.control_totals["sheets"] == 2
    apply(client, run)
    assert set(Line.objects.values_list("customer__name", flat=True)) == {"Alder", "Birch"}
    assert upload(client, tmp_path, {"Alder": plan()}).control_totals["changed"] == 0


def test_a_sheet_may_be_left_out_and_that_is_said(client, admin, tmp_path):
    budget = BudgetSheet([BudgetRow("Birch", [1, 2])]).grid()
    run = upload(client, tmp_path, {"Alder": plan(), "Birch": plan("Birch"), "Budget": budget})
    say(client, run, do_0="new", do_1="out")
    apply(client, run)
    assert list(Customer.objects.values_list("name", flat=True)) == ["Alder"]
    assert Budget.objects.count() == 0
    run.refresh_from_db()
    said = [finding["sentence"] for finding in run.findings if finding["code"] == "left_out"]
    assert said == [
        "The plan of 'Birch' was left out, as you chose.",
        "The budget of 'Birch' (and D4) was left out, as you chose.",
    ]  # fmt: skip


def test_a_name_that_fits_several_may_be_a_new_customer(client, admin, tmp_path):
    for _ in range(2):
        make_customer(name="Alder")
    run = upload(client, tmp_path, {"Alder": plan()})
    say(client, run, do_0="new")
    apply(client, run)
    assert Customer.objects.filter(name="Alder").count() == 3
    assert Line.objects.get().customer.customer_id == "L-alder"


def test_a_name_in_a_budget_alone_can_be_placed(client, admin, tmp_path):
    customer = make_customer(customer_id="100234", name="Maple Deli")
    budget = BudgetSheet([BudgetRow("Maple D.", [1, 2]), BudgetRow("Oak", [3, 4])]).grid()
    run = upload(client, tmp_path, {"Alder": plan(), "Budget": budget})
    page = client.get(names_url(run)).content.decode()
    assert page.count("only in a budget") == 2
    assert run.control_totals["budget_rows"] == 0
    say(client, run, do_0="new", do_1="", customer_1="100234", do_2="new")
    apply(client, run)
    assert set(Budget.objects.values_list("customer__name", flat=True)) == {"Maple Deli", "Oak"}
    assert CustomerAlias.objects.get(key="maple d.").customer == customer
    assert upload(client, tmp_path, {"Alder": plan(), "Budget": budget}).control_totals["changed"] == 0


def test_new_business_can_be_a_customer_that_is_there(client, admin, tmp_path):
    rep = make_user("sales_rep", full_name="Rep One")
    customer = make_customer(customer_id="100234", name="Maple Deli", sales_rep=rep)
    run = upload(client, tmp_path, {"New Business": plan("New Business")}, rep=rep.pk)
    page = client.get(names_url(run)).content.decode()
    assert "A new prospect" in page
    say(client, run, do_0="new", customer_0="100234")
    apply(client, run)
    assert Line.objects.get().customer == customer
    assert not Customer.objects.filter(is_prospect=True).exists()
    assert CustomerAlias.objects.get().key == "new business (rep one)"


def consol():
    rows = [ConsolRow(f"Rep {name}", f"Customer {name}", 110001, [5] * 12, [2] * 12) for name in ("One", "Two")]
    return {"Consol": Consol(rows).grid()}


def test_reps_of_a_consolidated_plan_are_mapped_and_remembered(client, admin, tmp_path):
    one, other = make_user("sales_rep", full_name="Maria Lopez"), make_user("sales_rep", full_name="John Doe")
    run = upload(client, tmp_path, consol())
    assert run.control_totals["unknown_reps"] == ["Rep One", "Rep Two"]
    assert say(client, run, rep_0=str(one.pk), do_0="new", do_1="new").status_code == 302
    run.refresh_from_db()
    assert (run.control_totals["unknown_reps"], run.control_totals["mapped_reps"]) == (["Rep Two"], ["Rep One"])
    apply(client, run)
    assert dict(Line.objects.values_list("customer__name", "owner")) == {"Customer One": one.pk, "Customer Two": None}
    alias = RepAlias.objects.get()
    assert (alias.key, alias.name, alias.rep) == ("rep one", "Rep One", one)
    entry = Entry.objects.get(entity_type="rep_alias")
    assert (entry.action, entry.actor) == ("rep_alias_created", admin)
    again = upload(client, tmp_path, consol())
    assert (again.control_totals["changed"], again.control_totals["unknown_reps"]) == (0, ["Rep Two"])
    say(client, again, rep_0=str(other.pk))
    again.refresh_from_db()
    # The customer and the line of Rep Two had nobody; the name of the rep is remembered.
    assert again.control_totals["changed"] == 3


def test_a_workbook_that_names_no_rep_is_given_one(client, admin, tmp_path):
    rep = make_user("sales_rep", full_name="Maria Lopez")
    run = upload(client, tmp_path, {"Alder": plan()})
    assert "names no rep" in client.get(names_url(run)).content.decode()
    say(client, run, file_0=str(rep.pk), do_0="new")
    apply(client, run)
    assert Line.objects.get().owner == rep
    assert Customer.objects.get().sales_rep == rep
    assert not RepAlias.objects.exists()


def test_a_rep_named_in_the_budget_is_mapped(client, admin, tmp_path):
    rep = make_user("sales_rep", full_name="Maria Lopez")
    sheets = {"Alder": plan(), "Budget": BudgetSheet([BudgetRow("Alder", [1, 2], rep="Sales Rep 01")]).grid()}
    run = upload(client, tmp_path, sheets)
    say(client, run, rep_0=str(rep.pk), do_0="new")
    apply(client, run)
    assert Line.objects.get().owner == rep
    assert upload(client, tmp_path, sheets).control_totals["owner"] == "Maria Lopez"


def test_somebody_who_is_no_rep_any_more_is_refused(client, admin, tmp_path):
    rep = make_user("sales_rep", full_name="Maria Lopez")
    run = upload(client, tmp_path, consol())
    say(client, run, rep_0=str(rep.pk))
    with acting(admin, source="web"):
        set_active([rep], False, by=admin)
    answer = apply(client, run)
    assert answer.status_code == 422
    assert "no active sales rep any more" in answer.content.decode()
    assert Line.objects.count() == 0
    assert say(client, run, rep_0=str(rep.pk)).status_code == 422  # nor can they be chosen


def test_a_customer_that_was_chosen_and_deleted_is_refused(client, admin, tmp_path):
    customer = make_customer(customer_id="100234", name="Maple Deli")
    run = upload(client, tmp_path, {"Alder": plan()})
    say(client, run, customer_0="100234")
    with acting("system", source="command"):
        customer.delete()
    answer = apply(client, run)
    assert answer.status_code == 422
    assert "No customer has the ID 100234 any more" in answer.content.decode()


def test_names_of_an_applied_import_are_closed(client, admin, tmp_path):
    run = upload(client, tmp_path, {"Alder": plan()})
    apply(client, run)
    assert client.get(names_url(run)).status_code == 302
    assert say(client, run, do_0="out").status_code == 302
    run.refresh_from_db()
    assert "choices" not in run.options


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_only_admins_decide(client, admin, tmp_path, role):
    run = upload(client, tmp_path, {"Alder": plan()})
    client.force_login(make_user(role))
    assert client.get(names_url(run)).status_code == 403
    assert say(client, run, do_0="out").status_code == 403


def test_the_page_costs_the_same_for_one_name_and_for_many(client, admin, tmp_path, django_assert_max_num_queries):
    def queries(count):
        run = upload(client, tmp_path, {f"Name {n}": plan(f"Name {n}") for n in range(count)}, name=f"{count}.xlsx")
        with django_assert_max_num_queries(40) as found:
            assert client.get(names_url(run)).status_code == 200
        return len(found)

    few = queries(1)
    assert queries(12) == few


def test_like_names_share_a_telling_word():
    customers = [("1", "Alder Produce LLC"), ("2", "Birch Produce"), ("3", "Alders & Co"), ("4", "Produce Alder")]
    found = near_customers(["Alder Produce", "Nobody", "Foods"], customers)
    assert [code for code, _ in found["Alder Produce"]][:1] == ["1"]
    assert (found["Nobody"], found["Foods"]) == ([], [])
    longer = ("7", "Alder Produce of Greater Miami")
    assert near_customers(["Alder"], [longer])["Alder"] == [longer]
