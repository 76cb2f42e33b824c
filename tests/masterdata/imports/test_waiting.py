"""Who waits for an import: nobody for a trial; what those are told who waited in vain for an import or a cycle."""

from contextlib import contextmanager

import pytest
from django.db import OperationalError, connection, transaction
from django.urls import reverse

from cycles.models import LOCK_CLASS as CYCLES
from masterdata.imports.engine import run_file, try_file
from masterdata.imports.progress import Watch
from masterdata.models import Actual, ImportRun
from masterdata.upserts import IMPORT_LOCK_CLASS as IMPORTS
from sop_portal import database
from tests.conftest import owner_connection
from tests.factories import make_customer, make_product
from tests.imports import ACTUALS, csv_bytes, stored, upload

pytestmark = pytest.mark.django_db
FILES = {
    "customers": csv_bytes(["Customer ID", "Name"], [("C9", "Oak")]),
    "products": csv_bytes(["Item Code", "Description", "Group Code", "UoM"], [("P9", "Garlic", "G9", "CS")]),
    "matrix": csv_bytes(["Customer ID", "Item Code", "Unit Price"], [("C1", "P1", "5")]),
    "actuals": csv_bytes(ACTUALS, [("C1", "P1", "2026-01", "5", "50", "")]),
}
TABLES = {
    "customers": {"masterdata_customer"},
    "products": {"masterdata_product", "masterdata_productgroup"},
    "matrix": {"masterdata_matrixentry", "masterdata_price"},
    "actuals": {"masterdata_actual"},
}


class Looking(Watch):
    """Which tables others are kept from when a step of the work begins."""

    def __init__(self, then=None):
        self.kept, self._then = {}, then

    def step(self, words, rows_all=None):
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT relation::regclass::text FROM pg_locks WHERE pid = pg_backend_pid() "
                "AND mode = 'ShareRowExclusiveLock'"
            )
            self.kept[words] = {table for (table,) in cursor.fetchall()}
        if words == "Writing" and self._then:
            then, self._then = self._then, None
            then()


@pytest.fixture
def path(tmp_path):
    make_customer(customer_id="C1")
    make_product(item_code="P1")
    return tmp_path / "file.csv"


@pytest.mark.parametrize("kind", FILES)
def test_a_trial_keeps_nobody_from_a_table_and_an_apply_only_once_the_file_is_read(path, admin, kind):
    """A check of a long matrix once stopped every save of an entry or a price for as long as it took."""
    path.write_bytes(FILES[kind])
    tried, written = Looking(), Looking()
    assert try_file(path, kind, {}, watch=tried, by=admin).created == 1
    assert set().union(*tried.kept.values()) == set()
    assert run_file(path, kind, {}, write=True, watch=written, by=admin).created == 1
    assert (written.kept["Checking"], written.kept["Writing"]) == (set(), TABLES[kind])


def test_a_trial_that_lost_a_race_for_a_row_is_made_again_alone(path, admin):
    path.write_bytes(FILES["actuals"])

    def somebody_is_faster():
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO masterdata_actual (customer_id, product_id, period, quantity, amount) "
                "SELECT c.id, p.id, '2026-01-01', 1, 1 FROM masterdata_customer AS c, masterdata_product AS p "
                "WHERE c.customer_id = 'C1' AND p.item_code = 'P1'"
            )

    watch = Looking(somebody_is_faster)
    assert try_file(path, "actuals", {}, watch=watch, by=admin).created == 1
    assert watch.kept["Writing"] == TABLES["actuals"]
    assert not Actual.objects.exists()


@contextmanager
def somebody_holding(lock_class, *, shared=False):
    """Somebody else who holds the table of actuals and an advisory lock of a class."""
    with owner_connection() as other, other.transaction():
        other.execute("LOCK TABLE masterdata_actual IN SHARE ROW EXCLUSIVE MODE")
        other.execute(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(%s, 1)", [lock_class])
        yield


@pytest.mark.parametrize(
    ("lock_class", "shared", "sentence"),
    [
        (IMPORTS, False, "An import is being written, so nothing was saved; try again in a minute."),
        (CYCLES, False, "A cycle is being opened or moved, so nothing was saved; try again in a minute."),
        (CYCLES, True, "Somebody else is saving the same at this moment, so nothing was saved; try again in a minute."),
        (
            IMPORTS + 990,
            False,
            "Somebody else is saving the same at this moment, so nothing was saved; try again in a minute.",
        ),
    ],
)
def test_who_waits_in_vain_is_told_who_was_in_the_way(lock_class, shared, sentence):
    with somebody_holding(lock_class, shared=shared):
        with pytest.raises(OperationalError) as waited, transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'; LOCK TABLE masterdata_actual IN ROW EXCLUSIVE MODE")
        told = database.in_the_way(waited.value)
    assert told is not None and (told.detail, told.status) == (sentence, 409)
    assert database.in_the_way(OperationalError("gone")) is None


def test_applying_while_a_cycle_opens_is_a_refusal_with_the_reason(path, admin, client):
    """It was once a page saying that the database cannot be reached."""
    run = upload("actuals", FILES["actuals"], admin)
    client.force_login(admin)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '50ms'")
    address = reverse("masterdata:import_apply", args=[run.pk])
    with somebody_holding(CYCLES):
        answer = client.post(address, {"rows": "all"})
    assert answer.status_code == 409
    assert "A cycle is being opened or moved, so nothing was saved" in answer.content.decode()
    assert (stored(run).state, Actual.objects.exists()) == (ImportRun.State.CHECKED, False)
    assert client.post(address, {"rows": "all"}).status_code == 302
    assert stored(run).state == ImportRun.State.APPLIED
