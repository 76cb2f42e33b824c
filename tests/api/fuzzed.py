"""What the description of the API is tried against: a small company, tokens of its people, and values that exist in it."""

import datetime as dt
import math
import random
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audit.context import acting
from forecasts.models import Line
from forecasts.services.adding import add_line
from masterdata.models import Actual, Budget, Customer
from sop_portal.accounts import bearer
from sop_portal.accounts.models import User
from sop_portal.api_urls import operations
from sop_portal.conf.registry import REGISTRY
from sop_portal.conf.services import add, set_value
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.jobs import SCHEDULES
from tests.api.succeeding import LATER, NEXT_PASSWORD, Request, succeeding
from tests.factories import PASSWORD, answer, make_cycle, make_product, open_cycle
from tests.imports import ACTUALS, csv_bytes, imported, upload
from tests.workbooks import Plan, Row, grid, save_xlsx
from tests.world import SOLD, close, decided, make_world, submitted

BASE = "/api/v1/"
# In seconds; they last a quarter of an hour.
TOKENS_RENEWED_AFTER = 300
_VERBS = ("get", "post", "put", "patch", "delete")


def labels() -> list[str]:
    """Every operation there is, as "GET /api/v1/cycles/{id}": known without a database, so that each is a test."""
    return sorted(
        f"{verb.upper()} {address}" for address, view in _served().items() for verb in _VERBS if hasattr(view, verb)
    )


def _served() -> dict[str, Any]:
    """The view behind each address of the description."""
    patterns = (pattern for pattern in operations if not str(pattern.pattern).endswith("/"))
    return {BASE + _named(str(pattern.pattern)): pattern.callback.cls for pattern in patterns}


def _named(route: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route).replace("{pk}", "{id}")


@dataclass(frozen=True)
class Company:
    """people: who asks -> a user, or the token of a program. places: address and parameter -> values that exist there.

    words: name of a field or parameter -> values that make sense. revisions: line -> its revision. good: operation -> a
    request that succeeds.
    """

    people: Mapping[str, User | str]
    places: Mapping[tuple[str, str], Sequence[Any]]
    words: Mapping[str, Sequence[Any]]
    revisions: Mapping[int, int]
    good: Mapping[str, Request]
    _tokens: dict[str, tuple[float, str]] = field(default_factory=dict)

    def request(self, verb: str, address: str) -> Request:
        """One that somebody is answered well: of `good`, or else with nothing but what the address names."""
        known = {name: self.places.get((address, name)) for name in re.findall(r"{(\w+)}", address)}
        named = {name: values[0] for name, values in known.items() if values}
        return self.good.get(f"{verb.upper()} /{address.removeprefix(BASE)}", Request(named))

    def token(self, who: str) -> str:
        """What `who` shows; a token of a sign-in does not last as long as thousands of requests."""
        person = self.people[who]
        if isinstance(person, str):
            return person
        since, token = self._tokens.get(who, (-math.inf, ""))
        if time.monotonic() - since > TOKENS_RENEWED_AFTER:
            token = bearer.issue(person).access
            self._tokens[who] = time.monotonic(), token
        return token


def make_company(folder: Path) -> Company:
    """An open cycle with lines in every status, and at least one row of everything that has an address."""
    world = make_world(lines=5, first_period=dt.date(2026, 12, 1))
    submitted(world.lines[:1])
    close(world)
    world.closed, world.closed_lines = world.cycle, world.lines
    world.cycle = open_cycle(by=world.admin)
    world.lines, world.other_lines = (
        list(world.cycle.lines.filter(customer=customer).order_by("product__item_code"))
        for customer in (world.customer, world.other_customer)
    )
    world.draft = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    submitted(world.lines[1:4])
    decided("approve", world.lines[2:3], world.manager)
    decided("reject", world.lines[3:4], world.manager)
    world.lines[4] = answer(world.lines[4], 100)
    with acting("system", source="command"):
        set_value("rate_limit_requests_per_minute", 10_000, by=None)
        Budget.objects.create(
            version="2027", customer=world.customer, product=world.lines[0].product, period=SOLD, quantity=12, amount=90
        )
    with acting(world.admin, source="web"):
        add(key="of_the_company", category="GENERAL", kind="text", label="Name", value="Elm", by=world.admin)
    with acting(world.rep, source="web"):
        added = add_line(world.cycle.pk, world.customer, make_product(item_code="P5"), by=world.rep)
    right, wrong = ([world.customer.customer_id, "P0", month, 70, 700, 400] for month in ("2026-11", "November?"))
    file, faulty = csv_bytes(ACTUALS, [right]), csv_bytes(ACTUALS, [right, wrong])
    upload("actuals", file, world.admin)
    refused, applied = upload("actuals", faulty, world.admin), imported("actuals", file, world.admin)
    with acting(world.rep, source="web"):
        bearer.create_token(world.rep, name="Nightly load", scopes=["read", "write"], days=90)
    with acting(world.admin, source="web"):
        _, reading = bearer.create_token(world.admin, name="A reader", scopes=["read"], days=90)
    people = {role: getattr(world, role) for role in ("admin", "manager", "rep")}
    revisions = dict(Line.objects.values_list("pk", "revision"))
    world.actual = Actual.objects.get(customer=world.customer, product__item_code="P0", period=SOLD)
    book = save_xlsx(folder / "Elm.xlsx", {"Elm": grid(Plan(rows=[Row(110001, "Peeled", [5] * 16, [2] * 16)]))})
    good = succeeding(world, added=added, applied=applied, refused=refused, book=book.read_bytes())
    return Company({**people, "reader": reading}, _places(), _words(world), revisions, good)


