"""What may never be stored: refused with a sentence before the database is asked, and by the database all the same."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, models, transaction

from audit.context import acting
from cycles import services as cycles
from cycles.models import Cycle, ExtensionRequest, Participant
from forecasts.models import Line, Snapshot
from forecasts.services import LineEdit, set_cells
from forecasts.services.writing import past_the_guard
from masterdata.models import (
    Actual,
    ActualRevision,
    Budget,
    Customer,
    CustomerAlias,
    Delegation,
    ImportChange,
    ImportHeading,
    ImportRun,
    MatrixEntry,
    Price,
    Product,
    ProductGroup,
    RepAlias,
)
from sop_portal.lib.errors import Conflict, Refused
from tests.factories import FAR, make_actual, make_cycle, make_line, make_user, submit
from tests.world import decided

pytestmark = pytest.mark.django_db

JAN, FEB = dt.date(2027, 1, 1), dt.date(2027, 2, 1)
MID = dt.date(2027, 1, 15)
NOON = dt.datetime(2027, 1, 1, 12, tzinfo=dt.UTC)
APPS = ("masterdata", "cycles", "forecasts")
# Letters of provenance are written by services alone; nobody can type them.
NEVER_TYPED = {"line_quantity_source_known", "line_price_source_known"}


@pytest.fixture
def world() -> SimpleNamespace:
    """A line of an open cycle with all that belongs to it."""
    line = make_line()
    entry = MatrixEntry.objects.get()
    return SimpleNamespace(
        line=line, cycle=line.cycle, customer=line.customer, product=line.product, entry=entry, rep=line.owner
    )


def _product(w, **kw):
    return Product(**{"item_code": "X1", "description": "Garlic", "group": w.product.group, **kw})


def _customer(w, **kw):
    return Customer(**{"customer_id": "X1", "name": "Elm", **kw})


def _pointing_at_itself(row, name):
    setattr(row, name, row)
    return row


def _delegation(w, **kw):
    other = make_user("sales_rep")
    return Delegation(**{
        "from_user": w.rep, "to_user": other, "created_by": other, "valid_from": NOON,
        "valid_to": NOON + dt.timedelta(days=1), **kw,
    })  # fmt: skip


def _entry(w, **kw):
    return MatrixEntry(**{"customer": w.customer, "product": _stored_product(w), **kw})


def _stored_product(w) -> Product:
    with acting("system", source="command"):
        return Product.objects.create(item_code="OTHER", description="Other", group=w.product.group)


def _fact(model, w, **kw):
    key = {"customer": w.customer, "product": w.product, "period": JAN, "quantity": 1, "amount": 1}
    return model(**{**key, **({"version": "2027"} if model is Budget else {}), **kw})


def _budget(w):
    return Budget.objects.first() or _stored(_fact(Budget, w))


def _request(w, **kw):
    return ExtensionRequest(**{"cycle": w.cycle, "rep": w.rep, "wanted_until": FAR, "asked_at": NOON, **kw})


def _asked_again(w):
    _stored(_request(w))
    return _request(w)


def _stored(row):
    with acting("system", source="command"):
        row.save()
    return row


def _heading(**kw):
    return ImportHeading(**{"kind": "actuals", "key": "kunde", "heading": "Kunde", "column": "customer_id", **kw})


def _change(w):
    run = ImportRun.objects.first() or _stored(
        ImportRun(kind="budget", state="applied", file_name="b.csv", file_size=1, file_sha256="0")
    )
    return ImportChange(run=run, entity="masterdata.budget", object_id=1, after={})


def _cycle(w, **kw):
    return Cycle(**{"first_period": FEB, "closes_at": FAR, "name": "Another", **kw})


def _legacy(w, **kw):
    return _cycle(w, kind="legacy", status="closed", closes_at=None, **kw)


def _line(w, **kw):
    return Line(**{
        "cycle": w.cycle, "customer": w.customer, "product": _stored_product(w), "owner": w.rep,
        "quantity": [Decimal(1)] * 16, "unit_price": [Decimal(1)] * 16, **kw,
    })  # fmt: skip


# Constraint -> the row that it refuses.
ILLEGAL: dict[str, Callable[[Any], models.Model]] = {
    "productgroup_has_code": lambda w: ProductGroup(code="", name="Garlic"),
    "productgroup_not_own_parent": lambda w: _pointing_at_itself(w.product.group, "parent"),
    "product_has_code": lambda w: _product(w, item_code=""),
    "product_has_uom": lambda w: _product(w, uom=""),
    "product_not_replaced_by_itself": lambda w: _pointing_at_itself(w.product, "replaced_by"),
    "product_weight_not_negative": lambda w: _product(w, weight=Decimal("-0.1")),
    "product_list_price_not_negative": lambda w: _product(w, list_price=Decimal(-1)),
    "product_cost_price_not_negative": lambda w: _product(w, cost_price=Decimal(-1)),
    "customer_has_id": lambda w: _customer(w, customer_id=""),
    "customer_has_name": lambda w: _customer(w, name="  "),
    "customer_not_replaced_by_itself": lambda w: _pointing_at_itself(w.customer, "replaced_by"),
    "customer_risk_class_known": lambda w: _customer(w, default_risk_class=4),
    "customer_credit_limit_not_negative": lambda w: _customer(w, credit_limit=Decimal(-1)),
    "customeralias_has_key": lambda w: CustomerAlias(key="", name=" ", customer=w.customer),
    "delegation_ends_after_start": lambda w: _delegation(w, valid_to=NOON),
    "delegation_to_someone_else": lambda w: _delegation(w, to_user=w.rep),
    "matrixentry_pair_unique": lambda w: _entry(w, product=w.product),
    "matrixentry_minimum_not_negative": lambda w: _entry(w, minimum_order_quantity=-1),
    "matrixentry_maximum_not_below_minimum": lambda w: _entry(w, minimum_order_quantity=2, maximum_order_quantity=1),
    "matrixentry_maximum_not_negative": lambda w: _entry(w, maximum_order_quantity=-1),
    "price_valid_from_unique": lambda w: Price(entry=w.entry, valid_from=dt.date(2020, 1, 1), unit_price=1),
    "price_not_negative": lambda w: Price(entry=w.entry, valid_from=JAN, unit_price=Decimal(-1)),
    "actual_key_unique": lambda w: _fact(Actual, w, period=dt.date(2026, 12, 1)),
    "actual_period_starts_month": lambda w: _fact(Actual, w, period=MID),
    "budget_key_unique": lambda w: (_stored(_fact(Budget, w, product=None)), _fact(Budget, w, product=None))[1],
    "budget_has_version": lambda w: _fact(Budget, w, version=""),
    "budget_period_starts_month": lambda w: _fact(Budget, w, period=MID),
    "importchange_row_unique": lambda w: (_stored(_change(w)), _change(w))[1],
    "importheading_key_unique": lambda w: (_stored(_heading()), _heading())[1],
    "importheading_has_key": lambda w: _heading(key=""),
    "repalias_has_key": lambda w: RepAlias(key="", name=" ", rep=w.rep),
    "cycle_at_most_one_open": lambda w: _cycle(w, status="open"),
    "cycle_first_period_unique": lambda w: _cycle(w, first_period=JAN),
    "cycle_legacy_first_period_unique": lambda w: (_stored(_legacy(w)), _legacy(w))[1],
    "cycle_starts_on_first_of_month": lambda w: _cycle(w, first_period=MID),
    "cycle_horizon_fixed": lambda w: _cycle(w, horizon=12),
    "cycle_has_deadline": lambda w: _cycle(w, closes_at=None),
    "cycle_closes_after_opening": lambda w: _cycle(w, opens_at=FAR),
    "cycle_legacy_never_open": lambda w: _cycle(w, kind="legacy", status="draft"),
    "participant_once_per_cycle": lambda w: Participant(cycle=w.cycle, rep=w.rep),
    "extensionrequest_one_waiting": lambda w: _asked_again(w),
    "extensionrequest_state_known": lambda w: _request(w, state="lost"),
    "line_pair_once_per_cycle": lambda w: _line(w, product=w.product),
    "line_status_known": lambda w: _line(w, status="lost"),
    "line_risk_class_known": lambda w: _line(w, risk_class=4),
    "line_quantity_source_known": lambda w: _line(w, quantity_source="x" * 16),
    "line_price_source_known": lambda w: _line(w, price_source="-" * 15),
    "line_rejected_has_comment": lambda w: _line(w, status="rejected"),
}  # fmt: skip


# Columns of decimals that stand on their own; those of lines are arrays with a guard of their own.
DECIMALS = {
    "product_weight_is_a_number": lambda w: (w.product, "weight"),
    "product_list_price_is_a_number": lambda w: (w.product, "list_price"),
    "product_cost_price_is_a_number": lambda w: (w.product, "cost_price"),
    "customer_credit_limit_is_a_number": lambda w: (w.customer, "credit_limit"),
    "matrixentry_minimum_order_quantity_is_a_number": lambda w: (w.entry, "minimum_order_quantity"),
    "matrixentry_maximum_order_quantity_is_a_number": lambda w: (w.entry, "maximum_order_quantity"),
    "price_unit_price_is_a_number": lambda w: (w.entry.prices.get(), "unit_price"),
    "actual_quantity_is_a_number": lambda w: (Actual.objects.get(), "quantity"),
    "actual_amount_is_a_number": lambda w: (Actual.objects.get(), "amount"),
    "actual_cost_is_a_number": lambda w: (Actual.objects.get(), "cost"),
    "budget_quantity_is_a_number": lambda w: (_budget(w), "quantity"),
    "budget_amount_is_a_number": lambda w: (_budget(w), "amount"),
}


def insert(row: models.Model) -> None:
    """Store `row` without any check of Python's."""
    with acting("system", source="command"), transaction.atomic(), past_the_guard():
        type(row)._default_manager.bulk_create([row])


