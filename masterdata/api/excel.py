"""Files in and out: uploads that are checked and applied, what became of them, templates, exports."""

from typing import Any

import django_filters
from django.http import Http404, HttpResponseBase
from django.utils import timezone
from django_filters.rest_framework import FilterSet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata.exports import FILTERS, SORTS, wanted
from masterdata.imports import runs, worker
from masterdata.imports.doing import ELSEWHERE
from masterdata.imports.keeping import require_importer
from masterdata.imports.kinds import IMPORT, KINDS, Kind
from masterdata.imports.templates import write_template
from masterdata.models import ImportRun
from masterdata.uploads import limit_uploads
from masterdata.views import exports, import_books
from sop_portal.lib import downloads
from sop_portal.lib.api.lists import ListView, refuse_unknown
from sop_portal.lib.api.problems import Fault, Invalid, NotAccepted
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import also_answers, tells_address
from sop_portal.lib.api.shapes import Shape, read
from sop_portal.lib.api.views import ApiView, FileView
from sop_portal.lib.downloads import TYPES
from sop_portal.lib.errors import Refused

TAG = "Excel"
State = ImportRun.State
# Refused rows that an answer names; all of them stand in the list of errors of the page.
NAMED = 1_000
DRY_RUN = OpenApiParameter(
    "dry_run", str, enum=["0", "1"], default="0", description="1: only check it; apply it afterwards."
)
KIND = OpenApiParameter("kind", str, OpenApiParameter.PATH, enum=list(KINDS), description="What the file holds.")


class Upload(Shape):
    """A file and how it is to be read."""

    file = serializers.FileField(allow_empty_file=True, help_text="xlsx, xlsb, xls, ods or csv, with headings.")
    sum_duplicates = serializers.BooleanField(
        default=False, help_text="Add up rows with the same key (actuals and budget); else they are refused."
    )
    clear_blanks = serializers.BooleanField(
        default=False, help_text="A blank cell empties what is stored; else it leaves it."
    )
    sheet = serializers.CharField(max_length=100, required=False, help_text="Which one, where several fit.")
    decimal_mark = serializers.ChoiceField(
        [".", ","], required=False, help_text="Decides texts that fit two readings, such as 1,234."
    )
    valid_from = serializers.DateField(
        required=False, help_text="From when prices of the matrix hold that have no day; this month if missing."
    )


class ImportRow(serializers.Serializer):
    """An uploaded file and what became of it."""

    id = serializers.IntegerField()
    kind = serializers.ChoiceField(ImportRun.Kind.choices)
    state = serializers.ChoiceField(State.choices)
    file_name = serializers.CharField()
    file_size = serializers.IntegerField(help_text="In bytes.")
    uploaded_by = serializers.CharField(allow_null=True, help_text="E-mail address; null for a command.")
    created_at = serializers.DateTimeField()
    applied_at = serializers.DateTimeField(allow_null=True)
    undone_at = serializers.DateTimeField(allow_null=True)
    rows_read = serializers.IntegerField()
    rows_created = serializers.IntegerField()
    rows_updated = serializers.IntegerField()
    rows_unchanged = serializers.IntegerField()
    rows_refused = serializers.IntegerField()
    reason = serializers.CharField(allow_blank=True, help_text="Why it was refused, failed or could not be undone.")
    batch = serializers.IntegerField(allow_null=True, help_text="The data version that it made of the actuals.")


class ImportFinding(serializers.Serializer):
    """Something worth knowing about a file."""

    code = serializers.CharField()
    place = serializers.CharField(allow_blank=True)
    sentence = serializers.CharField()


class ImportRefusal(serializers.Serializer):
    """A cell or row that is refused."""

    place = serializers.CharField(help_text="Its address, such as Sheet1!F14.")
    value = serializers.CharField(allow_blank=True)
    sentence = serializers.CharField(help_text="What is wrong and what to do.")


class ImportStep(serializers.Serializer):
    """How far the worker is."""

    step = serializers.CharField(allow_blank=True)
    rows_done = serializers.IntegerField()
    rows_all = serializers.IntegerField(allow_null=True, help_text="Null while nobody knows.")


class ImportWhole(ImportRow):
    """An uploaded file with everything that was found in it."""

    options = serializers.DictField(help_text="How it is read.")
    control_totals = serializers.DictField(help_text="Rows and sums, in all and by month.")
    findings: Any = ImportFinding(many=True)
    problems: Any = ImportRefusal(many=True, help_text=f"The first {NAMED:,} refusals.")
    progress = ImportStep(allow_null=True, help_text="While the worker is at it.")


NAMES = tuple(map(str, ImportRow().fields))
DONE = OpenApiResponse(ImportWhole, "Done: the state says what became of the file.")
LATER = OpenApiResponse(
    ImportWhole, "The worker does it: ask at the address of the header Location until it has ended."
)


def _kind(key: str) -> Kind:
    if key not in KINDS:
        raise Http404
    return KINDS[key]


