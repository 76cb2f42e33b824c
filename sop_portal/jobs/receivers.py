"""What follows when the business time zone changes: schedules that nobody changed move with it."""

from typing import Any

from sop_portal.conf.models import Setting
from sop_portal.conf.registry import find
from sop_portal.jobs import schedules

_KEY = "business_time_zone"


def zone_saved(sender: Any, instance: Setting, **kwargs: Any) -> None:
    """The setting was given another value."""
    if instance.key == _KEY:
        schedules.write(str(instance.value))


def zone_reset(sender: Any, instance: Setting, **kwargs: Any) -> None:
    """The setting has its default again."""
    if instance.key == _KEY:
        schedules.write(str(find(_KEY).default))