def refused_by_database(write: Callable[[], Any]) -> str:
    """The name of the constraint that refuses the write."""
    with acting("system", source="command"), pytest.raises(IntegrityError) as refusal, transaction.atomic():
        write()
    return refusal.value.__cause__.diag.constraint_name


def test_every_constraint_is_tried():
    declared = {
        constraint.name
        for label in APPS
        for model in apps.get_app_config(label).get_models()
        for constraint in model._meta.constraints
    }
    assert declared == set(ILLEGAL) | set(DECIMALS)


@pytest.mark.parametrize("name", ILLEGAL)
def test_the_database_refuses_what_no_form_let_through(name, world):
    assert refused_by_database(lambda: insert(ILLEGAL[name](world))) == name


@pytest.mark.parametrize("name", sorted(set(ILLEGAL) - NEVER_TYPED))
def test_a_sentence_refuses_it_before(name, world):
    row = ILLEGAL[name](world)
    # What is never typed is not asked for.
    unasked = [field.name for field in row._meta.fields if field.null and not field.blank]
    if name == "cycle_starts_on_first_of_month":
        # Cleaning puts the first of the month in its place; the service that takes the date refuses it.
        admin = make_user("admin")
        with pytest.raises(Refused, match="first day of a month"), acting(admin, source="web"):
            cycles.create_cycle(first_period=MID, closes_at=FAR, by=admin)
        return
    with pytest.raises(ValidationError) as refusal:
        row.full_clean(exclude=unasked)
    for message in refusal.value.messages:
        assert message[0].isupper() and message.endswith("."), message
        assert "Constraint" not in message


