"""The pricing matrix from a file: entries and the steps of their prices, a statement for each step.

A pair may stand in several rows, one for each price; what such rows say about the entry must agree.
"""

import datetime as dt
from collections.abc import Collection
from zoneinfo import ZoneInfo

from django.db import models

from masterdata.imports import merge, references
from masterdata.imports.job import Job
from masterdata.imports.merge import Target
from masterdata.imports.outcome import Outcome, Remark
from masterdata.imports.references import People, unknown_person
from masterdata.imports.staging import Staging, cut, one_of, rows_of, run_sql
from masterdata.imports.values import LONGEST
from masterdata.models import MatrixEntry, Price
from masterdata.price_steps import price_steps
from sop_portal import conf
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now

TARGET = Target(
    MatrixEntry,
    ("customer_id", "product_id"),
    ("is_active", "minimum_order_quantity", "maximum_order_quantity", "lead_time_days", "proposed_by_id", "notes"),
)
PRICES = Target(Price, ("entry_id", "valid_from"), ("unit_price",), rows="import_more")
REFERENCES = ("customer_id", "item_code", "proposed_by")
# Values of an entry: the column of the file, that of the table, and its type.
VALUES = (
    ("is_active", "is_active", "boolean"),
    ("minimum_order_quantity", "minimum_order_quantity", "numeric(18, 6)"),
    ("maximum_order_quantity", "maximum_order_quantity", "numeric(18, 6)"),
    ("lead_time_days", "lead_time_days", "smallint"),
    ("proposed_by", "proposed_by_id", "bigint"),
    ("notes", "notes", "text"),
)
_PAIR = "n_customer_id, n_product_id"
_WHOLE = "n_customer_id IS NOT NULL AND n_product_id IS NOT NULL"


def this_month() -> dt.date:
    """The first day of the current month where the business is: from when a price holds that has no date."""
    now = portal_now().astimezone(ZoneInfo(conf.get("business_time_zone")))
    return periods.first_of_month(now.date())


def load(staging: Staging, job: Job) -> Outcome:
    """Check the staged rows and write the good ones: entries first, then the prices that change."""
    job.watch.step("Checking", staging.rows)
    staging.settle(references=REFERENCES)
    _name_people(staging)
    _parse(staging, job.options.get("valid_from") or this_month().isoformat())
    references.refuse_unknown(staging, "import_parsed")
    _refuse_duplicates()
    _refuse_disagreeing(staging)
    _drop_bad()
    if job.alone:
        merge.lock(TARGET, PRICES)
    _compare(staging.found.columns if job.clears else ())
    _refuse_maximum_below_minimum()
    outcome = Outcome(rows_read=staging.rows, refused=staging.bad_lines())
    _step_prices()
    _count(outcome)
    _remark(outcome, staging)
    job.watch.step("Writing", staging.rows)
    for target in (TARGET, PRICES):
        merge.write(target, job.watch, run_id=job.run_id)
    if job.shows:
        entries, prices = merge.sample(TARGET), merge.sample(PRICES)
        outcome.sample = {name: [*entries[name], *prices[name]][: merge.SAMPLE_KEPT] for name in entries}
    return outcome


def _name_people(staging: Staging) -> None:
    if "proposed_by" not in staging.found.columns:
        return
    names = [name for (name,) in rows_of("SELECT DISTINCT proposed_by FROM import_text WHERE proposed_by IS NOT NULL")]
    people = People(names)
    found = [(name, people.find(name)) for name in names]
    staging.map(
        "proposed_by",
        (
            (name, str(person.pk) if person else None, None if person else unknown_person(name), False)
            for name, person in found
        ),
    )
    if not all(person for _, person in found):
        staging.refuse_mapped("proposed_by")


