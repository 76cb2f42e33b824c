"""Whatever the path, what changed in the tables stands in the trail: one entry per object and transaction.

The tables themselves say what changed; nothing here knows what a service means to record. Real commits throughout.
"""

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from audit import registry
from audit.context import acting
from audit.models import Entry
from cycles import services as cycles
from forecasts import services
from forecasts.excel import legacy_runs, legacy_work
from forecasts.excel.legacy_sheets import parse_book
from forecasts.models import Line
from forecasts.services import LineEdit
from forecasts.services.prices import take_prices
from masterdata import services as masterdata
from masterdata.imports import runs
from masterdata.models import Actual, Budget, Customer, MatrixEntry, Price, Product, ProductGroup
from masterdata.services import assign_customers
from sop_portal.accounts.services import create_user, require_new_password, set_active
from sop_portal.conf.services import set_value
from sop_portal.lib import periods
from tests.factories import FAR, make_actual, make_customer, make_cycle, make_entry, make_product, make_user, ref
from tests.imports import csv_bytes
from tests.workbooks import Plan, Row, as_workbook, grid
from tests.world import COMMENT, decided, make_world, submitted

pytestmark = pytest.mark.usefixtures("committed")

JAN, FEB, MAR = dt.date(2027, 1, 1), dt.date(2027, 2, 1), dt.date(2027, 3, 1)
# Signing in is told by events of its own, and the browser's session is no business row.
APPS = ("masterdata", "cycles", "forecasts", "accounts", "conf")
Key = tuple[str, str]


def stored() -> dict[Key, dict[str, Any]]:
    """Every tracked row of the portal with its tracked fields; the cells of a line one by one."""
    found = {}
    for model, tracked in registry.tracked.items():
        if model._meta.app_label not in APPS:
            continue
        ids = list(model._base_manager.values_list("pk", flat=True))
        for pk, row in tracked.stored(ids, list(tracked.fields), using="default").items():
            found[tracked.entity, str(pk)] = row
    for line in Line.objects.select_related("cycle"):
        row = found["forecast", str(line.pk)]
        for name in ("quantity", "unit_price"):
            for period, value in zip(line.cycle.periods, row.pop(name), strict=True):
                row[f"{name} {periods.key(period)}"] = value
    return found


def differences(before: dict[Key, dict], after: dict[Key, dict]) -> dict[Key, dict[str, tuple[Any, Any]]]:
    """Per object that changed, came or went: field -> (before, after)."""
    found = {}
    for key in before.keys() | after.keys():
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        names = (old or new or {}).keys()
        pairs = {name: ((old or {}).get(name), (new or {}).get(name)) for name in names}
        found[key] = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    return found


def same(told: Any, true: Any) -> bool:
    """Whether the trail's value is the stored one; keys are told as "what it is called (#id)"."""
    if told == true:
        return True
    named = re.search(r"\(#(.+)\)$", str(told))
    return named is not None and named[1] == str(true)


@contextmanager
def all_told(person: Any, source: str, *, on_behalf_of: Any = None, lines_come: bool = False) -> Iterator[None]:
    """Compare what changes inside with what the trail tells about it: by whom, from where, before and after.

    lines_come: lines are made set by set, with fewer fields told than they have.
    """
    before, last = stored(), Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
    yield
    changed = differences(before, stored())
    assert changed, "nothing was written"
    entries = [entry for entry in Entry.objects.filter(id__gt=last) if entry.entity_type != "session"]
    told = {(entry.entity_type, entry.entity_id): entry for entry in entries}
    assert len(entries) == len(told), "an object has two entries of one transaction"
    assert told.keys() == changed.keys()
    for key, pairs in changed.items():
        entry = told[key]
        assert (entry.actor_id, entry.source) == (person.pk if person else None, source)
        assert entry.on_behalf_of_id == (on_behalf_of.pk if on_behalf_of and key[0] == "forecast" else None)
        made = lines_come and key[0] in ("forecast", "participant") and key not in before
        for name, (old, new) in pairs.items():
            if made or (old in (None, "", {}, []) and new in (None, "", {}, [])) or name in SECRET:
                continue
            if name in SAID:
                assert entry.changes["comment"][1] == new
                continue
            assert name in entry.changes, f"{key}: {name} changed unseen"
            assert same(entry.changes[name][0], old) or old in ("", {}, []), (key, name)
            assert same(entry.changes[name][1], new) or new in ("", {}, []), (key, name)