def test_every_column_of_decimals_is_tried(world):
    tried = {(type(row), name) for row, name in (find(world) for find in DECIMALS.values())}
    # Nobody writes these: triggers copy what the actuals were let hold.
    tried |= {(ActualRevision, f"{side}_{name}") for side in ("old", "new") for name in ("quantity", "amount", "cost")}
    assert tried == {
        (model, field.name)
        for label in APPS
        for model in apps.get_app_config(label).get_models()
        for field in model._meta.fields
        if isinstance(field, models.DecimalField)
    }


@pytest.mark.parametrize("typed", ["NaN", "Infinity", "-Infinity"])
@pytest.mark.parametrize("name", DECIMALS)
def test_a_column_of_numbers_holds_numbers(name, typed, world):
    row, column = DECIMALS[name](world)
    table, quoted = (connection.ops.quote_name(part) for part in (row._meta.db_table, column))

    def write() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET {quoted} = %s::numeric WHERE id = %s", [typed, row.pk])

    if typed == "NaN":
        assert refused_by_database(write) == name
    else:
        # The type of the column itself has no room for it.
        with pytest.raises(DataError, match="numeric field overflow"), transaction.atomic():
            write()
    if isinstance(row, MatrixEntry):
        row.minimum_order_quantity = row.maximum_order_quantity = Decimal(1)
    setattr(row, column, Decimal(typed))
    with pytest.raises(ValidationError) as refusal:
        row.full_clean()
    assert column in refusal.value.message_dict
    assert f"{typed}” value must be a decimal number." in str(refusal.value)


