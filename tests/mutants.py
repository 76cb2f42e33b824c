"""Damaged and hostile files: a good table in every format, and what chance makes of it.

`mutant(seed)` is the same file for the same seed. Workbooks are changed where it hurts: in a part of the archive, in a
node of its XML, an attribute, a type, an encoding; CSV files in their quotes, separators and encodings; all of them
in single bytes.
"""

import datetime as dt
import functools
import io
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import time_machine
import xlsxwriter

from tests.workbooks import DIV0, Formula, save_ods, save_xlsb, save_xlsx

HEADINGS = ["Customer ID", "Item Code", "Period", "Quantity", "Amount", "Cost"]
DATA = Path(__file__).parent / "data"
NAMES = [
    "sales.xlsx",
    "sales.csv",
    "sales.xlsx.exe",
    "../../etc/passwd",
    "x" * 251 + ".csv",
    "продажи 大蒜.xlsx",
    "=cmd.xls",
    "",
]
# What attributes and texts of a sheet are set to.
EXTREMES = [
    "", "0", "-1", "1", "4294967296", "99999999999999999999", "1e999", "-1e-999", "NaN", "XFD1048576", "A0", "ZZZZ1",
    "A1:XFD1048576", "e", "s", "b", "str", "inlineStr", "d", "n", "true", "2026-12-01", "2026-13-45T99:99:99",
    "#DIV/0!", "&#0;", "&bogus;", "&amp;#1;", "_x0000_", "\ud7ff", "\ue000formula", "\ue000fields 9", "'=1+1", "=1+1",
    "\t", "\\N", "\\.", "x" * 40_000, "é\u0301", "\u202e", "\x85", "xl/worksheets/sheet1.xml", "../../../etc/passwd",
    "http://127.0.0.1/", "utf-16", "cp037", "1900-02-29", "0001-01-01",
]  # fmt: skip
SNIPPETS = [
    b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"<!ENTITY x SYSTEM 'file:///etc/passwd'>", b"<!--", b"-->", b"<![CDATA[",
    b"]]>", b"<?xml?>", b"<row>", b"</row>", b"<c>", b"<c r='B2' t='e'><v>#N/A</v></c>", b"<f>1+1</f>", b"<v/>",
    b"<is><t>x</t></is>", b"</sheetData>", b"<mergeCell ref='A1:F1'/>", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf",
    b"<" * 500, b"<a>" * 3_000, b'"' * 7,
]  # fmt: skip
CSV_PIECES = [
    b'"', b'""', b'"\n', b"'", b",", b";", b"\t", b"\r", b"\n", b"\r\n", b"\x00", b"\xff", b"\xfe\xff", b"\xff\xfe",
    b"\xef\xbb\xbf", b"\xe9", b"\xc3\xa9", b"\xc3", b"\x81", b"\\", b"\\N", b"\\.", b"=1+1", b"'=1", b"1,5", b"1.234",
    b"1e5", b"-0", b"sep=;\n", b"," * 300, b"x" * 140_000, b"\xef\xbf\xbd", b"\xee\x80\x80formula", b"\xe2\x80\xae",
]  # fmt: skip
CSV_SIGNS = [
    b'"',
    b'""',
    b"'",
    b",",
    b";",
    b"\t",
    b"\n",
    b"\r\n",
    b"\\N",
    b"=1+1",
    b"1,5",
    b"-",
    b"e",
    b" ",
    b"0",
    b"x",
    b"2026",
]
_TAG = re.compile(rb"<[^<>]+>")
_ATTRIBUTE = re.compile(rb"""\s([\w:]+)=("[^"]*"|'[^']*')""")


@dataclass(frozen=True)
class Mutant:
    """One file: what it was made of, the name it is uploaded under, and its bytes."""

    seed: int
    source: str
    name: str
    content: bytes


def mutant(seed: int) -> Mutant:
    """The file of a seed."""
    chance = random.Random(seed)
    sources = _sources()
    source = chance.choice(sorted(sources))
    content = sources[source]
    if source.startswith("csv"):
        changes = [*_BYTES, *[_csv_piece] * 12, _recode]
    else:
        changes = [*_BYTES, *_ARCHIVE * 3] if content[:2] == b"PK" else _BYTES
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        content = chance.choice(changes)(content, chance)
    return Mutant(seed, source, chance.choice(NAMES), content)


@functools.cache
def _sources() -> dict[str, bytes]:
    """A good table of actuals in each format, made at one instant: files name the time they were made."""
    cells: dict = {(0, column): heading for column, heading in enumerate(HEADINGS)}
    for row in range(1, 13):
        values = ["C1", 110001, dt.date(2026, row, 1), row * 10, row * 52.5, Formula("=D2*2") if row == 3 else DIV0]
        cells |= {(row, column): value for column, value in enumerate(values) if row < 12 or column < 5}
    lines = [
        ["C1", "110001", f"2026-{row:02}-01", str(row * 10), f"{row * 52.5:.2f}", '"Zürich, CH"' if row == 5 else ""]
        for row in range(1, 13)
    ]
    text = "\n".join(",".join(line) for line in [HEADINGS, *lines])
    found = {
        "csv utf-8": text.encode(),
        "csv mark": text.replace("\n", "\r\n").encode("utf-8-sig"),
        "csv western": text.replace(",", ";").encode("cp1252"),
        "csv utf-16": text.replace(",", "\t").encode("utf-16"),
        "xls": (DATA / "plan.xls").read_bytes(),
        "xlsx by another writer": _by_xlsxwriter(cells),
    }
    with (
        time_machine.travel(dt.datetime(2026, 1, 2, 3, 4, 6, tzinfo=dt.UTC), tick=False),
        TemporaryDirectory() as folder,
    ):
        for write in (save_xlsx, save_xlsb, save_ods):
            sheets = {"Sales": cells, "Other": {(0, 0): "Remarks", (3, 3): True if write is save_xlsx else 1}}
            found[write.__name__.removeprefix("save_")] = write(Path(folder) / "made", sheets).read_bytes()
    return found


