"""Jobs of the audit trail."""

from celery import shared_task

from audit import partitions


@shared_task(name="audit.tasks.ensure_partitions")
def ensure_partitions() -> int:
    """Make the partitions of the coming months; daily. Returns how many were made."""
    return partitions.ensure_partitions()
