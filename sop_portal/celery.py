"""The Celery app. Schedules are declared beside the tasks (`sop_portal.lib.jobs.scheduled`)."""

import functools
import os
from typing import Any

from celery import Celery, Task
from celery.signals import celeryd_init, setup_logging, worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "sop_portal.settings")


class PortalTask(Task):
    """A task whose writes are attributed to the system, acting in a job; each run of a scheduled one is recorded."""

    abstract = True

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from audit.context import acting
        from sop_portal.jobs import recording
        from sop_portal.lib.jobs import of_task

        job = None if self.request.called_directly else of_task(self.name)
        work = functools.partial(super().__call__, *args, **kwargs)
        with acting("system", source="job"):
            if job is None:
                return work()
            run = recording.run(job, recording.asked_by(self.request.headers), work)
            return run.counts


app = Celery("sop_portal", task_cls=PortalTask)
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.on_configure.connect
def _refuse_unreadable(**kwargs: Any) -> None:
    from sop_portal import checks

    checks.stop_if_unreadable()


@setup_logging.connect
def _log_as_the_web_does(**kwargs: Any) -> None:
    """Keep Celery from installing its own handlers; django.setup() has configured logging already."""


@celeryd_init.connect
def _prepare(**kwargs: Any) -> None:
    from sop_portal import starting

    starting.prepare("worker")


@worker_ready.connect
def _tell_that_the_worker_lives(sender: Any = None, **kwargs: Any) -> None:
    from sop_portal import heartbeat, starting

    starting.ready("worker")
    heartbeat.beat("worker")
    sender.timer.call_repeatedly(heartbeat.EVERY, heartbeat.beat, args=("worker",))


@worker_shutting_down.connect
def _tell_that_it_stops(how: str = "", **kwargs: Any) -> None:
    from sop_portal import starting

    starting.draining("worker", how)
