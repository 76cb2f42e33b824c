"""A rep asks for more time; whoever runs cycles answers with one click."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from cycles import outlook, services
from cycles.forms import AskForm
from cycles.models import ExtensionRequest
from cycles.views.shared import form_methods, visible
from sop_portal.accounts.formats import zone_name
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed


@form_methods
def ask_for_time(request: HttpRequest, pk: int) -> HttpResponse:
    """The request of the person who is signed in; sent without a time it asks for the one that is proposed."""
    cycle = visible(request, pk)
    if not cycle.is_open:
        raise Conflict(
            f"{cycle} is {cycle.get_status_display().lower()}; ask an S&OP admin whether it can be reopened."
        )
    mine = outlook.more_time(cycle, request.user)
    if mine is None:
        raise NotAllowed(f"You do not take part in {cycle}, so you have no deadline in it.")
    if request.method == "POST" and "until_on" not in request.POST:
        services.ask_for_time(cycle.pk, until=mine.proposed, by=request.user)
        return _asked(request)
    form = AskForm(request.POST if request.method == "POST" else None, proposed=mine.proposed)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                services.ask_for_time(cycle.pk, **form.values(), by=request.user)
            except DomainError as refusal:
                form.refuse(refusal)
                status = refusal.status
            else:
                return _asked(request)
    context = {"cycle": cycle, "form": form, "mine": mine, "zone_name": zone_name(services.business_zone().key)}
    return render(request, "cycles/ask_for_time.html", context, status=status)


def _asked(request: HttpRequest) -> HttpResponse:
    messages.success(request, "You asked for more time. An S&OP admin decides; until then your deadline stays.")
    return redirect("home")


@require_POST
def grant(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the rep the time they asked for."""
    return _answer(request, pk, services.grant_request, "{} has more time now.")


@require_POST
def decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell the rep that there is no more time."""
    answer = request.POST.get("answer", "")
    return _answer(request, pk, services.decline_request, "{} is told that there is no more time.", answer=answer)


def _answer(request: HttpRequest, pk: int, run: Any, done: str, **given: str) -> HttpResponse:
    wanted = get_object_or_404(ExtensionRequest.objects.visible_to(request.user).select_related("rep"), pk=pk)
    run(wanted.pk, by=request.user, **given)
    messages.success(request, done.format(wanted.rep.full_name))
    return redirect("cycles:detail", wanted.cycle_id)
