"""The forecast grid: the list of customers, one customer's grid, saving as one types and by plain form."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_POST, require_safe

from cycles import outlook
from cycles.missed import missed_words
from cycles.models import Cycle
from cycles.seen import mark_seen
from forecasts import customers, grid_form, grid_html, grid_json, grid_totals
from forecasts import grid as grids
from forecasts.forms import CellForm, GridQuery, posted
from forecasts.models import Line
from forecasts.services import set_cells
from masterdata.models import Customer
from masterdata.models.customers import RISK_CLASSES
from sop_portal.lib import periods
from sop_portal.lib.errors import Conflict, DomainError, Refused, StaleRevision
from sop_portal.lib.language import decimal_mark

FOUND_LINES = 20
# Advisory locks take 32 bits; no cycle has a larger key.
LARGEST_KEY = 2**31 - 1


@require_safe
@never_cache
def customer_list(request: HttpRequest) -> HttpResponse:
    """The customers of the open cycle that this person forecasts or may read."""
    cycle = Cycle.objects.visible_to(request.user).open().first()
    mark_seen(cycle, request.user)
    context: dict[str, Any] = {"cycle": cycle}
    if cycle is not None:
        context |= customers.overview(request.user, cycle, request.GET)
    return render(request, "forecasts/list.html", context)


@require_safe
@never_cache
@gzip_page
def grid(request: HttpRequest, cycle_pk: int, customer_pk: int) -> HttpResponse:
    """One customer's grid; ?rows=dormant gives the folded rows alone, ?form=1 fields instead of cells."""
    cycle, customer = _cycle_and_customer(request, cycle_pk, customer_pk)
    query = GridQuery.of(request.GET)
    mark_seen(cycle, request.user)
    if request.GET.get("rows") == "dormant":
        limit = FOUND_LINES if query.find else grids.PAGE_LINES
        found = grids.dormant_rows(request.user, cycle, customer, show=query.show, find=query.find, limit=limit)
        return HttpResponse(grid_html.rows_html(found, found.dormant_rows, 2))
    if query.form and query.show != grids.REVENUE:
        return _form_page(request, cycle, customer, query, CellForm(cycle, query.show))
    found = grids.load(
        request.user, cycle, customer, show=query.show, dormant=query.dormant, find=query.find, page=query.page
    )
    return render(request, "forecasts/grid.html", _context(request, found, query) | {
        "table": grid_html.table(found),
        "weightless": grid_totals.weightless(found),
        "config": _config(request, found, query),
    })  # fmt: skip


def _cycle_and_customer(request: HttpRequest, cycle_pk: int, customer_pk: int) -> tuple[Cycle, Customer]:
    cycle = get_object_or_404(Cycle.objects.visible_to(request.user), pk=cycle_pk)
    customer = grids.customer_for(request.user, cycle, customer_pk)
    if customer is None:
        raise Http404("No such customer.")
    return cycle, customer


def _context(request: HttpRequest, found: grids.Grid, query: GridQuery) -> dict[str, Any]:
    before, after = grids.neighbours(request.user, found.cycle, found.customer)
    return {
        "grid": found,
        "query": query,
        "before": before,
        "after": after,
        "shows": [(show, show.capitalize(), query.with_(show=show, page=1)) for show in grids.SHOWS],
        "form_url": query.with_(form=True, page=1, show=query.show if query.show != grids.REVENUE else grids.QUANTITY),
        "grid_url": query.with_(form=False, page=1),
        "dormant_url": query.with_(dormant=True, find=""),
        "pager": _pager(found, query),
        "missed": sum(row.line.status == Line.Status.MISSED for row in found.rows),
        "policy": missed_words(found.cycle),
        "more_time": outlook.more_time(found.cycle, request.user),
        "sent_back": [row for row in found.rows if row.sent_back],
        "can_submit": found.can_edit or bool(found.recallable),
        "something_to_submit": any(row.line.status in Line.INPUT for row in found.rows),
    }


def _pager(found: grids.Grid, query: GridQuery) -> dict[str, Any] | None:
    if found.pages == 1:
        return None
    return {
        "total_text": f"{found.live:,} lines, page {found.page} of {found.pages}",
        "previous_url": query.with_(page=found.page - 1) if found.page > 1 else "",
        "next_url": query.with_(page=found.page + 1) if found.page < found.pages else "",
    }


