"""The moves of a cycle: each says on its page what it would do, and does it when it is sent."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from cycles import outlook, services, standing
from cycles.forms import MoreTimeForm, ReasonForm
from cycles.missed import missed_words
from cycles.models import Cycle
from cycles.views.shared import form_methods, visible
from masterdata.readiness import newest_actuals
from sop_portal.accounts.formats import zone_name
from sop_portal.accounts.models import User
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, DomainError, Refused


@dataclass(frozen=True)
class Move:
    """A move as its page words it. `run` does it, `facts` says what it would do, `done` tells what it did."""

    template: str
    run: Callable[..., Any]
    facts: Callable[[HttpRequest, Cycle], dict[str, Any]]
    done: Callable[[Cycle, Any], str]


@form_methods
def cycle_open(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a draft: what would be made and what pre-flight found, then the move."""
    override = request.POST.get("override", "")
    return _move(request, pk, Move(
        "cycles/cycle_open.html", lambda pk, by: services.open_cycle(pk, by=by, override=override),
        lambda _, cycle: {"opening": outlook.opening(cycle), "override": override},
        lambda cycle, _: f"{cycle} is open for input.",
    ))  # fmt: skip


@form_methods
def cycle_refresh(request: HttpRequest, pk: int) -> HttpResponse:
    """Work out again which lines are live, after actuals that came late."""
    return _move(request, pk, Move(
        "cycles/cycle_refresh.html", services.refresh_cycle,
        lambda _, cycle: {"last_actuals": newest_actuals()}, lambda _, refreshed: _refreshed(refreshed),
    ))  # fmt: skip


def _refreshed(found: services.Refreshed) -> str:
    if not found.woken and not found.slept:
        return "The actuals say nothing new: every line stays as it is."
    woken = f"{found.woken:,} line{' was' if found.woken == 1 else 's were'} woken"
    return f"{woken}, {found.slept:,} went to sleep. Their reps are told."


@form_methods
def cycle_close(request: HttpRequest, pk: int) -> HttpResponse:
    """Close the open cycle: which lines would be missed, then the move."""
    return _move(request, pk, Move(
        "cycles/cycle_close.html", lambda pk, by: services.close_cycle(pk, by=by, reason=_reason(request)), _closing,
        lambda cycle, _: f"{cycle} is closed. Managers and admins can still approve and adjust.",
    ))  # fmt: skip


def _reason(request: HttpRequest) -> str:
    form = ReasonForm(request.POST)
    if not form.is_valid():
        raise Refused({"reason": " ".join(map(str, form.errors["reason"]))})
    return str(form.cleaned_data["reason"])


def _closing(request: HttpRequest, cycle: Cycle) -> dict[str, Any]:
    rows = outlook.shares(cycle, request.user)
    last = cycle.last_deadline()
    return {
        "shares": [row for row in rows if row.to_do],
        "total": standing.total(row.counts for row in rows),
        "ahead": last if last is not None and last > portal_now() else None,
        "reason": request.POST.get("reason", ""),
        "policy": missed_words(cycle),
    }


@form_methods
def cycle_publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Publish a closed cycle: which lines nobody decided, then the move."""
    return _move(request, pk, Move(
        "cycles/cycle_publish.html", services.publish_cycle, _publishing,
        lambda cycle, _: f"{cycle} is published: it is the plan of record now.",
    ))  # fmt: skip


def _publishing(request: HttpRequest, cycle: Cycle) -> dict[str, Any]:
    count, lines = standing.undecided(cycle, request.user, outlook.NAMED)
    return {
        "undecided_count": count,
        "undecided": lines,
        "more": count - len(lines),
        "total": standing.total(row.counts for row in outlook.shares(cycle, request.user)),
        "policy": missed_words(cycle),
    }


@form_methods
def cycle_delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a draft."""
    return _move(request, pk, Move(
        "cycles/cycle_delete.html", services.delete_cycle, lambda _request, _cycle: {},
        lambda cycle, _: f"The draft {cycle} is deleted.",
    ))  # fmt: skip


