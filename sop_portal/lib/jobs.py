"""Declaring when a task runs. The declarations are written into django-celery-beat's tables on migrate
(`sop_portal/jobs/schedules.py`), where an admin may change them; each run of such a task is recorded as a JobRun."""

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

    @property
    def is_frequent(self) -> bool:
        """Whether the job runs several times an hour: the next run makes up for a lost one, and one that found
        nothing to do is no news."""
        return self.hour == "*" and not self.minute.isdigit()


SCHEDULES: dict[str, Schedule] = {}


def scheduled(name: str, *, minute: str = "0", hour: str = "*", day_of_week: str = "*") -> Callable[[Any], Any]:
    """Declare that the task below runs at these times; stands above `@shared_task`.

    The task takes no arguments, may run twice and late, and returns what it did: a number, or numbers by name.
    """

    def declare(task: Any) -> Any:
        description = (task.run.__doc__ or "").strip().partition("\n")[0]
        SCHEDULES[name] = Schedule(name, task.name, description, minute, hour, day_of_week)
        return task

    return declare


def of_task(task: str) -> Schedule | None:
    """The declaration of the task of this name, or None for a task that is no job."""
    return next((schedule for schedule in SCHEDULES.values() if schedule.task == task), None)
