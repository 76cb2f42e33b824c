"""The list of imports."""

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from masterdata.models import ImportRun
from sop_portal.lib.paging import pager

PER_PAGE = 50


@require_safe
@permission_required("masterdata.import_data", raise_exception=True)
def import_list(request: HttpRequest) -> HttpResponse:
    """Every file that was uploaded, the newest first, with what became of it."""
    runs = ImportRun.objects.visible_to(request.user).select_related("uploaded_by")
    page = Paginator(runs, PER_PAGE).get_page(request.GET.get("page"))
    context = {"runs": page, "pager": pager(page, request.GET, "import")}
    return render(request, "masterdata/import_list.html", context)
