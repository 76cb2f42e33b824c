"""What opening, closing and publishing do to lines."""

import datetime as dt
from decimal import Decimal

import pytest

from audit.context import acting
from audit.models import Entry
from cycles import services as cycle_services
from cycles.models import Cycle, Participant
from forecasts.models import Line, Snapshot
from forecasts.services import LineEdit, set_cells
from forecasts.services.writing import line_label, past_the_guard
from masterdata.models import Price
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_cycle,
    make_entry,
    make_product,
    make_user,
    open_cycle,
    submit,
)

pytestmark = pytest.mark.django_db
DEC, JAN, FEB = dt.date(2026, 12, 1), dt.date(2027, 1, 1), dt.date(2027, 2, 1)


@pytest.fixture
def admin():
    return make_user("admin")


@pytest.fixture
def rep():
    return make_user("sales_rep")


def close(cycle, admin, publish=True):
    with acting(admin, source="web"):
        cycle_services.close_cycle(cycle.pk, by=admin)
        if publish:
            cycle_services.publish_cycle(cycle.pk, by=admin)


def next_cycle(cycle, admin, months=1):
    first = dt.date(cycle.first_period.year, cycle.first_period.month + months, 1)
    return open_cycle(make_cycle(by=admin, first_period=first), by=admin)


def the_line(cycle, entry):
    return Line.objects.get(cycle=cycle, product=entry.product, customer=entry.customer)


def test_lines_are_made_for_active_entries_of_customers_with_a_rep(admin, rep):
    wanted = make_entry(customer=make_customer(sales_rep=rep))
    make_entry(customer=make_customer(sales_rep=None))
    make_entry(customer=make_customer(sales_rep=rep, is_active=False))
    make_entry(customer=make_customer(sales_rep=rep), product=make_product(is_active=False))
    make_entry(customer=make_customer(sales_rep=rep), is_active=False)
    make_entry(customer=make_customer(sales_rep=make_user("sales_rep", is_active=False)))
    cycle = open_cycle(by=admin)
    assert [line.product for line in Line.objects.filter(cycle=cycle)] == [wanted.product]


def test_a_line_that_sold_is_live_and_counted_one_that_did_not_is_dormant(admin, rep):
    sold = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(sold, DEC)
    old = make_entry(customer=sold.customer)
    make_actual(old, dt.date(2025, 12, 1))
    credit = make_entry(customer=sold.customer)
    make_actual(credit, DEC, quantity=-5)
    cycle = open_cycle(by=admin)
    assert [the_line(cycle, entry).live for entry in (sold, old, credit)] == [True, False, False]
    assert Participant.objects.get(cycle=cycle).lines_expected == 1


