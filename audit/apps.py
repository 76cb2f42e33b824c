"""The app of the audit trail."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AuditConfig(AppConfig):
    name = "audit"
    verbose_name = "Audit trail"

    def ready(self) -> None:
        from audit.models import Entry, SealBlock, SinkMark, Tombstone
        from audit.tracking import exempt, track
        from sop_portal.conf.models import Setting

        track(Setting, fields=["value", "declaration"], entity="setting", label=_setting_label)
        exempt(Entry, why="the trail itself, which can only grow")
        exempt(SealBlock, why="the chain over the trail, which can only grow")
        exempt(Tombstone, why="what is left of dropped months; the drop itself is an entry")
        exempt(SinkMark, why="how far the hashes were told to a place outside, no decision of anybody")
        post_migrate.connect(_make_partitions, sender=self, dispatch_uid="audit.partitions")


def _setting_label(setting: Any) -> str:
    return setting.spec.label if setting.spec is not None else str(setting.key)


def _make_partitions(using: str, **_: Any) -> None:
    from audit.partitions import ensure_partitions

    ensure_partitions(using=using)