def _move(request: HttpRequest, pk: int, move: Move) -> HttpResponse:
    """The page that says what the move would do, and the move; a refusal is shown on the same page."""
    cycle = visible(request, pk)
    services.require_mover(request.user)
    refusal: DomainError | None = None
    if request.method == "POST":
        try:
            kept = move.run(cycle.pk, by=request.user)
        except DomainError as problem:
            refusal = problem
            cycle.refresh_from_db()
        else:
            messages.success(request, move.done(cycle, kept))
            return redirect(reverse("cycles:detail", args=[cycle.pk]) if kept else reverse("cycles:list"))
    context = {"cycle": cycle, "refusal": refusal, **move.facts(request, cycle)}
    return render(request, move.template, context, status=refusal.status if refusal else 200)


@form_methods
def cycle_extend(request: HttpRequest, pk: int) -> HttpResponse:
    """A later deadline for everybody or for chosen reps."""
    cycle = visible(request, pk)
    services.require_mover(request.user)
    if not cycle.is_open:
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; only an open cycle is extended.")
    rows = outlook.shares(cycle, request.user)
    form = MoreTimeForm(
        request.POST if request.method == "POST" else None,
        everybody="For everybody",
        reps=[(row.participant.rep_id, _share_words(row)) for row in rows],
        proposed=services.next_deadline(cycle, cycle.closes_at, portal_now()),
        initial=_asked_for(request),
    )
    return _with_time(
        request, cycle, form, "cycles/cycle_extend.html", services.extend_cycle,
        {"total": standing.total(row.counts for row in rows)}, "The deadline is later now; those concerned are told.",
    )  # fmt: skip


def _share_words(row: outlook.Share) -> str:
    """ "Rita Rep, 3 of 5 handed in, until 20 Dec 2026 18:00 (UTC)"."""
    words = f"{row.participant.rep.full_name}, {row.counts.handed_in:,} of {row.expected:,} handed in"
    own = row.participant.deadline_extension
    return f"{words}, own deadline {services.deadline_text(own)}" if own else words


def _asked_for(request: HttpRequest) -> dict[str, Any]:
    """The rep that a link of another page names."""
    rep = request.GET.get("rep", "")
    if not (rep.isascii() and rep.isdigit() and len(rep) < 19):
        return {}
    return {"whom": MoreTimeForm.SOME, "reps": [int(rep)]}


@form_methods
def cycle_reopen(request: HttpRequest, pk: int) -> HttpResponse:
    """Take input to the latest closed cycle again."""
    cycle = visible(request, pk)
    services.require_mover(request.user)
    if not cycle.is_closed or cycle.kind == Cycle.Kind.LEGACY:
        raise Conflict(f"{cycle} is {cycle.get_status_display().lower()}; only the latest closed cycle is reopened.")
    reps = outlook.reopening(cycle)
    form = MoreTimeForm(
        request.POST if request.method == "POST" else None,
        everybody="For everybody",
        reps=[(rep.pk, _rep_words(rep, number)) for rep, number in reps],
        proposed=services.next_deadline(cycle, cycle.closes_at, portal_now()),
        initial=_asked_for(request),
    )
    return _with_time(
        request, cycle, form, "cycles/cycle_reopen.html", services.reopen_cycle, {"missed": sum(number for _, number in reps)},
        f"{cycle} takes input again; those concerned are told.",
    )  # fmt: skip


def _rep_words(rep: User, number: int) -> str:
    return f"{rep.full_name}, {number:,} missed line{'' if number == 1 else 's'}"


def _with_time(
    request: HttpRequest, cycle: Cycle, form: MoreTimeForm, template: str, run: Callable[..., Any], facts: dict[str, Any],
    done: str,
) -> HttpResponse:  # fmt: skip
    """The page of a move that asks for a deadline; a refusal is shown beside the fields it is about."""
    status = 200
    if request.method == "POST":
        if form.is_valid():
            try:
                run(cycle.pk, by=request.user, **form.values())
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                messages.success(request, done)
                return redirect("cycles:detail", cycle.pk)
        else:
            status = 422
    context = {"cycle": cycle, "form": form, "zone_name": zone_name(services.business_zone().key), **facts}
    return render(request, template, context, status=status)
