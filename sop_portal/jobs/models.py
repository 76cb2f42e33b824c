"""Runs of jobs, and what was last written into the tables of schedules."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q


def counted(count: int, name: str) -> str:
    """A number and what it counts.

    >>> counted(1, "stray_uploads"), counted(1, "entries"), counted(1200, "mails"), counted(1, "done")
    ('1 stray upload', '1 entry', '1,200 mails', '1 done')
    """
    words = name.replace("_", " ")
    if count == 1 and words.endswith("ies"):
        words = f"{words[:-3]}y"
    elif count == 1:
        words = words.removesuffix("s")
    return f"{count:,} {words}"


class JobRunQuerySet(models.QuerySet["JobRun"]):
    """Words for choosing runs."""

    def unfinished(self) -> Self:
        """Those that wait for a worker or are going on."""
        return self.filter(state__in=JobRun.UNFINISHED)

    def newest_first(self) -> Self:
        """In the order of the list."""
        return self.order_by("-pk")

    def latest_of_each(self) -> Self:
        """The newest run of each job that was more than a repeated tick, which never starts."""
        return self.exclude(state=JobRun.State.SKIPPED, started_at=None).order_by("job", "-pk").distinct("job")


class JobRun(models.Model):
    """One run of a job: when, by whom, and what came of it. Written by `jobs.recording` and `jobs.services` only."""

    class State(models.TextChoices):
        QUEUED = "queued", "Waiting for a worker"
        RUNNING = "running", "Running"
        OK = "ok", "Done"
        FAILED = "failed", "Failed"
        SKIPPED = "skipped", "Skipped"
        DIED = "died", "Worker died"

    class StartedBy(models.TextChoices):
        BEAT = "beat", "Schedule"
        PERSON = "person", "Person"
        COMMAND = "command", "Command"
        PORTAL = "portal", "Portal"

    UNFINISHED = (State.QUEUED, State.RUNNING)
    BAD = (State.FAILED, State.DIED)

    job = models.CharField(max_length=100)
    state = models.CharField(max_length=10, choices=State.choices)
    started_by = models.CharField(max_length=10, choices=StartedBy.choices)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+", verbose_name="started by"
    )
    due_at = models.DateTimeField(null=True, blank=True, help_text="The time of the schedule that this run is for.")
    asked_at = models.DateTimeField(help_text="When somebody asked for the run, or when it began.")
    started_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    counts = models.JSONField(default=dict, blank=True, help_text="What it did, in numbers by name.")
    error = models.CharField(max_length=500, blank=True)

    objects = JobRunQuerySet.as_manager()

    class Meta:
        verbose_name = "run of a job"
        verbose_name_plural = "runs of jobs"
        ordering = ["-pk"]
        default_permissions = ("view",)
        permissions = [("run_job", "Can start jobs by hand")]
        constraints = [
            models.UniqueConstraint(fields=["job"], condition=Q(state="running"), name="jobrun_one_running"),
            models.UniqueConstraint(fields=["job"], condition=Q(state="queued"), name="jobrun_one_queued"),
            models.CheckConstraint(
                condition=Q(state__in=["queued", "running"], ended_at=None)
                | (~Q(state__in=["queued", "running"]) & Q(ended_at__isnull=False)),
                name="jobrun_ended_when_done",
            ),
        ]
        indexes = [models.Index(fields=["job", "-id"], name="jobrun_of_job")]

    def __str__(self) -> str:
        return f"{self.job} ({self.get_state_display().lower()})"

    @property
    def did_something(self) -> bool:
        """Whether any of its numbers is above nothing."""
        return any(self.counts.values())

    @property
    def words(self) -> str:
        """What came of it, as people read it."""
        if self.error:
            return self.error
        told = [counted(count, name) for name, count in self.counts.items() if count]
        return ", ".join(told) or ("nothing to do" if self.state == self.State.OK else "")


class DeclaredSchedule(models.Model):
    """What the code last wrote as the schedule of a job: a row that still says so was changed by nobody."""

    name = models.CharField(max_length=100, primary_key=True)
    crontab = models.JSONField(help_text="The words of the crontab and its time zone.")

    class Meta:
        ordering = ["name"]
        default_permissions = ()

    def __str__(self) -> str:
        return self.name


class ClockWatch(models.Model):
    """One row: when the database's clock was last looked at, and whether it has jumped forward since."""

    last_seen = models.DateTimeField()
    jumped_from = models.DateTimeField(null=True)
    jumped_to = models.DateTimeField(null=True)

    class Meta:
        default_permissions = ()
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="clockwatch_one_row")]

    def __str__(self) -> str:
        return f"seen {self.last_seen:%Y-%m-%d %H:%M}"
