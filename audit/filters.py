"""Which entries a page shows: filters in the address, and a position that stays cheap at any depth."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from audit import words
from audit.context import SYSTEM
from audit.models import Entry, EntryQuerySet

PER_PAGE = 50
# Counting further would cost more than the page itself.
COUNT_LIMIT = 10_000


class EntryFilter(forms.Form):
    """Filters of the trail; each may be missing."""

    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(label="What", required=False)
    entity_type = forms.ChoiceField(label="About", required=False)
    text = forms.CharField(
        label="Name, id or request", required=False, max_length=200, widget=forms.TextInput(attrs={"type": "search"})
    )
    severity = forms.ChoiceField(label="Severity", required=False, choices=[("", "All"), *Entry.Severity.choices])
    source = forms.ChoiceField(label="Source", required=False, choices=[("", "All"), *words.SOURCES.items()])

    def __init__(self, data: Any, *, with_actor: bool = True) -> None:
        super().__init__(data, auto_id="filter_%s")
        fields: dict[str, Any] = self.fields
        fields["action"].choices = [("", "Everything"), *words.actions()]
        fields["entity_type"].choices = [("", "Everything"), *words.entity_types()]
        if with_actor:
            people = [(str(person.pk), str(person)) for person in get_user_model()._default_manager.all()]
            fields["actor"].choices = [("", "Everybody"), (SYSTEM, "The system"), *people]
        else:
            del fields["actor"]

    def clean(self) -> dict[str, Any]:
        """The two dates must be in order."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if data.get("since") and data.get("until") and data["since"] > data["until"]:
            raise ValidationError({"until": "The last day must not be before the first one."})
        return data

    def apply(self, entries: EntryQuerySet) -> EntryQuerySet:
        """`entries` that every filter lets through; none while one of them makes no sense."""
        if not self.is_valid():
            return entries.none()
        data = self.cleaned_data
        if data["since"]:
            entries = entries.filter(at__gte=_midnight(data["since"]))
        # There is no day after the last one that a date can name, and nothing to leave out either.
        if data["until"] and data["until"] < dt.date.max:
            entries = entries.filter(at__lt=_midnight(data["until"] + dt.timedelta(days=1)))
        if data.get("actor") == SYSTEM:
            entries = entries.filter(actor__isnull=True, actor_label=SYSTEM)
        elif data.get("actor"):
            entries = entries.filter(actor_id=int(data["actor"]))
        for name in ("action", "entity_type", "severity", "source"):
            if data[name]:
                entries = entries.filter(**{name: data[name]})
        if data["text"]:
            text = data["text"]
            entries = entries.filter(Q(label__icontains=text) | Q(entity_id=text) | Q(request_id=text))
        return entries

    def query(self) -> str:
        """The filters in force as part of an address."""
        filled: Any = self.data.copy()  # type: ignore[attr-defined]
        for name in list(filled):
            if name not in self.fields or not filled[name]:
                del filled[name]
        return str(filled.urlencode())


class Page:
    """One page of entries, newest first, and the positions of its neighbours."""

    def __init__(self, entries: EntryQuerySet, before: str, after: str) -> None:
        older, newer = _position(before), _position(after)
        self.newer = self.older = ""
        if older is None and newer is not None:
            at, pk = newer
            rows = entries.filter(at__gte=at).filter(Q(at__gt=at) | Q(id__gt=pk)).order_by("at", "id")
            found = list(rows[: PER_PAGE + 1])
            self.rows = found[:PER_PAGE][::-1]
            more_newer, more_older = len(found) > PER_PAGE, bool(self.rows)
        else:
            if older is not None:
                at, pk = older
                entries = entries.filter(at__lte=at).filter(Q(at__lt=at) | Q(id__lt=pk))
            found = list(entries.order_by("-at", "-id")[: PER_PAGE + 1])
            self.rows = found[:PER_PAGE]
            more_newer, more_older = older is not None and bool(self.rows), len(found) > PER_PAGE
        if self.rows and more_newer:
            self.newer = _mark(self.rows[0])
        if self.rows and more_older:
            self.older = _mark(self.rows[-1])


def count_words(entries: EntryQuerySet) -> str:
    """ "1,234 entries", or "10,000+ entries" beyond the limit."""
    number = entries.order_by()[: COUNT_LIMIT + 1].count()
    if number > COUNT_LIMIT:
        return f"{COUNT_LIMIT:,}+ entries"
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def _midnight(day: dt.date) -> dt.datetime:
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))


def _mark(entry: Entry) -> str:
    return f"{entry.at.astimezone(dt.UTC):%Y%m%d%H%M%S%f}-{entry.pk}"


def _position(mark: str) -> tuple[dt.datetime, int] | None:
    """The place in the trail that an address names; None (the newest) for anything that is not one of ours."""
    instant, _, number = mark.partition("-")
    if len(instant) != 20 or not (instant + number).isascii() or not (instant + number).isdigit() or len(number) > 18:
        return None
    try:
        return dt.datetime.strptime(instant, "%Y%m%d%H%M%S%f").replace(tzinfo=dt.UTC), int(number)
    except ValueError:
        return None
