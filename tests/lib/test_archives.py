"""Zips of workbooks from outside: bounded, one level deep, names that lead nowhere."""

import io
import struct
import zipfile

import pytest

from sop_portal.lib.archives import bundle, is_zip, unbundle, unpack
from sop_portal.lib.errors import Refused, TooLarge
from sop_portal.lib.workbook import Limits
from tests.workbooks import Plan, Row, grid, save_xlsx

MB = 1024 * 1024
LIMITS = Limits(size=5 * MB, unpacked=40 * MB)


@pytest.fixture
def workbook(tmp_path):
    path = save_xlsx(tmp_path / "one.xlsx", {"Alder": grid(Plan(rows=[Row(1, "a", [5] * 16)]))})
    return path.read_bytes()


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "inside"
    path.mkdir()
    return path


def packed(path, members, **kw):
    with zipfile.ZipFile(path, "w", kw.get("how", zipfile.ZIP_DEFLATED)) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


def names(members):
    return [(member.name, member.refused) for member in members]


def test_workbooks_come_out_under_numbers_in_the_order_of_their_names(tmp_path, folder, workbook):
    path = packed(tmp_path / "all.zip", [("2026/West.xlsx", workbook), ("East.xlsx", workbook), ("2026/", b"")])
    found = unpack(path, folder, limits=LIMITS, most=10)
    assert names(found) == [("East.xlsx", ""), ("West.xlsx", "")]
    assert all(member.path.read_bytes() == workbook for member in found)
    assert sorted(path.name for path in folder.iterdir()) == ["0000", "0001"]


@pytest.mark.parametrize(
    "name",
    [
        "../../evil.xlsx",
        "/etc/evil.xlsx",
        "C:\\evil.xlsx",
        "..\\..\\evil.xlsx",
        "a/../../evil.xlsx",
        "evil.xlsx\x00.txt",
    ],
)
def test_no_name_leads_anywhere(tmp_path, folder, workbook, name):
    before = set(tmp_path.rglob("*"))
    found = unpack(packed(tmp_path / "all.zip", [(name, workbook)]), folder, limits=LIMITS, most=10)
    assert [member.path for member in found] in ([folder / "0000"], [])
    assert set(tmp_path.rglob("*")) - before <= {tmp_path / "all.zip", folder / "0000"}


def test_a_link_is_no_way_out(tmp_path, folder, workbook):
    path = tmp_path / "all.zip"
    entry = zipfile.ZipInfo("plan.xlsx")
    entry.create_system, entry.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, "/etc/passwd")
    assert unpack(path, folder, limits=LIMITS, most=10) == []
    assert list(folder.iterdir()) == []


def test_helper_files_and_other_documents_are_left_out(tmp_path, folder, workbook):
    path = packed(tmp_path / "all.zip", [
        ("__MACOSX/._West.xlsx", workbook), ("~$West.xlsx", workbook), (".hidden.xlsx", workbook), ("notes.txt", b"call them"),
        ("offer.pdf", b"%PDF-1.7"), ("West.xlsx", workbook), ("empty.xlsx", b""),
    ])  # fmt: skip
    assert names(unpack(path, folder, limits=LIMITS, most=10)) == [("West.xlsx", "")]


def test_an_archive_inside_is_not_opened(tmp_path, folder, workbook):
    inner = io.BytesIO()
    packed(inner, [("West.xlsx", workbook)])
    path = packed(tmp_path / "all.zip", [
        ("inner.zip", inner.getvalue()), ("named.xlsx", inner.getvalue()), ("old.7z", b"7z\xbc\xaf\x27\x1c"),
        ("East.xlsx", workbook),
    ])  # fmt: skip
    found = unpack(path, folder, limits=LIMITS, most=10)
    assert [(member.name, "archive inside" in member.refused) for member in found] == [
        ("East.xlsx", False), ("inner.zip", True), ("named.xlsx", True), ("old.7z", True),
    ]  # fmt: skip
    assert [path.read_bytes() == workbook for path in folder.iterdir()] == [True]


def test_a_workbook_is_no_archive_of_workbooks(tmp_path, folder, workbook):
    path = tmp_path / "plan.xlsx"
    path.write_bytes(workbook)
    assert is_zip(path)
    assert unpack(path, folder, limits=LIMITS, most=10) is None


