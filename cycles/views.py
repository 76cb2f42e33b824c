"""Pages of cycles: all of them, one of them, its form while it is a draft, and its moves."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe

from cycles import outlook, services, standing
from cycles.forms import CycleForm, ReasonForm
from cycles.models import Cycle, Participant
from masterdata.notices import notices
from sop_portal.accounts.formats import zone_name
from sop_portal.conf.registry import find
from sop_portal.lib import htmx
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, DomainError, Refused
from sop_portal.lib.paging import pager

PER_PAGE = 50

form_methods = require_http_methods(["GET", "HEAD", "POST"])


def _visible(request: HttpRequest, pk: int) -> Cycle:
    return get_object_or_404(Cycle.objects.visible_to(request.user), pk=pk)


@require_safe
def cycle_list(request: HttpRequest) -> HttpResponse:
    """Every cycle the person may see, the newest first, with how far its lines are."""
    cycles = Cycle.objects.visible_to(request.user)
    state = request.GET.get("state", "")
    if state in Cycle.Status.values:
        cycles = cycles.filter(status=state)
    # Of the shares that the person may see, like the counts below: how many lines others have is theirs to know.
    mine = Q(participants__in=Participant.objects.visible_to(request.user))
    cycles = cycles.annotate(expected=Sum("participants__lines_expected", filter=mine)).order_by("-first_period", "-pk")
    page = Paginator(cycles, PER_PAGE).get_page(request.GET.get("page"))
    # Published cycles do not move any more; their lines are not counted again and again.
    counted = [cycle.pk for cycle in page if cycle.status != Cycle.Status.ARCHIVED]
    counts = standing.by_rep(counted, request.user) if counted else {}
    rows = [
        {"cycle": cycle, "counts": standing.total(counts[cycle.pk].values()) if cycle.pk in counts else None}
        for cycle in page
    ]
    return render(
        request,
        "cycles/cycle_list.html",
        {
            "rows": rows,
            "states": Cycle.Status.choices,
            "state": state if state in Cycle.Status.values else "",
            "pager": pager(page, request.GET, "cycle"),
            "zone": services.business_zone().key,
            "may_move": request.user.has_perm("cycles.move_cycle"),
        },
    )


@require_safe
def cycle_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One cycle: its months, its deadline, who takes part and how far they are, and its next move."""
    cycle = _visible(request, pk)
    counts = standing.by_rep([cycle.pk], request.user).get(cycle.pk, {})
    return render(
        request,
        "cycles/cycle_detail.html",
        {
            "cycle": cycle,
            "total": standing.total(counts.values()),
            "shares": outlook.shares(cycle, request.user, counts),
            "is_past": cycle.closes_at is not None and cycle.closes_at <= portal_now(),
            "zone": services.business_zone().key,
            "may_move": request.user.has_perm("cycles.move_cycle"),
            "notices": notices(request.user) if cycle.is_open else [],
        },
    )


@form_methods
def cycle_create(request: HttpRequest) -> HttpResponse:
    """A new draft, proposed as the last cycle moved by a month."""
    services.require_mover(request.user)
    return _cycle_form(request, None)