CELLS = {
    "negative": ("-0.01", ["-0.01"] + ["1"] * 15),
    "too large": ("10000000", ["10000000"] + ["1"] * 15),
    "not a number": ("NaN", ["NaN"] + ["1"] * 15),
    "infinite": ("Infinity", None),
    "seven places": ("0.0000001", None),
    "fifteen": (None, ["1"] * 15),
    "seventeen": (None, ["1"] * 17),
    "none": (None, []),
}


@pytest.mark.parametrize("case", CELLS)
def test_impossible_cells(case, world):
    typed, stored = CELLS[case]
    if typed is not None:
        for cells in ({"quantity": {JAN: Decimal(typed)}}, {"unit_price": {JAN: Decimal(typed) * 1000}}):
            edit = LineEdit(world.line.pk, world.line.revision, **cells)
            if case == "seven places" and "unit_price" in cells:
                continue
            if case == "too large" and "unit_price" in cells:
                edit = LineEdit(world.line.pk, world.line.revision, unit_price={JAN: Decimal(10) ** 10})
            with pytest.raises(Refused, match="is not a number from 0 to"), acting(world.rep, source="web"):
                set_cells(world.cycle.pk, [edit], by=world.rep)
    if stored is not None:
        literal = "{" + ",".join(stored) + "}"
        assert refused_by_database(lambda: raw("quantity", literal, world)) == "line_quantity_possible"
        if case != "too large":
            assert refused_by_database(lambda: raw("unit_price", literal, world)) == "line_unit_price_possible"


def raw(column: str, literal: str, world: Any) -> None:
    with connection.cursor() as cursor:
        name = connection.ops.quote_name(column)
        cursor.execute(f"UPDATE forecasts_line SET {name} = %s::numeric[] WHERE id = %s", [literal, world.line.pk])


@pytest.mark.parametrize("literal", ["{{1,1},{1,1}}", "[0:15]={1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1}"])
def test_cells_are_one_row_that_starts_at_one(literal, world):
    assert refused_by_database(lambda: raw("quantity", literal, world)) == "line_quantity_possible"


def update(line: Line, **values: Any) -> None:
    Line.objects.filter(pk=line.pk).untracked().update(**values)


WRITES: dict[str, Callable[[Any], dict[str, Any]]] = {
    "quantity": lambda w: {"quantity": [Decimal(2)] * 16},
    "quantity_source": lambda w: {"quantity_source": "u" * 16},
    "unit_price": lambda w: {"unit_price": [Decimal(2)] * 16},
    "price_source": lambda w: {"price_source": "u" * 16},
    "risk_class": lambda w: {"risk_class": 0},
    "status": lambda w: {"status": "submitted"},
    "live": lambda w: {"live": False},
    "notes": lambda w: {"notes": "Later"},
    "owner": lambda w: {"owner": make_user("sales_rep")},
    "product": lambda w: {"product": _stored_product(w)},
}


@pytest.mark.parametrize("column", WRITES)
def test_a_line_of_a_closed_cycle_takes_no_write(column, world):
    admin = make_user("admin")
    with acting(admin, source="web"):
        cycles.close_cycle(world.cycle.pk, by=admin)
    assert refused_by_database(lambda: update(world.line, **WRITES[column](world))) == "line_takes_input"


@pytest.mark.parametrize("column", WRITES)
def test_a_submitted_line_takes_no_write(column, world):
    submit(world.line)
    values = {"status": "approved"} if column == "status" else WRITES[column](world)
    assert refused_by_database(lambda: update(world.line, **values)) == "line_takes_input"