SECRET = {"password"}
# What a person says with a move is told as its comment.
SAID = {"decision_comment"}


@pytest.fixture
def world() -> SimpleNamespace:
    return make_world(lines=2)


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    # The first page notes when the person was last seen.
    client.get(reverse("home"))
    return client


def test_pages(world):
    rep, manager, admin = (signed_in(person) for person in (world.rep, world.manager, world.admin))
    first, second = world.lines
    full = {periods.key(period): "5" for period in world.cycle.periods}
    save = reverse("forecasts:save", args=[world.cycle.pk])
    with all_told(world.rep, "web"):
        edits = [
            {"line": line.pk, "revision": line.revision, "quantity": full, "risk_class": 1} for line in (first, second)
        ]
        answer = rep.post(save, json.dumps({"edits": edits}), content_type="application/json")
        assert answer.status_code == 200
    with all_told(world.admin, "web", on_behalf_of=world.rep):
        edit = {
            "line": second.pk,
            "revision": ref(second).revision,
            "quantity": {"2027-01": "6"},
            "unit_price": {"2027-02": "9"},
        }
        assert admin.post(save, json.dumps({"edits": [edit]}), content_type="application/json").status_code == 200
    pairs = [f"{line.pk}:{ref(line).revision}" for line in (first, second)]
    with all_told(world.rep, "web"):
        form = {"line": pairs, f"why-{first.pk}": "price", f"words-{first.pk}": "New list from May"}
        assert rep.post(reverse("forecasts:submit", args=[world.cycle.pk]), form).status_code == 302
    pairs = [f"{line.pk}:{ref(line).revision}" for line in (first, second)]
    with all_told(world.rep, "web"):
        recall = reverse("forecasts:recall", args=[world.cycle.pk])
        assert rep.post(recall, {"line": pairs}).status_code == 302
    submitted([first, second], 7)
    for act in ("approve", "return"):
        with all_told(world.manager, "web"):
            pairs = [f"{line.pk}:{ref(line).revision}" for line in (first, second)]
            form = {"cycle": world.cycle.pk, "action": act, "line": pairs, "comment": COMMENT}
            assert manager.post(reverse("forecasts:decide"), form).status_code == 302
    with all_told(world.admin, "web"):
        assert admin.post(reverse("cycles:close", args=[world.cycle.pk])).status_code == 302
    with all_told(world.admin, "web"):
        assert admin.post(reverse("cycles:publish", args=[world.cycle.pk])).status_code == 302
    draft = make_cycle(by=world.admin, first_period=FEB)
    with all_told(world.admin, "web", lines_come=True):
        assert admin.post(reverse("cycles:open", args=[draft.pk])).status_code == 302
    other = make_cycle(by=world.admin, first_period=MAR)
    with all_told(world.admin, "web"):
        assert admin.post(reverse("cycles:delete", args=[other.pk])).status_code == 302


