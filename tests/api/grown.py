"""A company of any size in which every list of the API has that many rows, made by a few statements."""

import datetime as dt
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import Group
from django.utils import timezone

from audit.context import acting
from audit.services import Event, record_many
from cycles.models import Cycle
from forecasts.models import Line, Snapshot
from masterdata.models import (
    Actual,
    Budget,
    Customer,
    ImportRun,
    MatrixEntry,
    Price,
    Product,
    ProductGroup,
)
from sop_portal import conf
from sop_portal.accounts.models import PersonalToken, User
from sop_portal.conf import own
from sop_portal.conf.models import Setting
from sop_portal.jobs.models import JobRun
from sop_portal.lib.jobs import SCHEDULES
from sop_portal.mail.models import Notification
from tests.factories import FAR, FIRST, make_cycle, make_user, open_cycle
from tests.imports import csv_bytes, upload
from tests.world import next_transaction

SOLD = dt.date(2026, 12, 1)


class Grown:
    """`size` of everything: reps of one manager, with one line each; customers of `rep`, of whom one buys everything.

    Whoever looks, the lists have `size` rows at least. Files go to the folder of uploads that is set.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.admin, self.manager = make_user("admin"), make_user("manager")
        self.rep = make_user("sales_rep", manager=self.manager)
        self._people()
        self._catalogue()
        self._sales()
        self.cycle = open_cycle(by=self.admin)
        self.draft = make_cycle(by=self.admin, first_period=dt.date(2027, 2, 1))
        self.line = Line.objects.get(customer=self.customer, product=self.product, cycle=self.cycle)
        self._stories()
        for user in (self.admin, self.manager, self.rep):
            self._own_things(user)
        self._operation()

    def _people(self) -> None:
        people = User.objects.untracked().bulk_create(
            User(username=f"grown{n}", email=f"grown{n}@example.com", full_name=f"Grown {n}", manager=self.manager)
            for n in range(self.size)
        )
        role = Group.objects.get(name="sales_rep")
        User.groups.through.objects.bulk_create(User.groups.through(user=one, group=role) for one in people)
        self.people = people

    def _catalogue(self) -> None:
        groups = ProductGroup.objects.untracked().bulk_create(
            ProductGroup(code=f"GG{n}", name=f"Grown {n}") for n in range(self.size)
        )
        self.products = Product.objects.untracked().bulk_create(
            Product(item_code=f"GP{n}", description=f"Grown {n}", group=group, list_price=Decimal(10))
            for n, group in enumerate(groups)
        )
        self.customers = Customer.objects.untracked().bulk_create(
            Customer(customer_id=f"GC{n}", name=f"Grown {n}", sales_rep=self.rep) for n in range(self.size + 1)
        )
        theirs = Customer.objects.untracked().bulk_create(
            Customer(customer_id=f"GT{n}", name=f"Theirs {n}", sales_rep=one) for n, one in enumerate(self.people)
        )
        self.customer, self.product = self.customers[0], self.products[0]
        self.pairs = [
            *((self.customer, product) for product in self.products),
            *zip(self.customers[1:], self.products, strict=True),
            *zip(theirs, self.products, strict=True),
        ]

    def _sales(self) -> None:
        entries = MatrixEntry.objects.untracked().bulk_create(
            MatrixEntry(customer=customer, product=product) for customer, product in self.pairs
        )
        self.entry = entries[0]
        first = dt.date(2020, 1, 1)
        Price.objects.untracked().bulk_create(
            [
                *(Price(entry=entry, valid_from=first, unit_price=10) for entry in entries),
                *(
                    Price(entry=self.entry, valid_from=first + dt.timedelta(n), unit_price=n)
                    for n in range(1, self.size)
                ),
            ]
        )
        actuals = Actual.objects.untracked().bulk_create(
            Actual(customer=customer, product=product, period=SOLD, quantity=1 + n % 97, amount=10)
            for n, (customer, product) in enumerate(self.pairs)
        )
        self.actual = actuals[0]
        Budget.objects.untracked().bulk_create(
            Budget(version="AOP", customer=self.customer, product=product, period=FIRST, quantity=1, amount=10)
            for product in self.products
        )

    def _stories(self) -> None:
        """Versions of one line, entries of the trail about it, grave ones, and cycles of other years."""
        kept = Snapshot.objects.filter(line=self.line).get()
        Snapshot.objects.bulk_create(self._again(kept) for _ in range(self.size))
        for number in range(self.size):
            next_transaction()
            with acting("system", source="job"):
                event = Event(action="forecast_updated", entity_type="forecast", entity_id=str(self.line.pk),
                              label="Grown", changes={"notes": [str(number), ""]})  # fmt: skip
                record_many([event])
        Cycle.objects.untracked().bulk_create(
            Cycle(first_period=dt.date(2100 + n // 12, 1 + n % 12, 1), closes_at=FAR, status=Cycle.Status.ARCHIVED)
            for n in range(self.size)
        )

    @staticmethod
    def _again(kept: Snapshot) -> Snapshot:
        return Snapshot(**{
            field.attname: getattr(kept, field.attname)
            for field in Snapshot._meta.concrete_fields if not field.primary_key
        })  # fmt: skip

    def _own_things(self, user: User) -> None:
        """Tokens, notices and acts of one person."""
        now = timezone.now()
        PersonalToken.objects.untracked().bulk_create(
            PersonalToken(
                user=user, name=f"Grown {n}", scopes=["read"], digest=f"{user.pk}-{n}", hint="grow",
                access_version=user.access_version, created_at=now, expires_at=now + dt.timedelta(days=1),
            )
            for n in range(self.size)
        )  # fmt: skip
        Notification.objects.bulk_create(
            Notification(kind="grown", key=f"{user.pk}-{n}", user=user, title=f"Grown {n}", created_at=now)
            for n in range(self.size)
        )
        next_transaction()
        with acting(user, source="web"):
            record_many(
                Event(action="grown", entity_type="grown", entity_id=str(n), label="Grown", severity="ERROR")
                for n in range(self.size)
            )

    def _operation(self) -> None:
        """Imports with refused cells, runs of a job, and settings of one's own."""
        ImportRun.objects.untracked().bulk_create(
            ImportRun(kind="customers", state="refused", file_name=f"Grown {n}.xlsx", file_size=n, file_sha256="0" * 64,
                      uploaded_by=self.people[n])
            for n in range(self.size)
        )  # fmt: skip
        nameless = csv_bytes(["Customer ID", "Customer Name"], [[f"N{n}", ""] for n in range(self.size)])
        self.run = upload("customers", nameless, self.admin)
        assert self.run.rows_refused == self.size
        now = timezone.now()
        JobRun.objects.bulk_create(
            JobRun(job=next(iter(SCHEDULES)), state="ok", started_by="beat", asked_at=now, started_at=now, ended_at=now)
            for _ in range(self.size)
        )
        declared = own.declare(key="grown", category="GENERAL", kind="text", label="Grown", help="", value="x")
        Setting.objects.bulk_create(
            Setting(key=f"grown_{n}", value="x", declaration=own.stored(declared)) for n in range(self.size)
        )
        conf.clear_cache()

    def address(self, template: str) -> str:
        """`template` with the things that it names: {line}, {customer} and the like."""
        return template.format(
            line=self.line.pk, cycle=self.cycle.pk, customer=self.customer.customer_id, product=self.product.item_code,
            entry=self.entry.pk, actual=self.actual.pk, run=self.run.pk, user=self.people[0].pk, draft=self.draft.pk,
        )  # fmt: skip


def rows_of(answer: Any, path: str) -> int:
    """How many rows stand at `path` of an answer."""
    found = answer.json()
    for name in path.split("."):
        found = found[name]
    return len(found) if isinstance(found, list | dict) else int(found)