@form_methods
def cycle_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a draft."""
    cycle = _visible(request, pk)
    services.require_mover(request.user)
    if cycle.status != Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} is no longer a draft, so its months and deadline stay as they are.")
    return _cycle_form(request, cycle)


def _cycle_form(request: HttpRequest, cycle: Cycle | None) -> HttpResponse:
    """The form, its preview of the 16 months, and its saving."""
    form = CycleForm(request.POST if request.method == "POST" else None, cycle=cycle)
    saving = request.method == "POST" and "preview" not in request.POST
    if saving and form.is_valid():
        try:
            if cycle is None:
                saved = services.create_cycle(**form.values(), by=request.user)
            else:
                saved = services.update_cycle(cycle.pk, **form.values(), opens_at=cycle.opens_at, by=request.user)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{saved} is saved as a draft." if cycle is None else f"{saved} is changed.")
            return redirect("cycles:detail", saved.pk)
    context = {"form": form, "cycle": cycle, "preview": _preview(form), "zone": services.business_zone().key}
    context["zone_name"] = zone_name(services.business_zone().key)
    refused = form.is_bound and not form.is_valid()
    return htmx.render(
        request, "cycles/cycle_form.html", "cycles/_cycle_preview.html", context,
        # The live preview answers every change, finished or not.
        status=422 if refused and not htmx.wants_fragment(request) else 200,
    )  # fmt: skip


def _preview(form: CycleForm) -> dict[str, Any]:
    """The cycle as it would be with what the form says now; parts that make no sense yet are left out."""
    if form.is_bound:
        form.is_valid()
        values: Any = form.cleaned_data
    else:
        values = form.initial
    first, closes_at = values.get("first_period"), values.get("closes_at")
    sketch = Cycle(first_period=first, closes_at=closes_at, name=values.get("name") or "") if first else None
    return {
        "cycle": sketch,
        "closes_at": closes_at,
        "is_past": closes_at is not None and closes_at <= portal_now(),
        "weekend": outlook.weekend(closes_at, services.business_zone()) if closes_at else "",
    }


@dataclass(frozen=True)
class Move:
    """A move as its page words it. `run` does it, `facts` says what it would do."""

    template: str
    run: Callable[..., Any]
    facts: Callable[[HttpRequest, Cycle], dict[str, Any]]
    done: str


@form_methods
def cycle_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a draft: what would be made, then the move."""
    return _move(request, pk, Move(
        "cycles/cycle_open.html", services.open_cycle, lambda _, cycle: {"opening": outlook.opening(cycle)},
        "{} is open for input.",
    ))  # fmt: skip


@form_methods
def cycle_close(request: HttpRequest, pk: int) -> HttpResponse:
    """Close the open cycle: which lines would be missed, then the move."""
    return _move(request, pk, Move(
        "cycles/cycle_close.html", lambda pk, by: services.close_cycle(pk, by=by, reason=_reason(request)), _closing,
        "{} is closed. Managers and admins can still approve and adjust.",
    ))  # fmt: skip


def _reason(request: HttpRequest) -> str:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise Refused({"reason": " ".join(map(str, form.errors["reason"]))})
    return str(form.cleaned_data["reason"])


def _closing(request: HttpRequest, cycle: Cycle) -> dict[str, Any]:
    rows = outlook.shares(cycle, request.user)
    return {
        "shares": [row for row in rows if row.to_do],
        "total": standing.total(row.counts for row in rows),
        "early": cycle.closes_at is not None and cycle.closes_at > portal_now(),
        "reason": request.POST.get("reason", ""),
        "policy": _policy(cycle),
    }


def _policy(cycle: Cycle) -> str:
    """What the plan of a missed line is, in words."""
    return find("missing_forecast_policy").words(cycle.settings.get("missing_forecast_policy"))


@form_methods
def cycle_publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish a closed cycle: which lines nobody decided, then the move."""
    return _move(request, pk, Move(
        "cycles/cycle_publish.html", services.publish_cycle, _publishing, "{} is published: it is the plan of record now.",
    ))  # fmt: skip


def _publishing(request: HttpRequest, cycle: Cycle) -> dict[str, Any]:
    count, lines = standing.undecided(cycle, request.user, outlook.NAMED)
    return {
        "undecided_count": count,
        "undecided": lines,
        "more": count - len(lines),
        "total": standing.total(row.counts for row in outlook.shares(cycle, request.user)),
        "policy": _policy(cycle),
    }


@form_methods
def cycle_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a draft."""
    return _move(request, pk, Move(
        "cycles/cycle_delete.html", services.delete_cycle, lambda _request, _cycle: {}, "The draft {} is deleted.",
    ))  # fmt: skip


def _move(request: HttpRequest, pk: int, move: Move) -> HttpResponse:
    """The page that says what the move would do, and the move; a refusal is shown on the same page."""
    cycle = _visible(request, pk)
    services.require_mover(request.user)
    refusal: DomainError | None = None
    if request.method == "POST":
        try:
            kept = move.run(cycle.pk, by=request.user)
        except DomainError as problem:
            refusal = problem
            cycle.refresh_from_db()
        else:
            messages.success(request, move.done.format(cycle))
            return redirect(reverse("cycles:detail", args=[cycle.pk]) if kept else reverse("cycles:list"))
    context = {"cycle": cycle, "refusal": refusal, **move.facts(request, cycle)}
    return render(request, move.template, context, status=refusal.status if refusal else 200)