def test_admin_pages(world):
    boss = signed_in(world.admin)

    def post(name: str, form: dict, *args: Any) -> None:
        answer = boss.post(reverse(f"admin:masterdata_{name}", args=args), form)
        assert answer.status_code == 302, answer.context["errors"]

    no_aliases = {"aliases-TOTAL_FORMS": "0", "aliases-INITIAL_FORMS": "0"}
    customer = {"customer_id": "K1", "name": "Oak", "sales_rep": world.rep.pk, "is_active": "on"} | no_aliases
    with all_told(world.admin, "admin"):
        post("customer_add", customer)
    oak = Customer.objects.get(customer_id="K1")
    with all_told(world.admin, "admin"):
        aliases = {"aliases-TOTAL_FORMS": "1", "aliases-INITIAL_FORMS": "0", "aliases-0-name": "Oak Ltd"}
        post("customer_change", customer | {"name": "Oak Supply", "region": "East"} | aliases, oak.pk)
    with all_told(world.admin, "admin"):
        post("customer_delete", {"post": "yes"}, oak.pk)
    prices = {
        "prices-TOTAL_FORMS": "2", "prices-INITIAL_FORMS": "0",
        "prices-0-valid_from": "2027-01-01", "prices-0-unit_price": "12.5",
        "prices-1-valid_from": "2027-06-01", "prices-1-unit_price": "13",
    }  # fmt: skip
    product = make_product()
    with all_told(world.admin, "admin"):
        post("matrixentry_add", {"customer": world.customer.pk, "product": product.pk, "is_active": "on"} | prices)
    with all_told(world.admin, "admin"):
        post("matrixentry_delete", {"post": "yes"}, MatrixEntry.objects.get(product=product).pk)
    with all_told(world.admin, "admin"):
        form = {
            "customer": world.customer.pk,
            "product": product.pk,
            "period": "2026-11-01",
            "quantity": "1",
            "amount": "2",
        }
        post("actual_add", form)
    with all_told(world.admin, "admin"):
        data = {"action": "delete_selected", "_selected_action": Actual.objects.get(product=product).pk, "post": "yes"}
        post("actual_changelist", data)
    with all_told(world.admin, "admin"):
        data = {
            "action": "assign",
            "_selected_action": [world.customer.pk],
            "rep": world.other_rep.pk,
            "assign": "Assign",
        }
        post("customer_changelist", data)


def book(first: int = 5):
    rows = [Row(code="110001", description="Garlic", volumes=[first, 0, 7], prices=[10, 10, 12], probability="Plan")]
    return parse_book(as_workbook({"Elm": grid(Plan(name="Elm", rows=rows))}))


def test_imports(monkeypatch, settings, tmp_path, capsys):
    settings.UPLOAD_DIR = tmp_path
    monkeypatch.setattr(legacy_work, "read_book", lambda path: book(first))
    admin, rep = make_user("admin"), make_user("sales_rep")
    file = tmp_path / "plan.xlsx"
    file.write_bytes(b"the file")
    for first in (5, 6):
        with acting(admin, source="web"):
            run = legacy_runs.check_upload("plan.xlsx", [b"the file"], rep=rep, by=admin)
        assert Line.objects.count() == (first == 6)
        before = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        with acting(admin, source="web"):
            legacy_runs.apply_run(run.pk, by=admin)
        entries = Entry.objects.filter(id__gt=before)
        told = set(entries.values_list("entity_type", "entity_id", "source", "actor"))
        assert len(told) == entries.count()
        assert {source for entity, _, source, _ in told if entity != "import"} == {"excel"}
        assert {actor for *_, actor in told} == {admin.pk}
    line = Line.objects.get()
    changes = Entry.objects.filter(entity_type="forecast", entity_id=str(line.pk)).latest("id").changes
    assert changes == {"quantity 2025-11": ["5", "6"]}
    first = 8
    with acting(None, source="command"):
        call_command("import_legacy", str(file), "--apply")
    line.refresh_from_db()
    entry = Entry.objects.filter(entity_type="forecast", entity_id=str(line.pk)).latest("id")
    assert (entry.actor_id, entry.changes) == (None, {"quantity 2025-11": ["6", "8"]})
    assert (line.quantity[0], line.edited_by, line.revision) == (8, None, 3)
    assert not entry.on_behalf_of_id


