"""Taking an applied import back: every row becomes what it was, unless it is no longer what the import made of it.

Actuals know their past from their revisions. Of other rows the run kept what it changed, and what they said afterwards.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db import models

from masterdata.imports import customers, matrix, merge, products, users
from masterdata.imports.engine import take_turn
from masterdata.imports.facts import ACTUALS, BUDGET
from masterdata.imports.merge import CHANGED, GONE, Target
from masterdata.imports.progress import Watch
from masterdata.imports.staging import TABLES, one_of, rows_of, run_sql
from masterdata.models import ImportRun
from masterdata.upserts import next_batch
from sop_portal.accounts.models import User
from sop_portal.lib.errors import Conflict

# What may be taken back, in the order in which it goes: what points at others before these.
TARGETS: dict[str, Target] = {
    target.model._meta.label_lower: replace(target, rows="import_rows")
    for target in (matrix.PRICES, matrix.TARGET, products.TARGET, products.GROUPS, customers.TARGET, BUDGET.target)
}
NAMED = 3


def take_back(run: ImportRun, watch: Watch, patience: float | None, begin: Callable[[], None]) -> int | None:
    """Undo what `run` wrote, in the caller's transaction. Returns the batch of actuals that this made, if any.

    Raises Conflict naming rows that were changed since, or that others point at by now; Busy while another import is
    being written.
    """
    take_turn(watch, patience)
    begin()
    run_sql(f"SET LOCAL client_min_messages = warning; DROP TABLE IF EXISTS {', '.join(TABLES)}")
    if run.kind == ImportRun.Kind.ACTUALS:
        return _take_back_actuals(run, watch)
    if run.kind == ImportRun.Kind.USERS:
        _take_back_users(run)
        return None
    wrote = {
        entity
        for (entity,) in rows_of("SELECT DISTINCT entity FROM masterdata_importchange WHERE run_id = %s", [run.pk])
    }
    for entity, target in TARGETS.items():
        if entity in wrote:
            _take_back(run, target, watch)
    return None


def _take_back_actuals(run: ImportRun, watch: Watch) -> int | None:
    if run.batch is None:
        return None
    target = ACTUALS.target
    watch.step("Comparing", run.rows_created + run.rows_updated)
    merge.lock(target)
    values = ", ".join(f"written.old_{name} AS n_{name}, own.{name} AS o_{name}" for name in ACTUALS.values)
    now = ", ".join(f"own.{name}" for name in ACTUALS.values)
    left = ", ".join(f"written.new_{name}" for name in ACTUALS.values)
    run_sql(
        "CREATE TEMP TABLE import_rows AS SELECT (row_number() OVER ())::int AS line, own.id, "
        f"CASE WHEN written.old_quantity IS NULL THEN '{GONE}' ELSE '{CHANGED}' END AS state, written.customer_id AS "
        f"n_customer_id, written.product_id AS n_product_id, written.period AS n_period, {values}, "
        f"ROW({now}) IS DISTINCT FROM ROW({left}) AS touched "
        "FROM masterdata_actualrevision AS written LEFT JOIN masterdata_actual AS own ON "
        "(own.customer_id, own.product_id, own.period) = (written.customer_id, written.product_id, written.period) "
        "WHERE written.batch = %s",
        [run.batch],
    )
    # A row that goes is told as it was.
    run_sql(
        f"UPDATE import_rows SET {', '.join(f'n_{name} = o_{name}' for name in ACTUALS.values)} WHERE state = '{GONE}'"
    )
    _refuse_touched(target)
    batch = next_batch()
    watch.step("Taking back", run.rows_created + run.rows_updated)
    merge.write(target, watch)
    merge.remove(target)
    run_sql("DROP TABLE import_rows")
    return batch


def _take_back_users(run: ImportRun) -> None:
    users.restore(run)
    run_sql(
        f"CREATE TEMP TABLE import_rows AS SELECT object_id AS id, '{GONE}' AS state FROM masterdata_importchange "
        f"WHERE run_id = {int(run.pk)} AND before IS NULL"
    )
    _refuse_used(run, Target(User, (), ()))
    run_sql("DROP TABLE import_rows")
    users.remove(run)


def _take_back(run: ImportRun, target: Target, watch: Watch) -> None:
    watch.step(f"Comparing {target.model._meta.verbose_name_plural}", run.rows_created + run.rows_updated)
    merge.lock(target)
    columns = (*target.keys, *target.values)
    before = f"jsonb_populate_record(NULL::{target.table}, change.before)"
    old = ", ".join(
        f"CASE WHEN change.before ? '{name}' THEN ({before}).{name} ELSE own.{name} END AS n_{name}, "
        f"own.{name} AS o_{name}"
        for name in target.values
    )
    keys = ", ".join(f"own.{name} AS n_{name}" for name in target.keys)
    now = ", ".join(f"'{name}', own.{name}" for name in columns)
    run_sql(
        "CREATE TEMP TABLE import_rows AS SELECT (row_number() OVER ())::int AS line, change.object_id AS id, "
        f"CASE WHEN change.before IS NULL THEN '{GONE}' ELSE '{CHANGED}' END AS state, {keys}, {old}, "
        f"jsonb_strip_nulls(jsonb_build_object({now})) IS DISTINCT FROM change.after AS touched "
        f"FROM masterdata_importchange AS change LEFT JOIN {target.table} AS own ON own.id = change.object_id "
        f"WHERE change.run_id = {int(run.pk)} AND change.entity = '{target.model._meta.label_lower}'"
    )
    _refuse_touched(target)
    watch.step(f"Taking back {target.model._meta.verbose_name_plural}", run.rows_created + run.rows_updated)
    merge.write(target, watch)
    if target.model is customers.TARGET.model:
        customers.announce_reps(run.undone_by)
    # Only now: what changed with the import pointed at what came with it.
    _refuse_used(run, target)
    merge.remove(target)
    run_sql("DROP TABLE import_rows")


def _refuse_touched(target: Target) -> None:
    """Raise Conflict when rows were changed or deleted after the import."""
    (touched,) = one_of("SELECT count(*) FROM import_rows WHERE touched OR id IS NULL")
    if not touched:
        return
    ids = [
        pk
        for (pk,) in rows_of(
            "SELECT id FROM import_rows WHERE touched AND id IS NOT NULL ORDER BY id LIMIT %s", [NAMED]
        )
    ]
    names = [str(row) for row in target.model._base_manager.filter(pk__in=ids).order_by("pk")]
    words = target.model._meta.verbose_name_plural if touched != 1 else target.model._meta.verbose_name
    shown = f": {'; '.join(names)}" if names else ""
    more = " and others" if names and touched > len(names) else ""
    raise Conflict(
        f"The import cannot be undone, because {touched:,} {words} were changed or deleted since{shown}{more}. "
        "Correct them by hand or by another import."
        if touched != 1
        else f"The import cannot be undone, because 1 {words} was changed or deleted since{shown}. "
        "Correct it by hand or by another import."
    )


def _refuse_used(run: ImportRun, target: Target) -> None:
    """Raise Conflict when something that the run did not make itself points at a row that is to go."""
    uses = []
    for table, column in _pointing_at(target.table):
        pointing = next((model for model in _models() if model._meta.db_table == table), None)
        if pointing is not None and pointing._meta.auto_created is target.model:
            # A list of its own, which goes with it.
            continue
        (used,) = one_of(
            f'SELECT count(*) FROM import_rows AS staged JOIN "{table}" AS other ON other."{column}" = staged.id '
            f"WHERE staged.state = '{GONE}' AND NOT EXISTS (SELECT FROM masterdata_importchange AS change WHERE "
            "change.run_id = %s AND change.entity = %s AND change.object_id::text = to_jsonb(other)->>'id' "
            "AND change.before IS NULL)",
            [run.pk, pointing._meta.label_lower if pointing else ""],
        )
        if used:
            meta = pointing._meta if pointing else None
            words = (meta.verbose_name if used == 1 else meta.verbose_name_plural) if meta else table
            uses.append(f"{used:,} {words}")
    if uses:
        plural = target.model._meta.verbose_name_plural
        raise Conflict(
            f"The import cannot be undone, because {plural} that it made are in use by now: {', '.join(uses)}. "
            "Deactivate them instead."
        )


def _pointing_at(table: str) -> list[tuple[Any, ...]]:
    """Tables and columns whose foreign keys point at `table`, in whichever app."""
    return rows_of(
        "SELECT conrelid::regclass::text, attname FROM pg_constraint JOIN pg_attribute "
        "ON attrelid = conrelid AND attnum = conkey[1] WHERE contype = 'f' AND confrelid = %s::regclass "
        "AND array_length(conkey, 1) = 1 ORDER BY 1, 2",
        [table],
    )


def _models() -> list[type[models.Model]]:
    return apps.get_models(include_auto_created=True)
