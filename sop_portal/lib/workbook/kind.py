"""What a file from outside is, by its first bytes; its name is never trusted."""

from pathlib import Path

from sop_portal.lib.errors import Refused, TooLarge
from sop_portal.lib.workbook.model import MB, Limits

OLE_MAGIC = bytes.fromhex("d0cf11e0a1b11ae1")
PLAIN_TEXT = "plain text (such as CSV)"
UNKNOWN = "of an unknown kind"


def file_kind(path: Path, limits: Limits) -> str:
    """ "zip" or "ole" for what may be a workbook, else a word for what the file is.

    Raises Refused for an empty file and TooLarge for one beyond the limit.
    """
    size = path.stat().st_size
    if size == 0:
        raise Refused("The file is empty (0 bytes). Save the workbook again and upload it once saving has finished.")
    if size > limits.size:
        raise TooLarge(
            f"The file has {size / MB:,.1f} MB; at most {limits.size / MB:,.0f} MB are read. "
            "Delete unused sheets, rows and pictures, or save it as .xlsb, and upload it again."
        )
    with path.open("rb") as source:
        head = source.read(4096)
    if head.startswith(b"PK\x03\x04"):
        return "zip"
    if head.startswith(OLE_MAGIC):
        return "ole"
    return _what_it_is(head)


def _what_it_is(head: bytes) -> str:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith(b"%pdf-"):
        return "a PDF document"
    if start.startswith((b"<!doctype html", b"<html", b"<table")):
        return "a web page (HTML)"
    if start.startswith(b"<?xml"):
        return "an XML document"
    if start.startswith((b"\x89png\r", b"\xff\xd8\xff", b"gif87a", b"gif89a")):
        return "a picture"
    if head.startswith((b"\x1f\x8b", b"Rar!\x1a", b"7z\xbc\xaf", b"PK\x05\x06", b"PK\x07\x08", b"BZh", b"\xfd7zXZ")):
        return "a packed archive"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")) or not any(byte < 9 or 13 < byte < 32 for byte in head):
        return PLAIN_TEXT
    return UNKNOWN