FILES = {
    "users": (
        ["Email", "Full Name", "Roles", "Manager", "Active"],
        [("n1@example.com", "Elm", "viewer", "", ""), ("n3@example.com", "Oak", "viewer", "", "")],
        [("n1@example.com", "Elma", "manager", "", ""), ("n2@example.com", "Fir", "sales_rep", "n1@example.com", ""),
         ("n3@example.com", "Oak", "viewer", "", "no")],
    ),
    "customers": (
        ["Customer ID", "Customer Name", "Sales Rep", "Credit Limit", "Replaced By", "Notes"],
        [("N1", "Elm", "", "5", "", "First\nsecond")],
        [("N1", "Elm \"Supply\"", "n2@example.com", "7.5", "N2", ""), ("N2", "Fir", "", "", "", "")],
    ),
    "products": (
        ["Item Code", "Description", "Group Code", "Group Name", "UoM", "Weight", "Active"],
        [("N1", "Garlic", "NG", "New", "CS", "9.07", "")],
        [("N1", "Peeled \\ garlic", "NH", "Newer", "CS", "9.1", "no"), ("N2", "Onion", "NG", "Named", "KG", "", "")],
    ),
    "matrix": (
        ["Customer ID", "Item Code", "Valid From", "Unit Price", "MOQ", "Proposed By", "Notes"],
        [("N1", "N1", "2026-01-01", "5", "", "", "")],
        [("N1", "N1", "2026-01-01", "6", "10", "n2@example.com", "Pallets"), ("N1", "N2", "2026-02-01", "7.25", "", "", "")],
    ),
    "actuals": (
        ["Customer ID", "Item Code", "Period", "Quantity", "Amount", "Cost"],
        [("N1", "N1", "2026-01", "5", "50", "")],
        [("N1", "N1", "2026-01", "6.5", "50", "3"), ("N2", "N2", "2026-02", "-1", "0", "")],
    ),
    "budget": (
        ["Version", "Customer ID", "Item Code", "Period", "Quantity", "Amount"],
        [("2026", "N1", "", "2026-01", "5", "50")],
        [("2026", "N1", "", "2026-01", "6", "50"), ("2026", "N1", "N1", "2026-01", "1", "9")],
    ),
}  # fmt: skip


