"""Two cycles beside each other: the page, and the same rows as a file."""

from typing import Any

from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_safe

from audit.downloads import hand_out
from forecasts import compare
from forecasts.excel.compare_file import write_comparison
from forecasts.forms import whole_number
from forecasts.grid_json import MAX_ID
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.paging import pager

PER_PAGE = 100


@require_safe
def compare_cycles(request: HttpRequest) -> HttpResponse:
    """What a cycle plans beside what another planned, in the months of both."""
    cycles = list(compare.cycles(request.user))
    if len(cycles) < 2:
        return render(request, "forecasts/compare_none.html")
    wanted = wanted_of(request.GET, cycles)
    found = compare.read(request.user, wanted)
    page = Paginator(found.rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "found": found,
        "wanted": wanted,
        "cycles": cycles,
        "rows": [(row, _closer(request.GET, wanted, row.key)) for row in page],
        "pager": pager(page, request.GET, wanted.tab),
        "tabs": [(tab, _address(request.GET, by=tab)) for tab in compare.TABS if tab not in wanted.of],
        "looked_into": [(tab, found.names[tab], _address(request.GET, **{tab: ""})) for tab in wanted.of],
        "query": _address(request.GET),
    }
    return render(request, "forecasts/compare.html", context)


@require_GET
def compare_file(request: HttpRequest, form: str) -> FileResponse:
    """The rows of the comparison as its filters and its order leave them, as a workbook or as CSV."""
    cycles = list(compare.cycles(request.user))
    if form not in TYPES or len(cycles) < 2:
        raise Http404("There is no such file.")
    wanted = wanted_of(request.GET, cycles)
    return hand_out(
        request,
        lambda target: write_comparison(target, compare.read(request.user, wanted), form=form),
        f"compare-by-{wanted.tab}-{timezone.localdate():%Y-%m-%d}.{form}",
        about=("cycle", wanted.now.pk),
        told={"filters": _address(request.GET)},
    )


def wanted_of(query: QueryDict, cycles: list[Any]) -> compare.Wanted:
    """The parameters as a question; what makes no sense is left out, an unknown cycle is a 404.

    Without any it is the newest cycle beside the one before it.
    """
    now = _chosen(query.get("now", ""), cycles) or cycles[0]
    older = [cycle for cycle in cycles[cycles.index(now) + 1 :] if cycle.first_period < now.first_period]
    others = older or [cycle for cycle in cycles if cycle != now]
    before = _chosen(query.get("before", ""), cycles)
    if before is None or before == now:
        before = others[0]
    of = {tab: key for tab in compare.TABS if (key := _key(query.get(tab, ""))) is not None}
    tab, sort = query.get("by", ""), query.get("sort", "")
    free = [one for one in compare.TABS if one not in of] or [compare.PRODUCT]
    return compare.Wanted(
        now=now,
        before=before,
        tab=tab if tab in free else free[0],
        of=of,
        sort=sort if sort.removeprefix("-") in compare.SORTS else "",
    )


def _chosen(text: str, cycles: list[Any]) -> Any:
    if not text:
        return None
    number = whole_number(text, MAX_ID)
    found = next((cycle for cycle in cycles if cycle.pk == number), None)
    if found is None:
        raise Http404("There is no such cycle.")
    return found


def _key(text: str) -> int | None:
    """The key of what is looked into; 0 are nobody's lines."""
    return 0 if text == "0" else whole_number(text, MAX_ID)


def _closer(query: QueryDict, wanted: compare.Wanted, key: int) -> str:
    """The address that looks into a row; "" where nothing is closer."""
    return _address(query, by=wanted.closer, **{wanted.tab: str(key)}) if wanted.closer else ""


def _address(query: QueryDict, **changes: str) -> str:
    """The parameters of the page with some of them changed ("" takes one away), from its first page on."""
    kept = query.copy()
    kept.pop("page", None)
    for name, value in changes.items():
        kept[name] = value
    for name in [name for name, value in kept.items() if not value]:
        del kept[name]
    return str(kept.urlencode())
