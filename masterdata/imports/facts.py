"""Actuals and budget from a file: parsed, checked and compared by the database, a statement for each step."""

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
        """The type of a value in the database, with its places: the cast rounds half away from zero."""
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
    merge.lock(facts.target)
    _parse(staging, facts)
    references.refuse_unknown_customers(staging, "import_parsed")
    references.refuse_unknown_products(staging, "import_parsed")
    _refuse_duplicates(staging, facts, job.sums)
    refused = staging.bad_lines()
    if refused:
        run_sql("DELETE FROM import_parsed USING import_bad WHERE import_parsed.line = import_bad.line")
    _compare(facts, job.sums, staging.found.columns if job.clears else ())
    outcome = Outcome(rows_read=staging.rows, refused=refused)
    _count(outcome, facts)
    _add_up(outcome, facts)
    _remark(outcome, staging, facts)
    outcome.sample = merge.sample(facts.target)
    if facts.model is Actual and outcome.created + outcome.updated:
        outcome.batch = next_batch()
    job.watch.step("Writing", staging.rows)
    # What actuals were is kept by their revisions.
    merge.write(facts.target, job.watch, run_id=None if facts.model is Actual else job.run_id)
    return outcome


def _parse(staging: Staging, facts: Facts) -> None:
    """The staged texts as typed values with the rows that their codes name; NULL where there is none."""
    values = ", ".join(f"({staging.value(name)})::{facts.type_of(name)} AS {name}" for name in facts.values)
    version = f"{staging.value('version')} AS version, " if "version" in facts.keys else ""
    run_sql(
        f"CREATE TEMP TABLE import_parsed AS SELECT text.line, {version}customer.id AS customer_id, "
        f"product.id AS product_id, ({staging.value('period')})::date AS period, {values}, "
        "text.customer_id IS NOT NULL AS names_customer, text.item_code IS NOT NULL AS names_product, "
        "NOT coalesce(customer.is_active, true) OR NOT coalesce(product.is_active, true) AS is_stale "
        "FROM import_text AS text "
        "LEFT JOIN masterdata_customer AS customer ON customer.customer_id = text.customer_id "
        "LEFT JOIN masterdata_product AS product ON product.item_code = text.item_code "
        + staging.joins(("version", "period", *facts.values))
    )


def _refuse_duplicates(staging: Staging, facts: Facts, summed: bool) -> None:
    """Refuse rows that share a key, both of them; or, when rows are added up, those that would be added to a bad one."""
    keys = ", ".join(facts.keys)
    product = (
        "(product_id IS NOT NULL OR NOT names_product)"
        if _may_be_empty(facts, "product_id")
        else "product_id IS NOT NULL"
    )
    named = f"period IS NOT NULL AND customer_id IS NOT NULL AND {product}"
    # The rows of a key in their order; NULL is a key of its own (a budget without product).
    shared = (
        f"SELECT line, first_value(line) OVER same AS first_line, lead(line) OVER same AS next_line, "
        f"count(*) OVER (PARTITION BY {keys}) AS rows FROM import_parsed AS parsed WHERE {named} "
        f"WINDOW same AS (PARTITION BY {keys} ORDER BY line)"
    )
    found = one_of(f"SELECT EXISTS (SELECT FROM import_parsed WHERE {named} GROUP BY {keys} HAVING count(*) > 1)")[0]
    if not found:
        return
    if not summed:
        remedy = "delete one of them" + (
            ", or let the import add up rows with the same key" if staging.kind.sums else ""
        )
        run_sql(
            "INSERT INTO import_bad SELECT line, '%s', '', format('Rows %%s and %%s hold the same %s; %s.', "
            "least(line, other), greatest(line, other)) FROM (SELECT line, CASE WHEN line = first_line "
            f"THEN next_line ELSE first_line END AS other FROM ({shared}) AS shared WHERE rows > 1) AS pairs"
            % (staging.kind.key_columns[0], facts.words, remedy)
        )
        return
    run_sql(
        "INSERT INTO import_bad SELECT shared.line, '%s', '', format('Row %%s of the same %s is refused, so this one "
        "cannot be added to it; correct that row.', min(bad.line)) "
        f"FROM ({shared}) AS shared JOIN ({shared}) AS other ON other.first_line = shared.first_line "
        "JOIN import_bad AS bad ON bad.line = other.line "
        "WHERE shared.rows > 1 AND NOT EXISTS (SELECT FROM import_bad WHERE import_bad.line = shared.line) "
        "GROUP BY shared.line" % (staging.kind.key_columns[0], facts.words)
    )


