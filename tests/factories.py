"""Plain functions that make valid rows. States are reached through services, so no impossible world is tested."""

import datetime as dt
import functools
import itertools
from decimal import Decimal
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group

from audit.context import acting
from cycles import services as cycle_services
from cycles.models import Cycle
from forecasts import services as line_services
from forecasts.models import Line
from masterdata.models import Actual, Customer, MatrixEntry, Price, Product, ProductGroup
from sop_portal.accounts.many import give_roles
from sop_portal.accounts.models import User

PASSWORD = "garlic-press-and-peeler"
FIRST = dt.date(2027, 1, 1)
FAR = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
_numbers = itertools.count(1)


def _claimed() -> Any:
    return acting("system", source="command")


@functools.cache
def _hashed() -> str:
    """The hash of `PASSWORD`, worked out once: a good hasher is slow on purpose."""
    return make_password(PASSWORD)


@functools.cache
def _group(role: str) -> Group:
    """The group of a role, which a migration made."""
    return Group.objects.get(name=role)


def make_user(role: str | None = None, **kw: Any) -> User:
    """A user with the password `PASSWORD` and one role (sales_rep, manager, admin, viewer) or none."""
    n = next(_numbers)
    kw.setdefault("email", f"user{n}@example.com")
    kw.setdefault("full_name", f"User {n}")
    kw.setdefault("username", kw["email"])
    with _claimed():
        user = User.objects.create(password=_hashed(), **kw)
        if role:
            give_roles({user: [role]}, {role: _group(role)})
    return User.objects.get(pk=user.pk)


def make_group(**kw: Any) -> ProductGroup:
    n = next(_numbers)
    with _claimed():
        return ProductGroup.objects.create(**{"code": f"G{n}", "name": f"Group {n}", **kw})


def make_product(**kw: Any) -> Product:
    n = next(_numbers)
    kw.setdefault("item_code", f"11{n:04d}")
    kw.setdefault("description", f"Peeled garlic {n}")
    with _claimed():
        kw["group"] = kw.get("group") or make_group()
        return Product.objects.create(**kw)


def make_customer(**kw: Any) -> Customer:
    n = next(_numbers)
    kw.setdefault("customer_id", f"C{n:04d}")
    kw.setdefault("name", f"Customer {n}")
    with _claimed():
        return Customer.objects.create(**kw)


def make_entry(
    customer: Customer | None = None, product: Product | None = None, price: Any = "10", **kw: Any
) -> MatrixEntry:
    """A matrix entry, with one price from 2020 on unless `price` is None."""
    customer, product = customer or make_customer(), product or make_product()
    with _claimed():
        entry = MatrixEntry.objects.create(customer=customer, product=product, **kw)
        if price is not None:
            Price.objects.create(entry=entry, valid_from=dt.date(2020, 1, 1), unit_price=Decimal(price))
    return entry


def make_actual(entry: MatrixEntry, period: dt.date, quantity: Any = 100, **kw: Any) -> Actual:
    kw.setdefault("amount", Decimal(quantity) * 10)
    with _claimed():
        return Actual.objects.create(
            customer=entry.customer, product=entry.product, period=period, quantity=Decimal(quantity), **kw
        )


def make_cycle(by: User | None = None, first_period: dt.date = FIRST, closes_at: dt.datetime = FAR, **kw: Any) -> Cycle:
    """A draft that starts in January 2027 and whose deadline is far away."""
    by = by or make_user("admin")
    with acting(by, source="web"):
        return cycle_services.create_cycle(first_period=first_period, closes_at=closes_at, by=by, **kw)


def open_cycle(cycle: Cycle | None = None, by: User | None = None, **kw: Any) -> Cycle:
    """Opened whatever pre-flight says of customers that a test left without a rep."""
    by = by or make_user("admin")
    cycle = cycle or make_cycle(by=by, **kw)
    with acting(by, source="web"):
        return cycle_services.open_cycle(cycle.pk, by=by, override="Opened as it is.")


def make_line(owner: User | None = None, quantity: Any = 100, live: bool = True, **kw: Any) -> Line:
    """A line of an open cycle, live because it sold last month; all 16 cells answered with `quantity` unless None."""
    owner = owner or make_user("sales_rep")
    customer = kw.pop("customer", None) or make_customer(sales_rep=owner)
    entry = make_entry(customer=customer, product=kw.pop("product", None), price=kw.pop("price", "10"))
    if live:
        make_actual(entry, dt.date(2026, 12, 1))
    cycle = open_cycle(**kw)
    line = Line.objects.get(cycle=cycle, customer=entry.customer, product=entry.product)
    if quantity is not None:
        answer(line, quantity, by=owner)
        line.refresh_from_db()
    return line


def answer(line: Line, quantity: Any, by: User | None = None) -> Line:
    """Type one quantity into all 16 cells of `line`."""
    by = by or line.owner
    with acting(by, source="web"):
        edit = line_services.LineEdit(
            line.pk, line.revision, {period: Decimal(quantity) for period in line.cycle.periods}
        )
        (written,) = line_services.set_cells(line.cycle_id, [edit], by=by)
    return written


def ref(line: Line) -> line_services.LineRef:
    """The line as it stands in the database now."""
    line.refresh_from_db()
    return line_services.LineRef(line.pk, line.revision)


def submit(line: Line, by: User | None = None) -> Line:
    by = by or line.owner
    with acting(by, source="web"):
        line_services.submit_lines(line.cycle_id, [ref(line)], by=by)
    line.refresh_from_db()
    return line
