"""Jobs of cycles."""

from celery import shared_task

from cycles import services
from sop_portal.lib.jobs import scheduled


@scheduled("auto_close_cycles", minute="0")
@shared_task(name="cycles.tasks.auto_close_cycles")
def auto_close_cycles() -> dict[str, int]:
    """Close the cycle whose deadline and extensions have passed."""
    return {"closed": services.auto_close()}


# After the closing, since one cycle is open at a time.
@scheduled("auto_open_cycles", minute="5")
@shared_task(name="cycles.tasks.auto_open_cycles")
def auto_open_cycles() -> dict[str, int]:
    """Open the draft whose planned time has come."""
    return {"opened": services.auto_open()}
