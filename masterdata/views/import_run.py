"""The page of one import: how far it is, what was found, and what may be done about it."""

from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import capfirst
from django.views.decorators.http import require_POST, require_safe

from masterdata.import_forms import AgainForm, HeadingsForm, unknown_headings
from masterdata.imports import runs, worker
from masterdata.imports.kinds import IMPORT, KINDS, Kind
from masterdata.models import ImportRun
from masterdata.notices import notices
from sop_portal import conf
from sop_portal.accounts import formats
from sop_portal.lib import periods
from sop_portal.lib.htmx import wants_fragment
from sop_portal.lib.paging import pager

State = ImportRun.State
# What brings prices.
PRICED = (ImportRun.Kind.MATRIX, ImportRun.Kind.PRODUCTS)
PROBLEMS_PER_PAGE = 100
SHOWN, AT_FIRST = 100, 20
# What control totals add up besides rows: cases, and money.
SUMS = ("quantity", "amount", "cost")
MONEY = SUMS[1:]


@require_safe
@permission_required(IMPORT, raise_exception=True)
def import_run(request: HttpRequest, pk: int) -> HttpResponse:
    """What a file holds, what it would change or changed, and the next act; asked by htmx only how far it is."""
    run = _run(request, pk)
    if run.is_busy:
        worker.look_after(run)
    if wants_fragment(request):
        if run.is_busy:
            return render(request, "masterdata/_import_progress.html", _busy(run))
        # What it became is another page.
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return _page(request, run)


