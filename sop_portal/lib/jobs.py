"""Declaring when a task runs, what looks for lost work, and what deletes old files.

Schedules are written into django-celery-beat's tables on migrate (`sop_portal/jobs/schedules.py`), where an admin may
change them; each run of such a task is recorded as a JobRun.
"""

import datetime as dt
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
    is_told: bool = True
    forgets: bool = False

    @property
    def is_frequent(self) -> bool:
        """Whether the job runs several times an hour: the next run makes up for a lost one, and one that found
        nothing to do is no news."""
        return self.hour == "*" and not self.minute.isdigit()


SCHEDULES: dict[str, Schedule] = {}
# By name; each finds what of its part was committed but never queued, and returns how many it took up.
SWEEPERS: dict[str, Callable[[], int]] = {}
# By name; each deletes the files of its part from before an instant, or only counts them.
CLEANERS: dict[str, Callable[[dt.datetime, bool], int]] = {}


def scheduled(
    name: str,
    *,
    minute: str = "0",
    hour: str = "*",
    day_of_week: str = "*",
    is_told: bool = True,
    forgets: bool = False,
) -> Callable[[Any], Any]:
    """Declare that the task below runs at these times; stands above `@shared_task`.

    The task takes no arguments, may run twice and late, and returns what it did: a number, or numbers by name.
    is_told: whether the trail tells of good runs that beat started; not where each entry would be work for the next run.
    forgets: whether it deletes rows for their age, and so waits after the clock has jumped.
    """

    def declare(task: Any) -> Any:
        description = (task.run.__doc__ or "").strip().partition("\n")[0]
        SCHEDULES[name] = Schedule(name, task.name, description, minute, hour, day_of_week, is_told, forgets)
        return task

    return declare


def of_task(task: str) -> Schedule | None:
    """The declaration of the task of this name, or None for a task that is no job."""
    return next((schedule for schedule in SCHEDULES.values() if schedule.task == task), None)


def sweeper(name: str) -> Callable[[Callable[[], int]], Callable[[], int]]:
    """Let the job `sweep_queue` call the function below; it stands in a module `tasks`, so that it is found."""

    def declare(sweep: Callable[[], int]) -> Callable[[], int]:
        SWEEPERS[name] = sweep
        return sweep

    return declare


def cleaner(
    name: str,
) -> Callable[[Callable[[dt.datetime, bool], int]], Callable[[dt.datetime, bool], int]]:
    """Let the job `cleanup_files` call the function below, which stands in a module `tasks`.

    It is given an instant, before which files are old, and whether it only counts them; killed in the middle and called
    again it leaves the same as called once.
    """

    def declare(clean: Callable[[dt.datetime, bool], int]) -> Callable[[dt.datetime, bool], int]:
        CLEANERS[name] = clean
        return clean

    return declare