def _config(request: HttpRequest, found: grids.Grid, query: GridQuery) -> dict[str, Any]:
    """What the scripts need to know beside the table."""
    return {
        "save": reverse("forecasts:save", args=[found.cycle.pk]),
        "line": reverse("forecasts:line", args=[0]),
        "show": query.show,
        "field": {grids.QUANTITY: "quantity", grids.PRICE: "unit_price", grids.REVENUE: None}[query.show],
        "mark": decimal_mark(request),
        "mandatory": found.cycle.mandatory,
        "horizon": found.cycle.horizon,
        "periods": [periods.key(period) for period in found.cycle.periods],
        "months": [periods.long_label(period) for period in found.cycle.periods],
        "found": FOUND_LINES,
        "risks": [label for _, label in RISK_CLASSES],
        "readOnly": found.closed_because,
        "signIn": reverse("account_login"),
    }


# --- Saving ---------------------------------------------------------------------------------------------------------


@require_POST
@never_cache
def save(request: HttpRequest, cycle_pk: int) -> HttpResponse:
    """Save what was typed; the contract is in `forecasts.grid_json`."""
    if request.content_type != "application/json":
        return HttpResponse("Send application/json.", status=415, content_type="text/plain")
    typed = grid_json.read_body(request.body)
    readable = Line.objects.visible_to(request.user).filter(cycle=cycle_pk)
    if cycle_pk > LARGEST_KEY:
        raise Http404("There is no such cycle.")
    try:
        edits, notes = grid_json.read_numbers(typed, decimal_mark(request), readable)
        lines = set_cells(cycle_pk, edits, by=request.user)
    except Cycle.DoesNotExist:
        raise Http404("There is no such cycle.") from None
    except (Conflict, Refused):
        # Of lines that this person may not read nothing is said, not even that their cycle has closed.
        if not readable.filter(pk__in=[edit.line_id for edit in typed]).exists():
            raise Http404("None of these lines is there.") from None
        raise
    return JsonResponse(grid_json.save_answer(lines, notes, timezone.now()))


@require_POST
@never_cache
def save_form(request: HttpRequest, cycle_pk: int, customer_pk: int) -> HttpResponse:
    """Save the fields of a page of lines; a refused form comes back with its text."""
    cycle, customer = _cycle_and_customer(request, cycle_pk, customer_pk)
    query = GridQuery.of(request.GET)
    form = CellForm(cycle, grids.PRICE if query.show == grids.PRICE else grids.QUANTITY, posted(request))
    found = grids.load(request.user, cycle, customer, show=form.show, only=form.line_ids)
    try:
        typed = form.edits(found.all_rows)
        readable = Line.objects.visible_to(request.user).filter(cycle=cycle)
        edits, notes = grid_json.read_numbers(typed, decimal_mark(request), readable)
        saved = set_cells(cycle.pk, edits, by=request.user)
    except StaleRevision as refusal:
        form.renewed = True
        return _form_page(request, cycle, customer, query, form, refusal)
    except (Conflict, Refused) as refusal:
        form.refuse(refusal.extra.get("cells", []))
        return _form_page(request, cycle, customer, query, form, refusal)
    for note in notes:
        messages.info(request, note["sentence"])
    messages.success(
        request, f"{len(saved)} line{'' if len(saved) == 1 else 's'} saved." if saved else "Nothing was changed."
    )
    return HttpResponseRedirect(request.path.removesuffix("form/") + query.with_(form=True))


def _form_page(
    request: HttpRequest,
    cycle: Cycle,
    customer: Customer,
    query: GridQuery,
    form: CellForm,
    refusal: DomainError | None = None,
) -> HttpResponse:
    found = grids.load(
        request.user, cycle, customer, show=form.show, dormant=query.dormant, find=query.find, page=query.page,
        page_lines=grids.FORM_LINES, only=form.line_ids if refusal else None,
    )  # fmt: skip
    context = _context(request, found, query) | {
        "form": form,
        "table": grid_form.table(found, form),
        "refusal": refusal,
        "unsaved": form.unsaved(found.all_rows) if refusal else [],
        "action": reverse("forecasts:save_form", args=[cycle.pk, customer.pk]) + query.with_(),
    }
    return render(request, "forecasts/grid_form.html", context, status=refusal.status if refusal else 200)
