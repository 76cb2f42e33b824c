"""The form of a schedule: the words of a crontab, each checked."""

import zoneinfo
from typing import Any

from celery.schedules import ParseException, crontab_parser
from django import forms
from django.core.exceptions import ValidationError
from django_celery_beat.models import PeriodicTask

from sop_portal.jobs import schedules
from sop_portal.lib.jobs import SCHEDULES

# Field -> how many values it has and which is the first, as Celery counts them.
PARTS = {"minute": (60, 0), "hour": (24, 0), "day_of_week": (7, 0)}


class ScheduleForm(forms.ModelForm):
    """When a job runs, and whether it does."""

    minute = forms.CharField(max_length=60, help_text="0 to 59, * for every one, */5 for every fifth, 0,30 for both.")
    hour = forms.CharField(max_length=60, help_text="0 to 23, * for every one, 8-18 for these.")
    day_of_week = forms.CharField(
        max_length=60, label="Days of the week", help_text="* for every one; 0 or sun is Sunday, mon-fri the workdays."
    )
    time_zone = forms.ChoiceField(choices=lambda: [(name, name) for name in sorted(zoneinfo.available_timezones())])

    class Meta:
        model = PeriodicTask
        fields = ("enabled",)
        labels = {"enabled": "On"}
        help_texts = {"enabled": "A job that is off runs only when somebody starts it by hand."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        now = schedules.words_of(self.instance.crontab)
        declared = schedules.declared(SCHEDULES[self.instance.name], now.get("timezone", "UTC"))
        for name in PARTS:
            self.fields[name].initial = now.get(name)
            self.fields[name].help_text = f"{self.fields[name].help_text} Its default is {declared[name]}."
        self.fields["time_zone"].initial = now.get("timezone")

    def clean(self) -> dict[str, Any]:
        """Refuse words that no crontab has, each at its field."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        for name, (count, first) in PARTS.items():
            try:
                if name in data and not crontab_parser(count, first).parse(data[name].replace(" ", "")):
                    raise ValueError
            except (ParseException, ValueError, KeyError):
                self.add_error(name, ValidationError("This is no time of a schedule; see what is possible below."))
        return data

    def save(self, commit: bool = True) -> PeriodicTask:
        words = {name: self.cleaned_data[name].replace(" ", "").lower() for name in PARTS}
        self.instance.crontab = schedules.crontab_of(
            {**words, "day_of_month": "*", "month_of_year": "*", "timezone": self.cleaned_data["time_zone"]}
        )
        self.instance.interval = self.instance.solar = self.instance.clocked = None
        task: PeriodicTask = super().save(commit)
        return task
