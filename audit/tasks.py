"""Jobs of the audit trail."""

from celery import shared_task

from audit import partitions, retention, sealing
from sop_portal.lib.jobs import scheduled

# Half of what the worker gives a task; the month that was begun last needs time, too.
CLEANING_SECONDS = 120.0


@scheduled("audit_partitions", hour="4", minute="10")
@shared_task(name="audit.tasks.ensure_partitions")
def ensure_partitions() -> int:
    """Make the audit trail's partitions of the coming months."""
    return partitions.ensure_partitions()


@scheduled("seal_audit", minute="*", is_told=False)
@shared_task(name="audit.tasks.seal_audit")
def seal_audit() -> dict[str, int]:
    """Seal what the audit trail has gained, so that a later change of it is found."""
    sealed = sealing.seal()
    return {"blocks": sealed.blocks, "entries": sealed.entries}


@scheduled("cleanup_audit_logs", day_of_week="0", hour="3", minute="0")
@shared_task(name="audit.tasks.cleanup_audit_logs")
def cleanup_audit_logs() -> dict[str, int]:
    """Archive and drop whole months of the audit trail that are older than it is kept."""
    done = retention.clean(who="cleanup_audit_logs", seconds=CLEANING_SECONDS)
    entries = sum(dropped.entries for dropped in done)
    return {"months": len(done), "entries": entries, "months_left": len(retention.due())}
