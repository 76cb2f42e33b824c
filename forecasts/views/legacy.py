"""Importing old planning workbooks: upload, what was found, who is who, apply."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.views.decorators.http import require_http_methods, require_POST

from forecasts.excel.legacy_files import MOST_FILES
from forecasts.excel.legacy_runs import apply_run, check_uploads, choose_names, recheck_run
from forecasts.legacy_forms import LegacyNamesForm, LegacyUploadForm
from masterdata.imports import runs, worker
from masterdata.imports.files import largest
from masterdata.models import Customer, ImportRun
from masterdata.uploads import filedrop, limit_uploads
from sop_portal.lib import periods
from sop_portal.lib.errors import Refused, TooLarge
from sop_portal.lib.htmx import wants_fragment

HINT = (
    f"Excel or LibreOffice workbooks, also .xlsb, or a zip of them, {MOST_FILES} at most; macros are never run. Several "
    "files are one import: all of them are written or none."
)
State = ImportRun.State
# Findings of one kind that a page lists; the command prints all of them.
MOST_LISTED = 500
# What is counted: the word for one, the word for many.
TALLIES = {
    "customers": ("customer", "customers"),
    "prospects": ("prospect", "prospects"),
    "names": ("remembered name", "remembered names"),
    "groups": ("product group", "product groups"),
    "products": ("product", "products"),
    "matrix": ("matrix entry", "matrix entries"),
    "prices": ("price", "prices"),
    "lines": ("line of the plan", "lines of the plan"),
    "budget": ("budget row", "budget rows"),
}


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_upload(request: HttpRequest) -> HttpResponse:
    """Take workbooks, try them out and show what was found; nothing is written yet."""
    form = LegacyUploadForm(request.POST or None, request.FILES or None)
    status = 200
    if request.method == "POST":
        limit_uploads(request)
        if form.is_valid():
            try:
                run = check_uploads(
                    [(file.name or "", file.chunks()) for file in form.cleaned_data["file"]],
                    rep=form.cleaned_data["rep"],
                    by=request.user,
                    into_open=form.cleaned_data["into"] == "open",
                )
            except (Refused, TooLarge) as refusal:
                form.add_error("file", refusal.detail)
                status = refusal.status
            else:
                return redirect("forecasts:legacy_run", pk=run.pk)
        else:
            status = 422
    return render(
        request,
        "forecasts/legacy_upload.html",
        {"form": form, **filedrop(HINT, largest=largest(), archives=True)},
        status=status,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_run(request: HttpRequest, pk: int) -> HttpResponse:
    """What uploaded workbooks hold and what they would change, or changed, or how far that is; POST applies them."""
    run = _run(request, pk)
    if request.method == "POST":
        run = apply_run(run.pk, by=request.user, leave_out_unread=request.POST.get("unread") == "leave_out")
        if run.state == State.APPLIED:
            changed = run.control_totals["changed"]
            said = f"{changed:,} rows were written." if changed else "The file held nothing new; no row was changed."
            messages.success(request, said)
        elif run.state == State.CHECKED:
            messages.error(request, run.reason)
        return redirect("forecasts:legacy_run", pk=run.pk)
    if run.is_busy:
        worker.look_after(run)
    if wants_fragment(request):
        if run.is_busy:
            return render(request, "forecasts/_legacy_progress.html", _busy(run))
        # What it became is another page.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return render(request, "forecasts/legacy_run.html", _busy(run) if run.is_busy else _described(run))


@require_POST
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the work on workbooks, or put checked ones aside."""
    run = runs.cancel_run(_run(request, pk).pk, by=request.user)
    if run.state == State.CANCELLED:
        messages.success(request, "Cancelled; nothing was written.")
    return redirect("forecasts:legacy_run", pk=run.pk)