def test_a_late_load_of_actuals_does_not_put_lines_to_sleep(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    # The last loaded month is September 2026; twelve months from there reach back to October 2025.
    make_actual(entry, dt.date(2026, 9, 1), quantity=0)
    make_actual(entry, dt.date(2025, 10, 1))
    assert the_line(open_cycle(by=admin), entry).live


def test_the_published_plan_is_carried_over_by_calendar_period(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(entry, DEC)
    cycle = open_cycle(by=admin)
    line = the_line(cycle, entry)
    values = {period: Decimal(n) for n, period in enumerate(cycle.periods, start=1)}
    with acting(rep, source="web"):
        set_cells(cycle.pk, [LineEdit(line.pk, 1, values, {FEB: Decimal("11")}, risk_class=1)], by=rep)
    submit(line)
    close(cycle, admin)
    following = next_cycle(cycle, admin, months=2)
    carried = the_line(following, entry)
    assert carried.quantity == [*map(Decimal, range(3, 17)), None, None]
    assert carried.quantity_source == "c" * 14 + "--"
    assert (carried.risk_class, carried.risk_is_default) == (1, False)
    assert carried.status == Line.Status.DRAFT
    # The price typed for February lies outside the new horizon; what is left is the matrix price.
    assert carried.unit_price == [Decimal("10")] * 16
    assert carried.price_source == "m" * 16
    assert [snap.event for snap in line.snapshots.order_by("pk")] == ["open", "submit", "close", "final"]


def test_only_a_price_that_a_person_gave_is_carried(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(entry, DEC)
    cycle = open_cycle(by=admin)
    line = answer(the_line(cycle, entry), 5)
    with acting(rep, source="web"):
        set_cells(cycle.pk, [LineEdit(line.pk, line.revision, {}, {FEB: Decimal("11")})], by=rep)
    submit(line)
    close(cycle, admin)
    with acting("system", source="command"):
        Price.objects.create(entry=entry, valid_from=dt.date(2027, 4, 1), unit_price=Decimal("12"))
    carried = the_line(next_cycle(cycle, admin), entry)
    # February first: its carried 11, then 10 in March, then the new price list.
    assert carried.unit_price == [Decimal(11), Decimal(10), *[Decimal(12)] * 14]
    assert carried.price_source == "cm" + "m" * 14
    with acting(rep, source="web"):
        submitted = submit(answer(carried, 5))
    close(submitted.cycle, admin)
    again = the_line(next_cycle(submitted.cycle, admin, months=1), entry)
    assert again.price_source == "m" * 16


def test_the_price_of_a_period_is_the_latest_on_or_before_it_else_the_list_price(admin, rep):
    customer = make_customer(sales_rep=rep)
    later = make_entry(customer=customer, price=None, product=make_product(list_price=Decimal("7")))
    with acting("system", source="command"):
        Price.objects.create(entry=later, valid_from=dt.date(2027, 3, 15), unit_price=Decimal("8"))
    listed = make_entry(customer=customer, price=None, product=make_product(list_price=Decimal("7")))
    nothing = make_entry(customer=customer, price=None)
    cycle = open_cycle(by=admin)
    assert the_line(cycle, later).unit_price == [Decimal(7)] * 3 + [Decimal(8)] * 13
    assert the_line(cycle, later).price_source == "ppp" + "m" * 13
    assert the_line(cycle, listed).price_source == "p" * 16
    assert the_line(cycle, nothing).unit_price == [None] * 16
    assert the_line(cycle, nothing).price_source == "-" * 16


def test_a_missed_line_carries_its_prefill_not_its_unsubmitted_edits(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(entry, DEC)
    first = open_cycle(by=admin)
    submit(answer(the_line(first, entry), 5))
    close(first, admin)
    second = next_cycle(first, admin)
    answer(the_line(second, entry), 99)
    close(second, admin)
    missed = the_line(second, entry)
    assert (missed.status, missed.quantity[0]) == (Line.Status.MISSED, Decimal(99))
    final = missed.snapshots.get(event=Snapshot.Event.FINAL)
    assert final.quantity == [Decimal(5)] * 15 + [None]
    third = the_line(next_cycle(second, admin), entry)
    assert third.quantity == [Decimal(5)] * 14 + [None] * 2


@pytest.mark.parametrize(("policy", "expected"), [("last_saved", Decimal(99)), ("zero", Decimal(0))])
def test_the_policy_for_missed_lines_is_the_one_copied_at_opening(admin, rep, policy, expected):
    from sop_portal.conf.services import set_value

    entry = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(entry, DEC)
    with acting(admin, source="web"):
        set_value("missing_forecast_policy", policy, admin)
    cycle = open_cycle(by=admin)
    with acting(admin, source="web"):
        set_value("missing_forecast_policy", "carry_over", admin)
    answer(the_line(cycle, entry), 99)
    close(cycle, admin)
    final = Snapshot.objects.get(line=the_line(cycle, entry), event=Snapshot.Event.FINAL)
    assert final.quantity[0] == expected


def test_a_dormant_line_stands_as_zero_in_the_published_plan_and_stays_dormant(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    cycle = open_cycle(by=admin)
    close(cycle, admin)
    final = Snapshot.objects.get(line=the_line(cycle, entry), event=Snapshot.Event.FINAL)
    assert (final.live, final.quantity) == (False, [Decimal(0)] * 16)
    assert the_line(cycle, entry).status == Line.Status.DRAFT  # outside the count, neither submitted nor missed
    assert not the_line(next_cycle(cycle, admin), entry).live


def test_a_closed_but_unpublished_plan_carries_submitted_cells(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    make_actual(entry, DEC)
    cycle = open_cycle(by=admin)
    submit(answer(the_line(cycle, entry), 5))
    close(cycle, admin, publish=False)
    assert the_line(next_cycle(cycle, admin), entry).quantity[0] == 5


def test_a_legacy_plan_of_the_same_month_is_carried(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep))
    with acting(admin, source="command"), past_the_guard():
        legacy = cycle_services.legacy_cycle(DEC, by=admin)
        Line.objects.create(
            cycle=legacy, customer=entry.customer, product=entry.product, status=Line.Status.SUBMITTED,
            quantity=[Decimal(n) for n in range(16)], quantity_source="l" * 16,
            unit_price=[Decimal(9)] * 16, price_source="l" * 16, risk_class=2, risk_is_default=False,
        )  # fmt: skip
    line = the_line(open_cycle(by=admin), entry)
    assert line.quantity == [*map(Decimal, range(1, 16)), None]
    assert line.live
    assert line.risk_class == 2
    assert line.unit_price == [Decimal(10)] * 16  # legacy prices are not carried; the matrix holds them


def test_closing_counts_and_copies_every_line(admin, rep):
    customer = make_customer(sales_rep=rep)
    entries = [make_entry(customer=customer) for _ in range(3)]
    for entry in entries[:2]:
        make_actual(entry, DEC)
    cycle = open_cycle(by=admin)
    submit(answer(the_line(cycle, entries[0]), 5))
    close(cycle, admin, publish=False)
    assert Participant.objects.get(cycle=cycle).counts_at_close == {"submitted": 1, "missed": 1}
    assert Snapshot.objects.filter(line__cycle=cycle, event="close").count() == 3


def test_opening_stands_in_the_trail_line_by_line(admin, rep):
    entry = make_entry(customer=make_customer(sales_rep=rep, short_name="Elm"))
    cycle = open_cycle(by=admin)
    line = the_line(cycle, entry)
    trail = Entry.objects.get(entity_type="forecast", entity_id=str(line.pk))
    assert trail.label == line_label(line) == f"Elm · {entry.product.item_code} {entry.product.description}"
    assert Entry.objects.get(entity_type="cycle", entity_id=str(cycle.pk)).action == "cycle_opened"
    assert Entry.objects.filter(entity_type="participant").count() == 1


def test_a_second_cycle_is_not_opened_beside_an_open_one(admin):
    from sop_portal.lib.errors import Conflict

    first = open_cycle(by=admin)
    second = make_cycle(by=admin, first_period=FEB)
    with pytest.raises(Conflict, match=f"{first} is still open"):
        open_cycle(second, by=admin)
    second.refresh_from_db()
    assert second.status == Cycle.Status.DRAFT
