"""What the hourly jobs do with cycles: as the system, safe when run twice, at once, late or out of order."""

from django.db import transaction

from audit.context import SYSTEM, acting
from cycles.models import Cycle
from cycles.services.moves import close_locked, open_locked
from cycles.signals import opening_refused
from sop_portal import conf
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import DomainError

REASON = "The deadline has passed."


def auto_close() -> int:
    """Close the open cycle once its deadline and every extension have passed; returns how many that were.

    Nothing is closed while the setting `auto_close_cycles` is off.
    """
    if not conf.get("auto_close_cycles"):
        return 0
    with acting(SYSTEM, source="job"):
        return sum(_close(cycle.pk) for cycle in Cycle.objects.open() if _is_over(cycle))


def _is_over(cycle: Cycle) -> bool:
    """Whether nobody has time left in an open cycle, by the database's clock."""
    last = cycle.last_deadline()
    return cycle.is_open and last is not None and last <= portal_now()


@transaction.atomic
def _close(cycle_id: int) -> bool:
    cycle = Cycle.objects.lock_exclusive(cycle_id)
    # Somebody may have closed or extended it while we waited.
    if not _is_over(cycle):
        return False
    close_locked(cycle, by=None, reason=REASON)
    return True


def auto_open() -> int:
    """Open the draft whose planned time has come, the earliest first; returns how many that were.

    What stands in the way is told to admins once, by `opening_refused`, and tried again each time. Nothing is opened
    while the setting `auto_open_cycles` is off.
    """
    if not conf.get("auto_open_cycles"):
        return 0
    due = Cycle.objects.filter(kind=Cycle.Kind.NORMAL, status=Cycle.Status.DRAFT, opens_at__lte=portal_now())
    with acting(SYSTEM, source="job"):
        return sum(_open(pk) for pk in due.order_by("first_period", "pk").values_list("pk", flat=True))


def _open(cycle_id: int) -> bool:
    try:
        with transaction.atomic():
            cycle = Cycle.objects.lock_exclusive(cycle_id)
            if not _is_due(cycle):
                return False
            open_locked(cycle, by=None)
            return True
    except Cycle.DoesNotExist:
        # The draft was deleted meanwhile.
        return False
    except DomainError as refusal:
        _tell(cycle_id, refusal.detail)
        return False


def _is_due(cycle: Cycle) -> bool:
    """Whether a draft, as it is under lock, wants to be open by now."""
    return cycle.status == Cycle.Status.DRAFT and cycle.opens_at is not None and cycle.opens_at <= portal_now()


@transaction.atomic
def _tell(cycle_id: int, sentence: str) -> None:
    """Let admins know why a draft could not be opened, unless they know since the last time it was changed."""
    cycle = Cycle.objects.select_for_update().filter(pk=cycle_id, status=Cycle.Status.DRAFT).first()
    if cycle is None or cycle.opening_refused_at is not None:
        return
    cycle.opening_refused_at = now = portal_now()
    cycle.save(update_fields=["opening_refused_at"])
    opening_refused.send(sender=Cycle, cycle=cycle, sentence=sentence, now=now)
