"""The settings of uploads: which names are taken, how large a file may be, and what the pages offer."""

import io
import zipfile

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from audit.context import acting
from forecasts.excel import legacy_files, legacy_runs
from masterdata.imports import files, runs
from masterdata.imports.kinds import KINDS
from masterdata.models import ImportRun
from sop_portal.conf import services as conf
from sop_portal.lib.errors import Refused, TooLarge
from tests.factories import make_user

pytestmark = pytest.mark.django_db

CUSTOMERS = b"Customer ID,Customer name\nC1,Elm\n"


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.UPLOAD_DIR = tmp_path
    with acting("system", source="command"):
        yield tmp_path


def upload(name: str, content: bytes = CUSTOMERS, kind: str = "customers") -> ImportRun:
    return runs.check_upload(name, [content], kind=kind, by=make_user("admin"))


class TestAllowedFileExtensions:
    def test_other_names_are_refused_and_nothing_is_kept(self, uploads):
        assert upload("c.csv").state == "checked"
        conf.set_value("allowed_file_extensions", [".xlsx"], by=None)
        with pytest.raises(Refused, match=r"c\.csv is not taken: uploads end in \.xlsx, \.xlsm\."):
            upload("c.csv")
        assert len(list(uploads.glob("*.upload"))) == 1
        assert ImportRun.objects.count() == 1

    @pytest.mark.parametrize("name", ["C.CSV", "c.txt", "c.tsv"])
    def test_texts_are_read_alike_however_they_are_called(self, name):
        assert upload(name).state == "checked"

    @pytest.mark.parametrize("name", ["c.csv.exe", "c", ".", "c.pdf"])
    def test_names_of_nothing_that_can_be_read(self, name):
        with pytest.raises(Refused, match="is not taken"):
            upload(name)

    def test_hold_for_planning_workbooks_and_for_what_archives_hold(self, tmp_path):
        conf.set_value("allowed_file_extensions", [".xlsx"], by=None)
        admin = make_user("admin")
        with pytest.raises(Refused, match=r"book\.xlsb is not taken: uploads end in \.xlsx, \.xlsm, \.zip\."):
            legacy_runs.check_upload("book.xlsb", [b"x"], rep=None, by=admin)
        archive = tmp_path / "books.zip"
        with zipfile.ZipFile(archive, "w") as packed:
            packed.writestr("old.xls", bytes.fromhex("d0cf11e0a1b11ae1"))
        with legacy_files.sources([("books.zip", archive)]) as (source,):
            assert (source.path, source.refused.startswith("old.xls is not taken")) == (None, True)

    def test_are_what_the_pages_offer(self, client):
        client.force_login(make_user("admin"))
        conf.set_value("allowed_file_extensions", [".xlsx", ".ods"], by=None)
        assert (
            'accept=".xlsx,.xlsm,.ods"'
            in client.get(reverse("masterdata:import_start", args=["customers"])).content.decode()
        )

    def test_a_page_says_so_beside_the_field(self, client):
        client.force_login(make_user("admin"))
        answer = client.post(
            reverse("masterdata:import_start", args=["customers"]), {"file": SimpleUploadedFile("c.exe", CUSTOMERS)}
        )
        assert answer.status_code == 422
        assert "c.exe is not taken" in answer.content.decode()


class TestLargestUpload:
    def test_lists_follow_one_setting_and_facts_the_other(self):
        conf.set_value("max_file_upload_size_mb", 1, by=None)
        conf.set_value("max_import_file_size_mb", 3, by=None)
        sizes = {key: files.largest_of(kind) // files.MEGABYTE for key, kind in KINDS.items()}
        assert sizes == {"customers": 1, "products": 1, "users": 1, "matrix": 3, "actuals": 3, "budget": 3}
        conf.set_value("max_file_upload_size_mb", 100, by=None)
        assert files.largest_of(KINDS["users"]) == 3 * files.MEGABYTE

    def test_a_larger_list_is_refused_and_not_kept(self, uploads):
        long = CUSTOMERS + b"\n" * 2**20
        assert upload("c.csv", long).state == "queued"
        conf.set_value("max_file_upload_size_mb", 1, by=None)
        with pytest.raises(TooLarge, match="larger than 1 MB"):
            upload("c.csv", long)
        assert len(list(uploads.glob("*.upload"))) == 1

    def test_a_single_planning_workbook_is_held_to_it(self, tmp_path):
        book = tmp_path / "book.xlsx"
        content = io.BytesIO()
        with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as packed:
            packed.writestr("xl/workbook.xml", b" " * 2**21)
        book.write_bytes(content.getvalue())
        conf.set_value("max_file_upload_size_mb", 1, by=None)
        with pytest.raises(TooLarge, match="1 MB"):
            legacy_files.read_book(book)