def _places() -> dict[tuple[str, str], list[Any]]:
    """Values for what stands in addresses: keys and codes of the list above each, names of settings and jobs."""
    served, found = _served(), {}
    for address in served:
        for name in re.findall(r"{(\w+)}", address):
            above = served.get(address.partition(f"/{{{name}}}")[0])
            if name == "key":
                found[address, name] = ["rate_limit_requests_per_minute", *list(REGISTRY)[:20]]
            elif name == "name":
                found[address, name] = sorted(SCHEDULES)
            elif name == "entity_type":
                found[address, name] = ["customer", "product"]
            elif name == "entity_id":
                found[address, name] = [*Customer.objects.values_list("customer_id", flat=True), "P0"]
            elif above is not None and issubclass(above, ListView):
                rows = above.model._base_manager.order_by("pk")
                found[address, name] = list(rows.values_list("pk" if name == "id" else name, flat=True)[:20])
    return found


def _words(world: Any) -> dict[str, list[Any]]:
    cycle, customers = world.cycle, (world.customer, world.other_customer)
    months = [period.isoformat() for period in cycle.periods[:3]]
    people = [world.rep, world.other_rep, world.manager]
    return {
        "customer_id": [each.customer_id for each in customers], "customer": [each.customer_id for each in customers],
        "item_code": ["P0", "P1", "P2", "P3"], "product": ["P0"],
        "group_code": [line.product.group.code for line in world.lines],
        "cycle_id": [cycle.pk, world.closed.pk],
        "id": [line.pk for line in (*world.lines, *world.other_lines, *world.closed_lines)],
        "revision": [1, 2, 3, 4], "period": [*months, SOLD.isoformat()], "valid_from": [SOLD.isoformat()],
        "quantity": ["12.5", 7, "0"], "unit_price": ["3.1415", 10, None], "amount": ["90"], "cost": [40],
        "sales_rep": [each.email for each in people], "rep": [str(world.rep.pk), world.rep.email],
        "manager_id": [world.manager.pk], "owner_id": [world.rep.pk], "reps": [[world.rep.pk]],
        "roles": [["manager"], ["sales_rep"]], "time_zone": ["America/New_York"], "version": ["2027"],
        "username": [world.rep.email], "password": [PASSWORD], "old_password": [PASSWORD],
        "new_password": [NEXT_PASSWORD], "refresh": [bearer.issue(world.rep).refresh],
        "until": [LATER], "closes_at": [LATER], "first_period": ["2027-02"],
        "page": [1], "search": ["Garlic"], "If-Match": ['"1"', "*"],
        "value": [True, 30, "words", None],
    }  # fmt: skip


def made_real(case: Any, company: Company, seed: int) -> Request:
    """Put values that exist in place of some that were drawn at random; what `seed` is even for stays as it is drawn.

    Half of what is sent is near to a request that succeeds; it is returned, an empty one for the others. What a case
    gets wrong on purpose stays wrong.
    """
    pick = random.Random(seed)
    wrong = {place.value for place, part in case.meta.components.items() if part.mode.is_negative}
    near = company.request(case.method, case.path) if pick.random() < 0.5 else Request()
    if "path" not in wrong:
        known = {name: company.places.get((case.path, name)) for name in case.path_parameters}
        case.path_parameters = {
            name: pick.choice(known[name]) if known[name] and pick.random() < 0.9 else value
            for name, value in case.path_parameters.items()
        }
        case.path_parameters.update(near.place)
    seen = company.revisions.get(case.path_parameters.get("id")) if "/forecasts/" in case.path else None
    if "query" not in wrong and case.query:
        case.query = _mixed(case.query, company, pick)
    if "body" not in wrong and isinstance(case.body, dict | list):
        if "file" not in case.body:
            case.body = _mixed(case.body, company, pick)
        if seen is not None and isinstance(case.body, dict) and pick.random() < 0.8:
            case.body = {**case.body, "revision": seen}
        if isinstance(case.body, dict) and near.body is not None:
            case.body = _near(near.body, case.body, pick)
    return near


def _near(good: Mapping[str, Any], drawn: Mapping[str, Any], pick: random.Random) -> dict[str, Any]:
    """`good` with at most one of the parts that were drawn, or with such a part in each of its items."""
    taken = pick.sample(sorted(drawn), min(len(drawn), pick.randrange(2)))
    return {**good, **{name: _nearly(good.get(name), drawn[name], pick) for name in taken}}


def _nearly(good: Any, drawn: Any, pick: random.Random) -> Any:
    items = [part for part in drawn if isinstance(part, Mapping)] if isinstance(drawn, list) else []
    if not items or not isinstance(good, list) or pick.random() < 0.2:
        return drawn
    return [_near(part, pick.choice(items), pick) if isinstance(part, Mapping) else part for part in good]


def _mixed(value: Any, company: Company, pick: random.Random) -> Any:
    if isinstance(value, list):
        return [_mixed(part, company, pick) for part in value]
    if not isinstance(value, Mapping):
        return value
    words = company.words
    mixed = {
        name: pick.choice(words[name]) if name in words and pick.random() < 0.8 else _mixed(part, company, pick)
        for name, part in value.items()
    }
    if "revision" in mixed and mixed.get("id") in company.revisions:
        mixed["revision"] = company.revisions[mixed["id"]]
    return mixed
