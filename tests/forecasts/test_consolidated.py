"""The consolidated plan: its numbers are the database's, its texts stay texts, and it says what it is."""

import csv
import datetime as dt
import io
import re
import shutil
import subprocess
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from openpyxl import load_workbook
from openpyxl.worksheet.worksheet import Worksheet
from python_calamine import CalamineWorkbook

from audit.context import acting
from cycles import services as cycle_services
from cycles.models import Cycle
from forecasts import services
from forecasts.excel.consolidated import file_name, write_csv, write_workbook
from forecasts.models import Line
from sop_portal.accounts.models import User
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_entry,
    make_group,
    make_product,
    make_user,
    open_cycle,
    ref,
    submit,
)

pytestmark = pytest.mark.django_db

HOSTILE = "=cmd|' /C calc'!A0"
TAKEN = dt.datetime(2026, 12, 22, 18, 4, tzinfo=dt.UTC)


@pytest.fixture
def world() -> SimpleNamespace:
    """Two reps. Elm buys garlic (CS, 9 kg, at 52) and paste (PAIL, no weight, at 4.25); Fir buys garlic at 50.

    Every cell of Elm's garlic is 100 and approved, of its paste 10.5 and submitted; Fir's garlic is 7 and a draft.
    A third product of Elm is dormant.
    """
    manager = make_user("manager", full_name="Manager 1")
    world = SimpleNamespace(
        manager=manager,
        admin=make_user("admin", full_name="Admin"),
        rep=make_user("sales_rep", full_name="Rep 1", manager=manager),
        other=make_user("sales_rep", full_name="Rep 2"),
    )
    garlic_group = make_group(code="G01", name="Garlic")
    garlic = make_product(item_code="110009", description="Peeled garlic", group=garlic_group, weight=Decimal(9))
    paste = make_product(
        item_code="120001", description=HOSTILE, group=make_group(code="G02", name=HOSTILE), uom="PAIL"
    )
    world.elm = make_customer(customer_id="C1", name="Elm Supply, Inc.", short_name=HOSTILE, sales_rep=world.rep)
    world.fir = make_customer(customer_id="C2", name="Fir Foods", sales_rep=world.other)
    entries = [
        make_entry(world.elm, garlic, price="52"),
        make_entry(world.elm, paste, price="4.25"),
        make_entry(world.fir, garlic, price="50"),
    ]
    for entry in entries:
        make_actual(entry, dt.date(2026, 12, 1))
    make_entry(world.elm, make_product(item_code="130001", group=garlic_group))
    world.cycle = open_cycle(by=world.admin)
    world.garlic, world.paste, world.firs = (
        Line.objects.get(cycle=world.cycle, customer=entry.customer, product=entry.product) for entry in entries
    )
    answer(world.garlic, 100)
    answer(world.paste, "10.5")
    answer(world.firs, 7)
    submit(world.garlic)
    submit(world.paste)
    with acting(world.manager, source="web"):
        services.approve_lines(world.cycle.pk, [ref(world.garlic)], by=world.manager)
    return world


def book_of(cycle: Cycle, user: User) -> bytes:
    cycle.refresh_from_db()
    target = io.BytesIO()
    write_workbook(target, cycle, User.objects.get(pk=user.pk), TAKEN)
    return target.getvalue()


def values(book: bytes, sheet: str) -> Worksheet:
    return load_workbook(io.BytesIO(book), data_only=True)[sheet]


def table(sheet: Worksheet) -> list[dict[str, Any]]:
    """The rows under the headings, with sixteen cells each under VOLUME, PRICE and SALES."""
    rows = [[found.value for found in row] for row in sheet.iter_rows()]
    head = next(n for n, row in enumerate(rows) if row[0] in ("Rep", "Customer", "Group"))
    found = []
    for row in rows[head + 1 :]:
        line = {name: value for name, value in zip(rows[head], row, strict=True) if isinstance(name, str)}
        for column, band in enumerate(rows[head - 1]):
            if band in ("VOLUME", "PRICE", "SALES"):
                line[band] = row[column : column + 16]
                line[f"{band} total"] = row[column + 16] if band != "PRICE" else None
        found.append(line)
    return found


def facts(book: bytes) -> dict[Any, list[Any]]:
    return {row[0].value: [found.value for found in row[1:]] for row in values(book, "About").iter_rows()}


def test_sheets_of_an_interim_book(world: SimpleNamespace) -> None:
    book = load_workbook(io.BytesIO(book_of(world.cycle, world.admin)))
    assert book.sheetnames == ["About", "Consol", "Summary by group", "Summary by customer", "Rep 1", "Rep 2"]


