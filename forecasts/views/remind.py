"""Reminding reps of lines that are not handed in: the mails as they would go out, then the one press that sends them."""

import uuid
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from forecasts import reminders
from forecasts.forms import whole_number
from forecasts.grid_json import MAX_ID
from forecasts.services import reminding
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused
from sop_portal.mail import kinds, rendering

# How many mails the preview writes out; the others are told by name.
SHOWN = 5


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def remind(request: HttpRequest) -> HttpResponse:
    """Whom pressing the button would reach and with what words; POST presses it.

    The parameters are `cycle`, and `rep` once for each of those chosen; without any it is everybody in scope.
    """
    if not reminding.may_remind(request.user):
        raise NotAllowed("Reminders are sent by managers and S&OP admins.")
    data = request.POST if request.method == "POST" else request.GET
    cycle_id = whole_number(data.get("cycle", ""), MAX_ID)
    if cycle_id is None:
        raise Http404("There is no such cycle.")
    reps = _reps(data)
    if reps is None and "chosen" in data:
        messages.warning(request, "Tick at least one rep first.")
        return HttpResponseRedirect(f"{reverse('forecasts:board')}?cycle={cycle_id}")
    if request.method == "POST":
        try:
            sent = reminding.remind(cycle_id, reps, press=_press(data), by=request.user)
        except (Conflict, Refused) as refusal:
            return _page(request, cycle_id, reps, refusal)
        messages.success(request, _said(sent))
        return HttpResponseRedirect(f"{reverse('forecasts:board')}?cycle={cycle_id}")
    return _page(request, cycle_id, reps)


def _page(
    request: HttpRequest, cycle_id: int, reps: list[int] | None, refusal: DomainError | None = None
) -> HttpResponse:
    """The preview. Each time it is shown its button is another press."""
    context: dict[str, Any] = {"refusal": refusal, "cycle_id": cycle_id, "letters": []}
    try:
        cycle, now, left = reminding.remindable(cycle_id, reps, request.user)
    except Conflict as closed:
        context["refusal"] = refusal or closed
    else:
        kind = kinds.find(reminders.REMINDER)
        shown = [
            (one, rendering.render(kind, one.rep, reminders.reminder(cycle, one, now, "preview").context))
            for one in left[:SHOWN]
        ]
        context |= {
            "cycle": cycle,
            "left": left,
            "letters": shown,
            "further": left[SHOWN:],
            "press": uuid.uuid4(),
        }
    status = context["refusal"].status if context["refusal"] else 200
    return render(request, "forecasts/remind.html", context, status=status)


def _reps(data: QueryDict) -> list[int] | None:
    """The reps chosen, None for everybody."""
    chosen = [whole_number(text, MAX_ID) for text in data.getlist("rep")]
    if None in chosen:
        raise Refused("This address names a rep that nobody is; go back to the board and choose again.")
    return [key for key in chosen if key is not None] or None


def _press(data: Mapping[str, str]) -> str:
    """What names this press; made with the page."""
    try:
        return str(uuid.UUID(data.get("press", "")))
    except ValueError as problem:
        raise Refused("This page was not complete; look at the reminders once more and send them then.") from problem


def _said(sent: int) -> str:
    if not sent:
        return "These reminders were sent already; nobody gets a second one."
    return f"{sent:,} reminder{' is' if sent == 1 else 's are'} on the way."
