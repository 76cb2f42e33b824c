"""Who is reminded of what: reps of lines they have not handed in, managers of decisions that wait.

Selecting costs the same few queries for six reps and for six hundred.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, Min, OuterRef, Subquery, Window
from django.db.models.functions import RowNumber
from django.urls import reverse

from cycles.missed import missed_words
from cycles.models import Cycle, Participant
from cycles.services import business_zone
from forecasts.mails import people
from forecasts.mails.words import NAMED, deadline_words, due_day, named, own_clock
from forecasts.models import Line
from forecasts.queue import reviewed_cycles
from masterdata.models.customers import SqlNow
from sop_portal import conf
from sop_portal.accounts import formats
from sop_portal.accounts.formats import counted
from sop_portal.accounts.models import User
from sop_portal.mail.services import Letter

REMINDER, WAITING = "deadline_reminder", "decisions_waiting"
# A line may wait so long before its manager is asked; on the last days before the deadline, not at all.
PATIENCE = dt.timedelta(hours=24)
LAST_DAYS = 2
# From here on a reminder is red.
URGENT = dt.timedelta(hours=24)


@dataclass
class Left:
    """What a rep has not handed in. named: the first of the lines."""

    rep: Any
    deadline: dt.datetime
    number: int = 0
    came_back: int = 0
    named: list[Line] = field(default_factory=list)


def open_cycle() -> tuple[Cycle, dt.datetime] | None:
    """The open cycle and the instant of the database's clock, in one query; None while none is open."""
    cycle: Any = Cycle.objects.open().annotate(now=SqlNow()).first()
    return (cycle, cycle.now) if cycle is not None else None


def left_to_do(cycle: Cycle, now: dt.datetime, reps: Any = None) -> list[Left]:
    """The active reps with live lines that are not handed in and time left, those who never started included.

    reps: keys or a queryset of users; None for all. One query: the first lines of each rep with how many there are.
    """
    extension = Participant.objects.filter(cycle=OuterRef("cycle"), rep=OuterRef("owner")).values("deadline_extension")
    of_owner: Any = {"partition_by": F("owner_id")}
    # What came back is named first, since somebody waits for it.
    order = [
        F("decided_at").desc(nulls_last=True), F("customer__name").asc(), F("product__item_code").asc(), F("pk").asc(),
    ]  # fmt: skip
    rows: Any = (
        Line.objects.live().filter(cycle=cycle, status__in=Line.INPUT, owner__is_active=True)
        .annotate(
            place=Window(RowNumber(), order_by=order, **of_owner),
            number=Window(Count("pk"), **of_owner),
            came_back=Window(Count("decided_at"), **of_owner),
            extension=Subquery(extension[:1]),
        )
        .filter(place__lte=NAMED)
        .select_related("customer", "product", "owner")
        .order_by("owner__full_name", "owner_id", "place")
    )  # fmt: skip
    if reps is not None:
        rows = rows.filter(owner__in=reps)
    found: dict[int, Left] = {}
    for line in rows:
        deadline = cycle.deadline_with(line.extension)
        if deadline is None or deadline <= now:
            continue
        one = found.setdefault(line.owner_id, Left(line.owner, deadline, line.number, line.came_back))
        one.named.append(line)
    return list(found.values())


def days_left(deadline: dt.datetime, now: dt.datetime) -> int:
    """Calendar days of the business time zone from today to the day of the deadline."""
    zone = business_zone()
    return (deadline.astimezone(zone).date() - now.astimezone(zone).date()).days


def due_today(cycle: Cycle, now: dt.datetime) -> list[Left]:
    """Those whom the daily job reminds: their own deadline is near enough."""
    most = conf.get("reminder_days_before_close")
    return [one for one in left_to_do(cycle, now) if days_left(one.deadline, now) <= most]


