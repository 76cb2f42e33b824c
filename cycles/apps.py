"""The app of cycles."""

from django.apps import AppConfig


class CyclesConfig(AppConfig):
    name = "cycles"

    def ready(self) -> None:
        from audit.history import history_scope
        from audit.tracking import track
        from cycles import receivers, scope  # noqa: F401  receivers connect themselves
        from cycles.models import Cycle, ExtensionRequest, Participant

        track(
            Cycle,
            fields=[
                "name",
                "kind",
                "first_period",
                "opens_at",
                "closes_at",
                "status",
                "opened_at",
                "override_reason",
                "extend_reason",
                "reopened_at",
                "reopen_reason",
                "refreshed_at",
                "opening_refused_at",
                "closed_at",
                "close_reason",
                "archived_at",
                "settings",
            ],
            entity="cycle",
        )
        track(
            Participant,
            fields=["cycle", "rep", "lines_expected", "deadline_extension", "extension_reason", "counts_at_close"],
            entity="participant",
            related=["cycle", "rep"],
        )
        track(
            ExtensionRequest,
            fields=["cycle", "rep", "wanted_until", "text", "state", "answer"],
            entity="extension_request",
            related=["cycle", "rep"],
        )
        history_scope["cycle"] = scope.cycle_history
