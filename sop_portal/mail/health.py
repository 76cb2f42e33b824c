"""Whether mail gets out: read by /ready, the banner of administrators and the job that tells them."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Count, Min

from sop_portal.lib.clock import portal_now
from sop_portal.mail.models import OutboxMail

# Half an hour is past every ordinary delay: runs come each minute, and a server that is away is asked every four.
LATE = dt.timedelta(minutes=30)


@dataclass(frozen=True)
class Stuck:
    """Mails that wait longer than they should: how many, since when, and what was answered last."""

    count: int
    since: dt.datetime
    error: str

    @property
    def words(self) -> str:
        """ "41 mails"."""
        return f"{self.count:,} mail{'' if self.count == 1 else 's'}"


def stuck() -> Stuck | None:
    """What waits too long, or None."""
    late = OutboxMail.objects.waiting().filter(created_at__lt=portal_now() - LATE)
    found = late.aggregate(count=Count("pk"), since=Min("created_at"))
    if not found["count"]:
        return None
    error = late.exclude(error="").order_by("-next_attempt_at").values_list("error", flat=True).first()
    return Stuck(found["count"], found["since"], error or "")


def state() -> str:
    """One word and a number for /ready: "ok", or "41 waiting"."""
    found = stuck()
    return f"{found.count} waiting" if found else "ok"
