"""Two cycles beside each other: figures worked by hand, scope, looking closer, and the file of the same rows."""

import csv
import datetime as dt
import io
from decimal import Decimal

import pytest
from django.urls import reverse
from openpyxl import load_workbook

from audit.context import acting
from forecasts import services
from masterdata.models import Customer, Product
from tests.factories import answer, make_actual, make_customer, make_entry, make_user, open_cycle
from tests.world import SOLD, close, count_queries, lines_of, make_world, publish, submitted

pytestmark = pytest.mark.django_db
COMPARE = reverse("forecasts:compare")
FEB = dt.date(2027, 2, 1)


@pytest.fixture
def world():
    """January's plan: Elm takes 100 of P0 and of P1 a month, at 10 each; Fir was not handed in. February's: Elm takes
    130 of P0. Both plan the 15 months to April 2028."""
    world = make_world(lines=2)
    submitted(world.lines)
    close(world)
    world.january = world.cycle
    world.cycle = open_cycle(by=world.admin, first_period=FEB)
    world.lines = [line for line in lines_of(world.customer) if line.cycle_id == world.cycle.pk]
    answer(world.lines[0], 130)
    return world


def rows(answer):
    return {
        row.name: (int(row.before.money), int(row.now.money), row.units_before, row.units_now, row.unit)
        for row, _ in answer.context["rows"]
    }


def test_units_and_money_of_the_months_that_both_plan(client, world):
    client.force_login(world.admin)
    page = client.get(COMPARE, {"by": "customer"})
    # 2 x 100 x 10 x 15 months against (130 + 100) x 10 x 15.
    assert rows(page) == {world.customer.label: (30_000, 34_500, 3_000, 3_450, "CS")}
    found = page.context["found"]
    assert (found.total.change, found.total.share) == (4_500, Decimal("0.15"))
    assert found.finding == f"{world.cycle} plans 15 % more sales than {world.january}"
    assert [month for month, _ in found.months] == world.cycle.periods[:15]
    assert {(row.before.money, row.now.money) for _, row in found.months} == {(2_000, 2_300)}
    text = page.content.decode()
    assert "The 15 months that both plan: February 2027 to April 2028." in text
    # Turned around it is less.
    turned = client.get(COMPARE, {"now": world.january.pk, "before": world.cycle.pk}).context["found"]
    assert turned.finding == f"{world.january} plans 13 % less sales than {world.cycle}"


def test_one_looks_closer_step_by_step(client, world):
    client.force_login(world.admin)
    groups = client.get(COMPARE)
    assert groups.context["wanted"].tab == "group"
    ((_, address),) = [pair for pair in groups.context["rows"] if pair[0].change]
    reps = client.get(f"{COMPARE}?{address}")
    ((row, address),) = reps.context["rows"]
    assert (reps.context["wanted"].tab, row.name) == ("rep", str(world.rep))
    customers = client.get(f"{COMPARE}?{address}")
    ((row, address),) = customers.context["rows"]
    products = client.get(f"{COMPARE}?{address}")
    assert products.context["wanted"].tab == "product" and set(products.context["wanted"].of) == {
        "group",
        "rep",
        "customer",
    }
    assert {address for _, address in products.context["rows"]} == {""}
    assert str(world.rep) in products.content.decode()


def test_published_plans_are_compared_as_they_were_published(client, world):
    with acting(world.admin, source="web"):
        services.approve_lines(
            world.january.pk, [services.LineRef(line.pk, line.revision) for line in
                               lines_of(world.customer) if line.cycle_id == world.january.pk], by=world.admin, comment="",
        )  # fmt: skip
    world.cycle, february = world.january, world.cycle
    publish(world)
    client.force_login(world.admin)
    page = client.get(COMPARE, {"by": "customer", "now": february.pk})
    assert rows(page)[world.customer.label][:2] == (30_000, 34_500)


def test_several_units_are_told_in_weight(client, world):
    with acting("system", source="command"):
        Product.objects.filter(item_code="P0").update(weight=Decimal(2))
        Product.objects.filter(item_code="P1").update(uom="EA", weight=None)
    client.force_login(world.admin)
    page = client.get(COMPARE, {"by": "customer"})
    # P0 alone: 100 and 130 x 15 x 2 kg.
    assert rows(page)[world.customer.label][2:] == (3_000, 3_900, "kg")
    assert page.context["found"].total.weightless == ("P1",)
    assert "Weights are without P1" in page.content.decode()
    by_product = rows(client.get(COMPARE, {"by": "product"}))
    assert {values[4] for values in by_product.values()} == {"CS", "EA"}