def test_a_closed_line_is_not_opened_by_another_cycle_or_owner(world, at):
    """What the line is before the write decides, not what the write would make of it."""
    admin = make_user("admin")
    with acting(admin, source="web"):
        cycles.close_cycle(world.cycle.pk, by=admin)
        later = cycles.create_cycle(first_period=FEB, closes_at=FAR, by=admin)
        cycles.open_cycle(later.pk, by=admin)
    assert refused_by_database(
        lambda: update(world.line, cycle=later, product=_stored_product(world), quantity=[Decimal(2)] * 16)
    ) == "line_takes_input"  # fmt: skip


def test_an_open_line_stays_in_its_cycle(world):
    draft = make_cycle(first_period=FEB)
    assert refused_by_database(lambda: update(world.line, cycle=draft)) == "line_takes_input"


def test_a_new_owners_extension_does_not_open_a_line(at):
    deadline = dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC)
    at(deadline - dt.timedelta(days=1))
    line = make_line(closes_at=deadline)
    other = make_user("sales_rep")
    with acting("system", source="command"):
        Participant.objects.create(cycle=line.cycle, rep=other, deadline_extension=deadline + dt.timedelta(days=2))
    at(deadline + dt.timedelta(hours=1))
    write = {"owner": other, "quantity": [Decimal(2)] * 16}
    assert refused_by_database(lambda: update(line, **write)) == "line_takes_input"


@pytest.mark.parametrize("status", ["rejected", "approved", "missed"])
def test_no_plain_write_decides(status, world):
    write = {"status": status, "decision_comment": "x"}
    assert refused_by_database(lambda: update(world.line, **write)) == "line_takes_input"


def test_a_rejected_line_is_not_submitted_past_its_answer(world):
    manager = make_user("manager")
    world.rep.manager = manager
    with acting("system", source="command"):
        world.rep.save()
    decided("reject", [submit(world.line)], manager)
    assert refused_by_database(lambda: update(world.line, status="submitted")) == "line_takes_input"


def test_lines_are_neither_added_to_nor_taken_from_a_closed_cycle(world):
    admin = make_user("admin")
    with acting(admin, source="web"):
        cycles.close_cycle(world.cycle.pk, by=admin)
    fresh = _line(world)
    assert refused_by_database(lambda: Line.objects.untracked().bulk_create([fresh])) == "line_takes_input"
    assert refused_by_database(lambda: delete_line(world.line)) == "line_takes_input"


def delete_line(line: Line) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM forecasts_line WHERE id = %s", [line.pk])


def test_lines_begin_as_drafts(world):
    fresh = _line(world, status="submitted")
    assert refused_by_database(lambda: Line.objects.untracked().bulk_create([fresh])) == "line_takes_input"


def test_the_guard_is_back_after_a_move_and_after_a_failed_one(world):
    submit(world.line)
    assert refused_by_database(lambda: update(world.line, risk_class=0)) == "line_takes_input"
    with pytest.raises(IntegrityError, match="line_quantity_possible"), transaction.atomic(), past_the_guard():
        raw("quantity", "{1}", world)
    assert refused_by_database(lambda: update(world.line, risk_class=0)) == "line_takes_input"
    with pytest.raises(ValueError, match="stop"), past_the_guard():
        raise ValueError("stop")
    assert refused_by_database(lambda: update(world.line, risk_class=0)) == "line_takes_input"


def test_a_deadline_that_passes_during_a_write_is_a_refusal_with_a_sentence(world, at, monkeypatch):
    """The guard looks at the clock later than the service did."""

    def late(lines: Any, **kw: Any) -> None:
        at(FAR)
        write(lines, **kw)

    from forecasts.services import edits

    write = edits.write_cells
    monkeypatch.setattr(edits, "write_cells", late)
    edit = LineEdit(world.line.pk, world.line.revision, {JAN: Decimal(3)})
    with pytest.raises(Conflict, match="has just run out"), acting(world.rep, source="web"):
        set_cells(world.cycle.pk, [edit], by=world.rep)


@pytest.mark.parametrize("write", ["UPDATE {} SET at = at", "DELETE FROM {}"])
@pytest.mark.parametrize("model", [Snapshot, ActualRevision])
def test_what_is_kept_is_kept(model, write, world):
    make_actual(world.entry, FEB)
    table = connection.ops.quote_name(model._meta.db_table)
    assert model.objects.exists()

    def write_it() -> None:
        with connection.cursor() as cursor:
            cursor.execute(write.format(table))

    refused_by_database(write_it)
    assert model.objects.exists()
