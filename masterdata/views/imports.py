"""The gallery of imports with past runs, and the pages that take a file."""

from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from masterdata.import_forms import FileForm, UploadForm
from masterdata.imports import detect, files, runs
from masterdata.imports.keeping import require_importer
from masterdata.imports.kinds import IMPORT, KINDS, Kind
from masterdata.models import ImportRun
from masterdata.uploads import filedrop, limit_uploads
from sop_portal.lib.errors import DomainError
from sop_portal.lib.language import decimal_mark
from sop_portal.lib.paging import pager

PER_PAGE = 50
TEXTS = {
    ImportRun.Kind.CUSTOMERS: "Who is sold to, by whom, where, on which terms.",
    ImportRun.Kind.PRODUCTS: "What is sold, in which group and unit; new groups come along.",
    ImportRun.Kind.MATRIX: "Which customer buys which product, and at which price from when.",
    ImportRun.Kind.ACTUALS: "What was sold, by month; the newest file wins, and every change is kept.",
    ImportRun.Kind.BUDGET: "What was budgeted, by month and version.",
    ImportRun.Kind.USERS: "Who works with the portal, in which role, for which manager.",
}
STATES = {
    "checked": ("To apply", [ImportRun.State.CHECKED]),
    "applied": ("Applied", [ImportRun.State.APPLIED]),
    "busy": ("Under way", list(ImportRun.BUSY)),
    "refused": ("Not imported", [ImportRun.State.REFUSED, ImportRun.State.FAILED, ImportRun.State.CANCELLED]),
}
FORMATS = "Excel, LibreOffice or CSV; macros are never run."


def run_url(run: ImportRun) -> str:
    """The page of a run: old planning workbooks have one of their own."""
    name = "forecasts:legacy_run" if run.kind == ImportRun.Kind.LEGACY else "masterdata:import_run"
    return reverse(name, args=[run.pk])


@require_safe
@permission_required(IMPORT, raise_exception=True)
def import_list(request: HttpRequest) -> HttpResponse:
    """What can be imported, and every file that was uploaded, the newest first."""
    return _gallery(request, FileForm())


@require_POST
@permission_required(IMPORT, raise_exception=True)
def import_any(request: HttpRequest) -> HttpResponse:
    """Take a file whose headings tell what it is."""
    limit_uploads(request)
    form = FileForm(request.POST, request.FILES)
    if not form.is_valid():
        return _gallery(request, form, 422)
    file = form.cleaned_data["file"]
    try:
        kind = detect.kind_of_file(Path(file.temporary_file_path()))
        run = _check(request, file, kind, {"decimal_mark": decimal_mark(request)})
    except DomainError as refusal:
        form.add_error("file", refusal.detail)
        return _gallery(request, form, refusal.status)
    return redirect(run_url(run))


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required(IMPORT, raise_exception=True)
def import_start(request: HttpRequest, kind: str) -> HttpResponse:
    """Take a file of one kind; it is only checked."""
    declared = kind_or_404(kind)
    require_importer(request.user, declared)
    status = 200
    if request.method == "POST":
        limit_uploads(request)
        form = UploadForm(request.POST, request.FILES, kind=declared)
        status = 422
        if form.is_valid():
            try:
                run = _check(request, form.cleaned_data["file"], declared, form.options)
            except DomainError as refusal:
                form.add_error("file", refusal.detail)
                status = refusal.status
            else:
                return redirect(run_url(run))
    else:
        form = UploadForm(kind=declared, initial={"decimal_mark": decimal_mark(request)})
    context = {"kind": declared, "form": form, **filedrop(FORMATS, largest=files.largest_of(declared))}
    return render(request, "masterdata/import_start.html", context, status=status)


def kind_or_404(key: str) -> Kind:
    """The kind called `key`."""
    if key not in KINDS:
        raise Http404
    return KINDS[key]


def _check(request: HttpRequest, file: Any, kind: Kind, options: dict[str, Any]) -> ImportRun:
    return runs.check_upload(file.name, file.chunks(), kind=kind.key, by=request.user, options=options)


def _gallery(request: HttpRequest, form: FileForm, status: int = 200) -> HttpResponse:
    visible = ImportRun.objects.visible_to(request.user)
    chosen_kind, chosen_state = request.GET.get("kind", ""), request.GET.get("state", "")
    listed = visible.select_related("uploaded_by")
    if chosen_kind in ImportRun.Kind.values:
        listed = listed.filter(kind=chosen_kind)
    if chosen_state in STATES:
        listed = listed.filter(state__in=STATES[chosen_state][1])
    page = Paginator(listed, PER_PAGE).get_page(request.GET.get("page"))
    last = {run.kind: run for run in visible.last_applied()}
    to_apply = visible.filter(state=ImportRun.State.CHECKED, rows_read__gt=0).count()
    context = {
        "finding": _finding(to_apply),
        "form": form,
        "cards": [
            {"kind": kind, "text": TEXTS[ImportRun.Kind(key)], "last": last.get(key)}
            for key, kind in KINDS.items()
            if request.user.has_perm(kind.permission)
        ],
        "legacy_last": last.get(ImportRun.Kind.LEGACY),
        "runs": page,
        "rows": [(run, run_url(run)) for run in page],
        "filters": _filters(chosen_kind, chosen_state),
        "filtered": bool(chosen_kind or chosen_state),
        "pager": pager(page, request.GET, "import"),
        **filedrop(FORMATS, largest=files.largest()),
    }
    return render(request, "masterdata/import_list.html", context, status=status)


def _finding(to_apply: int) -> str:
    if not to_apply:
        return "Imports"
    return f"{to_apply:,} checked file{' waits' if to_apply == 1 else 's wait'} to be applied"


def _filters(kind: str, state: str) -> list[tuple[str, str, bool]]:
    """The chips over the list: words, address, whether it is the one shown."""

    def url(**chosen: str) -> str:
        query = urlencode({name: value for name, value in {"kind": kind, "state": state, **chosen}.items() if value})
        return f"?{query}" if query else reverse("masterdata:import_list")

    chips = [("All", reverse("masterdata:import_list"), not kind and not state)]
    chips += [(words, url(state="" if state == key else key), state == key) for key, (words, _) in STATES.items()]
    chips += [
        (choice.label, url(kind="" if kind == choice else choice.value), kind == choice) for choice in ImportRun.Kind
    ]
    return chips