def _runs(request: Request) -> Any:
    """The runs one may see. Raises NotAllowed for whoever does not import."""
    user: Any = request.user
    require_importer(user, None)
    return ImportRun.objects.visible_to(user)


def _whole(run: ImportRun) -> dict[str, Any]:
    progress = getattr(run, "progress", None) if run.is_busy else None
    return {
        **{name: getattr(run, name) for name in NAMES if name != "uploaded_by"},
        "uploaded_by": run.uploaded_by.email if run.uploaded_by else None,
        "options": run.options,
        "control_totals": run.control_totals,
        "findings": [{name: found.get(name, "") for name in ("code", "place", "sentence")} for found in run.findings],
        "problems": list(run.problems.values("place", "value", "sentence")[:NAMED]),
        "progress": progress and {name: getattr(progress, name) for name in ("step", "rows_done", "rows_all")},
    }


def answer(request: Request, run: ImportRun, status: int) -> Response:
    """The run; 202 while the worker is at it. Raises Refused when nothing could be done with the file."""
    if run.state in (State.REFUSED, State.FAILED):
        raise Refused(run.reason, run=run.pk)
    address = request.build_absolute_uri(f"/api/v1/excel/imports/{run.pk}")
    return Response(_whole(run), status=202 if run.is_busy else status, headers={"Location": address})


def is_dry_run(request: Request) -> bool:
    """Whether a file is only to be checked; counts the upload. Raises Invalid, TooMany."""
    query = request.query_params
    refuse_unknown(query, ("dry_run",))
    if query.get("dry_run", "0") not in ("0", "1"):
        raise Invalid([Fault("?dry_run", "invalid", "dry_run is 0 or 1.")])
    limit_uploads(request._request)
    return query.get("dry_run") == "1"


class Import(ApiView):
    """A file to import."""

    parser_classes = (MultiPartParser,)
    takes_files = IMPORT

    @extend_schema(
        operation_id="excel_import", tags=[TAG], request={"multipart/form-data": Upload},
        parameters=[KIND, DRY_RUN],
        responses={201: DONE, 202: LATER},
    )  # fmt: skip
    @tells_address(201, 202)
    def post(self, request: Request, kind: str) -> Response:
        """Upload a file: it is checked and, unless dry_run is 1, applied if no row of it is refused.

        With refused rows nothing is written; the answer is 422 with the address of each refused cell, and `run` is the
        import that was kept. The same file twice changes nothing, so there is no need of an Idempotency-Key.
        """
        declared = _kind(kind)
        require_importer(request.user, declared)
        tries = is_dry_run(request)
        given = read(Upload, request.data)
        file = given.pop("file")
        if "valid_from" in given:
            given["valid_from"] = given["valid_from"].isoformat()
        run = runs.check_upload(
            file.name, file.chunks(), kind=declared.key, by=request.user,
            options={name: value for name, value in given.items() if value}, then_apply=not tries,
        )  # fmt: skip
        if run.state == State.CHECKED and not tries:
            raise refused(run)
        return answer(request, run, 201)


def refused(run: ImportRun) -> Refused:
    """Why a checked run was not applied, with the address of each refused cell."""
    problems = run.problems.values_list("place", "sentence")[:NAMED]
    detail = run.reason or f"{run.rows_refused:,} of {run.rows_read:,} rows are refused, so nothing was imported."
    sentences: dict[Any, str] = {}
    for place, sentence in problems:
        sentences[place] = f"{sentences[place]} {sentence}" if place in sentences else sentence
    return Refused(sentences, detail, run=run.pk)


class RunFilters(FilterSet):
    """Which imports."""

    kind = django_filters.ChoiceFilter(choices=ImportRun.Kind.choices, help_text="What they hold.")
    state = django_filters.ChoiceFilter(choices=State.choices, help_text="What became of them.")

    class Meta:
        model = ImportRun
        fields: tuple[str, ...] = ()


