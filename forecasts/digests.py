"""What reps handed in, told to those who decide it: one mail for each rep and hour."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, F, OuterRef, Q, Subquery, Window
from django.db.models.functions import RowNumber, Trunc
from django.urls import reverse

from forecasts.mails import people
from forecasts.mails.words import NAMED, named, own_clock
from forecasts.models import Line, Snapshot
from forecasts.queue import reviewed_cycles
from sop_portal.accounts.formats import counted
from sop_portal.accounts.models import User
from sop_portal.mail.services import Letter

DIGEST = "submissions_digest"
# An hour is told when it is over and whoever submitted in it has committed.
GRACE = dt.timedelta(minutes=4)
# How far back a job that did not run for a while looks.
LOOK_BACK = dt.timedelta(hours=26)
# Recalled and returned lines are drafts again, and nobody needs to hear of them.
_KEPT = [Line.Status.SUBMITTED, Line.Status.APPROVED, Line.Status.REJECTED]


@dataclass
class Hour:
    """What one rep's lines saw handed in within an hour. waiting: how many of them nobody has decided yet.

    rep: whose lines they were then; those of a customer who moved on since are no news of the next rep.
    """

    rep: Any
    cycle: Any
    start: dt.datetime
    number: int
    waiting: int
    named: list[Line] = field(default_factory=list)


def hours(now: dt.datetime) -> list[Hour]:
    """The hours that are over, by rep, in two queries."""
    until = (now - GRACE).replace(minute=0, second=0, microsecond=0)
    of_hour: Any = {"partition_by": [F("cycle_id"), F("rep_id"), F("hour")]}
    then = Snapshot.objects.filter(line=OuterRef("pk"), event=Snapshot.Event.SUBMIT).order_by("-pk")
    order = [F("customer__name").asc(), F("product__item_code").asc(), F("pk").asc()]
    rows: Any = (
        Line.objects.live()
        .filter(
            cycle__in=reviewed_cycles().order_by(), status__in=_KEPT,
            submitted_at__gte=until - LOOK_BACK, submitted_at__lt=until,
        )
        .annotate(hour=Trunc("submitted_at", "hour", tzinfo=dt.UTC), rep_id=Subquery(then.values("owner")[:1]))
        .filter(rep_id__isnull=False)
        .annotate(
            place=Window(RowNumber(), order_by=order, **of_hour),
            number=Window(Count("pk"), **of_hour),
            waiting=Window(Count("pk", filter=Q(status=Line.Status.SUBMITTED)), **of_hour),
        )
        .filter(place__lte=NAMED)
        .select_related("cycle", "customer", "product")
        .order_by("cycle_id", "rep_id", "hour", "place")
    )  # fmt: skip
    reps = User.objects.select_related("manager").in_bulk({line.rep_id for line in rows})
    found: dict[tuple[int, int, dt.datetime], Hour] = {}
    for line in rows:
        key = (line.cycle_id, line.rep_id, line.hour)
        one = found.setdefault(key, Hour(reps[line.rep_id], line.cycle, line.hour, line.number, line.waiting))
        one.named.append(line)
    return list(found.values())


def letters(found: list[Hour]) -> list[Letter]:
    """One letter for each rep and hour to the rep's manager, if they decide, and to every admin."""
    if not found:
        return []
    admins = people.admins()
    bosses = people.deciding(one.rep.manager for one in found)
    made = []
    for one in found:
        boss = one.rep.manager
        readers = {
            reader.pk: reader for reader in [*([boss] if boss is not None and boss.pk in bosses else []), *admins]
        }
        readers.pop(one.rep.pk, None)
        made += [_letter(one, reader) for reader in readers.values()]
    return made


def _letter(one: Hour, reader: Any) -> Letter:
    context = {
        "url": f"{reverse('forecasts:review')}?cycle={one.cycle.pk}&rep={one.rep.pk}",
        "cycle": str(one.cycle),
        "rep": str(one.rep),
        "number": one.number,
        "lines_words": counted(one.number),
        "waiting": one.waiting,
        "at": own_clock(one.start, reader),
        **named(one.named, one.number),
    }
    # The hour in UTC: an hour that the clocks repeat is two.
    return Letter(
        reader, f"{one.cycle.pk}:{one.rep.pk}:{one.start.astimezone(dt.UTC):%Y-%m-%dT%H}:{reader.pk}", context
    )
