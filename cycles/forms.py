"""Forms of cycles: a draft, and the moves that ask for a reason or a deadline."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator

from cycles import services
from cycles.models import REASON_LIMIT, Cycle
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import DomainError, Refused
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
    opens_on = forms.DateField(
        label="Planned opening", required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(periods.EARLIEST), MaxValueValidator(periods.LATEST)],
    )  # fmt: skip
    opens_time = forms.TimeField(
        label="Time", required=False, widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M")
    )
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
        instant(self, data, "closes")
        data.setdefault("opens_at", None)
        if data.get("opens_on") and not data.get("opens_time") and "opens_time" not in self.errors:
            self.add_error("opens_time", "Enter the time of that day, too.")
        elif data.get("opens_time") and not data.get("opens_on") and "opens_on" not in self.errors:
            self.add_error("opens_on", "Enter the day, or leave the time empty as well.")
        instant(self, data, "opens")
        return data

    def values(self) -> dict[str, Any]:
        """What the services of cycles take."""
        return {name: self.cleaned_data[name] for name in ("first_period", "opens_at", "closes_at", "name")}

    def refuse(self, refusal: Refused) -> None:
        """Put what a service refused beside the fields it is about."""
        for field, sentence in refusal.lines.items() or [("", refusal.detail)]:
            name = {"closes_at": "closes_on", "opens_at": "opens_on"}.get(str(field), str(field))
            self.add_error(name if name in self.fields else None, sentence)


def instant(form: forms.Form, data: dict[str, Any], name: str) -> None:
    """Make `<name>_at` of the day `<name>_on` and the wall-clock time `<name>_time`, or refuse that time."""
    if data.get(f"{name}_on") and data.get(f"{name}_time"):
        try:
            data[f"{name}_at"] = services.localize(dt.datetime.combine(data[f"{name}_on"], data[f"{name}_time"]))
        except Refused as refusal:
            form.add_error(f"{name}_time", refusal.detail)


class UntilForm(forms.Form):
    """A later deadline, as a wall-clock time in the business time zone."""

    until_on = forms.DateField(
        label="New deadline",
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        validators=[MinValueValidator(periods.EARLIEST), MaxValueValidator(periods.LATEST)],
    )
    until_time = forms.TimeField(label="Time", widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"))

    def __init__(self, *args: Any, proposed: dt.datetime, initial: dict[str, Any] | None = None, **kwargs: Any) -> None:
        local = proposed.astimezone(services.business_zone())
        kwargs["initial"] = {"until_on": local.date(), "until_time": local.time(), **(initial or {})}
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        instant(self, data, "until")
        return data

    def refuse(self, refusal: DomainError) -> None:
        """Put what a service refused beside the fields it is about."""
        lines = refusal.lines if isinstance(refusal, Refused) else {}
        for field, sentence in lines.items() or [("", refusal.detail)]:
            name = {"until": "until_on"}.get(str(field), str(field))
            self.add_error(name if name in self.fields else None, sentence)


class AskForm(UntilForm):
    """A rep asks for more time."""

    text = forms.CharField(
        label="Why", max_length=REASON_LIMIT, required=False, validators=[plain_text],
        help_text="Who decides reads it.",
    )  # fmt: skip

    def values(self) -> dict[str, Any]:
        """What the service takes."""
        return {"until": self.cleaned_data["until_at"], "text": self.cleaned_data["text"]}


class MoreTimeForm(UntilForm):
    """More time for everybody or for chosen reps, with the reason."""

    ALL, SOME = "all", "some"
    whom = forms.ChoiceField(label="For whom", widget=forms.RadioSelect, initial=ALL)
    reps = forms.TypedMultipleChoiceField(
        label="Chosen reps", coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    reason = forms.CharField(
        max_length=REASON_LIMIT,
        required=False,
        validators=[plain_text],
        help_text="The reps read it.",
        widget=forms.TextInput({"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, everybody: str, reps: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        whom: Any = self.fields["whom"]
        whom.choices = [(self.ALL, everybody), (self.SOME, "Only for the reps chosen below")]
        chosen: Any = self.fields["reps"]
        chosen.choices = reps

    def values(self) -> dict[str, Any]:
        """What the services of cycles take."""
        data = self.cleaned_data
        return {
            "until": data["until_at"],
            "reason": data["reason"],
            "rep_ids": None if data["whom"] == self.ALL else data["reps"],
        }


class ReasonForm(forms.Form):
    """Why a cycle is closed; may be left empty."""

    reason = forms.CharField(max_length=REASON_LIMIT, required=False, validators=[plain_text])

    def clean_reason(self) -> str:
        return normal(self.cleaned_data["reason"])


def _proposed() -> dict[str, Any]:
    wanted = services.propose()
    return {
        "first_period": wanted["first_period"], **_wall("closes", wanted["closes_at"]), **_wall("opens", wanted["opens_at"])
    }  # fmt: skip


def _of_cycle(cycle: Cycle) -> dict[str, Any]:
    name = "" if cycle.name == cycle.default_name() else cycle.name
    return {
        "name": name, "first_period": cycle.first_period, **_wall("closes", cycle.closes_at), **_wall("opens", cycle.opens_at)
    }  # fmt: skip


def _wall(name: str, at: dt.datetime | None) -> dict[str, Any]:
    """An instant as the fields of the form take it."""
    if at is None:
        return {}
    local = at.astimezone(services.business_zone())
    return {f"{name}_at": at, f"{name}_on": local.date(), f"{name}_time": local.time()}