class RunList(ListView):
    """Imports."""

    model = ImportRun
    filterset_class = RunFilters
    orders = {"created_at": ("created_at",)}
    searched = ("file_name__icontains",)

    def get_queryset(self) -> Any:
        return _runs(self.request)

    def page(self, rows: Any) -> list[dict[str, Any]]:
        paths = [f"{name}__email" if name == "uploaded_by" else name for name in NAMES]
        return [dict(zip(NAMES, row, strict=True)) for row in rows.values_list(*paths)]

    @extend_schema(operation_id="excel_imports_list", tags=[TAG], responses={200: ImportRow(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Every file that was uploaded, old planning workbooks too, and what became of it."""
        return super().get(request, *args, **kwargs)


class RunDetail(ApiView):
    """One import."""

    @extend_schema(operation_id="excel_imports_get", tags=[TAG], responses={200: ImportWhole})
    def get(self, request: Request, pk: int) -> Response:
        """What a file holds, what is refused of it, what it changed, and how far the worker is."""
        run = _runs(request).select_related("uploaded_by").get(pk=pk)
        if run.is_busy:
            worker.look_after(run)
        return Response(_whole(run))


class ImportApplying(Shape):
    """Which rows are applied."""

    only_good = serializers.BooleanField(
        default=False,
        help_text="Leave out the refused rows, of old planning workbooks the unreadable files, and write the others.",
    )


class RunApply(ApiView):
    """Writing a checked file."""

    @extend_schema(
        operation_id="excel_imports_apply", tags=[TAG], request=ImportApplying, responses={200: DONE, 202: LATER}
    )
    @repeatable
    @tells_address(200, 202)
    def post(self, request: Request, pk: int) -> Response:
        """Write a checked file, all of it or, with only_good, its good rows. Doing it again changes nothing."""
        run, given = _runs(request).get(pk=pk), read(ImportApplying, request.data)
        if run.kind in ELSEWHERE:
            run = ELSEWHERE[run.kind].start(run.pk, by=request.user, leave_out_unread=given["only_good"])
        else:
            run = runs.apply_run(run.pk, by=request.user, only_good=given["only_good"])
        if run.state == State.CHECKED:
            raise refused(run)
        return answer(request, run, 200)


class RunUndo(ApiView):
    """Taking an import back."""

    @extend_schema(operation_id="excel_imports_undo", tags=[TAG], request=None, responses={200: DONE, 202: LATER})
    @repeatable
    @tells_address(200, 202)
    def post(self, request: Request, pk: int) -> Response:
        """Take an applied import back while nothing newer touched its rows. Doing it again changes nothing."""
        return answer(request, runs.undo_run(_runs(request).get(pk=pk).pk, by=request.user), 200)


class RunErrors(FileView):
    """The refused rows as a workbook."""

    @also_answers(409, 422)
    @extend_schema(
        operation_id="excel_imports_errors", tags=[TAG], responses={(200, TYPES["xlsx"]): OpenApiTypes.BINARY}
    )
    def get(self, request: Request, pk: int) -> HttpResponseBase:
        """The uploaded values as a workbook, what is refused marked, and why. Corrected, it is uploaded as it is.

        409 when no row is refused, or when the uploaded file is no longer kept; not for old planning workbooks.
        """
        run = _runs(request).get(pk=pk)
        return import_books.error_book(request._request, run.pk)


class Template(FileView):
    """An empty workbook of one kind."""

    @extend_schema(
        operation_id="excel_template",
        tags=[TAG],
        parameters=[KIND],
        responses={(200, TYPES["xlsx"]): OpenApiTypes.BINARY},
    )
    def get(self, request: Request, kind: str) -> HttpResponseBase:
        """An empty workbook with the headings of a kind, what each means, and lists to choose from."""
        declared = _kind(kind)
        require_importer(request.user, declared)
        return downloads.answer(lambda target: write_template(target, declared), f"{declared.key} template.xlsx")


class Export(FileView):
    """A list as a file."""

    @also_answers(422)
    @extend_schema(
        operation_id="excel_export", tags=[TAG],
        parameters=[
            KIND,
            OpenApiParameter("format", str, enum=list(TYPES), default="xlsx", description="The form of the file."),
            OpenApiParameter("sort", str, description="The order, as the page of the list names it in its address."),
            *(
                OpenApiParameter(name, str, description=f"{field.label}, as the page of the list names it. {of}")
                for name, field, of in (
                    (name, field, f"For {', '.join(kind for kind, form in FILTERS.items() if name in form.base_fields)}.")
                    for name, field in {
                        name: field for form in FILTERS.values() for name, field in form.base_fields.items()
                    }.items()
                )
            ),
        ],
        responses={(200, TYPES["xlsx"]): OpenApiTypes.BINARY, (200, "text/csv"): OpenApiTypes.BINARY},
    )  # fmt: skip
    def get(self, request: Request, kind: str) -> HttpResponseBase:
        """The rows that the page of a list shows with the same filters, as a file that the import takes back."""
        _kind(kind)
        form, sorts = FILTERS.get(kind), SORTS.get(kind)
        query = request.query_params.copy()
        refuse_unknown(query, ("format", *(["sort"] if sorts else ()), *(form.base_fields if form else ())))
        if sorts and query.get("sort", "").removeprefix("-") not in ("", *sorts):
            raise Invalid([Fault("?sort", "invalid", f"sort takes {', '.join(sorts)}, each also behind -.")])
        kept = query.pop("format", ["xlsx"])[-1]
        if kept not in TYPES:
            raise Invalid([Fault("?format", "invalid", f"format is {' or '.join(TYPES)}.")])
        try:
            found = wanted(kind, query, request.user, timezone.localdate())
        except Refused as refusal:
            # Pages name a filter by what is written above it, an address by its name.
            names = {field.label: name for name, field in form.base_fields.items()} if form else {}
            faults = [Fault(f"?{names[label]}", "invalid", words) for label, words in refusal.lines.items()]
            raise NotAccepted(faults) from refusal
        return exports.file_of(request._request, kind, kept, found, filters=query.urlencode())  # type: ignore[arg-type]
