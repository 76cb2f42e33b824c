"""Jobs about jobs: what was lost, what is old."""

from celery import shared_task

from sop_portal.jobs import cleaning, services, sweeping
from sop_portal.lib.jobs import scheduled, sweeper

sweeper("jobs")(services.sweep)


@scheduled("sweep_queue", minute="*/5")
@shared_task(name="sop_portal.jobs.tasks.sweep_queue")
def sweep_queue() -> dict[str, int]:
    """Take up work that was committed but never queued, and runs whose worker died."""
    return sweeping.sweep()


@scheduled("cleanup_files", hour="2")
@shared_task(name="sop_portal.jobs.tasks.cleanup_files")
def cleanup_files() -> dict[str, int]:
    """Delete files of ended imports, temporary files and files that nothing knows, after the days that are set."""
    return cleaning.clean()


@scheduled("cleanup_job_runs", hour="2", minute="40", forgets=True)
@shared_task(name="sop_portal.jobs.tasks.cleanup_job_runs")
def cleanup_job_runs() -> int:
    """Delete runs of jobs from more than 90 days ago, and after two days those that found nothing to do."""
    return services.forget_old()