def _by_xlsxwriter(cells: dict) -> bytes:
    """The same cells with shared strings, styles and cached values."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    book.set_properties({"created": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)})
    sheet, month = book.add_worksheet("Sales"), book.add_format({"num_format": "mmm yyyy"})
    for (row, column), value in cells.items():
        if isinstance(value, Formula):
            sheet.write_formula(row, column, value.text, None, 7)
        elif value is DIV0:
            sheet.write_formula(row, column, "=1/0", None, "#DIV/0!")
        elif isinstance(value, dt.date):
            sheet.write_datetime(row, column, dt.datetime(value.year, value.month, 1), month)
        else:
            sheet.write(row, column, value)
    book.close()
    return target.getvalue()


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 4, 40])):
        if changed:
            changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _splice(content: bytes, chance: random.Random) -> bytes:
    at, end = sorted(chance.randrange(len(content) + 1) for _ in range(2))
    return content[:at] + content[end:] if chance.random() < 0.5 else content[:end] + content[at:]


def _csv_piece(content: bytes, chance: random.Random) -> bytes:
    pieces = CSV_PIECES if chance.random() < 0.4 else CSV_SIGNS
    for _ in range(chance.choice([1, 1, 2, 8])):
        at = chance.randrange(len(content) + 1)
        content = content[:at] + chance.choice(pieces) + content[at + chance.choice([0, 0, 1, 5]) :]
    return content


def _recode(content: bytes, chance: random.Random) -> bytes:
    text = content.decode("latin-1")
    return text.encode(chance.choice(["utf-16-le", "utf-16-be", "utf-32", "cp1252", "utf-7", "mac_roman"]), "replace")


def _in_archive(change: Callable[[dict[str, bytes], random.Random], None]) -> Callable[[bytes, random.Random], bytes]:
    def work(content: bytes, chance: random.Random) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                parts = {name: archive.read(name) for name in archive.namelist()}
        except Exception:
            # An earlier change left no archive.
            return _flip(content, chance)
        if not parts:
            return _flip(content, chance)
        change(parts, chance)
        target = io.BytesIO()
        with zipfile.ZipFile(target, "w", chance.choice([zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])) as archive:
            for name, data in parts.items():
                archive.writestr(zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6)), data, archive.compression)
        return target.getvalue()

    return work


def _any_part(parts: dict[str, bytes], chance: random.Random) -> str:
    """A part, more often one that holds cells."""
    sheets = [name for name in parts if "sheet" in name.lower() or "content" in name or "String" in name]
    return chance.choice(sheets if sheets and chance.random() < 0.7 else sorted(parts))


def _entry(parts: dict[str, bytes], chance: random.Random) -> None:
    name, other = _any_part(parts, chance), _any_part(parts, chance)
    match chance.randrange(5):
        case 0:
            del parts[name]
        case 1:
            parts[name] = parts[other]
        case 2:
            parts[chance.choice(["../evil.xml", "xl/workbook.bin", name.upper(), "mimetype", "a" * 300])] = parts[name]
        case 3:
            parts[name] = b""
        case _:
            parts[name] = _flip(parts[name], chance)


def _node(parts: dict[str, bytes], chance: random.Random) -> None:
    name = _any_part(parts, chance)
    data = parts[name]
    tags = list(_TAG.finditer(data))
    if not tags:
        parts[name] = _flip(data, chance)
        return
    one, other = sorted(chance.choices(tags, k=2), key=lambda tag: tag.start())
    match chance.randrange(5):
        case 0:
            data = data[: one.start()] + data[one.end() :]
        case 1:
            data = data[: other.end()] + data[one.start() : other.end()] + data[other.end() :]
        case 2:
            data = data[: one.start()] + data[other.end() :]
        case 3:
            data = data[: one.start()] + chance.choice(SNIPPETS) + data[one.start() :]
        case _:
            inner = data.find(b"<", one.end())
            data = data[: one.end()] + chance.choice(EXTREMES).encode() + data[max(inner, one.end()) :]
    parts[name] = data


def _attribute(parts: dict[str, bytes], chance: random.Random) -> None:
    name = _any_part(parts, chance)
    data = parts[name]
    for _ in range(chance.choice([1, 1, 3, 20])):
        found = list(_ATTRIBUTE.finditer(data))
        if not found:
            break
        attribute = chance.choice(found)
        value = chance.choice(EXTREMES).replace('"', "").encode()
        data = data[: attribute.start(2)] + b'"' + value + b'"' + data[attribute.end(2) :]
    parts[name] = data


def _encoding(parts: dict[str, bytes], chance: random.Random) -> None:
    name = _any_part(parts, chance)
    text = parts[name].decode("utf-8", "replace")
    encoding = chance.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-8-sig"])
    if chance.random() < 0.5:
        text = re.sub('encoding="[^"]*"', f'encoding="{chance.choice([encoding, "utf-8", "x"])}"', text)
    parts[name] = text.encode(encoding, "replace")


_BYTES = [_flip, _cut, _splice]
_ARCHIVE = [*map(_in_archive, [_entry, _node, _node, _attribute, _attribute, _attribute, _encoding])]
