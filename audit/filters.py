"""Which entries a page shows: filters in the address, and a position that stays cheap at any depth."""

import datetime as dt
from typing import Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from audit import search, words
from audit.context import SYSTEM
from audit.models import Entry, EntryQuerySet

PER_PAGE = 50
# Counting further would cost more than the page itself.
COUNT_LIMIT = 10_000
# Of the page of figures, unless others are asked for, and at most.
DAYS, MOST_DAYS = 30, 366


class EntryFilter(forms.Form):
    """Filters of the trail; each may be missing.

    by: the person whose acts these are, whom nobody chooses then. grave: only what an admin should notice.
    """

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

    def __init__(self, data: Any, *, by: Any = None, grave: bool = False) -> None:
        super().__init__(data, auto_id="filter_%s")
        self._by, self._grave = by, grave
        fields: dict[str, Any] = self.fields
        fields["action"].choices = [("", "Everything"), *words.actions()]
        fields["entity_type"].choices = [("", "Everything"), *words.entity_types()]
        if by is None:
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

    def clues(self) -> search.Clues:
        """What a search must look for, when the filters make sense."""
        data = self.cleaned_data if self.is_valid() else {}
        names = {
            "actor": "actor",
            "action": "action",
            "entity_type": "type",
            "severity": "severity",
            "source": "source",
        }
        marks = tuple((mark, data[name]) for name, mark in names.items() if data.get(name))
        if self._by is not None:
            marks = (("actor", str(self._by.pk)), *marks)
        since, until = data.get("since"), data.get("until")
        return search.Clues(
            data.get("text", ""),
            marks,
            midnight(since) if since else None,
            midnight(until + dt.timedelta(days=1)) if until and until < dt.date.max else None,
            are_few=self._grave,
        )

    def apply(self, entries: EntryQuerySet, *, with_text: bool = True) -> EntryQuerySet:
        """`entries` that every filter lets through; none while one of them makes no sense.

        with_text: False leaves the text to `search.find`.
        """
        if not self.is_valid():
            return entries.none()
        data = self.cleaned_data
        if self._by is not None:
            entries = entries.by(self._by)
        if self._grave:
            entries = entries.grave()
        if data["since"]:
            entries = entries.filter(at__gte=midnight(data["since"]))
        # There is no day after the last one that a date can name, and nothing to leave out either.
        if data["until"] and data["until"] < dt.date.max:
            entries = entries.filter(at__lt=midnight(data["until"] + dt.timedelta(days=1)))
        if data.get("actor") == SYSTEM:
            entries = entries.filter(actor__isnull=True, actor_label=SYSTEM)
        elif data.get("actor"):
            entries = entries.filter(actor_id=int(data["actor"]))
        for name in ("action", "entity_type", "severity", "source"):
            if data[name]:
                entries = entries.filter(**{name: data[name]})
        if data["text"] and with_text:
            text = data["text"]
            entries = entries.filter(Q(label__icontains=text) | Q(entity_id=text) | Q(request_id=text))
        return entries

    def page(self, entries: EntryQuerySet, before: str, after: str, *, size: int = PER_PAGE) -> "Page":
        """The page of what every filter leaves that lies behind `before`, or ahead of `after`."""
        clues = self.clues() if self.clues().are_needed else None
        return Page(self.apply(entries, with_text=clues is None), before, after, clues, size=size)

    def query(self) -> str:
        """The filters in force as part of an address."""
        filled: Any = self.data.copy()  # type: ignore[attr-defined]
        for name in list(filled):
            if name not in self.fields or not filled[name]:
                del filled[name]
        return str(filled.urlencode())


