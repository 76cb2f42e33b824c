"""All cycles, one of them, its pre-flight, and its form while it is a draft."""

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from cycles import outlook, services, standing
from cycles.forms import CycleForm
from cycles.models import Cycle, ExtensionRequest, Participant
from cycles.timeline import timeline
from cycles.views.shared import form_methods, visible
from masterdata.notices import notices
from sop_portal import conf
from sop_portal.accounts.formats import zone_name
from sop_portal.lib import htmx
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict, Refused
from sop_portal.lib.paging import pager

PER_PAGE = 50


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
            "timeline": timeline(page, services.business_zone(), portal_now()),
            "zone": services.business_zone().key,
            "may_move": request.user.has_perm("cycles.move_cycle"),
        },
    )


@require_safe
def cycle_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One cycle: its months, its deadline, who takes part and how far they are, and its next move."""
    cycle = visible(request, pk)
    counts = standing.by_rep([cycle.pk], request.user).get(cycle.pk, {})
    last, now = cycle.last_deadline(), portal_now()
    return render(
        request,
        "cycles/cycle_detail.html",
        {
            "cycle": cycle,
            "cycle_key": str(cycle.pk),
            "total": standing.total(counts.values()),
            "shares": outlook.shares(cycle, request.user, counts),
            "is_past": last is not None and last <= now,
            # Only those who were given more time can type.
            "only_until": last if cycle.closes_at is not None and cycle.closes_at <= now else None,
            "zone": services.business_zone().key,
            "may_move": request.user.has_perm("cycles.move_cycle"),
            # What leads to this very page stands on it already.
            "notices": [one for one in notices(request.user) if not one.url.startswith(f"{request.path}#")]
            if cycle.is_open
            else [],
            "requests": _requests(request, cycle),
            "auto_open": conf.get("auto_open_cycles"),
            "auto_close": conf.get("auto_close_cycles"),
        },
    )


def _requests(request: HttpRequest, cycle: Cycle) -> list[ExtensionRequest]:
    """Who waits for an answer to a request for more time, for those who give it."""
    if not cycle.is_open or not request.user.has_perm("cycles.move_cycle"):
        return []
    return list(ExtensionRequest.objects.visible_to(request.user).waiting().filter(cycle=cycle).select_related("rep"))


@require_safe
def cycle_preflight(request: HttpRequest, pk: int) -> HttpResponse:
    """What stands in the way of opening a draft well."""
    cycle = visible(request, pk)
    services.require_mover(request.user)
    if cycle.status != Cycle.Status.DRAFT:
        raise Conflict(f"{cycle} has been opened, so there is nothing to check before that any more.")
    return render(request, "cycles/cycle_preflight.html", {"cycle": cycle, "preflight": services.preflight(cycle)})


@form_methods
def cycle_create(request: HttpRequest) -> HttpResponse:
    """A new draft, proposed as the last cycle moved by a month."""
    services.require_mover(request.user)
    return _cycle_form(request, None)


@form_methods
def cycle_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a draft."""
    cycle = visible(request, pk)
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
                saved = services.update_cycle(cycle.pk, **form.values(), by=request.user)
        except Refused as refusal:
            form.refuse(refusal)
        else:
            messages.success(request, f"{saved} is saved as a draft." if cycle is None else f"{saved} is changed.")
            return redirect("cycles:detail", saved.pk)
    context = {"form": form, "cycle": cycle, "preview": _preview(form), "zone": services.business_zone().key}
    context["zone_name"] = zone_name(services.business_zone().key)
    context["auto_open"] = conf.get("auto_open_cycles")
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
        "opens_at": values.get("opens_at"),
        "day_off": services.day_off(closes_at) if closes_at else "",
    }