@require_POST
@permission_required(IMPORT, raise_exception=True)
def import_apply(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a checked file, or its good rows only."""
    run = runs.apply_run(_run(request, pk).pk, by=request.user, only_good=request.POST.get("rows") == "good")
    if run.state == State.APPLIED:
        written = run.rows_created + run.rows_updated
        messages.success(request, f"{_rows(written)} written." if written else "Nothing new; no row was changed.")
    elif run.state == State.CHECKED:
        messages.error(request, run.reason)
    return redirect("masterdata:import_run", pk=run.pk)


@require_POST
@permission_required(IMPORT, raise_exception=True)
def import_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take an applied import back."""
    run = runs.undo_run(_run(request, pk).pk, by=request.user)
    if run.state == State.UNDONE:
        messages.success(request, "The import is undone: its rows are what they were before.")
    return redirect("masterdata:import_run", pk=run.pk)


@require_POST
@permission_required(IMPORT, raise_exception=True)
def import_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop the work on a file, or put a checked one aside."""
    run = runs.cancel_run(_run(request, pk).pk, by=request.user)
    if run.state == State.CANCELLED:
        messages.success(request, "Cancelled; nothing was written.")
    return redirect("masterdata:import_run", pk=run.pk)


@require_POST
@permission_required(IMPORT, raise_exception=True)
def import_headings(request: HttpRequest, pk: int) -> HttpResponse:
    """Remember what headings mean, and check the file again."""
    run = _run(request, pk)
    form = HeadingsForm(request.POST, kind=KINDS[run.kind], run=run)
    if not form.is_valid():
        return _page(request, run, headings=form, status=422)
    runs.map_headings(run.pk, form.mapping, by=request.user)
    return redirect("masterdata:import_run", pk=run.pk)


@require_POST
@permission_required(IMPORT, raise_exception=True)
def import_again(request: HttpRequest, pk: int) -> HttpResponse:
    """Check the kept file again, read in another way."""
    run = _run(request, pk)
    form = AgainForm(request.POST, kind=KINDS[run.kind])
    if not form.is_valid():
        return _page(request, run, again=form, status=422)
    runs.recheck_run(run.pk, by=request.user, options=form.options)
    return redirect("masterdata:import_run", pk=run.pk)


def _run(request: HttpRequest, pk: int) -> ImportRun:
    visible = ImportRun.objects.visible_to(request.user).select_related("uploaded_by", "applied_by", "undone_by")
    run: ImportRun = get_object_or_404(visible.filter(kind__in=list(KINDS)), pk=pk)
    return run


def _busy(run: ImportRun) -> dict[str, Any]:
    progress = getattr(run, "progress", None)
    return {
        "run": run,
        "step": (progress.step if progress else "") or run.get_state_display(),
        "done": progress.rows_done if progress else 0,
        "all": progress.rows_all if progress else None,
        "cancelling": bool(progress and progress.cancel),
    }


def _page(
    request: HttpRequest,
    run: ImportRun,
    *,
    headings: HeadingsForm | None = None,
    again: AgainForm | None = None,
    status: int = 200,
) -> HttpResponse:
    kind = KINDS[run.kind]
    context: dict[str, Any] = {"run": run, "kind": kind, "finding": finding(run, kind)}
    if run.is_busy:
        context |= _busy(run)
    else:
        may_reread = State.QUEUED in ImportRun.MOVES[State(run.state)] and bool(run.stored_as)
        page = Paginator(run.problems.all(), PROBLEMS_PER_PAGE).get_page(request.GET.get("page"))
        changed = sample(run, kind, "changed")
        context |= {
            "good": run.rows_read - run.rows_refused,
            "to_write": run.rows_created + run.rows_updated,
            "may_apply": run.state == State.CHECKED and run.rows_read > run.rows_refused,
            "may_undo": run.state == State.APPLIED and run.rows_created + run.rows_updated > 0,
            "applied": run.state == State.APPLIED,
            # Its prices may not be those of the lines of an open cycle any more.
            "notices": notices(request.user) if run.state == State.APPLIED and run.kind in PRICED else [],
            "tallies": [
                (capfirst(entity.replace("_", " ")), *counts)
                for entity, counts in run.control_totals.get("tallies", {}).items()
            ],
            "totals": totals_table(run),
            "changed": changed,
            "changed_first": changed[:AT_FIRST],
            "changed_rest": changed[AT_FIRST:],
            "new": sample(run, kind, "new"),
            "problems": page,
            "problem_count": run.control_totals.get("problems", 0),
            "pager": pager(page, request.GET, "refused cell"),
            "headings": headings
            or (HeadingsForm(kind=kind, run=run) if may_reread and unknown_headings(run) else None),
            "again": again or (AgainForm(kind=kind, initial=run.options) if may_reread else None),
        }
    return render(request, "masterdata/import_run.html", context, status=status)


def finding(run: ImportRun, kind: Kind) -> str:
    """The title of the page: what a person needs to know first."""
    written = run.rows_created + run.rows_updated
    if run.state == State.CHECKED:
        if run.rows_refused:
            they_are = "it is" if run.rows_refused == 1 else "they are"
            return f"{_rows(run.rows_refused)} of {run.rows_read:,} in {run.file_name} cannot be imported as {they_are}"
        if not written:
            return f"Nothing new in {run.file_name}"
        return f"{run.file_name} would write {written:,} of its {run.rows_read:,} {kind.row_words}"
    return {
        State.QUEUED: f"{run.file_name} waits to be checked",
        State.CHECKING: f"{run.file_name} is being checked",
        State.APPLYING: f"{run.file_name} is being applied",
        State.APPLIED: f"{run.file_name} is imported: {_rows(written)} written"
        if written
        else f"Nothing new in {run.file_name}; no row was changed",
        State.REFUSED: f"{run.file_name} could not be read as {kind.title.lower()}",
        State.FAILED: f"The import of {run.file_name} failed; nothing was written",
        State.CANCELLED: f"The import of {run.file_name} was cancelled; nothing was written",
        State.UNDOING: f"The import of {run.file_name} is being undone",
        State.UNDONE: f"The import of {run.file_name} is undone",
    }[State(run.state)]


def totals_table(run: ImportRun) -> dict[str, Any] | None:
    """The control totals by month: headings, a row for each month, and the sums; None where the kind has none."""
    totals = run.control_totals
    months = totals.get("by_period")
    if not months:
        return None
    names = [name for name in SUMS if name in totals]
    currency = conf.get("currency")

    def sums(values: dict[str, str]) -> list[str]:
        numbers = [Decimal(values[name]) for name in names]
        return [
            formats.money(number, currency) if name in MONEY else formats.qty(number)
            for name, number in zip(names, numbers, strict=True)
        ]

    return {
        "headings": [name.capitalize() for name in names],
        "rows": [(periods.parse(key), values["rows"], sums(values)) for key, values in months.items()],
        "all": (totals.get("rows", 0), sums(totals)),
    }


def sample(run: ImportRun, kind: Kind, which: str) -> list[dict[str, Any]]:
    """The first new or changed rows, their fields by the headings of the kind."""
    return [
        {
            "row": entry["row"],
            "label": entry["label"],
            "changes": [(_heading(kind, name), *pair) for name, pair in entry["changes"].items()],
        }
        for entry in run.sample.get(which, [])[:SHOWN]
    ]


def _heading(kind: Kind, name: str) -> str:
    column = kind.by_name.get(name)
    return column.heading if column else capfirst(name.replace("_", " "))


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
