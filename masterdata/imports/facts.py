"""Actuals and budget from a file: parsed, checked and compared by the database, a statement for each step."""

import datetime as dt
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models

from masterdata.imports import merge, references
from masterdata.imports.job import Job
from masterdata.imports.merge import Target
from masterdata.imports.outcome import Outcome, Remark, written
from masterdata.imports.staging import Staging, one_of, rows_of, run_sql
from masterdata.models import Actual, Budget
from masterdata.models.imports import ImportRun
from masterdata.upserts import next_batch
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now

REFERENCES = ("customer_id", "item_code")


@dataclass(frozen=True)
class Facts:
    """How the rows of a kind of facts stand in their table. keys and values are columns of the table."""

    model: type[models.Model]
    keys: tuple[str, ...]
    values: tuple[str, ...]
    words: str

    @property
    def target(self) -> Target:
        return Target(self.model, self.keys, self.values)

    def type_of(self, name: str) -> str:
        """The type of a value in the database, with its places."""
        field: Any = self.model._meta.get_field(name)
        return f"numeric({field.max_digits}, {field.decimal_places})"


ACTUALS = Facts(
    Actual, ("customer_id", "product_id", "period"), ("quantity", "amount", "cost"), "customer, item and period"
)
BUDGET = Facts(
    Budget,
    ("version", "customer_id", "product_id", "period"),
    ("quantity", "amount"),
    "version, customer, item and period",
)
FACTS = {ImportRun.Kind.ACTUALS.value: ACTUALS, ImportRun.Kind.BUDGET.value: BUDGET}


def load(staging: Staging, job: Job) -> Outcome:
    """Check the staged rows and write the good ones; the caller decides whether that stays."""
    facts = FACTS[staging.kind.key]
    job.watch.step("Checking", staging.rows)
    staging.settle(references=REFERENCES)
    parsed = _parsed(staging, facts)
    if job.sums:
        # Rows are added up only once the bad ones are out.
        run_sql(f"CREATE TEMP TABLE import_parsed AS {parsed}")
        _refuse(staging, facts, "import_parsed", summed=True)
    if job.alone:
        merge.lock(facts.target)
    _compare(facts, _summed(facts) if job.sums else f"({parsed})", staging.found.columns if job.clears else ())
    if not job.sums:
        _refuse(staging, facts, "import_rows", summed=False)
    outcome = Outcome(rows_read=staging.rows, refused=staging.bad_lines())
    _add_up(outcome, staging, facts)
    if facts.model is Actual and outcome.created + outcome.updated:
        outcome.batch = next_batch()
    job.watch.step("Writing", staging.rows)
    new, changed, same = outcome.tallies[facts.target.entity]
    if new + changed:
        # What actuals were is kept by their revisions.
        run_id = None if facts.model is Actual else job.run_id
        merge.write(facts.target, job.watch, run_id=run_id, rows=new + changed + same)
    if job.shows:
        outcome.sample = merge.sample(facts.target)
    return outcome


def _parsed(staging: Staging, facts: Facts) -> str:
    """The query of the staged texts as typed values `n_…`, with the rows that their codes name; NULL where there is none."""
    values = ", ".join(f"({staging.value(name)})::{facts.type_of(name)} AS n_{name}" for name in facts.values)
    version = f"{staging.value('version')} AS n_version, " if "version" in facts.keys else ""
    return (
        f"SELECT text.line, {version}customer.id AS n_customer_id, product.id AS n_product_id, "
        f"({staging.value('period')})::date AS n_period, {values}, 1 AS rows, "
        "text.customer_id IS NOT NULL AS names_customer, text.item_code IS NOT NULL AS names_product, "
        "NOT coalesce(customer.is_active, true) OR NOT coalesce(product.is_active, true) AS is_stale "
        "FROM import_text AS text "
        "LEFT JOIN masterdata_customer AS customer ON customer.customer_id = text.customer_id "
        "LEFT JOIN masterdata_product AS product ON product.item_code = text.item_code "
        + staging.joins(("version", "period", *facts.values))
    )


def _summed(facts: Facts) -> str:
    """The query of the parsed rows, those of one key added up."""
    keys = ", ".join(f"n_{key}" for key in facts.keys)
    sums = ", ".join(f"sum(n_{name}) AS n_{name}" for name in facts.values)
    return (
        f"(SELECT min(line) AS line, {keys}, {sums}, count(*) AS rows, true AS names_customer, true AS names_product, "
        f"bool_or(is_stale) AS is_stale FROM import_parsed GROUP BY {keys})"
    )


def _refuse(staging: Staging, facts: Facts, table: str, *, summed: bool) -> None:
    """Refuse rows of `table` whose codes name nothing or whose keys are shared, and take every refused row out."""
    references.refuse_unknown(staging, table)
    _refuse_duplicates(staging, facts, table, summed)
    run_sql(f"DELETE FROM {table} USING import_bad WHERE {table}.line = import_bad.line")