def test_one_member_that_is_too_large_is_refused_alone(tmp_path, folder, workbook):
    big = b"PK\x03\x04" + bytes(6 * MB)
    found = unpack(
        packed(tmp_path / "all.zip", [("big.xlsx", big), ("ok.xlsx", workbook)]), folder, limits=LIMITS, most=9
    )
    assert [(member.name, bool(member.refused)) for member in found] == [("big.xlsx", True), ("ok.xlsx", False)]
    assert "more than 5 MB" in found[0].refused


def test_bombs_are_refused_whatever_they_declare(tmp_path, folder):
    many = [(f"{n}.xlsx", b"PK\x03\x04" + bytes(4 * MB)) for n in range(20)]
    path = packed(tmp_path / "bomb.zip", many)
    with pytest.raises(TooLarge, match="unpacks to more than 40 MB"):
        unpack(path, folder, limits=LIMITS, most=100)
    # A directory that says a member has ten bytes: what comes out is counted, not what is declared.
    data = bytearray(packed(tmp_path / "lie.zip", [("big.xlsx", b"PK\x03\x04" + bytes(6 * MB))]).read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 24 : at + 28] = struct.pack("<I", 10)
    (tmp_path / "lie.zip").write_bytes(bytes(data))
    other = tmp_path / "other"
    other.mkdir()
    (member,) = unpack(tmp_path / "lie.zip", other, limits=LIMITS, most=100)
    assert member.refused


def test_too_many_entries_and_too_many_workbooks_are_refused(tmp_path, folder, workbook):
    path = packed(tmp_path / "many.zip", [(f"{n}.xlsx", workbook) for n in range(4)])
    with pytest.raises(TooLarge, match="holds 4 workbooks; at most 3"):
        unpack(path, folder, limits=LIMITS, most=3)
    path = packed(tmp_path / "entries.zip", [(f"{n}.txt", b"x") for n in range(2001)])
    with pytest.raises(TooLarge, match="more than 2,000 entries"):
        unpack(path, folder, limits=LIMITS, most=3)


def test_a_directory_of_millions_needs_no_memory_of_ours(tmp_path, folder):
    """The central directory alone would take gigabytes as objects: the child gives up within its limit."""
    header = struct.pack("<4s6H3I5H2I", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    directory = header * 1_500_000
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 65535, 65535, len(directory), 4, 0)
    (tmp_path / "wide.zip").write_bytes(b"PK\x03\x04" + directory + end)
    with pytest.raises(TooLarge):
        unpack(tmp_path / "wide.zip", folder, limits=Limits(memory=256 * MB, seconds=40), most=10)


@pytest.mark.parametrize("cut", [10, 60, 200])
def test_a_cut_off_archive_is_refused(tmp_path, folder, workbook, cut):
    path = packed(tmp_path / "all.zip", [("West.xlsx", workbook)])
    path.write_bytes(path.read_bytes()[:-cut])
    with pytest.raises(Refused, match="damaged or was cut off"):
        unpack(path, folder, limits=LIMITS, most=10)


def test_a_damaged_or_locked_member_is_refused_alone(tmp_path, folder, workbook):
    path = packed(tmp_path / "all.zip", [("a.xlsx", workbook), ("b.xlsx", workbook)], how=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[3000] ^= 0xFF
    path.write_bytes(bytes(data))
    found = unpack(path, folder, limits=LIMITS, most=10)
    assert [bool(member.refused) for member in found] == [True, False]
    (directory,) = struct.unpack_from("<I", data, data.rindex(b"PK\x05\x06") + 16)
    for at in (directory + 8, 6):
        data[at] |= 1
    path.write_bytes(bytes(data))
    other = tmp_path / "other"
    other.mkdir()
    found = unpack(path, other, limits=LIMITS, most=10)
    assert ["password" in member.refused for member in found] == [True, False]


def test_uploads_are_bundled_as_they_are_and_come_out_again(tmp_path, folder, workbook):
    path = tmp_path / "kept"
    files = [("a.xlsx", [workbook[:100], workbook[100:]]), ("ä b.zip", [b"PK", b"\x03\x04"]), ("a.xlsx", [b""])]
    assert bundle(path, files, limit=MB) == len(workbook) + 4
    found = unbundle(path, folder)
    assert [(name, kept.read_bytes()) for name, kept in found] == [
        ("a.xlsx", workbook),
        ("ä b.zip", b"PK\x03\x04"),
        ("a.xlsx", b""),
    ]
    with pytest.raises(TooLarge, match="1 MB together"):
        bundle(tmp_path / "more", [("a", [bytes(MB)]), ("b", [b"x"])], limit=MB)
    assert not (tmp_path / "more").exists()
