"""The app of the run-time settings."""

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save


class ConfConfig(AppConfig):
    name = "sop_portal.conf"
    label = "conf"
    verbose_name = "Settings"

    def ready(self) -> None:
        from sop_portal.conf.values import changed

        setting = self.get_model("Setting")
        post_save.connect(changed, sender=setting, dispatch_uid="conf.changed")
        post_delete.connect(changed, sender=setting, dispatch_uid="conf.changed")
