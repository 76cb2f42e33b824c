"""What cycles have to say to people who look after the portal."""

from typing import Any

from django.dispatch import receiver
from django.urls import reverse

from cycles.models import Cycle, ExtensionRequest
from masterdata.notices import Notice
from masterdata.signals import notices_asked


@receiver(notices_asked, dispatch_uid="cycles.notices")
def answer_notices(sender: Any, user: Any, **kwargs: Any) -> list[Notice]:
    """Drafts that could not open by themselves, and reps who wait for an answer to their request for more time."""
    if not user.has_perm("cycles.move_cycle"):
        return []
    found = [
        Notice(f"{cycle} could not open by itself at its planned time.", "See why", reverse("cycles:preflight", args=[cycle.pk]))
        for cycle in Cycle.objects.filter(status=Cycle.Status.DRAFT, opening_refused_at__isnull=False)
    ]  # fmt: skip
    waiting = list(ExtensionRequest.objects.waiting().select_related("rep"))
    if waiting:
        who = waiting[0].rep.full_name if len(waiting) == 1 else f"{len(waiting)} reps"
        asks = "asks" if len(waiting) == 1 else "ask"
        url = f"{reverse('cycles:detail', args=[waiting[0].cycle_id])}#requests"
        found.append(Notice(f"{who} {asks} for more time.", "Grant or decline", url))
    return found