def test_consol_holds_every_live_line_with_its_numbers(world: SimpleNamespace) -> None:
    book = book_of(world.cycle, world.admin)
    first, second, third = table(values(book, "Consol"))
    assert [first["Rep"], first["Customer"], first["Item"], first["Description"], first["Customer ID"]] == [
        "Rep 1", HOSTILE, "110009", "Peeled garlic", "C1",
    ]  # fmt: skip
    assert [first["Group"], first["Unit"], first["Risk"], first["State"]] == [
        "G01 Garlic",
        "CS",
        "3 Estimate",
        "Approved",
    ]
    assert first["VOLUME"] == [100] * 16 and first["VOLUME total"] == 1200
    assert first["PRICE"] == [52] * 16
    assert first["SALES"] == [5200] * 16 and first["SALES total"] == 62_400
    assert second["State"] == "Submitted" and second["VOLUME"] == [10.5] * 16 and second["VOLUME total"] == 126
    assert second["SALES"] == [44.625] * 16 and second["SALES total"] == 535.5
    assert [third["Rep"], third["Customer"], third["State"], third["VOLUME total"]] == [
        "Rep 2",
        "Fir Foods",
        "Draft",
        84,
    ]
    assert third["SALES total"] == 4_200


def test_totals_are_formulas_with_the_value_they_have_and_units_are_not_added(world: SimpleNamespace) -> None:
    book = book_of(world.cycle, world.admin)
    formulas, cached = load_workbook(io.BytesIO(book))["Consol"], values(book, "Consol")
    # Rows 3 to 5: one total per unit, and one over all of them, which has money but no volume.
    units = [cached.cell(row, 7).value for row in (3, 4, 5)]
    assert units == ["CS", "PAIL", "all"]
    volume, sales, sales_total = 10, 43, 59
    assert [cached.cell(row, volume).value for row in (3, 4, 5)] == [107, 10.5, None]
    assert [cached.cell(row, sales).value for row in (3, 4, 5)] == [5550, 44.625, 5594.625]
    assert [cached.cell(row, sales_total).value for row in (3, 4, 5)] == [66_600, 535.5, 67_135.5]
    assert formulas.cell(3, volume).value == "=SUMPRODUCT(--EXACT($G$8:$G$10,$G3),J$8:J$10)"
    assert formulas.cell(5, sales_total).value == "=SUM(BG$8:BG$10)"
    assert formulas.cell(8, 26).value == "=SUM(J8:U8)"


def test_month_headings_are_dates(world: SimpleNamespace) -> None:
    heading = values(book_of(world.cycle, world.admin), "Consol").cell(7, 10)
    assert heading.value == dt.datetime(2027, 1, 1) and heading.number_format == "mmm yyyy"


def test_the_sheet_of_a_rep_has_their_lines_only(world: SimpleNamespace) -> None:
    rows = table(values(book_of(world.cycle, world.admin), "Rep 2"))
    assert [(row["Customer"], row["VOLUME total"]) for row in rows] == [("Fir Foods", 84)]


def test_summaries_never_add_units_and_name_products_without_weight(world: SimpleNamespace) -> None:
    book = book_of(world.cycle, world.admin)
    garlic, paste = table(values(book, "Summary by group"))
    assert [garlic["Group"], garlic["Unit"], garlic["Lines"], garlic["VOLUME total"]] == ["G01 Garlic", "CS", 2, 1284]
    assert garlic["kg"] == 1284 * 9 and garlic["Products without weight"] in (None, "")
    assert garlic["SALES total"] == 66_600
    assert [paste["Unit"], paste["VOLUME total"], paste["kg"]] == ["PAIL", 126, 0]
    assert paste["Products without weight"] == "120001"
    groups, weight = values(book, "Summary by group"), 21
    totals = [[groups.cell(row, column).value for column in (2, weight, weight + 1)] for row in (3, 4, 5)]
    assert totals == [["CS", 1284 * 9, ""], ["PAIL", 0, "120001"], ["all", 1284 * 9, "120001"]]
    customers = table(values(book, "Summary by customer"))
    assert [(row["Customer ID"], row["Unit"], row["VOLUME total"], row["SALES total"]) for row in customers] == [
        ("C1", "CS", 1200, 62_400), ("C1", "PAIL", 126, 535.5), ("C2", "CS", 84, 4_200),
    ]  # fmt: skip


def test_about_says_what_the_file_is(world: SimpleNamespace) -> None:
    about = facts(book_of(world.cycle, world.admin))
    assert any("INTERIM" in str(key) for key in about)
    assert about["Taken"][0] == "22 Dec 2026 18:04 (UTC) by Admin"
    assert about["Scope"][0] == "the whole company"
    assert about["Lines"][0] == "3 live; 1 dormant, which are 0 in the plan and left out of the sheets"
    assert about["Without weight"][0] == "120001: not part of the weights"
    lines, of_lines, sales, of_sales = about["Approved"][:4]
    assert (lines, sales) == (1, 62_400)
    assert round(of_lines, 6) == 0.333333 and round(of_sales, 6) == round(62_400 / 67_135.5, 6)
    assert about["Submitted or approved"][0] == 2 and about["Submitted or approved"][2] == 62_935.5
    # All lines are estimates, which count 0.4.
    assert about["3 Estimate"][:6] == [0.4, 3, 67_135.5, 26_854.2, 1284, 513.6]