def test_everybody_sees_the_own_scope(client, world):
    for person, seen in (
        (world.admin, True), (world.viewer, True), (world.manager, True), (world.rep, True),
        (world.other_rep, False), (world.other_manager, False),
    ):  # fmt: skip
        client.force_login(person)
        page = client.get(COMPARE, {"by": "customer"})
        assert (world.customer.label in rows(page)) is seen, person
        file = b"".join(client.get(reverse("forecasts:compare_file", args=["csv"])).streaming_content).decode()
        assert ("34500" in file) is seen, person
    # An address names nobody whose lines are not in scope.
    client.force_login(world.other_rep)
    page = client.get(COMPARE, {"customer": world.customer.pk, "rep": world.rep.pk}).content.decode()
    assert world.customer.label not in page and str(world.rep) not in page


@pytest.mark.parametrize("sort", ["", "name", "-name", "before", "now", "-now", "change", "-change", "share"])
def test_the_file_is_the_list(client, world, sort):
    query = {"by": "product", "sort": sort}
    client.force_login(world.admin)
    listed = [(row.name, row.now.money) for row, _ in client.get(COMPARE, query).context["rows"]]
    file = client.get(reverse("forecasts:compare_file", args=["csv"]), query)
    read = list(csv.reader(io.StringIO(b"".join(file.streaming_content).decode("utf-8-sig"))))
    assert [(row[0], Decimal(row[2])) for row in read[1:-1]] == listed
    assert (read[-1][0], Decimal(read[-1][2])) == ("All", 34_500)
    book = client.get(reverse("forecasts:compare_file", args=["xlsx"]), query)
    sheet = load_workbook(io.BytesIO(b"".join(book.streaming_content))).active
    assert [row[0] for row in sheet.iter_rows(min_row=2, values_only=True)] == [*(name for name, _ in listed), "All"]


@pytest.mark.parametrize(
    "query", ["by=nonsense&sort=x&page=99", "rep=abc", "group=-1", "customer=99999999999999999999"]
)
def test_what_makes_no_sense_is_left_out(client, world, query):
    client.force_login(world.admin)
    assert client.get(f"{COMPARE}?{query}").status_code == 200


def test_a_cycle_is_not_compared_with_itself(client, world):
    client.force_login(world.admin)
    page = client.get(COMPARE, {"now": world.cycle.pk, "before": world.cycle.pk})
    assert page.context["wanted"].before == world.january
    assert page.context["found"].total.now.money == 34_500


def test_unknown_cycles_and_files_are_not_there(client, world):
    client.force_login(world.admin)
    assert client.get(COMPARE, {"now": "999999"}).status_code == 404
    assert client.get(COMPARE, {"before": "x"}).status_code == 404
    assert client.get(reverse("forecasts:compare_file", args=["pdf"])).status_code == 404


def test_one_cycle_is_nothing_to_compare(client):
    world = make_world(lines=1)
    client.force_login(world.admin)
    assert "Two cycles are needed" in client.get(COMPARE).content.decode()
    assert client.get(reverse("forecasts:compare_file", args=["csv"])).status_code == 404


def test_horizons_that_do_not_meet_are_said_to(client, world):
    close(world)
    far = open_cycle(by=world.admin, first_period=dt.date(2029, 1, 1))
    client.force_login(world.admin)
    page = client.get(COMPARE, {"now": far.pk, "before": world.january.pk})
    assert page.context["found"].finding == f"{far} and {world.january} have no month in common"


def test_it_costs_the_same_for_few_and_many(client, world):
    def costs():
        client.force_login(world.manager)
        client.get(COMPARE)
        return [count_queries(client, f"{COMPARE}?by={tab}") for tab in ("group", "rep", "customer", "product")]

    few = costs()
    for number in range(12):
        rep = make_user("sales_rep", manager=world.manager)
        make_actual(make_entry(make_customer(name=f"More {number}", sales_rep=rep), price="10"), SOLD)
    for first in (dt.date(2027, 3, 1), dt.date(2027, 4, 1)):
        close(world)
        world.cycle = open_cycle(by=world.admin, first_period=first)
        for customer in Customer.objects.filter(name__startswith="More"):
            for line in lines_of(customer):
                if line.cycle_id == world.cycle.pk:
                    answer(line, 5)
    assert costs() == few
