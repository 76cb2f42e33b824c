"""Whichever query of a write fails, nothing partial is left: query n of every use case fails, for every n."""

import copy
import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.utils import timezone
from psycopg import sql

from audit.context import acting
from cycles import services as cycles
from cycles.models import Cycle
from forecasts import services
from forecasts.excel import legacy_runs, legacy_work
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line
from forecasts.reasons import Reason
from forecasts.services import Adjustment, LineEdit, reminding
from forecasts.services.prices import leave_prices, take_prices
from forecasts.services.writing import past_the_guard
from masterdata.imports import runs
from masterdata.models import Customer, ImportRun, MatrixEntry, Product
from masterdata.services import (
    Change,
    Terms,
    Wanted,
    assign_customers,
    change_prices,
    copy_matrix,
    remove,
    replace,
    set_matrix,
    take_back,
)
from sop_portal.accounts import mail
from sop_portal.accounts.services import create_user, require_new_password, set_active, set_roles
from sop_portal.conf import services as settings_of_all
from sop_portal.conf.services import set_value
from sop_portal.jobs import services as jobs
from sop_portal.jobs.models import JobRun
from sop_portal.mail.models import OutboxMail
from sop_portal.mail.services import Letter, queue_many, send_again
from tests.factories import (
    FAR,
    answer,
    make_actual,
    make_customer,
    make_cycle,
    make_entry,
    make_group,
    make_product,
    make_user,
    open_cycle,
    ref,
    submit,
)
from tests.imports import commit, csv_bytes
from tests.workbooks import Plan, Row, as_workbook, grid
from tests.world import COMMENT, decided, next_transaction

pytestmark = pytest.mark.django_db
JAN, FEB = dt.date(2027, 1, 1), dt.date(2027, 2, 1)


class Broken(OperationalError):
    """The failure that the tests cause."""


class FailAt:
    """Lets n - 1 queries pass and fails the n-th one. A rollback never fails: without it the server rolls back."""

    def __init__(self, n: int) -> None:
        self.left, self.fired = n, False

    def __call__(self, execute: Callable, sql: str, params: Any, many: bool, context: dict) -> Any:
        self.left -= not sql.startswith("ROLLBACK TO")
        if self.left == 0 and not self.fired:
            self.fired = True
            raise Broken(sql)
        return execute(sql, params, many, context)


