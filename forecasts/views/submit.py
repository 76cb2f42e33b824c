"""Handing in: the summary before it, submitting, answering blanks with 0, and taking lines back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from cycles.models import Cycle
from forecasts import submission
from forecasts.forms import line_refs, whole_number
from forecasts.grid_json import MAX_ID
from forecasts.reasons import LONGEST, Why
from forecasts.services import recall_lines, submit_lines
from sop_portal.lib.errors import Conflict, DomainError, Refused


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def submit(request: HttpRequest, cycle_pk: int) -> HttpResponse:
    """What would be handed in, problems first; POST hands in the chosen lines or answers their blanks with 0."""
    cycle = get_object_or_404(Cycle.objects.visible_to(request.user), pk=cycle_pk)
    scope = submission.scope_of(request.user, cycle, request.GET)
    if request.method != "POST":
        return _page(request, scope)
    try:
        refs = line_refs(request.POST.getlist("line"))
        if request.POST.get("act") == "zero":
            answered = submission.answer_zero(scope, refs, by=request.user)
            messages.success(request, f"{answered:,} blank cell{'' if answered == 1 else 's'} answered with 0.")
            return HttpResponseRedirect(request.get_full_path())
        moved = submit_lines(cycle.pk, refs, by=request.user, reasons=submission.read_reasons(request.POST))
    except (Conflict, Refused) as refusal:
        return _page(request, scope, refusal)
    messages.success(
        request,
        f"{_said(len(moved), 'submitted')} Your manager sees them now." if moved else "Nothing was left to submit.",
    )
    return HttpResponseRedirect(scope.back_url)


def _chosen(data: QueryDict) -> set[int]:
    try:
        return {ref.line_id for ref in line_refs(data.getlist("line"))}
    except Refused:
        return set()


def _page(request: HttpRequest, scope: submission.Scope, refusal: DomainError | None = None) -> HttpResponse:
    """The summary; after a refusal with the ticks and the reasons of the form."""
    sent = request.POST if refusal and request.POST.get("act") != "zero" else None
    found = submission.summary(
        request.user, scope, None if sent is None else _chosen(sent), submission.read_reasons(sent or QueryDict())
    )
    context = {
        "scope": scope,
        "summary": found,
        "whys": Why.choices,
        "longest": LONGEST,
        "refusal": refusal,
        "sentences": list(dict.fromkeys(refusal.lines.values()))
        if isinstance(refusal, Refused) and refusal.lines
        else [],
    }
    return render(request, "forecasts/submit.html", context, status=refusal.status if refusal else 200)


@require_POST
@never_cache
def recall(request: HttpRequest, cycle_pk: int) -> HttpResponse:
    """Take back submitted lines that nobody decided, then show where they can be typed in again."""
    cycle = get_object_or_404(Cycle.objects.visible_to(request.user), pk=cycle_pk)
    moved = recall_lines(cycle.pk, line_refs(request.POST.getlist("line")), by=request.user)
    if moved:
        told = _said(len(moved), "recalled")
        messages.success(request, f"{told} You can change them again; submit them when you are done.")
    else:
        messages.info(request, "Nothing was left to recall.")
    customer = whole_number(request.POST.get("customer", ""), MAX_ID)
    if customer is not None:
        return HttpResponseRedirect(reverse("forecasts:grid", args=[cycle.pk, customer]))
    return HttpResponseRedirect(reverse("forecasts:list"))


def _said(count: int, verb: str) -> str:
    return f"{count:,} line{' was' if count == 1 else 's were'} {verb}."
