"""What the trail adds up to."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from audit import statistics
from audit.api import asking, shapes
from audit.api.asking import TAG, TrailView
from audit.filters import SpanForm
from audit.models import Entry
from sop_portal.lib.api.lists import refuse_unknown


class Figures(TrailView):
    """How much happened."""

    @extend_schema(
        operation_id="audit_logs_statistics", tags=[TAG], parameters=shapes.SPAN_OF_FIGURES,
        examples=shapes.FIGURES_EXAMPLE, responses={200: shapes.FiguresRow},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """How much happened in some days: by day, severity, person, action, type of object and source; for
        administrators."""
        asking.require_reader(request)
        names = ("since", "until")
        refuse_unknown(request.query_params, names)
        form = SpanForm(asking.asked(request.query_params, names))
        asking.sensible(form)
        counted = statistics.of(form.cleaned_data["since"], form.cleaned_data["until"])
        return Response(
            {
                "since": counted.since,
                "until": counted.until,
                "total": counted.total,
                "grave": counted.grave,
                "severities": {name: counted.severities.get(name, 0) for name in Entry.Severity.values},
                "days": [{"day": day, "entries": number} for day, number in counted.days],
                **{table.name: _table(table) for table in counted.tables},
            }
        )


def _table(table: statistics.Table) -> dict[str, Any]:
    rows = [{"value": value, "words": words, "entries": number} for value, words, number in table.rows]
    return {"rows": rows, "left_out": table.left_out}
