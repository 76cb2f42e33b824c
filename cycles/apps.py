"""The app of cycles."""

from django.apps import AppConfig


class CyclesConfig(AppConfig):
    name = "cycles"

    def ready(self) -> None:
        from audit.history import open_to_readers
        from audit.tracking import track
        from cycles.models import Cycle, Participant

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
                "closed_at",
                "close_reason",
                "archived_at",
                "settings",
            ],
            entity="cycle",
        )
        track(
            Participant,
            fields=["cycle", "rep", "lines_expected", "deadline_extension", "counts_at_close"],
            entity="participant",
            related=["cycle", "rep"],
        )
        open_to_readers("cycle", Cycle)
