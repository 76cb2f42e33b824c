"""What the operations about the trail send and take, for their description."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import serializers

from audit import words
from audit.api.asking import CURSOR
from audit.context import SYSTEM
from audit.filters import COUNT_LIMIT, DAYS, MOST_DAYS
from audit.models import Entry
from sop_portal.lib.api.lists import LARGEST_PAGE, PAGE_SIZE

_ORIGIN = "Null for those who may read this history but not the trail."


class EntryRow(serializers.Serializer):
    """What one transaction did to one object."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="When its transaction began.")
    actor_id = serializers.IntegerField(allow_null=True, help_text="Null when it was no person.")
    actor = serializers.CharField(help_text="Who: a name as it was then, 'system', or empty when nobody signed in.")
    on_behalf_of_id = serializers.IntegerField(allow_null=True)
    on_behalf_of = serializers.CharField(help_text="For whom, where it was somebody else; else empty.")
    action = serializers.CharField(help_text="What, such as cycle_opened or forecast_updated.")
    entity_type = serializers.CharField(help_text="What kind of object it is about, such as forecast; may be empty.")
    entity_id = serializers.CharField(help_text="Its id as the trail keeps it, a number for most; may be empty.")
    label: Any = serializers.CharField(help_text="What it was called then.")
    changes = serializers.DictField(
        help_text="{field: [before, after]}; a cell is named by field and month, as in 'quantity 2027-01'. Details of "
                  "an event that changed nothing stand as [null, value].",
    )  # fmt: skip
    severity = serializers.ChoiceField(Entry.Severity.choices)
    source: Any = serializers.CharField(help_text=f"By which way: {', '.join(words.SOURCES)}.")
    ip = serializers.CharField(allow_null=True, help_text=f"The network address, where there was one. {_ORIGIN}")
    user_agent = serializers.CharField(allow_null=True, help_text=_ORIGIN)
    request_id = serializers.CharField(
        allow_null=True, help_text=f"The X-Request-ID of the answer that it belongs to. {_ORIGIN}"
    )


class EntryPage(serializers.Serializer):
    """A page of entries, the newest first."""

    count = serializers.IntegerField(
        allow_null=True,
        help_text=f"How many entries there are; {COUNT_LIMIT + 1:,} stands for more than {COUNT_LIMIT:,}. Null where "
                  "counting would cost more than the page: in a search behind its first page, or of very much.",
    )  # fmt: skip
    next = serializers.URLField(
        allow_null=True, help_text="The older entries; null when there are none. Follow it as it is."
    )
    previous = serializers.URLField(allow_null=True, help_text="The newer entries; null on the first page.")
    looked_back_to = serializers.DateTimeField(
        allow_null=True,
        help_text="A search, a filter by action, entity_type or source, and several filters together look through some "
                  "12,000 entries a page: then the page may have few entries or none, this is how far back was looked, "
                  "and next looks further. Else null.",
    )  # fmt: skip
    gone: Any = serializers.ListField(
        child=serializers.DateField(),
        help_text="Months of the days asked for whose entries are no longer in the trail, by their first days.",
    )
    results = EntryRow(many=True)


class CountRow(serializers.Serializer):
    """How often something is named."""

    value = serializers.CharField(help_text="As it stands in entries.")
    words = serializers.CharField(help_text="As the portal's pages say it.")
    entries = serializers.IntegerField()


class CountTable(serializers.Serializer):
    """Counts by one thing, the largest first, fifteen at most."""

    rows: Any = CountRow(many=True)
    left_out = serializers.IntegerField(help_text="How many entries name others than these.")


class DayRow(serializers.Serializer):
    """How much happened on a day."""

    day = serializers.DateField()
    entries = serializers.IntegerField()


class SeverityCounts(serializers.Serializer):
    """Entries by severity."""

    INFO = serializers.IntegerField()
    WARNING = serializers.IntegerField()
    ERROR = serializers.IntegerField()
    CRITICAL = serializers.IntegerField()


class FiguresRow(serializers.Serializer):
    """What happened in a span of days."""

    since = serializers.DateField()
    until = serializers.DateField()
    total = serializers.IntegerField(help_text="Entries of these days.")
    grave = serializers.IntegerField(help_text="Those that /audit-logs/critical-events lists.")
    severities: Any = SeverityCounts()
    days: Any = DayRow(many=True, help_text="Days on which something happened, the newest first.")
    actors: Any = CountTable()
    actions: Any = CountTable()
    entity_types: Any = CountTable()
    sources: Any = CountTable()


