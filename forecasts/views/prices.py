"""The offer to take changed prices over into the lines of an open cycle."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from cycles.models import Cycle
from forecasts.services import prices as services

# How many lines the page names before it only counts.
NAMED = 200


@require_http_methods(["GET", "HEAD", "POST"])
def prices(request: HttpRequest, pk: int) -> HttpResponse:
    """Which lines have old prices, from what to what; the two buttons update or leave them."""
    cycle = get_object_or_404(Cycle.objects.visible_to(request.user), pk=pk)
    if not services.may_take(request.user):
        raise PermissionDenied("Only an S&OP admin decides about changed prices.")
    if request.method == "POST":
        if request.POST.get("act") == "leave":
            services.leave_prices(pk, by=request.user)
            messages.success(request, "The lines keep their prices. You are asked again when prices change once more.")
        else:
            messages.success(request, services.take_prices(pk, by=request.user).done)
        return redirect("cycles:detail", pk)
    found = services.offer(cycle)
    stale = services.stale_lines_of(cycle, NAMED)
    context = {"cycle": cycle, "offer": found, "stale": stale, "more": found.lines - len(stale)}
    return render(request, "forecasts/prices.html", context)
