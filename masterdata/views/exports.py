"""The lists of master data and facts as files that the import takes back without a change."""

import tempfile
from dataclasses import replace
from typing import IO, Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from django.utils import timezone
from django.views.decorators.http import require_GET

from audit.services import Event, record
from masterdata.exports import Wanted, wanted
from masterdata.imports.exports import Form, write_export
from masterdata.imports.kinds import KINDS
from masterdata.models import ImportRun
from masterdata.views import listing
from sop_portal.accounts.models import User
from sop_portal.lib import ratelimit
from sop_portal.lib.errors import Refused

DOWNLOADS = "20/m"
TYPES: dict[Form, str] = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv; charset=utf-8",
}


@require_GET
def export(request: HttpRequest, kind: str, form: Form) -> FileResponse:
    """The rows of a list as its filters leave them and in its order, as far as the reader may see them."""
    if kind not in KINDS or form not in TYPES:
        raise Http404("There is no such file.")
    found = wanted(kind, request.GET, request.user, listing.today())
    if kind == ImportRun.Kind.USERS:
        # They have no list but that of the admin.
        listed = rows_listed(admin.site.get_model_admin(User), request)
        found = replace(found, rows=found.rows.filter(pk__in=listed.order_by().values("pk")))
    return file_of(request, kind, form, found, filters=listing.address(request))


def rows_listed(page: admin.ModelAdmin, request: HttpRequest) -> QuerySet[Any]:
    """The rows of a list of the admin as the address filters and searches it. Raises Refused for filters without
    sense."""
    try:
        return page.get_changelist_instance(request).queryset
    except (IncorrectLookupParameters, SuspiciousOperation) as problem:
        raise Refused("The filters in the address make no sense; choose them in the list again.") from problem


def file_of(request: HttpRequest, kind: str, form: Form, found: Wanted, *, filters: str) -> FileResponse:
    """The rows of `found` as a file; `filters` is what the trail keeps of the address that asked for them."""
    # Writing one takes seconds of a processor.
    ratelimit.limit(
        request,
        "export",
        str(request.user.pk),
        DOWNLOADS,
        "Several files were downloaded within a minute. Wait a moment, then try again.",
    )
    # On disk, and written as a whole before the first byte is sent: a slow reader holds neither memory nor the database.
    target: IO[Any] = tempfile.TemporaryFile()  # noqa: SIM115  FileResponse closes it
    write_export(target, KINDS[kind], found.rows, form=form, leave_out=found.leave_out, order=found.order)
    name = f"{kind}-{timezone.localdate():%Y-%m-%d}.{form}"
    record(
        Event(
            action="report_downloaded",
            entity_type="excel",
            entity_id=kind,
            label=name,
            changes={"file": [None, name]} | ({"filters": [None, filters]} if filters else {}),
        )
    )
    target.seek(0)
    response = FileResponse(target, as_attachment=True, filename=name, content_type=TYPES[form])
    response["Cache-Control"] = "no-store"
    return response
