"""Damaged and hostile files: a good table in every format, and what chance makes of it.

`mutant(seed)` is the same file for the same seed. Workbooks are changed where it hurts: in a part of the archive, in a
node of its XML, an attribute, a type, an encoding; CSV files in their quotes, separators and encodings; all of them
in single bytes.
"""

import csv
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

MONTHS = range(1, 13)
# Of each kind a table of twelve rows without a fault; C1 and 110001 are there already.
TABLES: dict[str, list[list]] = {
    "actuals": [
        ["Customer ID", "Item Code", "Period", "Quantity", "Amount", "Cost"],
        *(["C1", 110001, dt.date(2026, month, 1), month * 10, month * 52.5, None] for month in MONTHS),
    ],
    "budget": [
        ["Version", "Customer ID", "Item Code", "Period", "Quantity", "Amount"],
        *(["2027", "C1", 110001, dt.date(2027, month, 1), month * 10, month * 52.5] for month in MONTHS),
    ],
    "customers": [
        ["Customer ID", "Customer Name", "Region", "Credit Limit", "Default Risk Class", "Active"],
        *([f"C{month}", f"Zürich {month}, Inc.", "Süd", month * 0.5, "Plan", "Yes"] for month in MONTHS),
    ],
    "products": [
        ["Item Code", "Description", "Group Code", "Group Name", "Unit of Measure", "Weight", "List Price"],
        *([110000 + month, "Peeled 4x5", f"G{month % 3}", f"Garlic {month % 3}", "CS", 9.07, 52.5] for month in MONTHS),
    ],
    "matrix": [
        ["Customer ID", "Item Code", "Unit Price", "Valid From", "Active", "Lead Time Days"],
        *(["C1", 110001, 50 + month / 4, dt.date(2026, month, 1), "Yes", 14] for month in MONTHS),
    ],
    "users": [
        ["Email", "Full Name", "Employee ID", "Roles", "Active"],
        *([f"rep{month}@example.com", f"Rep {month}", f"00{month}", "sales_rep", "Yes"] for month in MONTHS),
    ],
}
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
    """One file: the kind it is uploaded as, what it was made of, the name it is uploaded under, and its bytes."""

    seed: int
    kind: str
    source: str
    name: str
    content: bytes


def mutant(seed: int) -> Mutant:
    """The file of a seed."""
    chance = random.Random(seed)
    # Every other file is one of actuals.
    kind = "actuals" if seed % 2 else chance.choice(sorted(TABLES))
    sources = _sources(kind)
    source = chance.choice(sorted(sources))
    content = sources[source]
    if source.startswith("csv"):
        changes = [*_BYTES, *[_csv_piece] * 12, _recode]
    else:
        changes = [*_BYTES, *_ARCHIVE * 3] if content[:2] == b"PK" else _BYTES
    for _ in range(chance.choice([1, 1, 1, 2, 3])):
        content = chance.choice(changes)(content, chance)
    return Mutant(seed, kind, source, chance.choice(NAMES), content)


@functools.cache
def _sources(kind: str) -> dict[str, bytes]:
    """The table of a kind in each format, made at one instant: files name the time they were made.

    One of the workbooks has error cells and a formula that was saved without its result.
    """
    table = TABLES[kind]
    cells = {(row, column): value for row, line in enumerate(table) for column, value in enumerate(line)}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(table)
    found = {
        "csv utf-8": text.getvalue().encode(),
        "csv mark": text.getvalue().replace("\n", "\r\n").encode("utf-8-sig"),
        "csv western": text.getvalue().replace(",", ";").encode("cp1252"),
        "csv utf-16": text.getvalue().replace(",", "\t").encode("utf-16"),
        "xls": (DATA / "plan.xls").read_bytes(),
        "xlsx by another writer": _by_xlsxwriter(cells),
    }
    with (
        time_machine.travel(dt.datetime(2026, 1, 2, 3, 4, 6, tzinfo=dt.UTC), tick=False),
        TemporaryDirectory() as folder,
    ):
        for write in (save_xlsx, save_xlsb, save_ods):
            sheets = {"Sheet1": {at: value for at, value in cells.items() if value is not None}}
            sheets["Other"] = {(0, 0): "Remarks", (3, 3): True if write is save_xlsx else 1}
            found[write.__name__.removeprefix("save_")] = write(Path(folder) / "made", sheets).read_bytes()
        cells |= {(3, 3): Formula("=D2*2"), (4, 4): DIV0, (5, 4): DIV0}
        found["xlsx with errors"] = save_xlsx(Path(folder) / "made", {"Sheet1": cells}).read_bytes()
    return found


def _by_xlsxwriter(cells: dict) -> bytes:
    """The same cells with shared strings, styles and a formula with its value."""
    target = io.BytesIO()
    book = xlsxwriter.Workbook(target)
    book.set_properties({"created": dt.datetime(2026, 1, 2, tzinfo=dt.UTC)})
    sheet, month = book.add_worksheet("Sheet1"), book.add_format({"num_format": "mmm yyyy"})
    for (row, column), value in cells.items():
        if isinstance(value, dt.date):
            sheet.write_datetime(row, column, dt.datetime(value.year, value.month, 1), month)
        elif isinstance(value, float):
            sheet.write_formula(row, column, f"={value}*1", None, value)
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
