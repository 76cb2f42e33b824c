"""Customers from a file; whoever gets another rep takes the open lines along."""

from collections.abc import Iterable
from typing import Any

from masterdata.imports import merge
from masterdata.imports.job import Job
from masterdata.imports.merge import Target
from masterdata.imports.objects import (
    Row,
    check,
    fill,
    link,
    new_ids,
    read_rows,
    refuse_dangling,
    refuse_near_keys,
    refuse_rows,
    stage,
)
from masterdata.imports.outcome import Outcome
from masterdata.imports.references import People, unknown_code, unknown_person
from masterdata.imports.staging import Staging, rows_of
from masterdata.models import Customer
from masterdata.services import not_a_rep
from masterdata.signals import customers_assigned
from sop_portal.accounts.models import User

TARGET = Target(
    Customer,
    ("customer_id",),
    (
        "name", "short_name", "sales_rep_id", "region", "territory", "corporate_group", "contact_person",
        "contact_email", "contact_phone", "payment_terms", "credit_limit", "address", "city", "state", "postal_code",
        "country", "default_risk_class", "is_prospect", "replaced_by_id", "notes", "is_active",
    ),
)  # fmt: skip


def load(staging: Staging, job: Job) -> Outcome:
    """Check the staged rows and write the good ones."""
    job.watch.step("Checking", staging.rows)
    rows = read_rows(staging)
    if job.alone:
        merge.lock(TARGET)
    customers = _customers(rows)
    fields = {column.name: column.name for column in staging.columns}
    by_line = {}
    for row in rows:
        if "customer_id" in row.values:
            by_line[row.line] = customers[row.values["customer_id"]]
    _name_people(rows, by_line)
    _name_successors(rows, customers)
    for row in rows:
        if row.line in by_line:
            fill(by_line[row.line], row, fields, clears=job.clears)
    link(customers.values(), "replaced_by", {each.pk: each for each in customers.values()})
    for row in rows:
        if row.line in by_line:
            # Whether the code is free and whom the keys name has been found out already.
            check(by_line[row.line], row, fields, skip=("sales_rep", "replaced_by"))
    refuse_dangling(rows, "replaced_by", by_line)
    refused = refuse_rows(rows)
    stage(TARGET, ((row.line, by_line[row.line]) for row in rows if not row.refused))
    outcome = Outcome(rows_read=staging.rows, refused=refused, totals={"rows": staging.rows - refused})
    outcome.created, outcome.updated, outcome.unchanged = merge.count(TARGET)
    outcome.tallies = {TARGET.entity: merge.count(TARGET)}
    job.watch.step("Writing", staging.rows)
    merge.write(TARGET, job.watch, run_id=job.run_id)
    if job.shows:
        outcome.sample = merge.sample(TARGET)
    announce_reps(job.by)
    return outcome


def announce_reps(by: Any) -> None:
    """Tell those above of the staged customers that went to another rep; what hangs on them follows."""
    moved: dict[int | None, list[int]] = {}
    for customer, rep in rows_of(
        "SELECT id, n_sales_rep_id FROM import_rows WHERE state = %s AND n_sales_rep_id IS DISTINCT FROM o_sales_rep_id "
        "ORDER BY id",
        [merge.CHANGED],
    ):
        moved.setdefault(rep, []).append(customer)
    reps = User.objects.in_bulk([rep for rep in moved if rep is not None])
    for rep, ids in moved.items():
        customers_assigned.send(sender=Customer, customer_ids=ids, rep=reps.get(rep) if rep else None, by=by)


def _customers(rows: Iterable[Row]) -> dict[str, Customer]:
    """The customers that the file is about or names, by their ID; new ones have their key already.

    Those that something replaced are there, too: they may be links of a chain.
    """
    codes = {row.values[name] for row in rows for name in ("customer_id", "replaced_by") if name in row.values}
    found = {each.customer_id: each for each in Customer.objects.filter(customer_id__in=codes)}
    found.update((each.customer_id, each) for each in Customer.objects.filter(replaced_by__isnull=False))
    fresh = [row for row in rows if "customer_id" in row.values and row.values["customer_id"] not in found]
    refuse_near_keys(fresh, "customer_id", TARGET)
    wanted = {row.values["customer_id"]: None for row in fresh}
    for code, pk in zip(wanted, new_ids(TARGET, len(wanted)), strict=True):
        found[code] = Customer(pk=pk, customer_id=code)
    return found


def _name_people(rows: Iterable[Row], by_line: dict[int, Customer]) -> None:
    """Turn the names of reps into users; whoever becomes a customer's rep must be one."""
    named = [row for row in rows if "sales_rep" in row.values]
    people = People({row.values["sales_rep"] for row in named})
    reasons: dict[int, str] = {}
    for row in named:
        text = row.values.pop("sales_rep")
        person = people.find(text)
        customer = by_line.get(row.line)
        if person is None:
            row.refuse("sales_rep", unknown_person(text))
            continue
        if customer is None or customer.sales_rep_id != person.pk:
            if person.pk not in reasons:
                reasons[person.pk] = not_a_rep(person)
            if reasons[person.pk]:
                row.refuse("sales_rep", reasons[person.pk])
                continue
        row.values["sales_rep"] = person


def _name_successors(rows: Iterable[Row], customers: dict[str, Customer]) -> None:
    """Turn the IDs of successors into customers, also those that the file creates."""
    for row in rows:
        if "replaced_by" in row.values:
            code = row.values.pop("replaced_by")
            if code in customers:
                row.values["replaced_by"] = customers[code]
            else:
                row.refuse("replaced_by", unknown_code("customer", code, None))
