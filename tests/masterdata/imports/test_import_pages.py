"""The pages of imports: what an admin sees and does from the upload to the undo."""

import io

import openpyxl
import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from audit.context import acting
from masterdata.imports import detect
from masterdata.imports.kinds import KINDS
from masterdata.models import Actual, ImportHeading, ImportProgress, ImportRun
from sop_portal.accounts.models import User
from sop_portal.lib.tables import Preview
from tests.factories import make_customer, make_product, make_user
from tests.imports import ACTUALS, csv_bytes, imported, upload
from tests.world import count_queries, make_world

pytestmark = pytest.mark.django_db
START = reverse("masterdata:import_start", args=["actuals"])
ANY = reverse("masterdata:import_any")
GOOD = ["C1", "110001", "2026-10", "5", "50", ""]


@pytest.fixture
def signed_in(client, admin):
    client.force_login(admin)
    return client


@pytest.fixture(autouse=True)
def pair(db):
    return make_customer(customer_id="C1", name="Elm Supply"), make_product(item_code="110001")


def post_file(client, url, content, name="sales.csv", **fields):
    return client.post(url, {"file": SimpleUploadedFile(name, content), **fields})


def page_of(run):
    return reverse("masterdata:import_run", args=[run.pk])


def act(client, verb, run, **fields):
    return client.post(reverse(f"masterdata:import_{verb}", args=[run.pk]), fields, follow=True)


def test_from_the_upload_to_the_undo(signed_in):
    answer = post_file(signed_in, START, csv_bytes(ACTUALS, [GOOD]))
    run = ImportRun.objects.get()
    assert answer["Location"] == page_of(run)
    page = signed_in.get(page_of(run)).content.decode()
    assert "sales.csv would write 1 of its 1 actuals" in page
    assert "Elm Supply" in page and "Oct 2026" in page
    assert not Actual.objects.exists()

    page = act(signed_in, "apply", run, rows="all").content.decode()
    assert "1 row written" in page and "Undo this import" in page
    assert Actual.objects.get().quantity == 5


def test_an_applied_import_is_undone_from_its_page(signed_in, admin):
    run = imported("actuals", csv_bytes(ACTUALS, [GOOD]), admin)
    page = act(signed_in, "undo", run).content.decode()
    assert "is undone" in page and "Undo this import" not in page
    assert not Actual.objects.exists()


def test_refused_cells_are_named_and_the_good_rows_can_be_applied(signed_in, admin):
    run = upload("actuals", csv_bytes(ACTUALS, [GOOD, ["C1", "110001", "2026-11", "1e3", "5", ""]]), admin)
    page = signed_in.get(page_of(run)).content.decode()
    assert "1 row of 2" in page and "D3" in page and "1e3" in page
    assert "Apply all" not in page
    refused = act(signed_in, "apply", run, rows="all")
    assert refused.status_code == 422 and not Actual.objects.exists()
    act(signed_in, "apply", run, rows="good")
    assert Actual.objects.count() == 1


def test_what_is_refused_comes_back_as_a_workbook_with_the_reasons(signed_in, admin):
    run = upload("actuals", csv_bytes(ACTUALS, [GOOD, ["C1", "110001", "2026-11", "1e3", "5", ""]]), admin)
    address = reverse("masterdata:import_errors", args=[run.pk])
    assert address in signed_in.get(page_of(run)).content.decode()
    answer = signed_in.get(address)
    assert 'filename="file errors.xlsx"' in answer["Content-Disposition"]
    book = openpyxl.load_workbook(io.BytesIO(b"".join(answer)))
    texts = [str(cell) for sheet in book for row in sheet.iter_rows(values_only=True) for cell in row if cell]
    assert any("'1e3' is not a quantity" in text for text in texts)
    good = upload("actuals", csv_bytes(ACTUALS, [GOOD]), admin)
    assert signed_in.get(reverse("masterdata:import_errors", args=[good.pk])).status_code == 409


