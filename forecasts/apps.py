"""The app of lines."""

from django.apps import AppConfig


class ForecastsConfig(AppConfig):
    name = "forecasts"

    def ready(self) -> None:
        from audit.history import open_to_readers
        from audit.tracking import exempt, track
        from forecasts import receivers  # noqa: F401  connects itself
        from forecasts.excel import legacy_runs, legacy_work
        from forecasts.mails import kinds
        from forecasts.models import KeptPrice, Line, PriceSource, QuantitySource, Snapshot
        from masterdata.imports.doing import ELSEWHERE, Elsewhere
        from masterdata.models import ImportRun

        track(
            Line,
            fields=["owner", "status", "live", "risk_class", "notes", "quantity", "unit_price", "change_reason",
                    "decision_comment"],
            entity="forecast",
            related=["customer", "product", "cycle"],
            words={
                "quantity_source": {choice.value: choice.label for choice in QuantitySource},
                "price_source": {choice.value: choice.label for choice in PriceSource},
            },
        )  # fmt: skip
        exempt(
            Snapshot, why="append-only copies of lines, immutable in the database; the move that makes one is audited"
        )
        exempt(KeptPrice, why="which prices were left as they are; the decision is recorded on the cycle")
        ELSEWHERE[ImportRun.Kind.LEGACY] = Elsewhere(legacy_work.check, legacy_work.apply, legacy_runs.apply_run)
        kinds.declare_all()
        # No field of a line tells a cost.
        open_to_readers("forecast", Line)
