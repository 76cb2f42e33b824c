"""The lists of master data and facts as files that the import takes back without a change."""

from dataclasses import replace
from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import SuspiciousOperation
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest
from django.utils import timezone
from django.views.decorators.http import require_GET

from audit.downloads import hand_out
from masterdata.exports import Wanted, wanted
from masterdata.imports.exports import Form, write_export
from masterdata.imports.kinds import KINDS
from masterdata.models import ImportRun
from masterdata.views import listing
from sop_portal.accounts.models import User
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.errors import Refused


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
    return hand_out(
        request,
        lambda target: write_export(
            target, KINDS[kind], found.rows, form=form, leave_out=found.leave_out, order=found.order
        ),
        f"{kind}-{timezone.localdate():%Y-%m-%d}.{form}",
        about=("excel", kind),
        told={"filters": filters},
    )
