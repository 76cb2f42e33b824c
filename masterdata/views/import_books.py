"""Workbooks around imports: the template of a kind, and what is wrong with a file."""

from pathlib import PurePath

from django.contrib.auth.decorators import permission_required
from django.http import FileResponse, HttpRequest
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from masterdata.imports.books import write_error_book
from masterdata.imports.keeping import require_importer
from masterdata.imports.kinds import IMPORT, KINDS
from masterdata.imports.templates import write_template
from masterdata.models import ImportRun
from masterdata.views.imports import kind_or_404
from sop_portal.lib import downloads, ratelimit

DOWNLOADS = "20/m"


@require_GET
@permission_required(IMPORT, raise_exception=True)
def import_template(request: HttpRequest, kind: str) -> FileResponse:
    """An empty workbook with the headings of a kind, what each means, and lists to choose from."""
    declared = kind_or_404(kind)
    require_importer(request.user, declared)
    return downloads.answer(lambda target: write_template(target, declared), f"{declared.key} template.xlsx")


@require_GET
@permission_required(IMPORT, raise_exception=True)
def import_errors(request: HttpRequest, pk: int) -> FileResponse:
    """The uploaded values as a new workbook, what is refused marked, and why."""
    return error_book(request, pk)


def error_book(request: HttpRequest, pk: int) -> FileResponse:
    """The error workbook of a run that the person may see, for page and API. Raises Http404, TooMany, Conflict."""
    run = get_object_or_404(ImportRun.objects.visible_to(request.user).filter(kind__in=list(KINDS)), pk=pk)
    # The uploaded file is read once more.
    ratelimit.limit(
        request,
        "import_errors",
        str(request.user.pk),
        DOWNLOADS,
        "Lists of errors were downloaded several times within a minute. Wait a moment, then try again.",
    )
    return downloads.answer(
        lambda target: write_error_book(target, run, by=request.user), f"{PurePath(run.file_name).stem} errors.xlsx"
    )