def reminder(cycle: Cycle, one: Left, now: dt.datetime, key: str) -> Letter:
    """The letter that reminds a rep. key: what the day or the press of a button adds to cycle and user."""
    remaining = one.deadline - now
    context = {
        "url": reverse("forecasts:list"),
        "cycle": str(cycle),
        "colour": "red" if remaining <= URGENT else "orange",
        "due": due_day(one.deadline, one.rep, now),
        "deadline": deadline_words(one.deadline, one.rep),
        "remaining": formats.remaining(remaining.total_seconds()),
        "number": one.number,
        "lines_words": counted(one.number),
        "came_back": one.came_back,
        "policy": missed_words(cycle),
        **named(one.named, one.number),
    }
    return Letter(one.rep, f"{cycle.pk}:{one.rep.pk}:{key}", context)


def reminders(cycle: Cycle, chosen: Iterable[Left], now: dt.datetime, key: str) -> list[Letter]:
    """The letters to several reps."""
    return [reminder(cycle, one, now, key) for one in chosen]


# --- Decisions ------------------------------------------------------------------------------------------------------


@dataclass
class Waiting:
    """Submitted lines that wait for one person. reps: name -> how many."""

    reviewer: Any
    reps: dict[str, int] = field(default_factory=dict)
    since: dt.datetime | None = None
    is_pressing: bool = False

    @property
    def number(self) -> int:
        return sum(self.reps.values())


def waiting_decisions(now: dt.datetime) -> list[Waiting]:
    """Those for whom lines wait too long, or wait at all on the last days before the deadline.

    Lines wait for the owner's manager. Those who decide every line are asked where no manager may decide, or where
    the manager worked on a line; nobody is asked for lines that they submitted or edited last themselves.
    """
    rows = list(
        Line.objects.live()
        .filter(cycle__in=reviewed_cycles().order_by(), status=Line.Status.SUBMITTED, owner__isnull=False)
        .order_by()
        .values("cycle_id", "owner_id", "submitted_by_id", "edited_by_id")
        .annotate(number=Count("pk"), since=Min("submitted_at"))
    )
    if not rows:
        return []
    urgent = _urgent_cycles(now)
    owners = {
        user.pk: user
        for user in User.objects.filter(pk__in={row["owner_id"] for row in rows}).select_related("manager")
    }
    deciders = list(User.objects.active().with_permission("forecasts.decide_any_line"))
    bosses = people.deciding(owner.manager for owner in owners.values())
    found: dict[int, Waiting] = {}
    for row in sorted(rows, key=lambda row: str(owners[row["owner_id"]])):
        owner, workers = owners[row["owner_id"]], (row["submitted_by_id"], row["edited_by_id"])
        boss = owner.manager if owner.manager is not None and owner.manager.pk in bosses else None
        for reviewer in [boss] if boss is not None and boss.pk not in workers else deciders:
            if reviewer.pk in workers:
                continue
            one = found.setdefault(reviewer.pk, Waiting(reviewer))
            one.reps[str(owner)] = one.reps.get(str(owner), 0) + row["number"]
            one.since = min(one.since or row["since"], row["since"])
            one.is_pressing |= row["cycle_id"] in urgent or now - row["since"] >= PATIENCE
    return [one for one in found.values() if one.is_pressing]


def _urgent_cycles(now: dt.datetime) -> set[int]:
    """The open cycle on its last days."""
    return {
        key
        for key, deadline in Cycle.objects.open().values_list("pk", "closes_at")
        if deadline is not None and 0 <= days_left(deadline, now) < LAST_DAYS
    }


def waiting_letters(found: Sequence[Waiting], now: dt.datetime) -> list[Letter]:
    """One letter a day to each of them."""
    day = now.astimezone(business_zone()).date()
    return [
        Letter(
            one.reviewer,
            f"{one.reviewer.pk}:{day.isoformat()}",
            {
                "url": reverse("forecasts:review"),
                "number": one.number,
                "lines_words": counted(one.number),
                "since": own_clock(one.since, one.reviewer),
                "team": formats.named(list(one.reps), 4),
                "reps": [[name, f"{number:,}"] for name, number in one.reps.items()],
            },
        )
        for one in found
    ]