def _parse(staging: Staging, valid_from: str) -> None:
    """The staged texts as typed values with the rows that their codes name; NULL where there is none."""
    names = ("unit_price", "valid_from", *(name for name, *_ in VALUES))
    values = ", ".join(f"({staging.value(name)})::{kind} AS {name}" for name, _, kind in VALUES)
    price = staging.value("unit_price")
    run_sql(
        f"CREATE TEMP TABLE import_parsed AS SELECT text.line, customer.id AS n_customer_id, "
        f"product.id AS n_product_id, ({price})::numeric(14, 4) AS unit_price, coalesce(({staging.value('valid_from')})::date, "
        f"CASE WHEN {price} IS NOT NULL THEN date '{dt.date.fromisoformat(valid_from)}' END) AS valid_from, "
        f"({staging.value('valid_from')}) IS NULL AND {price} IS NOT NULL AS is_undated, {values}, "
        "text.customer_id IS NOT NULL AS names_customer, text.item_code IS NOT NULL AS names_product, "
        "NOT coalesce(customer.is_active, true) OR NOT coalesce(product.is_active, true) AS is_stale "
        "FROM import_text AS text "
        "LEFT JOIN masterdata_customer AS customer ON customer.customer_id = text.customer_id "
        "LEFT JOIN masterdata_product AS product ON product.item_code = text.item_code " + staging.joins(names)
    )


def _refuse_duplicates() -> None:
    """Refuse rows of one pair that name the same day, both of them."""
    if not one_of(
        f"SELECT EXISTS (SELECT FROM import_parsed WHERE {_WHOLE} GROUP BY {_PAIR}, valid_from HAVING count(*) > 1)"
    )[0]:
        return
    run_sql(
        "INSERT INTO import_bad SELECT line, 'customer_id', '', format('Rows %s and %s hold the same customer and item "
        "with the same day; delete one of them.', least(line, other), greatest(line, other)) FROM (SELECT line, "
        "CASE WHEN line = first_value(line) OVER same THEN lead(line) OVER same ELSE first_value(line) OVER same END "
        f"AS other FROM import_parsed WHERE {_WHOLE} WINDOW same AS (PARTITION BY {_PAIR}, valid_from ORDER BY line)) "
        "AS pairs WHERE other IS NOT NULL"
    )


def _refuse_disagreeing(staging: Staging) -> None:
    """Refuse cells that say something else about an entry than a row of the same pair further up."""
    for name, _, _ in VALUES:
        if name not in staging.found.columns:
            continue
        heading = staging.kind.column(name).heading
        text, earlier = f'text."{name}"', f'earlier."{name}"'
        run_sql(
            f"INSERT INTO import_bad SELECT later.line, '{name}', {cut(text)}, format('%s is ''%s'' here and "
            "''%s'' in row %s of the same customer and item; write the same in both.', "
            f"'{heading}', {cut(text, LONGEST)}, {cut(earlier, LONGEST)}, later.first_line) FROM (SELECT line, {name}, "
            f"first_value(line) OVER same AS first_line, first_value({name}) OVER same AS first_value "
            f"FROM import_parsed WHERE {_WHOLE} AND {name} IS NOT NULL "
            f"WINDOW same AS (PARTITION BY {_PAIR} ORDER BY line)) AS later "
            "JOIN import_text AS text ON text.line = later.line "
            f"JOIN import_text AS earlier ON earlier.line = later.first_line WHERE later.{name} <> later.first_value"
        )


def _drop_bad() -> None:
    run_sql("DELETE FROM import_parsed USING import_bad WHERE import_parsed.line = import_bad.line")


def _compare(cleared: Collection[str]) -> None:
    """The entries of the good rows beside what is stored. cleared: columns in which a blank empties what is stored."""
    new, old = [], []
    for name, attribute, kind in VALUES:
        # Rows of a pair agree, so any of their values will do.
        said = f"bool_or(parsed.{name})" if kind == "boolean" else f"max(parsed.{name})"
        field: models.Field = MatrixEntry._meta.get_field(name)  # type: ignore[assignment]
        may_be_empty = field.null or field.blank
        default = {"boolean": "true", "text": "''"}.get(kind, f"NULL::{kind}")
        kept = default if name in cleared and may_be_empty else f"own.{attribute}, {default}"
        new.append(f"coalesce({said}, {kept}) AS n_{attribute}")
        old.append(f"own.{attribute} AS o_{attribute}")
    run_sql(
        f"CREATE TEMP TABLE import_rows AS SELECT compared.*, {TARGET.state} AS state, "
        f"coalesce(known, {TARGET.next_id()}) AS id FROM (SELECT min(parsed.line) AS line, own.id AS known, "
        f"parsed.n_customer_id, parsed.n_product_id, {', '.join(new)}, {', '.join(old)} "
        "FROM import_parsed AS parsed LEFT JOIN masterdata_matrixentry AS own "
        "ON (own.customer_id, own.product_id) = (parsed.n_customer_id, parsed.n_product_id) "
        "GROUP BY parsed.n_customer_id, parsed.n_product_id, own.id) AS compared"
    )


