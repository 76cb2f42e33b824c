"""The workbooks of one run: one file, several, or a zip of them; each is read, or refused with a sentence."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from forecasts.excel.legacy_model import LegacyBook
from forecasts.excel.legacy_sheets import parse_book
from masterdata.imports.files import UNPACKED, label_of, largest, largest_list, wrong_ending
from sop_portal.lib import temporary
from sop_portal.lib.archives import is_zip, unpack
from sop_portal.lib.errors import DomainError, Refused
from sop_portal.lib.workbook import Limits, read_workbook

# Workbooks of one upload: those of a large team. More are read in a minute or two than the worker may take.
MOST_FILES = 100
ENDINGS = (".xlsx", ".xlsb", ".xlsm", ".xls", ".ods")


@dataclass(frozen=True, slots=True)
class Source:
    """A workbook on disk with its label; `refused` says why it could not be unpacked."""

    file: str
    path: Path | None
    refused: str = ""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What became of one file: its book, or why it cannot be read (`refused`) or need not be (`left`)."""

    file: str
    book: LegacyBook | None = None
    refused: str = ""
    left: str = ""


def limits() -> Limits:
    """What is read of one workbook that an admin imports."""
    return Limits(size=largest_list(), unpacked=UNPACKED)


@contextmanager
def sources(files: Sequence[tuple[str, Path]], most: int | None = MOST_FILES) -> Iterator[list[Source]]:
    """The workbooks among `files` (name, path), zips unpacked for as long as this is open; labels are unique.

    An archive that cannot be unpacked is a source that is refused. Raises Refused beyond `most` workbooks.
    """
    with tempfile.TemporaryDirectory(prefix="workbooks-", dir=temporary.folder()) as folder:
        found: list[Source] = []
        for number, (name, path) in enumerate(files):
            inside = Path(folder) / str(number)
            found += _unpacked(name, path, inside) if is_zip(path) else [Source(label_of(name), path)]
        if most is not None and len(found) > most:
            raise Refused(f"These are {len(found):,} workbooks; at most {most} are taken in one import.")
        yield _with_own_labels(found)


def _unpacked(name: str, path: Path, folder: Path) -> list[Source]:
    """The workbooks in an archive; a workbook is an archive by itself."""
    folder.mkdir()
    try:
        members = unpack(path, folder, limits=Limits(size=largest(), unpacked=UNPACKED), most=MOST_FILES)
    except DomainError as refusal:
        return [Source(label_of(name), None, refusal.detail)]
    if members is None:
        return [Source(label_of(name), path)]
    if not members:
        sentence = "The archive holds no workbook. Pack the planning workbooks themselves and upload that file."
        return [Source(label_of(name), None, sentence)]
    return [
        Source(label_of(member.name), None, wrong)
        if not member.refused and (wrong := wrong_ending(member.name))
        else Source(label_of(member.name), member.path, member.refused)
        for member in members
    ]


def _with_own_labels(found: Sequence[Source]) -> list[Source]:
    seen: dict[str, int] = {}
    own = []
    for source in found:
        times = seen[source.file] = seen.get(source.file, 0) + 1
        stem, dot, ending = source.file.rpartition(".")
        label = source.file if times == 1 else f"{stem} ({times}){dot}{ending}" if dot else f"{ending} ({times})"
        own.append(Source(label, source.path, source.refused))
    return own


def read_files(
    found: Sequence[Source], read: Callable[[Path], LegacyBook], told: Callable[[int], None] = lambda done: None
) -> list[ReadFile]:
    """Every workbook, read one after the other; one whose bytes stood there already is read once.

    told: hears how many are done.
    """
    results: list[ReadFile] = []
    seen: dict[str, str] = {}
    for done, source in enumerate(found, 1):
        results.append(_read(source, seen, read))
        told(done)
    return results


def _read(source: Source, seen: dict[str, str], read: Callable[[Path], LegacyBook]) -> ReadFile:
    if source.path is None:
        return ReadFile(source.file, refused=source.refused)
    with source.path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest in seen:
        return ReadFile(source.file, left=f"The same file as {seen[digest]}; it was taken once.")
    seen[digest] = source.file
    try:
        book = read(source.path)
    except DomainError as refusal:
        return ReadFile(source.file, refused=refusal.detail)
    book.file = source.file
    book.compact()
    return ReadFile(source.file, book)


def read_book(path: Path) -> LegacyBook:
    """Read and parse a workbook. Raises Refused or TooLarge with a sentence that says how to save it right."""
    return parse_book(read_workbook(path, limits=limits()))


def workbooks_in(path: Path) -> list[Path]:
    """A file itself; of a folder all workbooks and zips in it and below, in order, without helper files."""
    if not path.is_dir():
        return [path]
    return sorted(
        inside for inside in path.rglob("*")
        if inside.is_file() and inside.suffix.lower() in (*ENDINGS, ".zip")
        and not any(part.startswith((".", "~$")) for part in inside.relative_to(path).parts)
    )  # fmt: skip