@pytest.mark.parametrize("key", sorted(KINDS))
def test_each_kind_has_a_template_whose_headings_are_known(signed_in, key):
    answer = signed_in.get(reverse("masterdata:import_template", args=[key]))
    assert answer["Content-Type"].endswith("sheet")
    first = next(openpyxl.load_workbook(io.BytesIO(b"".join(answer))).active.iter_rows(values_only=True))
    assert detect.best_kind([Preview("Data", True, [list(first)], 1, "")]) is KINDS[key]


def test_a_heading_is_said_once_and_remembered(signed_in, admin):
    content = csv_bytes(["Customer ID", "Item Code", "Period", "Pieces sold", "Amount"], [GOOD[:5]])
    post_file(signed_in, START, content)
    run = ImportRun.objects.get()
    page = signed_in.get(page_of(run)).content.decode()
    assert "could not be read as actuals" in page and "Pieces sold" in page
    nothing_said = act(signed_in, "headings", run)
    assert nothing_said.status_code == 422 and "Say of at least one heading" in nothing_said.content.decode()
    page = act(signed_in, "headings", run, heading_0="quantity").content.decode()
    assert "would write 1 of its 1 actuals" in page
    assert ImportHeading.objects.get().column == "quantity"
    post_file(signed_in, START, content)
    assert ImportRun.objects.latest("pk").state == ImportRun.State.CHECKED


def test_the_same_file_can_be_read_in_another_way(signed_in, admin):
    run = upload("actuals", csv_bytes(ACTUALS, [GOOD, GOOD]), admin)
    assert run.rows_refused == 2
    page = act(signed_in, "again", run, sum_duplicates="on").content.decode()
    assert "would write" in page
    run.refresh_from_db()
    assert run.options["sum_duplicates"] is True and run.rows_refused == 0
    act(signed_in, "again", run)
    run.refresh_from_db()
    assert "sum_duplicates" not in run.options and run.rows_refused == 2


def test_a_checked_file_is_put_aside(signed_in, admin):
    run = upload("actuals", csv_bytes(ACTUALS, [GOOD]), admin)
    assert "was cancelled" in act(signed_in, "cancel", run).content.decode()
    assert act(signed_in, "apply", run, rows="all").status_code == 409


def test_the_headings_tell_what_a_dropped_file_is(signed_in):
    answer = post_file(signed_in, ANY, csv_bytes(ACTUALS, [GOOD]))
    assert answer["Location"] == page_of(ImportRun.objects.get(kind="actuals"))


def test_a_file_that_nobody_knows_is_refused_with_what_is_expected(signed_in):
    answer = post_file(signed_in, ANY, csv_bytes(["Apples", "Pears"], [["1", "2"]]))
    assert answer.status_code == 422
    assert "actuals need Customer ID, Item Code, Period, Quantity, Amount" in answer.content.decode()
    assert not ImportRun.objects.exists()


@pytest.mark.parametrize("key", sorted(KINDS))
def test_each_kind_is_known_by_its_own_headings(key):
    kind = KINDS[key]
    for columns in (kind.columns, kind.required):
        found = detect.best_kind([Preview("Data", True, [[column.heading for column in columns]], 1, "")])
        assert found is kind


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [(b"", "empty.csv", "empty"), (b"%PDF-1.7 x", "book.xlsx", "PDF"), (b"PK\x03\x04broken", "book.xlsx", "damaged")],
)
@pytest.mark.parametrize("address", [START, ANY])
def test_what_is_no_table_is_refused_by_name(signed_in, address, content, name, words):
    answer = post_file(signed_in, address, content, name)
    if answer.status_code == 302:
        page = signed_in.get(answer["Location"])
        assert page.status_code == 200 and words.lower() in page.content.decode().lower()
    else:
        assert answer.status_code in (413, 422) and words.lower() in answer.content.decode().lower()
    assert not ImportRun.objects.exclude(state=ImportRun.State.REFUSED).exists()


