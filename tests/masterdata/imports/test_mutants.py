"""Thousands of damaged files: each is read or refused with a sentence that says where; nothing is half written.

`make test` tries 200 of them, `make fuzz` 10,000. FUZZ names the number, FUZZ_FROM the first; a failure prints the seed
of its file, and `tests.mutants.mutant(seed)` is that file again.
"""

import datetime as dt
import os
import re
import resource
import statistics
import time
from collections.abc import Iterator

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse

from masterdata.models import Actual, Budget, Customer, ImportRun, MatrixEntry, Price, Product, ProductGroup
from masterdata.views import imports as views
from sop_portal.accounts.models import User
from tests.factories import make_actual, make_customer, make_entry, make_product
from tests.mutants import Mutant, mutant

pytestmark = pytest.mark.django_db
FIRST = int(os.environ.get("FUZZ_FROM", "0"))
CASES = int(os.environ.get("FUZZ", "200"))
PER_TEST = 20
DAY = dt.date(2026, 3, 1)
# Everything that an import may write.
MODELS = (Actual, Budget, Customer, MatrixEntry, Price, Product, ProductGroup, User)
# What a refusal names: a row, a line, a sheet, a cell, headings or columns; or what the file as a whole is.
PLACE = re.compile(
    r"\b(?:[Rr]ow|[Ll]ine) [\d,]+|\bsheets? [‘'“]|\bsheet |![A-Z]{0,3}\d+|\bcolumns?\b|\bheadings\b|not a readable workbook"
    r"|, not a (?:workbook|table)|not an Excel workbook|The file is empty|The file has [\d,.]+ MB|unpacks to more than"
    r"|is not taken: uploads end in"
    r"|document type definition \(in |protected by a password|archive of [\d,]+ parts|needs more than \d+ MB"
)


@pytest.fixture
def world(admin, client, monkeypatch):
    """An admin's browser beside one pair with one actual; uploads are not counted here."""
    make_actual(make_entry(make_customer(customer_id="C1"), make_product(item_code="110001")), DAY, 5)
    monkeypatch.setattr(views, "limit_uploads", lambda request: None)
    client.force_login(admin)
    client.raise_request_exception = False
    return client


def cases(first: int) -> Iterator[Mutant]:
    return (mutant(seed) for seed in range(first, min(first + PER_TEST, FIRST + CASES)))


def stored() -> dict[str, set[tuple]]:
    """Every row that an import might touch."""
    return {model.__name__: set(model.objects.values_list()) for model in MODELS}


def worked() -> float:
    """Seconds of a processor that this process and the readers it started took: a busy machine is no slow reader."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def upload(client: Client, case: Mutant) -> tuple[int, str, ImportRun | None]:
    """The status, what was said, and the run that was left."""
    answer = client.post(
        reverse("masterdata:import_start", args=[case.kind]),
        {"file": SimpleUploadedFile(case.name or "nameless", case.content)},
    )
    if answer.status_code != 302:
        errors = answer.context["form"].errors if answer.context and "form" in answer.context else {}
        return answer.status_code, " ".join(text for texts in errors.values() for text in texts), None
    run = ImportRun.objects.latest("pk")
    return answer.status_code, run.reason, run


@pytest.mark.parametrize("first", range(FIRST, FIRST + CASES, PER_TEST))
def test_a_damaged_file_is_read_or_refused_with_its_place(world, first):
    spent = []
    for case in cases(first):
        named = f"seed {case.seed}, {case.kind} made of {case.source}"
        before, start = stored(), worked()
        with transaction.atomic():
            status, said, run = upload(world, case)
            spent.append(worked() - start)
            assert status in (302, 413, 422), f"{named}: {status}"
            assert stored() == before, f"{named}: its dry run wrote"
            if run is None or run.state == ImportRun.State.REFUSED:
                assert PLACE.search(said) and said.endswith("."), f"{named}: {said!r}"
            if run is not None:
                check_run(world, run, before, named)
            transaction.set_rollback(True)
    assert statistics.median(spent) < 1


def check_run(client: Client, run: ImportRun, before: dict[str, set[tuple]], named: str) -> None:
    """Every fault of a run has its place, its page opens, and applying it writes all of it or nothing."""
    assert run.state in (ImportRun.State.CHECKED, ImportRun.State.REFUSED, ImportRun.State.QUEUED), (
        f"{named}: {run.state}"
    )
    for problem in run.problems.all():
        assert re.search(r"\d+$", problem.place) and problem.sentence.endswith("."), f"{named}: {problem}"
    assert client.get(reverse("masterdata:import_run", args=[run.pk])).status_code == 200, named
    if run.state != ImportRun.State.CHECKED:
        return
    rows = {"rows": "good"} if run.rows_refused else {}
    answer = client.post(reverse("masterdata:import_apply", args=[run.pk]), rows)
    assert answer.status_code in (302, 409, 422), f"{named}: {answer.status_code}"
    wanted = run.rows_created, run.rows_updated
    run.refresh_from_db()
    after = stored()
    if run.state != ImportRun.State.APPLIED or not any(wanted):
        assert after == before, named
    elif run.kind == ImportRun.Kind.ACTUALS:
        # A row of the file is one of the table.
        gone, come = before["Actual"] - after["Actual"], after["Actual"] - before["Actual"]
        assert (len(come) - len(gone), len(gone)) == wanted, named
    else:
        assert after != before, named