class SpanForm(forms.Form):
    """The days that figures are about; by default the last thirty."""

    since = forms.DateField(label="From", required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(label="To", required=False, widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, data: Any) -> None:
        today = timezone.localdate()
        filled = {"since": data.get("since") or str(today - dt.timedelta(days=DAYS - 1))}
        super().__init__({**filled, "until": data.get("until") or str(today)}, auto_id="span_%s")

    def clean(self) -> dict[str, Any]:
        """In order, and not more than the page can show."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and not dt.timedelta() <= until - since < dt.timedelta(days=MOST_DAYS):
            raise ValidationError({"until": f"The last day must be one of the {MOST_DAYS} from the first on."})
        if until and until == dt.date.max:
            raise ValidationError({"until": "There is no day after this one."})
        return data

    def span(self) -> tuple[dt.date, dt.date] | None:
        """The first and the last day; None while they make no sense."""
        return (self.cleaned_data["since"], self.cleaned_data["until"]) if self.is_valid() else None


class Page:
    """One page of entries, newest first, and the positions of its neighbours.

    clues: what else the entries must say, when no index finds it. reached: how far back was looked for them, when that
    was not to the end; the page may have few entries then, and the next one goes on from there.
    """

    def __init__(
        self,
        entries: EntryQuerySet,
        before: str,
        after: str,
        clues: search.Clues | None = None,
        *,
        size: int = PER_PAGE,
    ) -> None:
        older, newer = position(before), position(after)
        self._size = size
        self.newer = self.older = ""
        self.reached: dt.datetime | None = None
        # Of a search only the first page knows.
        self.total = entries.order_by()[: COUNT_LIMIT + 1].count() if clues is None else None
        self._clues = clues
        self._looked_to: search.Position | None = None
        if older is None and newer is not None:
            at, pk = newer
            rows = entries.filter(at__gte=at).filter(Q(at__gt=at) | Q(id__gt=pk))
            found = self._find(rows, newer, newest_first=False)
            self.rows = found[:size][::-1]
            more_newer, more_older = len(found) > size, bool(self.rows)
        else:
            if older is not None:
                at, pk = older
                entries = entries.filter(at__lte=at).filter(Q(at__lt=at) | Q(id__lt=pk))
            found = self._find(entries, older, newest_first=True)
            self.rows = found[:size]
            more_newer, more_older = older is not None and bool(self.rows), len(found) > size
        if self.rows and more_newer:
            self.newer = _mark(self.rows[0].at, self.rows[0].pk)
        if self._looked_to is not None:
            self.reached = self._looked_to[0]
            self.older = _mark(*self._looked_to)
        elif self.rows and more_older:
            self.older = _mark(self.rows[-1].at, self.rows[-1].pk)

    def _find(self, entries: EntryQuerySet, onwards: search.Position | None, *, newest_first: bool) -> list[Entry]:
        order = ("-at", "-id") if newest_first else ("at", "id")
        if self._clues is None:
            return list(entries.order_by(*order)[: self._size + 1])
        found = search.find(
            entries, self._clues, self._size + 1, onwards=onwards, newest_first=newest_first, most=COUNT_LIMIT
        )
        self.total = found.total if onwards is None else None
        self._looked_to = found.reached if newest_first else None
        return found.rows


def count_words(number: int | None) -> str:
    """ "1,234 entries", "10,000+ entries" beyond the limit, "" where nobody counted."""
    if number is None:
        return ""
    if number > COUNT_LIMIT:
        return f"{COUNT_LIMIT:,}+ entries"
    return f"{number:,} {'entry' if number == 1 else 'entries'}"


def midnight(day: dt.date) -> dt.datetime:
    """When a day begins where the person is."""
    return timezone.make_aware(dt.datetime.combine(day, dt.time.min))


def _mark(at: dt.datetime, number: int) -> str:
    return f"{at.astimezone(dt.UTC):%Y%m%d%H%M%S%f}-{number}"


def position(mark: str) -> search.Position | None:
    """The place in the trail that an address names; None (the newest) for anything that is not one of ours."""
    instant, _, number = mark.partition("-")
    if len(instant) != 20 or not (instant + number).isascii() or not (instant + number).isdigit() or len(number) > 18:
        return None
    try:
        return dt.datetime.strptime(instant, "%Y%m%d%H%M%S%f").replace(tzinfo=dt.UTC), int(number)
    except ValueError:
        return None
