"""Noticing that the clock jumped: what looks old afterwards may be of yesterday, so nothing is deleted for its age."""

import datetime as dt

from django.db import transaction

from sop_portal.jobs.models import ClockWatch
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict

# The sweep looks every five minutes. A portal that was off for longer looks like a jump and waits, too.
JUMP = dt.timedelta(days=7)


@transaction.atomic
def look() -> ClockWatch:
    """Note what the clock of the database says now."""
    now = portal_now()
    watch, made = ClockWatch.objects.select_for_update().get_or_create(pk=1, defaults={"last_seen": now})
    if made:
        return watch
    if now - watch.last_seen > JUMP:
        watch.jumped_from, watch.jumped_to = watch.last_seen, now
    elif watch.jumped_to is not None and now < watch.jumped_to:
        # Somebody set it right.
        watch.jumped_from = watch.jumped_to = None
    watch.last_seen = now
    watch.save()
    return watch


def require_steady(days: int) -> None:
    """Raise Conflict unless the clock has gone on without a jump for so many days."""
    watch = look()
    if watch.jumped_to is None or watch.jumped_from is None:
        return
    again = watch.jumped_to + dt.timedelta(days=days)
    if watch.last_seen < again:
        raise Conflict(
            f"The clock went from {watch.jumped_from:%Y-%m-%d} to {watch.jumped_to:%Y-%m-%d} at once, or the portal was "
            f"off for so long. What looks old may be younger, so nothing is deleted for its age before {again:%Y-%m-%d}. If the "
            "clock is right, say so with manage.py cleanup_files --clock-is-right."
        )


def is_right() -> None:
    """Take the clock at its word from now on."""
    look()
    ClockWatch.objects.update(jumped_from=None, jumped_to=None)
