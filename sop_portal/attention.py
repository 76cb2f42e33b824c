"""What managers and admins should look at besides the board: late and odd items, jobs and mail that went wrong."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse

from cycles.models import Cycle, ExtensionRequest
from forecasts import queue
from forecasts.board import ODD, Board, State
from sop_portal import conf
from sop_portal.accounts import formats
from sop_portal.accounts.formats import counted
from sop_portal.jobs import overview
from sop_portal.lib.clock import portal_now
from sop_portal.mail import health
from sop_portal.mail.models import OutboxMail

# A decision is late from here on.
LATE = dt.timedelta(days=2)


@dataclass(frozen=True)
class Item:
    """One thing to look at. word: what it is about, on the ground of `level` ("ok" for what is well)."""

    word: str
    level: str
    text: str
    url: str = ""


def items(user: Any, board: Board | None) -> list[Item]:
    """What `user` may see to, the most pressing first."""
    found: list[Item] = []
    if board is not None and board.cycle.status != Cycle.Status.ARCHIVED:
        found += _of_cycle(user, board)
    if user.has_perm("jobs.view_jobrun"):
        found += _of_jobs()
    if user.has_perm("mail.view_outboxmail"):
        found += _of_mail()
    return found


def _of_cycle(user: Any, board: Board) -> Iterator[Item]:
    late = [row for row in board.rows if row.state == State.LATE]
    address = f"{reverse('forecasts:board')}?cycle={board.cycle.pk}"
    if late:
        lines = sum(row.counts.to_do + row.counts.missed for row in late)
        names = formats.named([row.name for row in late])
        yield Item("late", "bad", f"{names}: {counted(lines)} past the deadline", f"{address}&state=late")
    if queue.may_decide(user):
        old = queue.waiting(user).filter(submitted_at__lt=portal_now() - LATE).count()
        if old:
            wait = "waits" if old == 1 else "wait"
            yield Item("late", "bad", f"{counted(old)} {wait} for a decision for more than two days",
                       reverse("forecasts:review"))  # fmt: skip
    if user.has_perm("cycles.move_cycle"):
        asked = ExtensionRequest.objects.visible_to(user).waiting().count()
        if asked:
            who = "One rep asks" if asked == 1 else f"{formats.words(asked).capitalize()} reps ask"
            url = f"{reverse('cycles:detail', args=[board.cycle.pk])}#requests"
            yield Item("time", "warn", f"{who} for more time", url)
    if board.counts.came_back:
        text = f"{counted(board.counts.came_back)} came back and {_are(board.counts.came_back)} not handed in again"
        yield Item("returned", "warn", text, f"{address}&state=returned")
    if board.plan.odd:
        off = formats.money_compact(board.plan.odd_money, conf.get("currency"))
        text = (
            f"{counted(board.plan.odd, 'submitted line')} {_are(board.plan.odd)} more than {formats.percent(ODD, 0)} off "
            f"the last cycle, {off}"
        )
        yield Item("odd", "warn", text, f"{reverse('forecasts:review')}?cycle={board.cycle.pk}"
                   if queue.may_decide(user) else f"{address}&by=product&sort=-change")  # fmt: skip
    if board.cycle.is_open and board.counts.blocked:
        lack = "lacks" if board.counts.blocked == 1 else "lack"
        text = f"{counted(board.counts.blocked)} {lack} a mandatory month or a price"
        yield Item("gaps", "", text, f"{address}&by=customer")


def _of_jobs() -> Iterator[Item]:
    """Whether the last run of each job went well."""
    rows = overview.rows()
    ran = sum(row.last is not None for row in rows)
    wrong = [row.task.name for row in rows if row.went_wrong]
    url = reverse("admin:jobs_jobrun_changelist")
    if wrong:
        yield Item("jobs", "bad", f"{formats.named(wrong)} went wrong the last time", url)
    elif ran:
        yield Item("jobs", "ok", f"{counted(ran, 'job')} of {len(rows):,} ran, the last time without a fault", url)
    else:
        yield Item("jobs", "warn", "No job has run yet", url)


def _of_mail() -> Iterator[Item]:
    """Mail that could not be sent or waits too long, else how much waits."""
    counts = OutboxMail.objects.aggregate(
        failed=Count("pk", filter=Q(state=OutboxMail.State.FAILED)),
        waiting=Count("pk", filter=Q(state__in=[OutboxMail.State.PENDING, OutboxMail.State.SENDING])),
    )
    late, url = health.stuck(), reverse("admin:mail_outboxmail_changelist")
    if counts["failed"]:
        yield Item(
            "mail", "bad", f"{counted(counts['failed'], 'mail')} could not be sent", f"{url}?state__exact=failed"
        )
    if late is not None:
        yield Item("mail", "bad", f"{late.words} waiting for more than half an hour", url)
    elif not counts["failed"]:
        yield Item("mail", "ok", f"{counted(counts['waiting'], 'mail')} waiting, none failed", url)


def _are(number: int) -> str:
    return "is" if number == 1 else "are"