def _refuse_duplicates(staging: Staging, facts: Facts, table: str, summed: bool) -> None:
    """Refuse rows that share a key, both of them; or, when rows are added up, those that would be added to a bad one."""
    keys = ", ".join(f"n_{key}" for key in facts.keys)
    product = "n_product_id IS NOT NULL"
    if _may_be_empty(facts, "product_id"):
        product = f"({product} OR NOT names_product)"
    named = f"n_period IS NOT NULL AND n_customer_id IS NOT NULL AND {product}"
    if not one_of(f"SELECT EXISTS (SELECT FROM {table} WHERE {named} GROUP BY {keys} HAVING count(*) > 1)")[0]:
        return
    # The rows of a key in their order; NULL is a key of its own (a budget without product).
    shared = (
        f"SELECT line, first_value(line) OVER same AS first_line, lead(line) OVER same AS next_line, "
        f"count(*) OVER (PARTITION BY {keys}) AS rows FROM {table} WHERE {named} "
        f"WINDOW same AS (PARTITION BY {keys} ORDER BY line)"
    )
    name = staging.kind.key_columns[0]
    if not summed:
        run_sql(
            f"INSERT INTO import_bad SELECT line, '{name}', '', format('Rows %s and %s hold the same {facts.words}; "
            "delete one of them, or let the import add up rows with the same key.', least(line, other), "
            "greatest(line, other)) FROM (SELECT line, CASE WHEN line = first_line THEN next_line ELSE first_line END "
            f"AS other FROM ({shared}) AS shared WHERE rows > 1) AS pairs"
        )
        return
    run_sql(
        f"INSERT INTO import_bad SELECT shared.line, '{name}', '', format('Row %s of the same {facts.words} is refused, "
        "so this one cannot be added to it; correct that row.', min(bad.line)) "
        f"FROM ({shared}) AS shared JOIN ({shared}) AS other ON other.first_line = shared.first_line "
        "JOIN import_bad AS bad ON bad.line = other.line "
        "WHERE shared.rows > 1 AND NOT EXISTS (SELECT FROM import_bad WHERE import_bad.line = shared.line) "
        "GROUP BY shared.line"
    )


def _compare(facts: Facts, source: str, cleared: Collection[str]) -> None:
    """The rows of a query beside what is stored: new and old values, the id of each row, and its state.

    cleared: columns in which a blank empties what is stored; elsewhere it leaves it.
    """
    # The unique key takes no NULL for another unless it is asked like this.
    same = " AND ".join(
        f"coalesce(own.{key}, 0) = coalesce(parsed.n_{key}, 0)"
        if _may_be_empty(facts, key)
        else f"own.{key} = parsed.n_{key}"
        for key in facts.keys
    )
    new = ", ".join(
        f"{f'coalesce(parsed.n_{name}, own.{name})' if _may_be_empty(facts, name) and name not in cleared else f'n_{name}'} "
        f"AS n_{name}"
        for name in facts.values
    )
    old = ", ".join(f"own.{name} AS o_{name}" for name in facts.values)
    keys = ", ".join(f"parsed.n_{key}" for key in facts.keys)
    run_sql(
        f"CREATE TEMP TABLE import_rows AS SELECT compared.*, {facts.target.state} AS state, "
        f"coalesce(known, {facts.target.next_id()}) AS id FROM (SELECT parsed.line, rows, names_customer, "
        f"names_product, is_stale, own.id AS known, {keys}, {new}, {old} "
        f"FROM {source} AS parsed LEFT JOIN {facts.target.table} AS own ON {same}) AS compared"
    )


def _may_be_empty(facts: Facts, name: str) -> bool:
    return bool(facts.model._meta.get_field(name.removesuffix("_id")).null)


def _add_up(outcome: Outcome, staging: Staging, facts: Facts) -> None:
    """Counts, control totals in all and by month, and what an admin should know, from one look at the good rows."""
    sums = ", ".join(f"coalesce(sum(n_{name}), 0)" for name in facts.values)
    total = dict.fromkeys(facts.values, Decimal(0))
    months: dict[dt.date, dict[str, Any]] = {}
    counted: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    stale: list[tuple[int, int]] = []
    first_lines: dict[dt.date, int] = {}
    for state, month, lines, rows, first, stale_rows, first_stale, *values in rows_of(
        "SELECT state, n_period, count(*), sum(rows), min(line), count(*) FILTER (WHERE is_stale), "
        f"min(line) FILTER (WHERE is_stale), {sums} FROM import_rows GROUP BY state, n_period ORDER BY n_period"
    ):
        counted[state] += int(rows)
        objects[state] += lines
        of_month = months.setdefault(month, {"rows": 0, **dict.fromkeys(facts.values, Decimal(0))})
        of_month["rows"] += int(rows)
        for name, value in zip(facts.values, values, strict=True):
            of_month[name] += value
            total[name] += value
        first_lines[month] = min(first, first_lines.get(month, first))
        if stale_rows:
            stale.append((stale_rows, first_stale))
    outcome.created, outcome.updated, outcome.unchanged = (counted[state] for state in merge.STATES)
    new, changed, same = (objects[state] for state in merge.STATES)
    outcome.tallies = {facts.target.entity: (new, changed, same)}
    outcome.totals = {
        "rows": counted.total(),
        **{name: written(value) for name, value in total.items()},
        "by_period": {
            periods.key(month): {name: value if name == "rows" else written(value) for name, value in of_month.items()}
            for month, of_month in months.items()
        },
    }
    if stale:
        place = staging.found.place(min(line for _, line in stale))
        outcome.remarks.append(references.about_inactive(sum(rows for rows, _ in stale), place))
    now = periods.first_of_month(portal_now().date())
    coming = {month: of_month["rows"] for month, of_month in months.items() if month > now}
    if coming and facts.model is Actual:
        named = ", ".join(f"{periods.label(month)} ({rows:,})" for month, rows in list(coming.items())[:5])
        outcome.remarks.append(
            Remark(
                "future",
                staging.found.place(min(first_lines[month] for month in coming), "period"),
                f"Some rows are about months that have not begun: {named}. Check the years.",
            )
        )
