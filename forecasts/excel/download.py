"""The consolidated plan as a file that somebody takes with them, which the trail tells of."""

from django.http import FileResponse, HttpRequest

from audit.downloads import hand_out
from cycles.models import Cycle
from forecasts.excel.consolidated import edition, file_name, write_csv, write_workbook
from sop_portal.lib.clock import portal_now
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.errors import Conflict, Refused


def consolidated_plan(request: HttpRequest, cycle: Cycle, ending: str) -> FileResponse:
    """The plan of `cycle` as xlsx or csv, with the lines that the reader may see.

    Raises Refused for another form, Conflict for a draft, TooMany when it is asked for again and again.
    """
    if ending not in TYPES:
        raise Refused("The consolidated plan comes as xlsx or csv; choose one of the two.")
    if cycle.status == Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is not open yet, so it has no plan to download; open it first.")
    taken_at = portal_now()
    return hand_out(
        request,
        lambda target: (
            write_csv(target, cycle, request.user)
            if ending == "csv"
            else write_workbook(target, cycle, request.user, taken_at)
        ),
        file_name(cycle, request.user, taken_at, ending),
        about=("cycle", cycle.pk),
        label=str(cycle),
        told={"edition": edition(cycle)},
        group="consolidated",
        what="The plan was downloaded several times",
    )
