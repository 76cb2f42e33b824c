"""The review page of managers and admins: what waits, what was decided, what was missed, and the decisions."""

from collections.abc import Callable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from cycles.models import Cycle
from forecasts import queue, services
from forecasts.forms import line_refs, whole_number
from forecasts.grid_json import MAX_ID
from forecasts.models import Line
from forecasts.services import LineRef
from forecasts.services.writing import line_label
from forecasts.views.line import show_line
from sop_portal.lib.errors import Conflict, DomainError, Refused, StaleRevision
from sop_portal.lib.paging import pager

KEPT = ("cycle", "tab", "rep", "customer", "sort", "page")
ACTS: dict[str, tuple[Callable[..., list[Line]], str]] = {
    "approve": (services.approve_lines, "approved"),
    "reject": (services.reject_lines, "rejected"),
    "return": (services.return_lines, "returned"),
}


def _require_reviewer(request: HttpRequest) -> None:
    if not queue.may_decide(request.user):
        raise PermissionDenied("Lines are decided by managers and S&OP admins.")


@require_safe
def review(request: HttpRequest) -> HttpResponse:
    """The lists of one cycle under review."""
    _require_reviewer(request)
    return _page(request, request.GET)


def _page(
    request: HttpRequest, query: Mapping[str, str], refusal: DomainError | None = None, sentence: str = ""
) -> HttpResponse:
    """The page for the parameters `query`; after a refusal with its sentence, the ticks and the comment kept."""
    cycles = list(queue.reviewed_cycles())
    if not cycles:
        return render(request, "forecasts/review_none.html", {"refusal": refusal})
    wanted = _wanted(query, cycles)
    found = queue.lines(request.user, wanted)
    totals = queue.totals(found)
    counted: Any = _Counted(found, totals.number)
    page: Any = Paginator(counted, queue.PER_PAGE).get_page(query.get("page"))
    reps, customers = queue.choices(request.user, wanted)
    rows = queue.rows(page, request.user, wanted.cycle)
    ticked = _ticked(request, refusal)
    context = {
        "cycle": wanted.cycle,
        "cycles": cycles,
        "wanted": wanted,
        "tabs": queue.tab_counts(request.user, wanted.cycle),
        "rows": rows,
        "totals": totals,
        "decidable": sum(not row.own for row in rows),
        "reps": reps,
        "customers": customers,
        "pager": pager(page, QueryDict(_kept(query)), "line"),
        "filters": _kept(query),
        "ticked": ticked,
        "comment": request.POST.get("comment", "") if refusal else "",
        "refusal": refusal,
        "sentence": sentence or (refusal.detail if refusal else ""),
        "comment_refused": isinstance(refusal, Refused) and "comment" in refusal.lines,
        "refused_action": request.POST.get("action", ""),
    }
    return render(request, "forecasts/review.html", context, status=refusal.status if refusal else 200)


class _Counted:
    """A list whose length is known already."""

    ordered = True

    def __init__(self, found: Any, number: int) -> None:
        self._found, self._number = found, number

    def __len__(self) -> int:
        return self._number

    def __getitem__(self, part: slice) -> Any:
        return self._found[part]


def _wanted(query: Mapping[str, str], cycles: list[Cycle]) -> queue.Wanted:
    """The parameters as a question; what makes no sense is left out, an unknown cycle is a 404."""
    cycle = cycles[0]
    if query.get("cycle"):
        chosen = _number(query.get("cycle"))
        cycle = next((known for known in cycles if known.pk == chosen), None)  # type: ignore[assignment]
        if cycle is None:
            raise Http404
    else:
        cycle = next((known for known in cycles if known.is_open), cycle)
    tab = query.get("tab", "")
    sort = query.get("sort", "")
    return queue.Wanted(
        cycle=cycle,
        tab=tab if tab in queue.TABS else queue.WAITING,
        rep=_number(query.get("rep")),
        customer=_number(query.get("customer")),
        sort=sort if sort.removeprefix("-") in queue.SORTS else "",
    )


def _number(text: str | None) -> int | None:
    return whole_number(text or "", MAX_ID)


def _kept(query: Mapping[str, str]) -> str:
    """The parameters of the page, written for a URL."""
    kept = QueryDict(mutable=True)
    for name in KEPT:
        if value := query.get(name, ""):
            kept[name] = value
    return str(kept.urlencode())