def test_files_of_every_kind_applied_and_undone(world, settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path
    admin = world.admin
    applied = []
    for kind, (headings, *files) in FILES.items():
        for rows in files:
            with acting(admin, source="web"):
                run = runs.check_upload("file.csv", [csv_bytes(headings, rows)], kind=kind, by=admin)
            assert (run.state, run.rows_refused) == ("checked", 0)
            with all_told(admin, "excel"), acting(admin, source="excel"):
                runs.apply_run(run.pk, by=admin)
            applied.append(run)
    for run in reversed(applied):
        with all_told(admin, "excel"), acting(admin, source="excel"):
            runs.undo_run(run.pk, by=admin)


def test_services(world):
    @contextmanager
    def by_admin() -> Iterator[None]:
        with all_told(world.admin, "job"), acting(world.admin, source="job"):
            yield

    admin, first = world.admin, world.lines[0]
    with by_admin():
        person = create_user(by=admin, email="new@example.com", full_name="New Person", roles=["viewer"])
    with by_admin():
        set_active([person], False, by=admin)
    for value in ("EUR", "CAD", "USD"):
        with by_admin():
            set_value("currency", value, admin)
    with by_admin():
        assign_customers([world.customer.pk], world.other_rep, by=admin)
    with by_admin():
        draft = cycles.create_cycle(first_period=FEB, closes_at=FAR, by=admin)
    with by_admin():
        cycles.update_cycle(draft.pk, first_period=MAR, closes_at=FAR, by=admin)
    submitted([first], 7)
    decided("reject", [first], world.other_manager)
    with by_admin():
        # One line was rejected, one never handed in: the trail tells which it was.
        cycles.close_cycle(world.cycle.pk, by=admin, reason="Time is up.")
    with all_told(world.other_manager, "web"), acting(world.other_manager, source="web"):
        wanted = [services.Adjustment(first.pk, ref(first).revision, {JAN: Decimal(4)})]
        services.adjust_lines(world.cycle.pk, wanted, by=world.other_manager, reason=COMMENT)


def test_services_of_master_data(world):
    @contextmanager
    def by_admin() -> Iterator[None]:
        with all_told(world.admin, "admin"), acting(world.admin, source="admin"):
            yield

    admin, old, new = world.admin, world.lines[0].product, make_product()
    slip, newcomer = make_entry(make_customer()).customer, make_user("sales_rep")
    seen = masterdata.Terms(True, unit_price=Decimal(10))
    wanted = [
        masterdata.Wanted(world.lines[1].product_id, seen, masterdata.Terms(True, Decimal(2), None, Decimal(12))),
        masterdata.Wanted(new.pk, masterdata.Terms(), masterdata.Terms(True, unit_price=Decimal(7))),
    ]
    change = masterdata.Change(valid_from=FEB, percent=Decimal(5), customers=[world.customer.pk])
    with by_admin():
        masterdata.copy_matrix(world.customer.pk, slip.pk, prices_from=JAN, by=admin)
    with by_admin():
        masterdata.change_prices(change, by=admin)
    with by_admin():
        take_prices(world.cycle.pk, by=admin)
    with by_admin():
        masterdata.set_matrix(world.customer.pk, wanted, valid_from=JAN, by=admin)
    with by_admin():
        masterdata.replace(Product, [old.pk], new.pk, prices_from=JAN, by=admin)
    with by_admin():
        masterdata.take_back(Product, [old.pk], by=admin)
    with by_admin():
        masterdata.set_active(MatrixEntry, [entry.pk for entry in world.customer.matrix.all()], False, by=admin)
    with by_admin():
        masterdata.remove(Customer, [slip.pk, world.customer.pk], by=admin)
    with by_admin():
        assign_customers([world.customer.pk, world.other_customer.pk], newcomer, by=admin)
    with by_admin():
        require_new_password([world.rep, newcomer], by=admin)


def test_a_dormant_line_that_wakes_is_told_with_its_share():
    world = make_world(lines=1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('sop.line_move', 'on', false)")
        Line.objects.filter(pk=world.lines[0].pk).untracked().update(live=False)
        cursor.execute("SELECT set_config('sop.line_move', '', false)")
    with all_told(world.rep, "web"), acting(world.rep, source="web"):
        edit = LineEdit(world.lines[0].pk, world.lines[0].revision, {JAN: Decimal(3)}, notes="New store")
        services.set_cells(world.cycle.pk, [edit], by=world.rep)


def _bulk_rows(world: SimpleNamespace) -> dict[type, Callable[[int], Any]]:
    group = ProductGroup.objects.first()
    products = [make_product(group=group) for _ in range(3)]
    entries = [MatrixEntry.objects.filter(customer=world.customer).first() for _ in range(3)]
    return {
        ProductGroup: lambda n: ProductGroup(code=f"B{n}", name="Bulk"),
        Product: lambda n: Product(item_code=f"B{n}", description="Bulk", group=group),
        Customer: lambda n: Customer(customer_id=f"B{n}", name="Bulk"),
        MatrixEntry: lambda n: MatrixEntry(customer=world.customer, product=products[n]),
        Price: lambda n: Price(entry=entries[n], valid_from=dt.date(2027, 1 + n, 1), unit_price=Decimal(5)),
        Actual: lambda n: Actual(
            customer=world.customer, product=products[n], period=JAN, quantity=Decimal(1), amount=Decimal(1)
        ),
        Budget: lambda n: Budget(
            version="2027", customer=world.customer, product=products[n], period=JAN, quantity=Decimal(1), amount=Decimal(1)
        ),
    }  # fmt: skip


CHANGED = {
    ProductGroup: {"name": "Other"}, Product: {"uom": "KG"}, Customer: {"region": "West"},
    MatrixEntry: {"is_active": False}, Price: {"unit_price": Decimal("6.5")}, Actual: {"amount": Decimal("2.25")},
    Budget: {"quantity": Decimal("2.5")},
}  # fmt: skip


def test_bulk_writes(world):
    admin = world.admin
    makers = _bulk_rows(world)
    for model, maker in makers.items():
        (field, value), *_ = CHANGED[model].items()
        with all_told(admin, "command"), acting(admin, source="command"):
            rows = model.objects.bulk_create([maker(n) for n in range(3)])
        chosen = model.objects.filter(pk__in=[row.pk for row in rows])
        with all_told(admin, "command"), acting(admin, source="command"):
            assert chosen.filter(pk__in=[rows[0].pk, rows[1].pk]).update(**{field: value}) == 2
        setattr(rows[2], field, value)
        with all_told(admin, "command"), acting(admin, source="command"):
            model.objects.bulk_update([rows[2]], [field])
        with all_told(admin, "command"), acting(admin, source="command"):
            assert chosen.delete()[0] == 3


def test_an_unseen_write_is_found(world):
    with pytest.raises(AssertionError), all_told(world.admin, "web"), acting(world.admin, source="web"):
        Customer.objects.untracked().filter(pk=world.customer.pk).update(region="Unseen")
    with pytest.raises(AssertionError, match="nothing was written"), all_told(world.admin, "web"):
        pass
    make_actual(MatrixEntry.objects.first(), JAN)
    assert make_customer().pk
