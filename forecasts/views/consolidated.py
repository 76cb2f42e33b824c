"""The download of the consolidated plan."""

from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from cycles.models import Cycle
from forecasts.excel.download import consolidated_plan


@require_GET
def consolidated(request: HttpRequest, pk: int) -> FileResponse:
    """The plan of a cycle as a workbook, or with `?format=csv` as CSV: the lines that the reader may see."""
    cycle = get_object_or_404(Cycle.objects.visible_to(request.user), pk=pk)
    return consolidated_plan(request, cycle, request.GET.get("format", "xlsx"))