def _refs(request: HttpRequest) -> list[LineRef]:
    """The lines that were ticked, as the person saw them: "line:revision" each."""
    texts = [request.POST["only"]] if request.POST.get("only") else request.POST.getlist("line")
    if not texts:
        raise Refused("Tick at least one line first.")
    return line_refs(texts)


def _ticked(request: HttpRequest, refusal: DomainError | None) -> set[int]:
    """The lines to show ticked again; not those that changed meanwhile, which want a fresh look."""
    if refusal is None:
        return set()
    stale = {item["line"] for item in refusal.extra.get("stale", [])}
    ids = {_number(text.partition(":")[0]) for text in request.POST.getlist("line")}
    return {line_id for line_id in ids if line_id is not None} - stale


@require_http_methods(["GET", "HEAD", "POST"])
def decide(request: HttpRequest) -> HttpResponse:
    """Approve, reject or return lines, each named with the revision that was seen; a GET only leads to the list.

    Fields: cycle; action approve, approve_all, reject or return; line or only ("line:revision"); comment; filters, the
    parameters to come back to; digest, for approve_all, of the list that was seen; from "line" when sent from the page of
    the one line.
    """
    _require_reviewer(request)
    if request.method != "POST":
        return _to_list(request.GET)
    planned = Cycle.objects.visible_to(request.user).filter(kind=Cycle.Kind.NORMAL)
    cycle = get_object_or_404(planned, pk=_number(request.POST.get("cycle")) or 0)
    query = QueryDict(request.POST.get("filters", ""))
    # Sent from the page of one line; a malformed one is refused before anything is decided.
    line_id = _refs(request)[0].line_id if request.POST.get("from") == "line" else None
    try:
        number, word = _decide(request, cycle, query)
    except DomainError as refusal:
        sentence = _stale_sentence(request, refusal) if isinstance(refusal, StaleRevision) else refusal.detail
        if line_id is not None:
            return show_line(request, line_id, refusal=refusal, sentence=sentence)
        # The page keeps its filters although its address is another one now.
        request.GET = QueryDict(_kept(query))  # type: ignore[assignment]
        return _page(request, query, refusal, sentence)
    if number:
        messages.success(request, f"{number} line{'' if number == 1 else 's'} {word}.")
    else:
        messages.info(request, f"Nothing was left to decide: you {word} these lines before.")
    if line_id is not None:
        return redirect("forecasts:line", line_id)
    return _to_list(query)


def _to_list(query: Mapping[str, str]) -> HttpResponse:
    kept = _kept(query)
    return redirect(reverse("forecasts:review") + (f"?{kept}" if kept else ""))


def _decide(request: HttpRequest, cycle: Cycle, query: Mapping[str, str]) -> tuple[int, str]:
    # The button beside a line names the line alone.
    action = request.POST.get("action") or ("approve" if request.POST.get("only") else "")
    comment = request.POST.get("comment", "")
    if action == "approve_all":
        refs = _all_filtered(request, cycle, query)
        action = "approve"
    elif action in ACTS:
        refs = _refs(request)
    else:
        raise Refused("Choose whether to approve, reject or return.")
    act, word = ACTS[action]
    return len(act(cycle.pk, refs, by=request.user, comment=comment)), word


def _all_filtered(request: HttpRequest, cycle: Cycle, query: Mapping[str, str]) -> list[LineRef]:
    """Every waiting line that the filters let through, unless the list is another one than was seen."""
    wanted = _wanted({**{name: query.get(name, "") for name in KEPT}, "cycle": str(cycle.pk)}, [cycle])
    found = queue.lines(request.user, wanted)
    if wanted.tab != queue.WAITING or queue.totals(found).digest != request.POST.get("digest"):
        raise Conflict(
            "The list changed since you opened it, so nothing was approved. It is shown as it is now; look again."
        )
    refs = queue.refs(found, request.user)
    if not refs:
        raise Refused("None of these lines waits for you.")
    return refs


def _stale_sentence(request: HttpRequest, refusal: StaleRevision) -> str:
    ids = [item["line"] for item in refusal.extra["stale"]]
    lines = Line.objects.visible_to(request.user).filter(pk__in=ids[:3]).select_related("customer", "product")
    names = ", ".join(line_label(line) for line in lines)
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return f"{names}{more} changed since you opened this page, so nothing was decided. Look again before you decide."