def test_a_rep_and_a_manager_get_the_lines_they_may_see(world: SimpleNamespace) -> None:
    for user, name in ((world.rep, "Rep 1"), (world.manager, "Manager 1")):
        book = book_of(world.cycle, user)
        assert {row["Rep"] for row in table(values(book, "Consol"))} == {"Rep 1"}
        assert facts(book)["Scope"][0] == f"only the lines that {name} may see, not the whole company"
        told = values(book, "Consol")["A2"].value
        assert told.startswith(f"INTERIM. Live lines that {name} may see, not the whole company; amounts in USD;")
        assert b"Fir Foods" not in b"".join(_parts(book))
    assert file_name(world.cycle, world.rep, TAKEN, "xlsx") == "sop-jan-2027-interim-20261222-1804-rep-1.xlsx"
    assert file_name(world.cycle, world.admin, TAKEN, "csv") == "sop-jan-2027-interim-20261222-1804.csv"


def _parts(book: bytes) -> list[bytes]:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(book)) as archive:
        return [archive.read(name) for name in archive.namelist()]


def test_blank_cells_stay_blank_and_a_volume_without_price_has_no_sales(world: SimpleNamespace) -> None:
    with acting(world.other, source="web"):
        world.firs.refresh_from_db()
        january, february = world.cycle.periods[:2]
        edit = services.LineEdit(world.firs.pk, world.firs.revision, {january: None}, {february: None})
        services.set_cells(world.cycle.pk, [edit], by=world.other)
    book = book_of(world.cycle, world.admin)
    third = table(values(book, "Consol"))[2]
    assert third["VOLUME"][:3] == [None, 7, 7] and third["SALES"][:3] == [None, None, 350]
    about = facts(book)
    assert about["Not answered"][0] == "1 mandatory cell is still blank, counted as nothing"
    assert about["Without price"][0] == "1 cell is planned without a price; the sales are missing"
    assert about["Missed lines"][0] == "none"
    assert facts(book)["Submitted or approved"][2] == 62_935.5


def _closed(world: SimpleNamespace) -> Cycle:
    with acting(world.admin, source="web"):
        return cycle_services.close_cycle(world.cycle.pk, by=world.admin)


def test_a_missed_line_is_marked_and_its_edits_are_listed_beside_the_plan(world: SimpleNamespace) -> None:
    _closed(world)
    book = book_of(world.cycle, world.admin)
    missed = table(values(book, "Consol"))[2]
    # It was prefilled blank, so the plan has nothing; the typed 7 stand on their own sheet.
    assert missed["State"] == "Missed" and missed["VOLUME"] == [None] * 16 and missed["VOLUME total"] == 0
    sheet = load_workbook(io.BytesIO(book))["Consol"]
    assert sheet["A10"].fill.fgColor.rgb == "FFFDF1DA" and sheet["A8"].fill.fgColor.rgb != "FFFDF1DA"
    assert sheet["J10"].fill.fgColor.rgb == "FFFDF1DA"
    edits = values(book, "Unsubmitted edits")
    assert [edits.cell(6, column).value for column in (1, 6, 7, 23)] == ["Rep 2", "not submitted", 7, 84]
    assert facts(book)["Missed lines"][0].startswith("1, tinted on every sheet.")


def test_a_published_cycle_is_final(world: SimpleNamespace) -> None:
    _closed(world)
    with acting(world.admin, source="web"):
        cycle_services.publish_cycle(world.cycle.pk, by=world.admin)
    book = book_of(world.cycle, world.admin)
    assert facts(book)["Edition"][0] == "FINAL"
    assert "-final-" in file_name(world.cycle, world.admin, TAKEN, "xlsx")
    assert table(values(book, "Consol"))[0]["VOLUME total"] == 1200


def test_hostile_texts_stay_texts_on_every_sheet(world: SimpleNamespace) -> None:
    User.objects.filter(pk=world.rep.pk).untracked().update(full_name="=1+1[*]")
    book = load_workbook(io.BytesIO(book_of(world.cycle, world.admin)))
    assert "=1+1" in book.sheetnames
    formulas = {found.value for sheet in book for row in sheet.iter_rows() for found in row if found.data_type == "f"}
    own = re.compile(r"=(SUM|SUMPRODUCT|IF)\([-A-Z0-9$:,()=/]+\)|=B\d+|=[A-Z]+\d+([*+][A-Z]+\d+)*")
    assert formulas and [text for text in formulas if not own.fullmatch(text)] == []
    assert HOSTILE in {found.value for found in book["Consol"]["B"]}


