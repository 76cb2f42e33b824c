"""The submission board of a cycle: its page, and the same rows as a file."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from audit.downloads import hand_out
from cycles.services import business_zone
from forecasts import board
from forecasts.excel.board_file import write_board
from forecasts.forms import MAX_FIND, whole_number
from forecasts.grid_json import MAX_ID
from forecasts.services.reminding import may_remind
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.paging import pager

PER_PAGE = 100
# Parameters of the address; those of all tabs are kept when one changes to another.
KEPT_BY_TABS = ("cycle", "manager", "rep")
KEPT = (*KEPT_BY_TABS, "by", "state", "find", "sort")


def require_reader(request: HttpRequest) -> None:
    """Refuse those who see no share but their own."""
    if not board.may_read(request.user):
        raise PermissionDenied("The submission board is for managers, S&OP admins and viewers.")


@require_safe
def submission_board(request: HttpRequest) -> HttpResponse:
    """Who is where in a cycle: by rep, by customer or by product."""
    require_reader(request)
    cycles = list(board.cycles(request.user))
    if not cycles:
        return render(request, "forecasts/board_none.html")
    wanted = wanted_of(request.GET, cycles)
    found = board.read(request.user, wanted)
    page = Paginator(found.rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "board": found,
        "wanted": wanted,
        "cycle": wanted.cycle,
        "cycles": cycles,
        "rows": page,
        "pager": pager(page, QueryDict(_address(request.GET)), wanted.tab),
        "tabs": [(tab, _address(request.GET, tab=tab)) for tab in board.TABS],
        "query": _address(request.GET),
        "states": [(state.value, state.label, found.states[state]) for state in board.State if found.states[state]],
        "managers": _managers(found),
        "may_remind": wanted.cycle.is_open and wanted.tab == board.REP and may_remind(request.user),
        "zone": business_zone().key,
    }
    return render(request, "forecasts/board.html", context)


@require_GET
def board_file(request: HttpRequest, form: str) -> FileResponse:
    """The rows of the board as its filters and its order leave them, as a workbook or as CSV."""
    require_reader(request)
    if form not in TYPES:
        raise Http404("There is no such file.")
    cycles = list(board.cycles(request.user))
    if not cycles:
        raise Http404("There is no cycle yet.")
    wanted = wanted_of(request.GET, cycles)
    return hand_out(
        request,
        lambda target: write_board(target, board.read(request.user, wanted), wanted.tab, form=form, user=request.user),
        f"submission-board-{wanted.tab}-{timezone.localdate():%Y-%m-%d}.{form}",
        about=("cycle", wanted.cycle.pk),
        told={"filters": _address(request.GET)},
    )


def wanted_of(query: QueryDict, cycles: list[Any]) -> board.Wanted:
    """The parameters as a question; what makes no sense is left out, an unknown cycle is a 404."""
    cycle = next((known for known in cycles if known.is_open), cycles[0])
    if query.get("cycle"):
        chosen = whole_number(query.get("cycle", ""), MAX_ID)
        cycle = next((known for known in cycles if known.pk == chosen), None)
        if cycle is None:
            raise Http404("There is no such cycle.")
    tab, sort, state = query.get("by", ""), query.get("sort", ""), query.get("state", "")
    return board.Wanted(
        cycle=cycle,
        tab=tab if tab in board.TABS else board.REP,
        state=state if state in board.State.values else "",
        manager=whole_number(query.get("manager", ""), MAX_ID),
        rep=whole_number(query.get("rep", ""), MAX_ID),
        find=query.get("find", "").replace("\x00", "").strip()[:MAX_FIND],
        sort=sort if sort.removeprefix("-") in board.SORTS else "",
    )


def _address(query: QueryDict, tab: str = "") -> str:
    """The parameters of the board without its page; those of another `tab` keep cycle, team and rep."""
    kept = QueryDict(mutable=True)
    for name in KEPT if not tab else KEPT_BY_TABS:
        if value := query.get(name, ""):
            kept[name] = value
    if tab:
        kept["by"] = tab
    return str(kept.urlencode())


def _managers(found: board.Board) -> list[tuple[int, str]]:
    """The teams that take part; none to choose from when there is only one."""
    names = {one.rep.manager_id: str(one.rep.manager) for one in found.participants if one.rep.manager_id}
    return sorted(names.items(), key=lambda item: item[1]) if len(names) > 1 else []