def test_a_busy_run_shows_how_far_it_is_and_reloads_when_it_ends(signed_in, admin):
    run = upload("actuals", csv_bytes(ACTUALS, [GOOD]), admin)
    ImportRun.objects.untracked().filter(pk=run.pk).update(state="checking")
    ImportProgress.objects.create(run=run, step="Checking", rows_done=500, rows_all=2000)
    page = signed_in.get(page_of(run)).content.decode()
    assert "500 of 2,000 rows" in page and "Cancel" in page
    part = signed_in.get(page_of(run), headers={"HX-Request": "true"})
    assert "<html" not in part.content.decode() and "500 of 2,000 rows" in part.content.decode()
    ImportRun.objects.untracked().filter(pk=run.pk).update(state="checked")
    assert signed_in.get(page_of(run), headers={"HX-Request": "true"})["HX-Refresh"] == "true"


def test_the_gallery_says_what_waits_and_filters_by_state_and_kind(signed_in, admin):
    upload("actuals", csv_bytes(ACTUALS, [GOOD]), admin, name="waiting.csv")
    imported("actuals", csv_bytes(ACTUALS, [GOOD]), admin, name="done.csv")
    listed = reverse("masterdata:import_list")
    page = signed_in.get(listed).content.decode()
    assert "1 checked file waits to be applied" in page
    assert "waiting.csv" in page and "done.csv" in page
    applied = signed_in.get(listed, {"state": "applied"}).content.decode()
    assert "done.csv" in applied and "waiting.csv" not in applied
    assert "No such import" in signed_in.get(listed, {"kind": "users"}).content.decode()
    few = count_queries(signed_in, listed)
    for _ in range(3):
        upload("actuals", csv_bytes(ACTUALS, [GOOD]), admin)
    assert count_queries(signed_in, listed) == few


def test_who_may_not_manage_people_sees_no_import_of_people(client, admin):
    """An import of users shows addresses, names and roles, which the permission to import alone does not open."""
    people = upload("users", csv_bytes(["Email", "Full Name"], [("kim@example.com", "Kim Oak")]), admin)
    sales = upload("actuals", csv_bytes(ACTUALS, [GOOD]), admin)
    clerk = make_user("viewer")
    permission = Permission.objects.get(content_type__app_label="masterdata", codename="import_data")
    with acting(admin, source="admin"):
        clerk.user_permissions.add(permission)
    client.force_login(clerk)
    assert list(ImportRun.objects.visible_to(User.objects.get(pk=clerk.pk))) == [sales]
    assert [client.get(page_of(run)).status_code for run in (people, sales)] == [404, 200]
    for page in ("import_start", "import_template"):
        found = {
            kind: client.get(reverse(f"masterdata:{page}", args=[kind])).status_code for kind in ("users", "actuals")
        }
        assert found == {"users": 403, "actuals": 200}, page
    listed = reverse("masterdata:import_list")
    assert reverse("masterdata:import_start", args=["users"]) not in client.get(listed).content.decode()
    client.force_login(admin)
    assert reverse("masterdata:import_start", args=["users"]) in client.get(listed).content.decode()
    assert client.get(page_of(people)).status_code == 200


def test_unknown_kinds_and_runs_are_not_found(signed_in):
    assert signed_in.get(reverse("masterdata:import_start", args=["apples"])).status_code == 404
    assert signed_in.get(reverse("masterdata:import_run", args=[10**15])).status_code == 404


def test_prices_from_a_file_are_offered_to_the_lines_of_the_open_cycle(signed_in, admin):
    world = make_world(lines=1)
    code = world.customer.customer_id
    rows = [[code, "P0", "12", "2027-03-01"]]
    run = imported("matrix", csv_bytes(["Customer ID", "Item Code", "Unit Price", "Valid From"], rows), admin)
    page = signed_in.get(page_of(run)).content.decode()
    assert "1 line of S&amp;OP Jan 2027 uses the old price in 14 cells that nobody entered." in page
    assert reverse("forecasts:prices", args=[world.cycle.pk]) in page
