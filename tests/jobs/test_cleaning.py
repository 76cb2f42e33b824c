"""Old files are deleted after the days that are set, and not at all after the clock has jumped."""

import datetime as dt
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction

from audit.context import acting
from audit.models import Entry
from masterdata.imports import ageing
from masterdata.models import ImportRun
from sop_portal.conf import services as conf
from sop_portal.jobs import cleaning, clock, recording
from sop_portal.jobs.models import ClockWatch, JobRun
from sop_portal.jobs.recording import Asked, StartedBy
from sop_portal.lib.clock import portal_now
from sop_portal.lib.errors import Conflict
from sop_portal.lib.jobs import SCHEDULES
from tests.factories import make_user

pytestmark = pytest.mark.django_db

DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def uploads(settings: Any, tmp_path: Path) -> Iterator[Path]:
    settings.UPLOAD_DIR, settings.FILE_UPLOAD_TEMP_DIR = tmp_path, tmp_path / "tmp"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    with acting("system", source="job"):
        yield tmp_path


def keep(folder: Path, name: str, days: float) -> Path:
    path = folder / name
    path.write_bytes(b"x")
    old = time.time() - days * 24 * 3600
    os.utime(path, (old, old))
    return path


def imported(folder: Path, name: str, days: float, state: str = "applied") -> ImportRun:
    """An import whose file has been kept for so many days."""
    keep(folder, name, days)
    run = ImportRun.objects.create(
        kind="customers", state=state, file_name="c.csv", file_size=1, file_sha256="0" * 64, stored_as=name,
        uploaded_by=make_user("admin"),
    )  # fmt: skip
    ImportRun.objects.filter(pk=run.pk).update(created_at=portal_now() - days * DAY)
    return run


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


class TestFilesOfImports:
    def test_that_ended_go_after_the_days_that_are_set(self, uploads: Path) -> None:
        imported(uploads, "new.upload", 6.9)
        old = imported(uploads, "old.upload", 7.1)
        assert cleaning.clean() == {"imports": 1, "stray_uploads": 0, "temporary_files": 0}
        assert names(uploads) == {"new.upload"}
        old.refresh_from_db()
        assert (old.state, old.stored_as) == ("applied", "")

    def test_follow_the_setting(self, uploads: Path) -> None:
        imported(uploads, "x.upload", 3)
        assert cleaning.clean()["imports"] == 0
        conf.set_value("cleanup_temp_files_days", 2, by=None)
        assert cleaning.clean()["imports"] == 1
        assert names(uploads) == set()

    def test_that_wait_to_be_applied_are_put_aside_with_a_reason(self, uploads: Path) -> None:
        run = imported(uploads, "x.upload", 8, state="checked")
        cleaning.clean()
        run.refresh_from_db()
        assert (run.state, run.reason) == ("cancelled", ageing.UNUSED)
        assert Entry.objects.filter(entity_type="import", entity_id=str(run.pk)).exists()

    @pytest.mark.parametrize("state", ["queued", "checking", "applying", "undoing"])
    def test_that_somebody_works_on_stay(self, uploads: Path, state: str) -> None:
        imported(uploads, "x.upload", 800, state=state)
        assert cleaning.clean()["imports"] == 0
        assert names(uploads) == {"x.upload"}

    def test_count_from_the_last_thing_that_happened(self, uploads: Path) -> None:
        run = imported(uploads, "x.upload", 30)
        ImportRun.objects.filter(pk=run.pk).update(applied_at=portal_now() - DAY)
        assert cleaning.clean()["imports"] == 0

    def test_that_no_import_knows_go_a_day_after_they_came(self, uploads: Path) -> None:
        keep(uploads, "lost.upload", 1.1)
        keep(uploads, "fresh.upload", 0.9)
        keep(uploads, "not ours.txt", 500)
        assert cleaning.clean()["stray_uploads"] == 1
        assert names(uploads) == {"fresh.upload", "not ours.txt"}


def test_temporary_files_go_with_their_folders(uploads: Path) -> None:
    folder = uploads / "tmp"
    (folder / "sheets-a").mkdir()
    keep(folder / "sheets-a", "1.xml", 9)
    keep(folder, "old.upload.xlsx", 9)
    keep(folder, "new.upload.xlsx", 1)
    os.utime(folder / "sheets-a", (time.time() - 9 * 24 * 3600,) * 2)
    assert cleaning.clean()["temporary_files"] == 2
    assert names(uploads) == {"new.upload.xlsx"}


def test_a_dry_run_counts_and_deletes_nothing(uploads: Path, capsys: pytest.CaptureFixture[str]) -> None:
    imported(uploads, "x.upload", 8)
    keep(uploads, "lost.upload", 8)
    keep(uploads / "tmp", "t", 8)
    call_command("cleanup_files", "--dry-run")
    assert capsys.readouterr().out == "Would delete 1 import, 1 stray upload, 1 temporary file.\n"
    assert names(uploads) == {"x.upload", "lost.upload", "t"}
    assert not JobRun.objects.exists()
    call_command("cleanup_files")
    assert capsys.readouterr().out == "Deleted 1 import, 1 stray upload, 1 temporary file.\n"
    assert names(uploads) == set()
    assert JobRun.objects.get().job == "cleanup_files"


