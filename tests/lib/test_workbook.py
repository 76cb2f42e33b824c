"""The bounded reader: what it gives back of good files, and which sentence it says of bad ones."""

import datetime as dt
import functools
import os
import random
import signal
import struct
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

import orjson
import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sop_portal.lib.errors import DomainError, Refused, TooLarge
from sop_portal.lib.workbook import ErrorCell, Limits, cell_name, column_name, read_workbook
from sop_portal.lib.workbook.process import CHILD
from tests.workbooks import DIV0, Formula, Plan, Row, grid, save_ods, save_xlsb, save_xlsx

DATA = Path(__file__).parents[1] / "data"
GRID = {
    (1, 1): "text", (1, 2): 5, (1, 3): 15638.333, (1, 4): True, (1, 5): DIV0, (1, 6): dt.date(2025, 11, 24),
    (3, 0): "#DIV/0!", (3, 1): "=1+1",
}  # fmt: skip


def rewrite(source: Path, target: Path, changes: dict[str, bytes]) -> Path:
    """Copy an archive with some parts replaced or added."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name not in changes:
                new.writestr(name, old.read(name))
        for name, data in changes.items():
            new.writestr(name, data)
    return target


@pytest.fixture
def good(tmp_path):
    return save_xlsx(tmp_path / "good.xlsx", {"Alder": GRID})


@pytest.mark.parametrize("write", [save_xlsx, save_xlsb, save_ods])
def test_values_stand_at_their_addresses(tmp_path, write):
    cells = {at: value for at, value in GRID.items() if value is not True}
    book = read_workbook(write(tmp_path / "a", {"Alder": cells, "Empty": {}}))
    assert [sheet.name for sheet in book.sheets] == ["Alder", "Empty"]
    sheet = book.sheets[0]
    assert book.format == write.__name__.removeprefix("save_")
    assert sheet.rows[0] == [] and sheet.rows[2] == []
    assert sheet.rows[1][:4] == [None, "text", 5, 15638.333]
    assert sheet.rows[1][6] == dt.date(2025, 11, 24)
    assert sheet.rows[3] == ["#DIV/0!", "=1+1"]
    assert sheet.at(99, 99) is None


@pytest.mark.parametrize("write", [save_xlsx, save_xlsb])
def test_error_cells_are_kept_apart_from_text_that_looks_like_one(tmp_path, write):
    sheet = read_workbook(write(tmp_path / "a", {"S": {(0, 0): DIV0, (0, 1): "#DIV/0!"}})).sheets[0]
    assert sheet.rows == [[ErrorCell("#DIV/0!"), "#DIV/0!"]]


def test_old_excel_format_with_error_cell():
    book = read_workbook(DATA / "plan.xls")
    assert book.format == "xls"
    assert book.sheets[0].rows[7][6:10] == [100, ErrorCell("#DIV/0!"), None, 2.5]


def test_the_bytes_decide_not_the_name(tmp_path):
    path = save_xlsb(tmp_path / "report.pdf", {"S": {(0, 0): 1}})
    assert read_workbook(path).format == "xlsb"


def test_formula_without_result_is_named(tmp_path):
    path = save_xlsx(tmp_path / "a.xlsx", {"S": {(2, 1): Formula("=A1+1"), (2, 2): 7}})
    sheet = read_workbook(path).sheets[0]
    assert sheet.formulas_without_value == {(2, 1)}
    assert sheet.rows[2] == [None, None, 7]


def test_hidden_sheets_and_the_1904_calendar_are_told(tmp_path):
    path = save_xlsx(tmp_path / "a.xlsx", {"S": {(0, 0): 1}, "T": {(0, 0): 1}}, hidden=["T"])
    assert [sheet.visible for sheet in read_workbook(path).sheets] == [True, False]
    with zipfile.ZipFile(path) as archive:
        xml = archive.read("xl/workbook.xml").replace(b"<workbookPr ", b'<workbookPr date1904="1" ')
    assert read_workbook(rewrite(path, tmp_path / "b.xlsx", {"xl/workbook.xml": xml})).date1904


def test_a_number_beyond_all_numbers_is_an_error_cell(tmp_path, good):
    with zipfile.ZipFile(good) as archive:
        xml = archive.read("xl/worksheets/sheet1.xml").replace(b"<v>5</v>", b"<v>1e999</v>")
    path = rewrite(good, tmp_path / "b.xlsx", {"xl/worksheets/sheet1.xml": xml})
    assert read_workbook(path).sheets[0].rows[1][2] == ErrorCell("#NUM!")


@pytest.mark.parametrize("write", [save_xlsx, save_xlsb, save_ods])
def test_a_sheet_beyond_the_limits_is_left_unread_and_the_rest_is_read(tmp_path, write):
    sheets = {"Wide": {(0, 0): 1, (0, 200): 1}, "Long": {(20_000, 0): 1}, "Fits": {(0, 199): 3}}
    wide, long, fits = read_workbook(write(tmp_path / "a", sheets)).sheets
    assert wide.rows == [] and "It reaches to GS1; at most 20,000 rows and 200 columns" in wide.unread
    assert long.rows == [] and "A20001" in long.unread
    assert fits.unread == "" and fits.at(0, 199) == 3


def test_a_stray_cell_in_the_last_corner_costs_nothing(tmp_path):
    path = save_xlsx(tmp_path / "a.xlsx", {"S": {(0, 0): 1, (1_048_575, 16_383): 1}})
    assert "XFD1048576" in read_workbook(path).sheets[0].unread


@pytest.mark.parametrize(("rows", "columns", "corner"), [(100_000, 16_384, "XFD100000"), (2**32 - 1, 2**32 - 1, "")])
def test_an_ods_that_repeats_cells_beyond_any_sheet_is_too_long_and_not_damaged(tmp_path, rows, columns, corner):
    path = save_ods(tmp_path / "a.ods", {"Wide": {(0, 0): "text"}})
    with zipfile.ZipFile(path) as archive:
        xml = archive.read("content.xml").decode()
    xml = xml.replace("<table:table-row>", f'<table:table-row table:number-rows-repeated="{rows}">')
    xml = xml.replace("<table:table-cell ", f'<table:table-cell table:number-columns-repeated="{columns}" ')
    said = sentence(rewrite(path, tmp_path / "b.ods", {"content.xml": xml.encode()}))
    assert said.startswith(f"422 The sheet 'Wide' reaches to {corner}")
    assert said.endswith(
        "200 columns are read. Delete the rows and columns behind the table and upload the file again."
    )


def sentence(path: Path, limits: Limits | None = None) -> str:
    with pytest.raises(DomainError) as refusal:
        read_workbook(path, limits=limits)
    return f"{refusal.value.status} {refusal.value.detail}"


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"", "422 The file is empty (0 bytes)"),
        (b"%PDF-1.7 and so on", "422 The file is a PDF document"),
        (b"Customer,Item,Qty\r\n1,2,3\r\n", "422 The file is plain text (such as CSV)"),
        ("Kunde;Artikel".encode("utf-16"), "422 The file is plain text (such as CSV)"),
        (b"<html><table></table></html>", "422 The file is a web page (HTML)"),
        (b"\x89PNG\r\n\x1a\n", "422 The file is a picture"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "422 The file is an XML document"),
        (b"PK\x05\x06" + bytes(18), "422 The file is a packed archive"),
        (b"\x00\x01\x02\x03", "422 The file is of an unknown kind"),
        (b"PK\x03\x04 cut off", "422 The file is damaged or was cut off"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(2000), "422 The file is an older Office document but not an Excel"),
        (
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "EncryptedPackage".encode("utf-16-le"),
            "422 The workbook is protected by a password",
        ),
        (
            bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600) + "Workbook".encode("utf-16-le"),
            "422 The file is damaged or was cut off",
        ),
    ],
)  # fmt: skip
def test_what_is_no_workbook_is_named(tmp_path, head, said):
    path = tmp_path / "plan.xlsx"
    path.write_bytes(head)
    assert sentence(path).startswith(said)


def test_truncated_at_any_place_is_damaged(tmp_path, good):
    data = good.read_bytes()
    path = tmp_path / "cut.xlsx"
    for end in (100, len(data) // 2, len(data) - 30):
        path.write_bytes(data[:end])
        assert "422 The file is damaged or was cut off on its way" in sentence(path)


def test_too_large_on_disk(tmp_path, good):
    assert sentence(good, Limits(size=1000)).startswith("413 The file has 0.0 MB; at most 0 MB are read.")


def zipped(path: Path, parts: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path


def test_bombs(tmp_path, good):
    flat = rewrite(good, tmp_path / "ratio.xlsx", {"xl/media/image1.png": bytes(30_000_000)})
    assert flat.stat().st_size < 100_000
    assert sentence(flat).startswith("413 The file unpacks to more than 100 MB, or to more than 100 times its size")
    noise = random.Random(1).randbytes(200_000)
    big = rewrite(good, tmp_path / "size.xlsx", {"xl/media/image1.png": noise * 12})
    assert sentence(big, Limits(unpacked=2_000_000)).startswith("413 The file unpacks to more than 1 MB")
    many = zipped(tmp_path / "many.xlsx", {f"xl/p{number}.xml": b"" for number in range(2_001)})
    assert sentence(many).startswith("413 The file is an archive of 2,001 parts")
    cells = {(row, column): 1 for row in range(40) for column in range(30)}
    full = save_xlsx(tmp_path / "cells.xlsx", {"S": cells})
    assert sentence(full, Limits(cells=1_000)).startswith("413 The workbook has more than 1,000 filled cells")


def test_sizes_that_lie_are_found_while_unpacking(tmp_path, good):
    path = rewrite(good, tmp_path / "lie.xlsx", {"xl/media/image1.png": bytes(40_000_000)})
    data = bytearray(path.read_bytes())
    claimed, told = struct.pack("<I", 40_000_000), struct.pack("<I", 1_000)
    assert data.count(claimed) >= 1
    path.write_bytes(bytes(data).replace(claimed, told))
    assert sentence(path)[:3] in ("413", "422")


def test_memory_and_time_are_bounded(tmp_path, good):
    cells = b"<row>" + b"<c><v>1</v></c>" * 150 + b"</row>"
    xml = b"<worksheet><sheetData>" + cells * 4_000 + b"</sheetData></worksheet>"
    path = rewrite(good, tmp_path / "huge.xlsx", {"xl/worksheets/sheet1.xml": xml})
    memory = Limits(memory=70 << 20, ratio=10_000)
    assert sentence(path, memory).startswith("413 The workbook needs more than 70 MB or 15 seconds to be read.")
    seconds = Limits(seconds=0)
    assert sentence(good, seconds).startswith("413 The workbook needs more than 512 MB or 0 seconds to be read.")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("mark", ["<!DOCTYPE x [", '<!ENTITY lol "lol">'])
def test_document_types_are_refused_in_any_encoding_and_place(tmp_path, good, encoding, mark):
    far = ("<!--" + "x" * 262_140 + "-->" + mark).encode(encoding)
    path = rewrite(good, tmp_path / "dtd.xlsx", {"xl/sharedStrings.xml": far})
    assert sentence(path).startswith("422 The file holds a document type definition (in xl/sharedStrings.xml)")


def test_other_office_documents_and_encrypted_archives(tmp_path, good):
    assert "is a Word document, not a workbook" in sentence(zipped(tmp_path / "w", {"word/document.xml": b"<x/>"}))
    assert "is an archive, not a workbook" in sentence(zipped(tmp_path / "z", {"readme.txt": b"hello"}))
    data = bytearray(good.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    locked = tmp_path / "locked.xlsx"
    locked.write_bytes(data)
    assert "protected by a password" in sentence(locked)


def test_links_to_other_files_and_macros_are_left_alone(tmp_path, good):
    extra = {"xl/vbaProject.bin": b"macro", "xl/externalLinks/externalLink1.xml": b"<externalLink/>"}
    path = rewrite(good, tmp_path / "macro.xlsm", extra)
    assert read_workbook(path).sheets[0].rows[1][1] == "text"


@functools.cache
def original(kind):
    """A workbook to mutate, made at one fixed instant: a file names the time it was made, and draws count its bytes."""
    plan = Plan(rows=[Row(110001, "Peeled", [10] * 16, [4.5] * 16)])
    with (
        time_machine.travel(dt.datetime(2026, 1, 2, 3, 4, 6, tzinfo=dt.UTC), tick=False),
        TemporaryDirectory() as folder,
    ):
        return kind(Path(folder) / "source", {"Alder": grid(plan), "Sheet1": GRID}).read_bytes()


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_mutated_workbooks_are_read_or_refused(tmp_path, data):
    kind = data.draw(st.sampled_from([save_xlsx, save_xlsb, save_ods, None]))
    source = DATA / "plan.xls"
    if kind:
        source = tmp_path / "source"
        source.write_bytes(original(kind))
    path = tmp_path / "mutant"
    if kind and data.draw(st.booleans()):
        with zipfile.ZipFile(source) as archive:
            part = data.draw(st.sampled_from(archive.namelist()))
            path = rewrite(source, path, {part: mutated(archive.read(part), data)})
    else:
        path.write_bytes(mutated(source.read_bytes(), data))
    try:
        read_workbook(path)
    except (Refused, TooLarge) as refusal:
        assert refusal.detail.endswith(".")


def mutated(content: bytes, data: st.DataObject) -> bytes:
    """`content` with a few bytes changed, cut out, doubled or inserted."""
    changed = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(changed) - 1)))
        piece = data.draw(
            st.binary(max_size=6) | st.sampled_from([b"<", b">", b'"', b"&#0;", b"\xff\xfe", b"99999999"])
        )
        length = data.draw(st.sampled_from([0, 1, 8, 64]))
        changed[at : at + length] = piece
    return bytes(changed)


def test_the_reading_process_dies_with_its_parent(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    orders = {
        "path": str(fifo), "kind": "zip", "memory": 512 << 20, "seconds": 60, "output": 1 << 20, "entries": 1,
        "unpacked": 1, "ratio": 1, "rows": 1, "columns": 1, "cells": 1, "table": False,
    }  # fmt: skip
    # The parent here is a process of its own that starts the child, says its number, and waits to be killed.
    script = (
        "import json, os, subprocess, sys, time\n"
        "orders = json.loads(sys.argv[2]) | {'parent': os.getpid()}\n"
        "child = subprocess.Popen([sys.executable, '-I', sys.argv[1], json.dumps(orders)], stdout=subprocess.DEVNULL)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(CHILD), orjson.dumps(orders).decode()], stdout=subprocess.PIPE
    )
    child = int(parent.stdout.readline())
    try:
        # Once it has its limits it waits for the named pipe to be opened for writing.
        assert eventually(lambda: "Max core file size        0 " in Path(f"/proc/{child}/limits").read_text())
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert eventually(lambda: not alive(child))
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()


def eventually(holds, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_addresses():
    assert [column_name(column) for column in (0, 25, 26, 51, 701, 702, 16_383)] == [
        "A", "Z", "AA", "AZ", "ZZ", "AAA", "XFD",
    ]  # fmt: skip
    assert cell_name(6, 2) == "C7"
