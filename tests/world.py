"""An open cycle with two teams, for tests of pages: who sees what, and what moves."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from cycles import services as cycle_services
from forecasts import services
from forecasts.models import Line
from masterdata.models import Customer
from sop_portal.accounts.models import User
from tests.factories import answer, make_actual, make_customer, make_entry, make_product, make_user, open_cycle, ref

SOLD = dt.date(2026, 12, 1)
COMMENT = "Too high against last year."


def make_world(lines: int = 2, **cycle: Any) -> SimpleNamespace:
    """Rep and other_rep with a manager each, an admin, a viewer; each rep has one customer with `lines` live lines.

    All lines are drafts that nobody answered; their price is 10, and each sold 100 last month.
    """
    world = SimpleNamespace(
        manager=make_user("manager", full_name="Mona Manager"),
        other_manager=make_user("manager", full_name="Otto Manager"),
        admin=make_user("admin", full_name="Ada Admin"),
        viewer=make_user("viewer", full_name="Vera Viewer"),
    )
    world.rep = make_user("sales_rep", full_name="Rita Rep", manager=world.manager)
    world.other_rep = make_user("sales_rep", full_name="Oskar Rep", manager=world.other_manager)
    world.customer = make_customer(name="Elm Supply, Inc.", sales_rep=world.rep)
    world.other_customer = make_customer(name="Fir Provisions", sales_rep=world.other_rep)
    products = [make_product(item_code=f"P{n}", description=f"Garlic {n}") for n in range(lines)]
    for customer in (world.customer, world.other_customer):
        for product in products:
            make_actual(make_entry(customer, product), SOLD)
    world.cycle = open_cycle(by=world.admin, **cycle)
    world.lines = lines_of(world.customer)
    world.other_lines = lines_of(world.other_customer)
    return world


def lines_of(customer: Customer) -> list[Line]:
    return list(Line.objects.filter(customer=customer).select_related("cycle", "owner").order_by("product__item_code"))


def submitted(lines: list[Line], quantity: int = 100) -> list[Line]:
    """Answer every cell of `lines` with `quantity` and hand them in."""
    for line in lines:
        line.refresh_from_db()
        answer(line, quantity)
    with acting(lines[0].owner, source="web"):
        services.submit_lines(lines[0].cycle_id, [ref(line) for line in lines], by=lines[0].owner)
    for line in lines:
        line.refresh_from_db()
    return lines


def decided(act: str, lines: list[Line], by: User, comment: str = COMMENT) -> list[Line]:
    """approve, reject or return `lines`."""
    with acting(by, source="web"):
        getattr(services, f"{act}_lines")(lines[0].cycle_id, [ref(line) for line in lines], by=by, comment=comment)
    for line in lines:
        line.refresh_from_db()
    return lines


def close(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        world.cycle = cycle_services.close_cycle(world.cycle.pk, by=world.admin)


def publish(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        world.cycle = cycle_services.publish_cycle(world.cycle.pk, by=world.admin)


def count_queries(client: Client, address: str) -> int:
    """How many queries a page costs; run-time settings, which are kept for a second, are not counted."""
    with CaptureQueriesContext(connection) as caught:
        assert client.get(address).status_code == 200
    return sum("conf_setting" not in query["sql"] for query in caught.captured_queries)


def next_transaction() -> None:
    """Make the trail believe that a new transaction begins; a test itself runs in one."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('audit.tx', '', true)")
