"""Old planning workbooks over the API; what became of them is read where all imports are."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from forecasts.excel.legacy_files import MOST_FILES
from forecasts.excel.legacy_runs import check_uploads, named_rep
from masterdata.api.excel import DONE, DRY_RUN, LATER, TAG, answer, is_dry_run, refused
from masterdata.imports.keeping import require_importer
from masterdata.imports.kinds import IMPORT
from masterdata.models import ImportRun
from sop_portal.lib.api.schema import tells_address
from sop_portal.lib.api.shapes import Shape, read
from sop_portal.lib.api.views import ApiView

INTO = [("legacy", "A closed plan of their own"), ("open", "The open cycle, on behalf of the owners of its lines")]


class OldWorkbooks(Shape):
    """Workbooks and whose plans they are."""

    file = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), min_length=1, max_length=MOST_FILES,
        help_text="Workbooks or zips of them, in several fields of this name; all of them are written or none.",
    )  # fmt: skip
    rep = serializers.CharField(
        max_length=254, required=False, help_text="The e-mail address of the rep they belong to."
    )
    into = serializers.ChoiceField(INTO, default="legacy", help_text="Where their plans go.")


class OldWorkbookImport(ApiView):
    """Old planning workbooks to import."""

    parser_classes = (MultiPartParser,)
    takes_files = IMPORT

    @extend_schema(
        operation_id="excel_import_legacy_workbook", tags=[TAG], request={"multipart/form-data": OldWorkbooks},
        parameters=[DRY_RUN], responses={201: DONE, 202: LATER},
    )  # fmt: skip
    @tells_address(201, 202)
    def post(self, request: Request) -> Response:
        """Upload old planning workbooks: they are tried out and, unless dry_run is 1, applied if all can be read.

        Names that nobody knows become customers, products and groups; see the findings. Who is who is decided by hand on
        the page of the import. The same files twice change nothing.
        """
        require_importer(request.user, None)
        tries = is_dry_run(request)
        given = read(OldWorkbooks, request.data)
        files: list[tuple[str, Any]] = [(file.name, file.chunks()) for file in given["file"]]
        rep = named_rep(given["rep"]) if "rep" in given else None
        run = check_uploads(files, rep=rep, by=request.user, into_open=given["into"] == "open", then_apply=not tries)
        if run.state == ImportRun.State.CHECKED and not tries:
            raise refused(run)
        return answer(request, run, 201)
