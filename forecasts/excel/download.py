"""The consolidated plan as a file that somebody takes with them, which the trail tells of."""

import tempfile
from typing import IO, Any

from django.http import FileResponse, HttpRequest

from audit.services import Event, record
from cycles.models import Cycle
from forecasts.excel.consolidated import edition, file_name, write_csv, write_workbook
from sop_portal.lib import ratelimit
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, Refused

DOWNLOADS = "20/m"
TYPES = {"xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "csv": "text/csv; charset=utf-8"}


def consolidated_plan(request: HttpRequest, cycle: Cycle, ending: str) -> FileResponse:
    """The plan of `cycle` as xlsx or csv, with the lines that the reader may see.

    Raises Refused for another form, Conflict for a draft, TooMany when it is asked for again and again.
    """
    if ending not in TYPES:
        raise Refused("The consolidated plan comes as xlsx or csv; choose one of the two.")
    if cycle.status == Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is not open yet, so it has no plan to download; open it first.")
    # Writing one takes seconds of a processor.
    ratelimit.limit(
        request,
        "consolidated",
        str(request.user.pk),
        DOWNLOADS,
        "The plan was downloaded several times within a minute. Wait a moment, then try again.",
    )
    taken_at = portal_now()
    # On disk, and written as a whole before the first byte is sent: a slow reader holds neither memory nor the database.
    target: IO[Any] = tempfile.TemporaryFile()  # noqa: SIM115  FileResponse closes it
    if ending == "csv":
        write_csv(target, cycle, request.user)
    else:
        write_workbook(target, cycle, request.user, taken_at)
    name = file_name(cycle, request.user, taken_at, ending)
    record(
        Event(
            action="report_downloaded",
            entity_type="cycle",
            entity_id=str(cycle.pk),
            label=str(cycle),
            changes={"file": [None, name], "edition": [None, edition(cycle)]},
        )
    )
    target.seek(0)
    response = FileResponse(target, as_attachment=True, filename=name, content_type=TYPES[ending])
    response["Cache-Control"] = "no-store"
    return response