def _compare(facts: Facts, summed: bool, cleared: Collection[str]) -> None:
    """The good rows beside what is stored: new and old values, the id of each row, and its state.

    cleared: columns in which a blank empties what is stored; elsewhere it leaves it.
    """
    source = "import_parsed"
    if summed:
        sums = ", ".join(f"sum({name}) AS {name}" for name in facts.values)
        keys = ", ".join(facts.keys)
        source = (
            f"(SELECT min(line) AS line, {keys}, {sums}, bool_or(is_stale) AS is_stale, count(*) AS rows "
            f"FROM import_parsed GROUP BY {keys})"
        )
    # The unique key takes no NULL for another unless it is asked like this.
    same = " AND ".join(
        f"coalesce(own.{key}, 0) = coalesce(parsed.{key}, 0)"
        if _may_be_empty(facts, key)
        else f"own.{key} = parsed.{key}"
        for key in facts.keys
    )
    new = ", ".join(
        f"{f'coalesce(parsed.{name}, own.{name})' if _may_be_empty(facts, name) and name not in cleared else f'parsed.{name}'} "
        f"AS n_{name}"
        for name in facts.values
    )
    old = ", ".join(f"own.{name} AS o_{name}" for name in facts.values)
    keys = ", ".join(f"parsed.{key} AS n_{key}" for key in facts.keys)
    run_sql(
        f"CREATE TEMP TABLE import_rows AS SELECT compared.*, {facts.target.state} AS state, "
        f"coalesce(known, {facts.target.next_id()}) AS id FROM (SELECT parsed.line, parsed.is_stale, "
        f"{'parsed.rows' if summed else '1 AS rows'}, own.id AS known, {keys}, {new}, {old} "
        f"FROM {source} AS parsed LEFT JOIN {facts.target.table} AS own ON {same}) AS compared"
    )


def _may_be_empty(facts: Facts, name: str) -> bool:
    return bool(facts.model._meta.get_field(name.removesuffix("_id")).null)


def _count(outcome: Outcome, facts: Facts) -> None:
    found = dict(rows_of("SELECT state, sum(rows) FROM import_rows GROUP BY state"))
    outcome.created, outcome.updated, outcome.unchanged = (
        int(found.get(state, 0)) for state in (merge.NEW, merge.CHANGED, merge.SAME)
    )
    outcome.tallies = {facts.target.entity: merge.count(facts.target)}


def _add_up(outcome: Outcome, facts: Facts) -> None:
    """The control totals of the good rows: in all and by month, for comparing with the source of the file."""
    sums = ", ".join(f"sum(n_{name})" for name in facts.values)
    months = {}
    total = {name: Decimal(0) for name in facts.values}
    lines = 0
    for month, rows, *values in rows_of(
        f"SELECT n_period, sum(rows), {sums} FROM import_rows GROUP BY n_period ORDER BY n_period"
    ):
        named = {name: value or Decimal(0) for name, value in zip(facts.values, values, strict=True)}
        months[periods.key(month)] = {"rows": int(rows), **{name: written(value) for name, value in named.items()}}
        lines += int(rows)
        for name, value in named.items():
            total[name] += value
    outcome.totals = {
        "rows": lines,
        **{name: written(value) for name, value in total.items()},
        "by_period": months,
    }


def _remark(outcome: Outcome, staging: Staging, facts: Facts) -> None:
    """What an admin should know about good rows."""
    stale, first = one_of("SELECT count(*), min(line) FROM import_rows WHERE is_stale")
    if stale:
        outcome.remarks.append(references.about_inactive(stale, staging.found.place(first)))
    if facts.model is Actual:
        now = periods.first_of_month(portal_now().date())
        coming = rows_of(
            "SELECT n_period, count(*), min(line) FROM import_rows WHERE n_period > %s GROUP BY 1 ORDER BY 1", [now]
        )
        if coming:
            months = ", ".join(f"{periods.label(month)} ({count:,})" for month, count, _ in coming[:5])
            outcome.remarks.append(
                Remark(
                    "future",
                    staging.found.place(coming[0][2], "period"),
                    f"Some rows are about months that have not begun: {months}. Check the years.",
                )
            )