_DAYS = "Days begin at midnight in the time zone of the account that asks."
SPAN = [
    OpenApiParameter("since", {"type": "string", "format": "date"}, description=f"The first day. {_DAYS}"),
    OpenApiParameter("until", {"type": "string", "format": "date"}, description=f"The last day, all of it. {_DAYS}"),
]
SPAN_OF_FIGURES = [
    OpenApiParameter(
        "since", {"type": "string", "format": "date"},
        description=f"The first day; {DAYS - 1} days ago unless it is given. {_DAYS}",
    ),
    OpenApiParameter(
        "until", {"type": "string", "format": "date"},
        description=f"The last day, one of the {MOST_DAYS} from the first on; today unless it is given. {_DAYS}",
    ),
]  # fmt: skip
PAGING = [
    OpenApiParameter(
        "cursor", {"type": "string", "pattern": CURSOR},
        description="Where the page begins: taken from next or previous, never made up. Entries that are written "
                    "meanwhile move nothing.",
    ),
    OpenApiParameter(
        "page_size", {"type": "integer", "minimum": 1, "maximum": LARGEST_PAGE, "default": PAGE_SIZE},
        description="How many entries a page has.",
    ),
]  # fmt: skip


def filters_of_entries(*, with_actor: bool = True) -> list[OpenApiParameter]:
    """The filters of a list, as `audit.filters.EntryFilter` takes them."""
    actor = [
        OpenApiParameter(
            "actor", {"type": "string", "pattern": rf"^([0-9]+|{SYSTEM})$"},
            description=f"The number of the user who did it, or '{SYSTEM}'.",
        )
    ]  # fmt: skip
    return [
        *SPAN,
        *(actor if with_actor else []),
        OpenApiParameter(
            "action", str, enum=sorted(name for _, group in words.actions() for name, _ in group),
            description="What was done.",
        ),
        OpenApiParameter(
            "entity_type", str, enum=sorted(name for name, _ in words.entity_types()),
            description="What kind of object it is about.",
        ),
        OpenApiParameter("severity", str, enum=Entry.Severity.values, description="Exactly this severity."),
        OpenApiParameter("source", str, enum=list(words.SOURCES), description="By which way it was done."),
        OpenApiParameter(
            "search", {"type": "string", "maxLength": 200},
            description="A part of the name of the object, in any case; or all of its id, or of the id of a request.",
        ),
        *PAGING,
    ]  # fmt: skip


EXAMPLES = [
    OpenApiExample(
        "A quantity was changed",
        response_only=True,
        status_codes=["200"],
        value={
            "count": 1, "next": None, "previous": None, "looked_back_to": None, "gone": [],
            "results": [{
                "id": 4711, "at": "2026-11-20T14:03:07.120000Z", "actor_id": 12, "actor": "Rita Rep",
                "on_behalf_of_id": None, "on_behalf_of": "", "action": "forecast_updated", "entity_type": "forecast",
                "entity_id": "815", "label": "Elm Supply, Inc. 110100 Peeled garlic (S&OP Dec 2026)",
                "changes": {"quantity 2027-01": ["380", "400"]}, "severity": "INFO", "source": "api",
                "ip": "192.0.2.7", "user_agent": "planner/1.4", "request_id": "5f0c9a52e3c84d17a4b1",
            }],
        },
    )
]  # fmt: skip
FIGURES_EXAMPLE = [
    OpenApiExample(
        "A quiet day",
        response_only=True,
        status_codes=["200"],
        value={
            "since": "2026-11-20", "until": "2026-11-20", "total": 3, "grave": 1,
            "severities": {"INFO": 2, "WARNING": 1, "ERROR": 0, "CRITICAL": 0},
            "days": [{"day": "2026-11-20", "entries": 3}],
            "actors": {"rows": [{"value": "Rita Rep", "words": "Rita Rep", "entries": 2},
                                {"value": "", "words": "Nobody signed in", "entries": 1}], "left_out": 0},
            "actions": {"rows": [{"value": "forecast_updated", "words": "Line updated", "entries": 2},
                                 {"value": "user_login_failed", "words": "User login failed", "entries": 1}],
                        "left_out": 0},
            "entity_types": {"rows": [{"value": "forecast", "words": "Line", "entries": 2},
                                      {"value": "user", "words": "User", "entries": 1}], "left_out": 0},
            "sources": {"rows": [{"value": "web", "words": "Portal", "entries": 3}], "left_out": 0},
        },
    )
]  # fmt: skip