def checksums() -> dict[str, str]:
    """A checksum of every table's rows; the statement is planned once a test, which takes longer than to run it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT FROM pg_prepared_statements WHERE name = 'checksums'")
        if cursor.fetchone() is None:
            tables = [name for name in connection.introspection.table_names() if name != "django_migrations"]
            one = sql.SQL("SELECT {}, md5(coalesce(string_agg(row::text, '|' ORDER BY row::text), '')) FROM {} AS row")
            each = sql.SQL(" UNION ALL ").join(one.format(sql.Literal(name), sql.Identifier(name)) for name in tables)
            cursor.execute(sql.SQL("PREPARE checksums AS {}").format(each))
        cursor.execute("EXECUTE checksums")
        return dict(cursor.fetchall())


def differing(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one if one[name] != other[name]}


def attempt(act: Callable[[], Any], n: int = 0) -> tuple[bool, bool, dict[str, str]]:
    """Run `act` with its n-th query failing, look at the tables, and take everything back.

    Returns whether that query was reached, whether `act` failed, and the checksums it left behind; none where `act`
    spoilt the transaction around it.
    """
    breaker, failed = FailAt(n), False
    with transaction.atomic():
        try:
            with connection.execute_wrapper(breaker):
                act()
        except (Broken, transaction.TransactionManagementError):
            failed = True
        left = {} if connection.needs_rollback else checksums()
        transaction.set_rollback(True)
    return breaker.fired, failed, left


@pytest.fixture
def world() -> SimpleNamespace:
    """An open cycle of one rep: two live lines with their answers and a dormant one."""
    with connection.cursor() as cursor:
        # What was planned for the tables of another test.
        cursor.execute("DEALLOCATE ALL")
    manager = make_user("manager")
    world = SimpleNamespace(manager=manager, admin=make_user("admin"), rep=make_user("sales_rep", manager=manager))
    world.customer = make_customer(sales_rep=world.rep)
    group = make_group()
    entries = [make_entry(world.customer, make_product(group=group)) for _ in range(3)]
    for entry in entries[:2]:
        make_actual(entry, dt.date(2026, 12, 1))
    world.cycle = open_cycle(by=world.admin)
    by_product = {line.product_id: line for line in Line.objects.filter(cycle=world.cycle).select_related("cycle")}
    *world.lines, world.dormant = [by_product[entry.product_id] for entry in entries]
    world.lines = [answer(line, 7) for line in world.lines]
    next_transaction()
    return world


def refs(world: SimpleNamespace) -> list:
    return [ref(line) for line in world.lines]


def _set_cells(world):
    edits = [LineEdit(line.pk, line.revision, {JAN: Decimal(3)}, {FEB: Decimal(4)}) for line in world.lines]
    edits.append(LineEdit(world.dormant.pk, 1, {JAN: Decimal(1)}, risk_class=1, notes="New at Elm."))
    return world.rep, lambda: services.set_cells(world.cycle.pk, edits, by=world.rep)


def _set_cells_on_behalf(world):
    edits = [LineEdit(line.pk, line.revision, {JAN: Decimal(3)}) for line in world.lines]
    return world.admin, lambda: services.set_cells(world.cycle.pk, edits, by=world.admin)


def _submit(world):
    lines = refs(world)
    reasons = {lines[0].line_id: Reason("new store")}
    return world.rep, lambda: services.submit_lines(world.cycle.pk, lines, by=world.rep, reasons=reasons)


def _submitted(world):
    for line in world.lines:
        submit(line)
    return refs(world)


def _recall(world):
    lines = _submitted(world)
    return world.rep, lambda: services.recall_lines(world.cycle.pk, lines, by=world.rep)


def _approve(world):
    lines = _submitted(world)
    return world.manager, lambda: services.approve_lines(world.cycle.pk, lines, by=world.manager)


def _reject(world):
    lines = _submitted(world)
    return world.manager, lambda: services.reject_lines(world.cycle.pk, lines, by=world.manager, comment=COMMENT)


def _return(world):
    _submitted(world)
    decided("approve", world.lines, world.manager)
    lines = refs(world)
    return world.manager, lambda: services.return_lines(world.cycle.pk, lines, by=world.manager, comment=COMMENT)


def _adjust(world):
    submit(world.lines[0])
    _closed(world)
    wanted = [Adjustment(r.line_id, r.revision, {JAN: Decimal(2)}) for r in refs(world)]
    return world.manager, lambda: services.adjust_lines(world.cycle.pk, wanted, by=world.manager, reason=COMMENT)


def _closed(world):
    with acting(world.admin, source="web"):
        cycles.close_cycle(world.cycle.pk, by=world.admin)


def _published(world):
    _closed(world)
    with acting(world.admin, source="web"):
        cycles.publish_cycle(world.cycle.pk, by=world.admin)


def _create_cycle(world):
    return world.admin, lambda: cycles.create_cycle(first_period=FEB, closes_at=FAR, by=world.admin)


def _update_cycle(world):
    draft = make_cycle(by=world.admin, first_period=FEB)
    return world.admin, lambda: cycles.update_cycle(
        draft.pk, first_period=dt.date(2027, 3, 1), closes_at=FAR, by=world.admin
    )


def _delete_cycle(world):
    draft = make_cycle(by=world.admin, first_period=FEB)
    return world.admin, lambda: cycles.delete_cycle(draft.pk, by=world.admin)


def _open_cycle(world):
    submit(world.lines[0])
    _published(world)
    draft = make_cycle(by=world.admin, first_period=FEB)
    return world.admin, lambda: cycles.open_cycle(draft.pk, by=world.admin)


def _close_cycle(world):
    _submitted(world)
    decided("reject", world.lines[:1], world.manager)
    return world.admin, lambda: cycles.close_cycle(world.cycle.pk, by=world.admin, reason="All is in.")


def _publish_cycle(world):
    submit(world.lines[0])
    _closed(world)
    return world.admin, lambda: cycles.publish_cycle(world.cycle.pk, by=world.admin)


WHY = "The price list came late."


def _until() -> dt.datetime:
    return FAR + dt.timedelta(days=1)


def _extend_cycle(world):
    return world.admin, lambda: cycles.extend_cycle(world.cycle.pk, until=_until(), reason=WHY, by=world.admin)


def _extend_chosen(world):
    return world.admin, lambda: cycles.extend_cycle(
        world.cycle.pk, until=_until(), reason=WHY, by=world.admin, rep_ids=[world.rep.pk]
    )


def _ask_for_time(world):
    return world.rep, lambda: cycles.ask_for_time(world.cycle.pk, until=_until(), text=WHY, by=world.rep)


def _asked(world):
    with acting(world.rep, source="web"):
        return cycles.ask_for_time(world.cycle.pk, until=_until(), text=WHY, by=world.rep)


def _grant_request(world):
    request = _asked(world)
    return world.admin, lambda: cycles.grant_request(request.pk, by=world.admin)


def _decline_request(world):
    request = _asked(world)
    return world.admin, lambda: cycles.decline_request(request.pk, answer=WHY, by=world.admin)


def _refresh_cycle(world):
    make_actual(MatrixEntry.objects.get(product=world.dormant.product_id), dt.date(2026, 12, 1))
    return world.admin, lambda: cycles.refresh_cycle(world.cycle.pk, by=world.admin)


def _reopen_cycle(world):
    submit(world.lines[0])
    _closed(world)
    other = make_user("sales_rep", manager=world.manager)
    with acting(world.admin, source="web"):
        assign_customers([world.customer.pk], other, by=world.admin)
    return world.admin, lambda: cycles.reopen_cycle(world.cycle.pk, until=_until(), reason=WHY, by=world.admin)


def _reopen_chosen(world):
    _closed(world)
    return world.admin, lambda: cycles.reopen_cycle(
        world.cycle.pk, until=_until(), reason=WHY, by=world.admin, rep_ids=[world.rep.pk]
    )


def _auto_close(world):
    Cycle.objects.untracked().filter(pk=world.cycle.pk).update(closes_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return world.admin, cycles.auto_close


def _auto_open(world):
    _published(world)
    with acting(world.admin, source="web"):
        set_value("auto_open_cycles", True, world.admin)
    make_cycle(by=world.admin, first_period=FEB, opens_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    return world.admin, cycles.auto_open


def _remind(world):
    return world.manager, lambda: reminding.remind(world.cycle.pk, None, press="a", by=world.manager)


def _remind_everybody_due(world):
    submit(world.lines[0])
    tomorrow = timezone.now() + dt.timedelta(hours=20)
    Cycle.objects.untracked().filter(pk=world.cycle.pk).update(closes_at=tomorrow)
    return world.admin, reminding.remind_everybody_due


def _send_digests(world):
    _submitted(world)
    with past_the_guard():
        lines = Line.objects.filter(cycle=world.cycle).untracked()
        lines.update(submitted_at=F("submitted_at") - dt.timedelta(hours=2))
    return world.admin, reminding.send_digests


def book(first_volume: int = 5):
    """A plan of two customers, one of them new, with a price that changes."""
    plans = [
        Plan(
            name=name,
            rows=[Row(code="110001", description="Garlic", volumes=[first_volume, 0, 7], prices=[10, 10, 12])],
        )
        for name in ("Elm Supply", "Fir Provisions")
    ]
    return parse_book(as_workbook({plan.name: grid(plan) for plan in plans}))


def _checked_run(world) -> ImportRun:
    with acting(world.admin, source="web"):
        return legacy_runs.check_upload("plan.xlsx", [b"the file"], rep=world.rep, by=world.admin)


def _apply_import(world):
    make_customer(name="Elm Supply")
    run = _checked_run(world)
    return world.admin, lambda: legacy_runs.apply_run(run.pk, by=world.admin)


def _apply_changed_import(world):
    with acting(world.admin, source="web"):
        legacy_runs.apply_run(_checked_run(world).pk, by=world.admin)
    world.book = book(first_volume=6)
    run = _checked_run(world)
    return world.admin, lambda: legacy_runs.apply_run(run.pk, by=world.admin)


def _check_upload(world):
    return world.admin, lambda: _checked_run(world)


def _applied_file(kind, headings, before, after):
    """Apply a file of one kind, of which some rows change what an earlier file brought."""

    def case(world):
        for rows in (before, after):
            with acting(world.admin, source="web"):
                run = runs.check_upload("file.csv", [csv_bytes(headings, rows)], kind=kind, by=world.admin)
                assert (run.state, run.rows_refused) == ("checked", 0)
                if rows is before:
                    runs.apply_run(run.pk, by=world.admin)
            commit()
        return world.admin, lambda: runs.apply_run(run.pk, by=world.admin)

    case.__name__ = f"apply_{kind}"
    return case


def _undone_file(applied):
    def case(world):
        admin, apply = applied(world)
        with acting(admin, source="web"):
            run = apply()
        commit()
        return admin, lambda: runs.undo_run(run.pk, by=admin)

    case.__name__ = f"undo_{applied.__name__.removeprefix('apply_')}"
    return case


def _pairs(world_of):
    """Rows are put together when the world is there: its codes are not known before."""

    def case(world):
        customer, product = world.customer.customer_id, world.lines[0].product.item_code
        return world_of(customer, product)(world)

    return case


def _applied_pairs(kind, headings, rows):
    def of_world(customer, product):
        def filled(quantity):
            return [[*row[:-1], quantity] for row in rows(customer, product)]

        return _applied_file(kind, headings, filled("5"), [*filled("6"), [*rows(customer, product, 2)[0][:-1], "1"]])

    case = _pairs(of_world)
    case.__name__ = f"apply_{kind}"
    return case


_apply_customers = _applied_file(
    "customers", ["Customer ID", "Customer Name", "Replaced By"],
    [("N1", "Elm", "")], [("N1", "Elm Supply", "N2"), ("N2", "Fir", "")],
)  # fmt: skip
_apply_products = _applied_file(
    "products", ["Item Code", "Description", "Group Code", "Group Name", "UoM"],
    [("N1", "Garlic", "NG", "New", "CS")], [("N1", "Peeled", "NG", "Newer", "CS"), ("N2", "Onion", "NH", "Other", "CS")],
)  # fmt: skip
_apply_users = _applied_file(
    "users", ["Email", "Full Name", "Roles", "Manager"],
    [("n1@example.com", "Elm", "viewer", "")],
    [("n1@example.com", "Elma", "manager", ""), ("n2@example.com", "Fir", "sales_rep", "n1@example.com")],
)  # fmt: skip
_apply_actuals = _applied_pairs(
    "actuals", ["Customer ID", "Item Code", "Period", "Amount", "Quantity"],
    lambda customer, product, month=1: [(customer, product, f"2026-0{month}", "50", "")],
)  # fmt: skip
_apply_budget = _applied_pairs(
    "budget", ["Version", "Customer ID", "Item Code", "Period", "Amount", "Quantity"],
    lambda customer, product, month=1: [("2026", customer, "", f"2026-0{month}", "50", "")],
)  # fmt: skip
_apply_matrix = _applied_pairs(
    "matrix", ["Customer ID", "Item Code", "Valid From", "Unit Price"],
    lambda customer, product, month=1: [(customer, product, f"2026-0{month}-01", "")],
)  # fmt: skip
FILES = [_apply_customers, _apply_products, _apply_users, _apply_actuals, _apply_budget, _apply_matrix]


def _create_user(world):
    return world.admin, lambda: create_user(
        by=world.admin,
        email="new@example.com",
        full_name="New",
        roles=["sales_rep", "manager"],
        password="cloves-9-peel",
    )


def _set_roles(world):
    return world.admin, lambda: set_roles(world.rep, ["viewer"], by=world.admin)


def _set_active(world):
    return world.admin, lambda: set_active([world.rep, world.manager], False, by=world.admin)


def _mail_links(world):
    return world.admin, lambda: mail.send_password_links([world.rep, world.manager], welcome=True)


def _answer_requests(world):
    mail.ask_for_link(world.rep.email)
    mail.ask_for_link("nobody@example.com")
    return world.admin, mail.answer_requests


def _tell(world):
    letters = [Letter(user, str(user.pk), {"url": "/", "since": "noon"}) for user in (world.rep, world.manager)]
    return world.admin, lambda: queue_many("mail_stuck", letters)


def _send_again(world):
    mail.send_password_links([world.rep, world.manager])
    OutboxMail.objects.update(state="failed")
    return world.admin, lambda: send_again(OutboxMail.objects.all(), by=world.admin)


def _set_value(world):
    return world.admin, lambda: set_value("currency", "EUR", world.admin)


def _reset_value(world):
    with acting(world.admin, source="web"):
        set_value("currency", "EUR", world.admin)
    return world.admin, lambda: set_value("currency", "USD", world.admin)


def _assign_customers(world):
    other = make_user("sales_rep")
    return world.admin, lambda: assign_customers([world.customer.pk], other, by=world.admin)


def _pair(world):
    return MatrixEntry.objects.filter(customer=world.customer).order_by("pk").first()


def _replace_product(world):
    old, new = _pair(world).product, make_product()
    return world.admin, lambda: replace(Product, [old.pk], new.pk, prices_from=JAN, by=world.admin)


def _take_back(world):
    old, new = _pair(world).product, make_product()
    with acting(world.admin, source="web"):
        replace(Product, [old.pk], new.pk, by=world.admin)
    return world.admin, lambda: take_back(Product, [old.pk], by=world.admin)


def _copy_matrix(world):
    other = make_customer()
    return world.admin, lambda: copy_matrix(world.customer.pk, other.pk, prices_from=JAN, by=world.admin)


def _change_prices(world):
    change = Change(valid_from=FEB, percent=Decimal(5), customers=[world.customer.pk])
    return world.admin, lambda: change_prices(change, by=world.admin)


def _set_matrix(world):
    seen, bought, new = Terms(True, unit_price=Decimal(10)), _pair(world).product, make_product()
    wanted = [
        Wanted(bought.pk, seen, Terms(True, Decimal(1), Decimal(9), Decimal(11))),
        Wanted(new.pk, Terms(), Terms(True, unit_price=Decimal(7))),
    ]
    return world.admin, lambda: set_matrix(world.customer.pk, wanted, valid_from=FEB, by=world.admin)


def _remove(world):
    slip = make_entry(make_customer()).customer
    return world.admin, lambda: remove(Customer, [slip.pk, world.customer.pk], by=world.admin)


def _changed_prices(world):
    with acting(world.admin, source="web"):
        change_prices(Change(valid_from=FEB, percent=Decimal(5), customers=[world.customer.pk]), by=world.admin)


def _take_prices(world):
    _changed_prices(world)
    return world.admin, lambda: take_prices(world.cycle.pk, by=world.admin)


def _leave_prices(world):
    _changed_prices(world)
    return world.admin, lambda: leave_prices(world.cycle.pk, by=world.admin)


def _require_new_password(world):
    return world.admin, lambda: require_new_password([world.rep, world.manager], by=world.admin)


def _add_setting(world):
    wish = {"key": "erp_plant", "category": "SYSTEM", "kind": "text", "label": "Plant", "value": "1000"}
    return world.admin, lambda: settings_of_all.add(**wish, by=world.admin)


def _remove_setting(world):
    with acting(world.admin, source="web"):
        _add_setting(world)[1]()
    return world.admin, lambda: settings_of_all.remove("erp_plant", by=world.admin)


def _move_schedules(world):
    return world.admin, lambda: set_value("business_time_zone", "America/New_York", world.admin)


def _run_now(world):
    return world.admin, lambda: jobs.run_now("clear_sessions", by=world.admin)


def _end_dead_run(world):
    JobRun.objects.create(job="clear_sessions", state="running", started_by="beat", asked_at=FAR)
    return "system", jobs.end_dead


USE_CASES = [
    _set_cells, _set_cells_on_behalf, _submit, _recall, _approve, _reject, _return, _adjust,
    _create_cycle, _update_cycle, _delete_cycle, _open_cycle, _close_cycle, _publish_cycle,
    _extend_cycle, _extend_chosen, _ask_for_time, _grant_request, _decline_request, _refresh_cycle, _reopen_cycle,
    _reopen_chosen, _auto_close, _auto_open, _remind, _remind_everybody_due,
    _send_digests,
    _apply_import, _apply_changed_import, _check_upload, *FILES, *map(_undone_file, FILES),
    _mail_links, _answer_requests, _tell, _send_again,
    _create_user, _set_roles, _set_active, _set_value, _reset_value, _require_new_password,
    _add_setting, _remove_setting, _move_schedules, _run_now, _end_dead_run,
    _assign_customers, _replace_product, _take_back, _copy_matrix, _change_prices, _set_matrix, _remove,
    _take_prices, _leave_prices,
]  # fmt: skip


@pytest.mark.parametrize("case", USE_CASES, ids=lambda case: case.__name__.strip("_"))
def test_no_query_may_fail_half_way(case, world, monkeypatch, settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path
    world.book = book()
    # Reading the file is no query; what is tried is what the portal writes about it.
    monkeypatch.setattr(legacy_work, "read_book", lambda path: copy.deepcopy(world.book))
    by, do = case(world)

    def act() -> None:
        with acting(by, source="web"):
            do()

    next_transaction()
    before = checksums()
    files = set(tmp_path.iterdir())
    _, failed, done = attempt(act)
    wanted = differing(before, done)
    assert not failed and wanted

    reached, n = True, 0
    while reached:
        for path in set(tmp_path.iterdir()) - files:
            path.unlink()
        n += 1
        reached, failed, left = attempt(act, n)
        if failed and not left:
            # Its one row is saved at the very end, in a transaction of that save alone.
            assert case is _check_upload
            assert set(tmp_path.iterdir()) == files, f"query {n} failed and left its file behind"
        elif failed:
            assert differing(before, left) == set(), f"query {n} failed and left something behind"
            assert set(tmp_path.iterdir()) == files, f"query {n} failed and left its file behind"
        else:
            assert differing(before, left) == wanted, f"query {n} failed, and the success that was told is none"
    assert n > 4


def test_a_use_case_that_writes_twice_without_a_transaction_is_found(world):
    def act() -> None:
        for name in ("Oak", "Yew"):
            with transaction.atomic():
                world.customer.name = name
                world.customer.save()

    with acting("system", source="command"):
        before = checksums()
        partial = [
            differing(before, left) for _, failed, left in (attempt(act, n) for n in range(1, 12)) if failed and left
        ]
    assert any("masterdata_customer" in tables for tables in partial)
