"""Which encoding a text file is in: found by reading all of it once, or refused; never letters that nobody wrote."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from sop_portal.lib.errors import Refused
from sop_portal.lib.workbook.kind import UNKNOWN

_BLOCK = 1 << 18
_LONGEST_LINE = 1_000_000
SAVE_AS = "Open the file in the program that made it and save it as “CSV UTF-8”."

# What text in Windows-1252 does not hold, while other old encodings do; each is shown with the word around it.
_EDGES = re.compile(r"[\s,;\"]")
_NOT_WESTERN = re.compile(
    # UTF-8 in between: the file was put together from two.
    rb"[\xc2\xc3][\x80-\xbf]|\xe2\x80[\x90-\xbf]"
    # Symbols where a letter must be (Wroc³aw is Wrocław in Windows-1250), low quotation marks after a letter.
    rb"|[A-Za-z][\x80\x83\x86\x89\x8b\x95\x9b\xa1-\xa8\xab\xac\xaf\xb1\xb3\xb6\xb8\xb9\xbb-\xbf][A-Za-z]"
    rb"|[A-Za-z\xc0-\xff][\x82\x84\x87\x88\x98]"
    # A capital after a small letter (CafŽ is Café in Mac Roman).
    rb"|[a-z][\x8a\x8e\x9f\xc0-\xd6\xd8-\xde]"
    # Letters of Icelandic, which are more often Turkish ones.
    rb"|[\xd0\xdd\xde\xf0\xfd\xfe]"
    # Words of other alphabets.
    rb"|[\xa1-\xff]{4}"
)


@dataclass(frozen=True, slots=True)
class Encoding:
    """`codec` as Python calls it, `name` for people."""

    codec: str
    name: str


UTF_8 = Encoding("utf-8-sig", "UTF-8")
UTF_16 = Encoding("utf-16", "UTF-16")
WESTERN = Encoding("cp1252", "Windows-1252")


def detect(path: Path) -> Encoding:
    """The encoding in which all of the file makes sense. Raises Refused naming the line that does not."""
    with path.open("rb") as source:
        head = source.read(4096)
    found = _marked(head)
    try:
        _read(path, found.codec if found else UTF_8.codec)
        return found or UTF_8
    except UnicodeDecodeError:
        if found:
            _refuse(path, found)
    if sum(byte < 9 or 13 < byte < 32 for byte in head) > len(head) / 50:
        raise Refused(f"The file is {UNKNOWN}, not a table. {SAVE_AS}")
    _read(path, "latin-1")
    _check_western(path)
    return WESTERN


def _marked(head: bytes) -> Encoding | None:
    """What a mark at the start says, or the zero bytes that UTF-16 puts beside Latin letters."""
    if head.startswith(codecs.BOM_UTF8):
        return UTF_8
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return UTF_16
    even, odd = head[::2].count(0), head[1::2].count(0)
    most = len(head) // 2 * 0.7
    if odd > most and even == 0:
        return Encoding("utf-16-le", "UTF-16")
    if even > most and odd == 0:
        return Encoding("utf-16-be", "UTF-16")
    return None


def _read(path: Path, codec: str) -> None:
    """Raises UnicodeDecodeError when `codec` does not fit, Refused when the text cannot be a table."""
    decoder = codecs.getincrementaldecoder(codec)()
    since_line_end = before = 0
    with path.open("rb") as source:
        while block := source.read(_BLOCK):
            text = decoder.decode(block)
            if "\x00" in text:
                line = _line(path, codec, before + text.index("\x00"))
                raise Refused(
                    f"Line {line:,} holds a zero byte: the file is no text, or was damaged on its way. {SAVE_AS}"
                )
            if "\ufffd" in text:
                line = _line(path, codec, before + text.index("\ufffd"))
                raise Refused(
                    f"Line {line:,} holds the sign \ufffd that stands for a lost letter: the file was saved in the wrong "
                    f"encoding before. {SAVE_AS}"
                )
            before += len(text)
            since_line_end = 0 if "\n" in text or "\r" in text else since_line_end + len(text)
            if since_line_end > _LONGEST_LINE:
                raise Refused(
                    f"Line {_line(path, codec, before - 1):,} has more than {_LONGEST_LINE:,} characters: "
                    "the file is no table of rows and columns."
                )
    decoder.decode(b"", final=True)


def _pieces(path: Path, codec: str, errors: str) -> Iterator[tuple[int, str]]:
    """The text with the number of its line, long lines in several pieces."""
    with path.open(encoding=codec, errors=errors, newline="") as source:
        number = 1
        while piece := source.readline(_BLOCK):
            yield number, piece
            number += piece.endswith(("\n", "\r"))


def _line(path: Path, codec: str, position: int) -> int:
    """The number of the line that holds the character at `position`."""
    for number, piece in _pieces(path, codec, "replace"):
        position -= len(piece)
        if position < 0:
            return number
    return 0


def _refuse(path: Path, encoding: Encoding) -> NoReturn:
    """Raises Refused with the first line that `encoding` cannot read."""
    number = next((number for number, piece in _pieces(path, encoding.codec, "replace") if "\ufffd" in piece), 0)
    raise Refused(f"The file is in {encoding.name}, but line {number:,} is not: it was damaged. {SAVE_AS}")


def _check_western(path: Path) -> None:
    """Raises Refused unless all of the file reads naturally in Windows-1252."""
    for number, piece in _pieces(path, "latin-1", "strict"):
        if piece.isascii():
            continue
        line = piece.encode("latin-1")
        try:
            text = line.decode("cp1252")
        except UnicodeDecodeError:
            word = ""
        else:
            strange = _NOT_WESTERN.search(line)
            if not strange:
                continue
            word = f" (“{_word(text, *strange.span())}”)"
        raise Refused(
            f"The file is not in UTF-8, and line {number:,} holds letters{word} of an encoding that cannot be told "
            f"for certain. {SAVE_AS}"
        )


def _word(line: str, start: int, end: int) -> str:
    """The letters from `start` to `end` with what stands around them up to the next blank or separator."""
    before, after = line[max(0, start - 30) : start], line[end : end + 30]
    return _EDGES.split(before)[-1] + line[start:end] + _EDGES.split(after)[0]