def test_a_book_without_lines_is_readable(world: SimpleNamespace) -> None:
    nobody = make_user("manager", full_name="Manager 9")
    book = book_of(world.cycle, nobody)
    assert load_workbook(io.BytesIO(book)).sheetnames == ["About", "Consol", "Summary by group", "Summary by customer"]


def test_calamine_reads_the_same_totals(world: SimpleNamespace) -> None:
    rows = CalamineWorkbook.from_filelike(io.BytesIO(book_of(world.cycle, world.admin))).get_sheet_by_name("Consol")
    assert rows.to_python()[4][58] == 67_135.5


def test_totals_equal_the_database(world: SimpleNamespace) -> None:
    book = book_of(world.cycle, world.admin)
    lines = Line.objects.filter(cycle=world.cycle, live=True)
    sums = [sum(line.quantity[n] * line.unit_price[n] for line in lines) for n in range(16)]
    assert [Decimal(str(values(book, "Consol").cell(5, 43 + n).value)) for n in range(16)] == sums


def test_csv_has_the_same_rows(world: SimpleNamespace) -> None:
    target = io.BytesIO()
    world.cycle.refresh_from_db()
    write_csv(target, world.cycle, world.admin)
    rows = list(csv.reader(io.StringIO(target.getvalue().decode("utf-8-sig"))))
    assert (
        rows[0][:3] == ["Rep", "Customer", "Item"] and rows[0][9] == "Volume 2027-01" and rows[0][25] == "Price 2027-01"
    )
    assert rows[1][:4] == ["Rep 1", f"'{HOSTILE}", "110009", "Peeled garlic"]
    assert rows[2][9] == "10.5" and rows[2][41] == "44.625" and len(rows) == 4


def test_the_download_is_private_and_named_after_whose_lines_it_holds(world: SimpleNamespace, client: Client) -> None:
    client.force_login(world.rep)
    answered = client.get(reverse("forecasts:consolidated", args=[world.cycle.pk]))
    assert answered.status_code == 200 and "no-store" in answered["Cache-Control"]
    assert re.search(r'filename="sop-jan-2027-interim-\d{8}-\d{4}-rep-1\.xlsx"', answered["Content-Disposition"])
    assert load_workbook(io.BytesIO(b"".join(answered.streaming_content))).sheetnames[0] == "About"


def test_the_download_as_csv(world: SimpleNamespace, client: Client) -> None:
    client.force_login(world.admin)
    answered = client.get(reverse("forecasts:consolidated", args=[world.cycle.pk]), {"format": "csv"})
    assert answered["Content-Type"] == "text/csv; charset=utf-8"
    assert b"".join(answered.streaming_content).startswith(b"\xef\xbb\xbfRep,Customer")


def test_what_is_not_there_to_download(world: SimpleNamespace, client: Client) -> None:
    with acting(world.admin, source="web"):
        draft = cycle_services.create_cycle(
            first_period=dt.date(2027, 2, 1), closes_at=dt.datetime(2030, 1, 1, tzinfo=dt.UTC), by=world.admin
        )
    client.force_login(world.admin)
    address = reverse("forecasts:consolidated", args=[draft.pk])
    assert client.get(address).status_code == 409
    assert client.get(reverse("forecasts:consolidated", args=[world.cycle.pk]), {"format": "exe"}).status_code == 422
    assert client.get(reverse("forecasts:consolidated", args=[0])).status_code == 404
    client.force_login(world.rep)
    assert client.get(address).status_code == 404


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_libreoffice_calculates_the_totals_that_are_cached(world: SimpleNamespace, tmp_path: Path) -> None:
    _closed(world)
    book = book_of(world.cycle, world.admin)
    # Without their values, formulas have to be calculated.
    stripped = load_workbook(io.BytesIO(book))
    stripped.save(tmp_path / "book.xlsx")
    subprocess.run(
        ["soffice", f"-env:UserInstallation=file://{tmp_path}/profile", "--headless", "--convert-to", "xlsx",
         "--outdir", str(tmp_path / "out"), str(tmp_path / "book.xlsx")],
        check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    calculated = load_workbook(tmp_path / "out" / "book.xlsx", data_only=True)
    ours, checked = load_workbook(io.BytesIO(book), data_only=True), 0
    for sheet in stripped:
        for row in sheet.iter_rows():
            for found in row:
                if found.data_type == "f":
                    place = (sheet.title, found.coordinate)
                    cached, fresh = (
                        ours[sheet.title][found.coordinate].value,
                        calculated[sheet.title][found.coordinate].value,
                    )
                    assert fresh == pytest.approx(cached, abs=1e-9), place
                    checked += 1
    assert checked > 100
