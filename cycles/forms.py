"""The form of a cycle that is not open yet."""

import datetime as dt
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from cycles import services
from cycles.models import Cycle
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Refused
from sop_portal.lib.text import normal, plain_text

# Months offered before and after the present one.
BACK, AHEAD = 12, 24


class MonthField(forms.Field):
    """A period, chosen from a list of months; any month written as YYYY-MM is understood."""

    widget = forms.Select

    def offer(self, around: dt.date, *also: dt.date | None) -> None:
        """Fill the list with the months around `around`, grouped by year, and those in `also`."""
        first = periods.shift(around, -BACK)
        months = {*periods.span(first, BACK + AHEAD + 1), *(month for month in also if month)}
        years: dict[int, list[tuple[str, str]]] = {}
        for month in sorted(months):
            years.setdefault(month.year, []).append((periods.key(month), periods.long_label(month)))
        self.widget.choices = [(str(year), choices) for year, choices in years.items()]

    def prepare_value(self, value: Any) -> Any:
        return periods.key(value) if isinstance(value, dt.date) else value

    def to_python(self, value: Any) -> dt.date | None:
        if not value:
            return None
        try:
            month = periods.parse(str(value))
        except ValueError as problem:
            raise ValidationError("Choose a month, or write it as YYYY-MM.") from problem
        if not periods.EARLIEST <= month <= periods.LATEST:
            raise ValidationError(f"Choose a month from {periods.EARLIEST.year} to {periods.LATEST.year}.")
        return month


class CycleForm(forms.Form):
    """Name, first month and deadline; the deadline is a wall-clock time in the business time zone."""

    first_period = MonthField(label="First month", help_text="The cycle plans this month and the 15 after it.")
    closes_on = forms.DateField(
        label="Deadline",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(periods.EARLIEST), MaxValueValidator(periods.LATEST)],
    )
    closes_time = forms.TimeField(label="Time", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))
    name = forms.CharField(
        max_length=100, required=False, validators=[plain_text],
        help_text="Leave it empty to name the cycle after its first month.",
    )  # fmt: skip

    def __init__(self, *args: Any, cycle: Cycle | None = None, **kwargs: Any) -> None:
        initial = kwargs["initial"] = _of_cycle(cycle) if cycle else _proposed()
        super().__init__(*args, **kwargs)
        field: Any = self.fields["first_period"]
        field.offer(periods.first_of_month(portal_now().date()), initial["first_period"], self._typed_month())

    def _typed_month(self) -> dt.date | None:
        """The month that was sent, so that a refused form shows it again."""
        try:
            return self.fields["first_period"].clean(self.data.get("first_period"))
        except ValidationError:
            return None

    def clean_name(self) -> str:
        return normal(self.cleaned_data["name"])

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("closes_on") and data.get("closes_time"):
            try:
                data["closes_at"] = services.localize(dt.datetime.combine(data["closes_on"], data["closes_time"]))
            except Refused as refusal:
                self.add_error("closes_time", refusal.detail)
        return data

    def values(self) -> dict[str, Any]:
        """What the services of cycles take."""
        return {name: self.cleaned_data[name] for name in ("first_period", "closes_at", "name")}

    def refuse(self, refusal: Refused) -> None:
        """Put what a service refused beside the fields it is about."""
        for field, sentence in refusal.lines.items() or [("", refusal.detail)]:
            name = {"closes_at": "closes_on"}.get(str(field), str(field))
            self.add_error(name if name in self.fields else None, sentence)


class ReasonForm(forms.Form):
    """Why a cycle is closed; may be left empty."""

    reason = forms.CharField(max_length=300, required=False, validators=[plain_text])

    def clean_reason(self) -> str:
        return normal(self.cleaned_data["reason"])


def _proposed() -> dict[str, Any]:
    wanted = services.propose()
    return {"first_period": wanted["first_period"], **_deadline(wanted["closes_at"])}


def _of_cycle(cycle: Cycle) -> dict[str, Any]:
    name = "" if cycle.name == cycle.default_name() else cycle.name
    return {"name": name, "first_period": cycle.first_period, **_deadline(cycle.closes_at)}


def _deadline(at: dt.datetime | None) -> dict[str, Any]:
    if at is None:
        return {}
    local = at.astimezone(services.business_zone())
    return {"closes_at": at, "closes_on": local.date(), "closes_time": local.time()}
