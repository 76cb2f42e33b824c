"""The page of one line, and adjusting it after its cycle has closed."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from cycles.models import Cycle
from forecasts import history, services
from forecasts.forms import whole_number
from forecasts.grid_json import MAX_REVISION
from forecasts.models import MAX_PRICE, MAX_QUANTITY, Line, Snapshot
from forecasts.services import Adjustment
from forecasts.services.moves import ADJUST, APPROVE
from masterdata.models import MatrixEntry
from sop_portal.accounts.formats import fixed
from sop_portal.lib import htmx, periods
from sop_portal.lib.errors import Conflict, DomainError, NotAllowed, Refused, StaleRevision
from sop_portal.lib.language import decimal_mark
from sop_portal.lib.numbers import parse_number


def _line(request: HttpRequest, pk: int) -> Line:
    lines = Line.objects.visible_to(request.user).select_related(
        "cycle", "customer", "product", "owner", "submitted_by", "edited_by", "decided_by"
    )
    line: Line = get_object_or_404(lines, pk=pk)
    return line


def _decidable(request: HttpRequest, line: Line) -> bool:
    return line.cycle.kind == Cycle.Kind.NORMAL and Line.objects.decidable_by(request.user).filter(pk=line.pk).exists()


@require_safe
def line_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Facts, cells and every kept version of one line; for htmx the short form beside the review list."""
    return show_line(request, pk)


def show_line(request: HttpRequest, pk: int, refusal: DomainError | None = None, sentence: str = "") -> HttpResponse:
    """The page of a line, also after a decision on it was refused."""
    line = _line(request, pk)
    decidable = _decidable(request, line)
    own = line.was_worked_on_by(request.user)
    context = {
        "line": line,
        "story": history.story(line, request.user),
        "own": own,
        "has_pair": MatrixEntry.objects.visible_to(request.user)
        .filter(customer=line.customer_id, product=line.product_id)
        .exists(),
        "may_decide": decidable and not own and line.status in APPROVE.before and line.cycle.status in APPROVE.cycle,
        "may_reject": line.cycle.is_open,
        "may_adjust": decidable and line.cycle.is_closed and line.status in ADJUST.before,
        "refusal": refusal,
        "sentence": sentence,
        "comment": request.POST.get("comment", "") if refusal else "",
    }
    return htmx.render(
        request, "forecasts/line_detail.html", "forecasts/_line_pane.html", context,
        status=refusal.status if refusal else 200,
    )  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
def adjust(request: HttpRequest, pk: int) -> HttpResponse:
    """New cells for a line of a closed cycle, with a reason; what was submitted stays beside them."""
    line = _line(request, pk)
    if not _decidable(request, line):
        raise NotAllowed("Lines are adjusted by the rep's manager and by S&OP admins.")
    # What was typed is shown again when the service refuses it, so only an empty form is refused here.
    if request.method != "POST" and (not line.cycle.is_closed or line.status not in ADJUST.before):
        raise Conflict(
            f"A line is adjusted after its cycle has closed and before it is published; this one is "
            f"{line.get_status_display().lower()} and {line.cycle} is {line.cycle.get_status_display().lower()}."
        )
    kept = _submitted(request, line)
    rows = _adjust_rows(request, line, kept)
    errors: dict[str, str] = {}
    refusal: DomainError | None = None
    if request.method == "POST":
        adjustment = _read(request, line, rows, errors)
        try:
            if errors:
                raise Refused(errors)
            services.adjust_lines(line.cycle_id, [adjustment], by=request.user, reason=request.POST.get("reason", ""))
        except DomainError as problem:
            refusal = problem
            _mark(problem, errors)
        else:
            what = "submitted" if kept is not None and kept.event == Snapshot.Event.SUBMIT else "there at the start"
            messages.success(request, f"The line is adjusted and approved. What was {what} is kept beside it.")
            return redirect("forecasts:line", line.pk)
    for row in rows:
        row["errors"] = [errors[name] for name in (row["quantity_name"], row["price_name"]) if name in errors]
    context = {
        "line": line,
        "rows": rows,
        "kept": kept,
        "refusal": refusal,
        "sentence": (
            "This line changed since you opened it. It is shown as it is now, with what you typed; look again."
            if isinstance(refusal, StaleRevision)
            else refusal.detail
            if refusal
            else ""
        ),
        "reason": request.POST.get("reason", ""),
        "reason_error": refusal.lines.get("comment", "") if isinstance(refusal, Refused) else "",
    }
    return render(request, "forecasts/line_adjust.html", context, status=refusal.status if refusal else 200)


def _submitted(request: HttpRequest, line: Line) -> Snapshot | None:
    """What the owner handed in last, else what the line started with."""
    events = [Snapshot.Event.SUBMIT, Snapshot.Event.OPEN]
    kept = Snapshot.objects.visible_to(request.user).filter(line=line, event__in=events)
    return kept.order_by("-pk").first()


def _typable(value: Decimal | None, places: int, least: int, mark: str) -> str:
    """A number as its reader would type it: their decimal mark and no thousands, which could be misread."""
    return fixed(value, places, least).replace(",", "").replace(".", mark)


def _adjust_rows(request: HttpRequest, line: Line, kept: Snapshot | None) -> list[dict[str, Any]]:
    mark = decimal_mark(request)
    return [
        {
            "period": period,
            "is_mandatory": position < line.cycle.mandatory,
            "kept": kept.quantity[position] if kept else None,
            "kept_price": kept.unit_price[position] if kept else None,
            "quantity_name": f"q_{periods.key(period)}",
            "price_name": f"p_{periods.key(period)}",
            "quantity": _typable(line.quantity[position], 2, 0, mark),
            "price": _typable(line.unit_price[position], 4, 2, mark),
        }
        for position, period in enumerate(line.cycle.periods)
    ]


def _read(request: HttpRequest, line: Line, rows: list[dict[str, Any]], errors: dict[str, str]) -> Adjustment:
    """The cells whose text differs from what the page showed; what was typed is kept on `rows`."""
    quantity: dict[Any, Decimal | None] = {}
    unit_price: dict[Any, Decimal | None] = {}
    mark = decimal_mark(request)
    for row in rows:
        for kind, cells, decimals, largest in (
            ("quantity", quantity, 2, MAX_QUANTITY), ("price", unit_price, 4, MAX_PRICE)
        ):  # fmt: skip
            name = row[f"{kind}_name"]
            typed = request.POST.get(name, row[kind])
            if typed.strip() == row[kind]:
                continue
            row[kind] = typed
            try:
                number = parse_number(typed, mark, max_decimals=decimals, max_value=largest)  # type: ignore[arg-type]
            except Refused as refusal:
                errors[name] = f"{periods.long_label(row['period'])}: {refusal.detail}"
            else:
                cells[row["period"]] = number.value
    seen = whole_number(request.POST.get("revision", ""), MAX_REVISION) or 0
    return Adjustment(line.pk, seen, quantity, unit_price)


def _mark(problem: DomainError, errors: dict[str, str]) -> None:
    """Put the sentences of a refusal beside the cells they are about."""
    for cell in problem.extra.get("cells", []):
        errors[f"{'q' if cell['field'] == 'quantity' else 'p'}_{cell['period']}"] = cell["sentence"]
