"""Declaring when a task runs. The declarations are written into django-celery-beat's tables on migrate
(`sop_portal/accounts/schedules.py`), where an admin may change them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Schedule:
    """A crontab in the business time zone. `name` stays the same for ever: it is how a changed row is found."""

    name: str
    task: str
    description: str
    minute: str
    hour: str
    day_of_week: str


SCHEDULES: dict[str, Schedule] = {}


def scheduled(name: str, *, minute: str = "0", hour: str = "*", day_of_week: str = "*") -> Callable[[Any], Any]:
    """Declare that the task below runs at these times; stands above `@shared_task`."""

    def declare(task: Any) -> Any:
        description = (task.run.__doc__ or "").strip().partition("\n")[0]
        SCHEDULES[name] = Schedule(name, task.name, description, minute, hour, day_of_week)
        return task

    return declare
