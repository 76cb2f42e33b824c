"""What the page of jobs shows: each job with its times, its last run, and when it is due next."""

import dataclasses
import datetime as dt
from collections.abc import Sequence

from django_celery_beat.models import PeriodicTask

from sop_portal.jobs import times
from sop_portal.jobs.models import DeclaredSchedule, JobRun
from sop_portal.jobs.schedules import words_of
from sop_portal.lib.clock import portal_now
from sop_portal.lib.jobs import SCHEDULES


@dataclasses.dataclass(frozen=True)
class Row:
    """One job. due: when it runs next, None when it is switched off. last: its newest run that was no repetition."""

    task: PeriodicTask
    times: str
    due: dt.datetime | None
    last: JobRun | None
    is_changed: bool

    @property
    def went_wrong(self) -> bool:
        """Whether the last run failed or its worker died."""
        return self.last is not None and self.last.state in JobRun.BAD


def rows() -> list[Row]:
    """Every job that the code declares, by name."""
    now = portal_now()
    last = {run.job: run for run in JobRun.objects.latest_of_each().select_related("person")}
    declared = dict(DeclaredSchedule.objects.values_list("name", "crontab"))
    tasks = PeriodicTask.objects.filter(name__in=SCHEDULES).select_related("crontab").order_by("name")
    return [
        Row(
            task=task,
            times=times.words(task.crontab) if task.crontab else "as its schedule says",
            due=times.next_due(task.schedule, now) if task.enabled else None,
            last=last.get(task.name),
            is_changed=words_of(task.crontab) != declared.get(task.name),
        )
        for task in tasks
    ]


def finding(found: Sequence[Row]) -> str:
    """The title of the page."""
    wrong = [row.task.name for row in found if row.went_wrong]
    if len(wrong) == 1:
        return f"{wrong[0]} went wrong the last time"
    if wrong:
        return f"{len(wrong)} of {len(found)} jobs went wrong the last time"
    off = sum(row.due is None for row in found)
    if off:
        return f"{off} of {len(found)} jobs {'is' if off == 1 else 'are'} switched off"
    return "Jobs"