def _refuse_maximum_below_minimum() -> None:
    """Refuse entries whose maximum would be below their minimum, in the words of the model's own rule."""
    (rule,) = (each for each in MatrixEntry._meta.constraints if each.name == "matrixentry_maximum_not_below_minimum")
    refused = run_sql(
        "INSERT INTO import_bad SELECT parsed.line, 'maximum_order_quantity', '', %s FROM import_rows AS staged "
        "JOIN import_parsed AS parsed USING (n_customer_id, n_product_id) "
        "WHERE n_maximum_order_quantity < n_minimum_order_quantity",
        [f"{rule.violation_error_message} Correct one of the two."],
    )
    if refused:
        run_sql("DELETE FROM import_rows WHERE n_maximum_order_quantity < n_minimum_order_quantity")
        _drop_bad()


def _step_prices() -> None:
    """The prices of the good rows, with what becomes of each."""
    # Linked to their rows again: an entry has one row a day.
    wanted = (
        "SELECT staged.id AS entry_id, parsed.valid_from AS day, parsed.unit_price AS amount FROM import_parsed AS "
        "parsed JOIN import_rows AS staged USING (n_customer_id, n_product_id) "
        "WHERE parsed.unit_price IS NOT NULL"
    )
    run_sql(
        f"CREATE TEMP TABLE import_more AS SELECT parsed.line, coalesce(step.known, {PRICES.next_id()}) AS id, "
        "step.state, step.entry_id AS n_entry_id, step.day AS n_valid_from, step.amount AS n_unit_price, "
        f"step.old AS o_unit_price FROM ({price_steps(wanted)}) AS step JOIN import_rows AS staged "
        "ON staged.id = step.entry_id JOIN import_parsed AS parsed ON (parsed.n_customer_id, parsed.n_product_id, "
        "parsed.valid_from) = (staged.n_customer_id, staged.n_product_id, step.day) AND parsed.unit_price IS NOT NULL"
    )


def _count(outcome: Outcome) -> None:
    """Count rows by the most that becomes of their entry or price."""
    found = dict(
        rows_of(
            "SELECT CASE WHEN staged.state = 'n' THEN 'n' WHEN price.state IN ('n', 'c') OR "
            "(staged.state = 'c' AND staged.line = parsed.line) THEN 'c' ELSE 'u' END AS state, count(*) "
            "FROM import_parsed AS parsed JOIN import_rows AS staged USING (n_customer_id, n_product_id) "
            "LEFT JOIN import_more AS price ON price.line = parsed.line GROUP BY 1"
        )
    )
    outcome.created, outcome.updated, outcome.unchanged = (
        found.get(state, 0) for state in (merge.NEW, merge.CHANGED, merge.SAME)
    )
    outcome.tallies = {target.entity: merge.count(target) for target in (TARGET, PRICES)}
    rows, priced = one_of("SELECT count(*), count(unit_price) FROM import_parsed")
    outcome.totals = {"rows": rows, "prices": priced}


def _remark(outcome: Outcome, staging: Staging) -> None:
    """What an admin should know about good rows."""
    undated, line, day = one_of("SELECT count(*), min(line), min(valid_from) FROM import_parsed WHERE is_undated")
    if undated:
        outcome.remarks.append(
            Remark(
                "undated",
                staging.found.place(line, "unit_price"),
                f"Prices without a day: {undated:,}. They hold from {day:%d} {periods.label(day)} on.",
            )
        )
    stale, line = one_of("SELECT count(*), min(line) FROM import_parsed WHERE is_stale")
    if stale:
        outcome.remarks.append(references.about_inactive(stale, staging.found.place(line)))