@pytest.mark.parametrize("when", ["before the row", "before the file", "after the first file"])
def test_killed_in_the_middle_and_run_again_it_ends_the_same(
    uploads: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """A kill is an end without any word: nothing after it runs, and what was committed stays."""
    runs = [imported(uploads, f"{number}.upload", 9) for number in range(3)]
    keep(uploads / "tmp", "t", 9)

    class Killed(BaseException):
        pass

    with monkeypatch.context() as patch, pytest.raises(Killed):
        calls: list[str] = []

        def die(*args: Any, **kwargs: Any) -> None:
            calls.append("")
            if when != "after the first file" or len(calls) > 1:
                raise Killed

        if when == "before the row":
            patch.setattr(ImportRun, "save", die)
        else:
            forget = ageing.files.forget_file

            def forget_or_die(name: str) -> None:
                die()
                forget(name)

            patch.setattr(ageing.files, "forget_file", forget_or_die)
        with transaction.atomic() if when == "before the row" else acting("system", source="job"):
            cleaning.clean()
    cleaning.clean()
    assert names(uploads) == set()
    assert set(ImportRun.objects.filter(pk__in=[run.pk for run in runs]).values_list("stored_as", flat=True)) == {""}


class TestAClockThatJumped:
    NOW = dt.datetime(2026, 3, 11, 2, tzinfo=dt.UTC)

    @pytest.fixture
    def look_at(self, at: Callable[[Any], None]) -> Callable[[dt.datetime], None]:
        def look(instant: dt.datetime) -> None:
            at(instant)
            clock.look()

        return look

    def test_by_400_days_lets_nothing_be_deleted_and_tells(
        self, uploads: Path, look_at: Callable[[dt.datetime], None]
    ) -> None:
        imported(uploads, "yesterdays.upload", 0)
        look_at(self.NOW)
        look_at(self.NOW + 400 * DAY)
        with pytest.raises(CommandError, match=r"from 2026-03-11 to 2027-04-15 at once, .* before 2027-04-22"):
            call_command("cleanup_files")
        assert names(uploads) == {"yesterdays.upload"}
        assert JobRun.objects.get().state == "failed"

    def test_is_still_known_when_other_jobs_have_run_since(self, look_at: Callable[[dt.datetime], None]) -> None:
        look_at(self.NOW)
        for minutes in range(0, 6 * 24 * 60, 360):
            look_at(self.NOW + 400 * DAY + dt.timedelta(minutes=minutes))
        with pytest.raises(Conflict):
            clock.require_steady(7)
        look_at(self.NOW + 407 * DAY)
        clock.require_steady(7)

    def test_and_was_set_right_is_forgotten(self, look_at: Callable[[dt.datetime], None]) -> None:
        look_at(self.NOW)
        look_at(self.NOW + 400 * DAY)
        look_at(self.NOW + dt.timedelta(hours=1))
        clock.require_steady(7)

    @pytest.mark.parametrize("name", ["forget_old_mail", "cleanup_job_runs", "forget_tokens"])
    def test_keeps_rows_that_only_look_old(self, name: str, look_at: Callable[[dt.datetime], None]) -> None:
        look_at(self.NOW)
        look_at(self.NOW + 400 * DAY)
        run = recording.run(SCHEDULES[name], Asked(StartedBy.BEAT), lambda: pytest.fail("it has begun"))
        assert run.state == "skipped"
        assert "nothing is deleted for its age before 2027-04-22" in run.error
        for days in (404, 408):
            look_at(self.NOW + days * DAY)
        assert recording.run(SCHEDULES[name], Asked(StartedBy.BEAT), lambda: 0).state == "ok"

    def test_can_be_called_right(
        self, uploads: Path, look_at: Callable[[dt.datetime], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        look_at(self.NOW)
        look_at(self.NOW + 400 * DAY)
        imported(uploads, "x.upload", 8)
        call_command("cleanup_files", "--clock-is-right")
        assert capsys.readouterr().out.startswith("Deleted 1 import,")

    @pytest.mark.parametrize("hours", [-1, 1, 24 * 7])
    def test_by_little_is_no_matter(self, look_at: Callable[[dt.datetime], None], hours: int) -> None:
        look_at(self.NOW)
        look_at(self.NOW + dt.timedelta(hours=hours))
        clock.require_steady(7)

    def test_is_noticed_by_the_sweep(self, at: Callable[[Any], None]) -> None:
        at(self.NOW)
        call_command("run_job", "sweep_queue")
        assert ClockWatch.objects.get().last_seen == self.NOW