@require_POST
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Try workbooks out again that failed or were put aside."""
    run = recheck_run(_run(request, pk).pk, by=request.user)
    return redirect("forecasts:legacy_run", pk=run.pk)


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_names(request: HttpRequest, pk: int) -> HttpResponse:
    """Who is who in uploaded workbooks; POST tries them out again with what was decided."""
    run = _run(request, pk)
    if run.state != State.CHECKED:
        return redirect("forecasts:legacy_run", pk=run.pk)
    customers = list(
        Customer.objects.visible_to(request.user).active().order_by("name").values_list("customer_id", "name")
    )
    form = LegacyNamesForm(request.POST if request.method == "POST" else None, run=run, customers=customers)
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                choose_names(run.pk, form.choices(), by=request.user)
            except Refused as refusal:
                form.add_error(None, refusal.detail)
            else:
                messages.success(request, "The workbooks were tried out again with what you decided.")
                return redirect("forecasts:legacy_run", pk=run.pk)
    return render(
        request, "forecasts/legacy_names.html", {"run": run, "form": form, "customers": customers}, status=status
    )


def _run(request: HttpRequest, pk: int) -> ImportRun:
    runs = ImportRun.objects.visible_to(request.user).select_related("uploaded_by", "applied_by")
    return get_object_or_404(runs, pk=pk, kind=ImportRun.Kind.LEGACY)


def _busy(run: ImportRun) -> dict[str, Any]:
    progress = getattr(run, "progress", None)
    return {
        "run": run,
        "step": (progress.step if progress else "") or run.get_state_display(),
        "done": progress.rows_done if progress else 0,
        "all": progress.rows_all if progress else None,
        "cancelling": bool(progress and progress.cancel),
    }


def _described(run: ImportRun) -> dict[str, Any]:
    totals = run.control_totals
    tallies = totals.get("tallies", {})
    changes = [row for row in run.findings if row["code"] == "line_changed"]
    left_out = [row for row in run.findings if not row["informative"]]
    remarks = [row for row in run.findings if row["informative"] and row["code"] != "line_changed"]
    files = totals.get("files", [])
    return {
        "run": run,
        "totals": totals,
        "volume": Decimal(totals.get("volume", 0)),
        "refused": run.state == State.REFUSED,
        "stopped": run.state in (State.FAILED, State.CANCELLED),
        "checked": run.state == State.CHECKED,
        "tallies": [(capfirst(many), *tallies[kind]) for kind, (_, many) in TALLIES.items() if kind in tallies],
        "written": _written(tallies),
        "budget_quantity": Decimal(totals.get("budget_quantity", 0)),
        "budget_amount": Decimal(totals.get("budget_amount", 0)),
        "budget_by_period": [
            (periods.parse(key), Decimal(quantity), Decimal(amount))
            for key, (quantity, amount) in totals.get("budget_by_period", {}).items()
        ],
        "by_period": [(periods.parse(key), Decimal(value)) for key, value in totals.get("by_period", {}).items()],
        "files": files if len(files) > 1 else [],
        # Imports of before files were named have four values.
        "reports": [(*report, "")[:5] for report in totals.get("reports", [])],
        "new_names": [name for name in totals.get("open_names", []) if not name["fits"] and name["role"] != "budget"],
        "waiting": [name for name in totals.get("open_names", []) if name["fits"] or name["role"] == "budget"],
        **_listed("left_out", left_out),
        **_listed("changes", changes),
        **_listed("remarks", remarks),
    }


def _written(tallies: dict[str, list[int]]) -> str:
    """ "1 customer, 12 products": the rows that were written, by kind."""
    counts = [(sum(tallies.get(kind, [0, 0])[:2]), words) for kind, words in TALLIES.items()]
    return ", ".join(f"{count:,} {words[count != 1]}" for count, words in counts if count)


def _listed(name: str, findings: list[dict[str, Any]]) -> dict[str, Any]:
    """The rows that a page shows of some findings, and how many there are."""
    return {
        name: [(row["place"], row["sentence"]) for row in findings[:MOST_LISTED]],
        f"{name}_count": len(findings),
        f"{name}_more": max(0, len(findings) - MOST_LISTED),
    }
