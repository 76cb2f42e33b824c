"""Importing an old planning workbook: upload, what was found, apply."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from forecasts.excel.legacy_runs import apply_run, check_upload
from forecasts.legacy_forms import LegacyUploadForm
from masterdata.models import ImportRun
from sop_portal import conf
from sop_portal.lib import periods, ratelimit
from sop_portal.lib.errors import TooLarge

ACCEPT = ".xlsx,.xlsb,.xlsm,.xls,.ods"
UPLOADS = "10/m"
TALLIES = {
    "customers": "Customers",
    "prospects": "Prospects",
    "names": "Remembered names",
    "groups": "Product groups",
    "products": "Products",
    "matrix": "Matrix entries",
    "prices": "Prices",
    "lines": "Lines of the plan",
    "budget": "Budget rows",
}


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_upload(request: HttpRequest) -> HttpResponse:
    """Take a workbook, try it out and show what was found; nothing is written yet."""
    form = LegacyUploadForm(request.POST or None, request.FILES or None)
    status = 200
    if request.method == "POST":
        # Reading a workbook may keep a process busy for a minute.
        ratelimit.limit(
            request,
            "upload",
            str(request.user.pk),
            UPLOADS,
            "Several files were uploaded within a minute. Wait a moment, then upload the next one.",
        )
        if form.is_valid():
            file = form.cleaned_data["file"]
            try:
                run = check_upload(
                    file.name,
                    file.chunks(),
                    rep=form.cleaned_data["rep"],
                    by=request.user,
                    into_open=form.cleaned_data["into"] == "open",
                )
            except TooLarge as refusal:
                form.add_error("file", refusal.detail)
                status = refusal.status
            else:
                return redirect("forecasts:legacy_run", pk=run.pk)
        else:
            status = 422
    largest = conf.get("max_import_file_size_mb")
    return render(
        request,
        "forecasts/legacy_upload.html",
        {"form": form, "accept": ACCEPT, "max_bytes": largest * 1024 * 1024, "largest": largest},
        status=status,
    )


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("masterdata.import_data", raise_exception=True)
def legacy_run(request: HttpRequest, pk: int) -> HttpResponse:
    """What an uploaded workbook holds and what it would change, or changed; POST applies it."""
    run = get_object_or_404(
        ImportRun.objects.visible_to(request.user).select_related("uploaded_by"), pk=pk, kind=ImportRun.Kind.LEGACY
    )
    if request.method == "POST":
        run = apply_run(run.pk, by=request.user)
        changed = run.control_totals["changed"]
        said = f"{changed:,} rows were written." if changed else "The file held nothing new; no row was changed."
        messages.success(request, said)
        return redirect("forecasts:legacy_run", pk=run.pk)
    return render(request, "forecasts/legacy_run.html", _described(run))


def _described(run: ImportRun) -> dict[str, Any]:
    totals = run.control_totals
    tallies = totals.get("tallies", {})
    return {
        "run": run,
        "totals": totals,
        "volume": Decimal(totals.get("volume", 0)),
        "refused": run.state == ImportRun.State.REFUSED,
        "checked": run.state == ImportRun.State.CHECKED,
        "tallies": [(label, *tallies[kind]) for kind, label in TALLIES.items() if kind in tallies],
        "budget_quantity": Decimal(totals.get("budget_quantity", 0)),
        "budget_amount": Decimal(totals.get("budget_amount", 0)),
        "budget_by_period": [
            (periods.parse(key), Decimal(quantity), Decimal(amount))
            for key, (quantity, amount) in totals.get("budget_by_period", {}).items()
        ],
        "by_period": [(periods.parse(key), Decimal(value)) for key, value in totals.get("by_period", {}).items()],
        "left_out": [(row["place"], row["sentence"]) for row in run.findings if not row["informative"]],
        "remarks": [(row["place"], row["sentence"]) for row in run.findings if row["informative"]],
    }
