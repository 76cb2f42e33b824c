"""What a file of tables is: its previews, where its columns stand, and the marks for what is no value."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from sop_portal.lib.workbook.copytext import FIELDS, FORMULA, MARK

PREVIEW_ROWS, PREVIEW_TEXT = 25, 200
Format = Literal["xlsx", "xlsb", "xls", "ods", "csv"]


@dataclass(frozen=True, slots=True)
class Preview:
    """The first rows of one sheet as text, each up to its last filled cell; blank cells are None, long texts cut.

    `height` is the number of rows, None when only reading all of the file would tell (CSV). `unread` is a sentence
    when the sheet was left unread.
    """

    name: str
    visible: bool
    rows: list[list[str | None]]
    height: int | None = None
    unread: str = ""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the wanted columns stand: the index of the sheet among the previews, the zero-based row of the headings,
    and the zero-based columns of the file in the order in which their fields are wanted, at least one.

    A column of -1 is blank in every row; put first, it takes the mark of rows with too many fields.
    """

    sheet: int
    header_row: int
    columns: tuple[int, ...]


class OpenTables(Protocol):
    """A file that is open: `description` names what it is for people ("CSV, UTF-16, separated by ;")."""

    format: Format
    description: str
    previews: list[Preview]

    def copy_rows(self, layout: Layout) -> Iterator[bytes]:
        r"""The rows below the headings, in blocks of whole lines of COPY's text format.

        A line holds the row's number as people see it (from 1), then a field per column of the layout. Blank cells
        are \N, and rows without any wanted value are left out. Everything is text: numbers are plain decimals,
        dates and date-times ISO 8601, truth values TRUE or FALSE, texts NFC without blanks at their ends (and, in CSV,
        without the prefix `'` that our own exports put before texts that a spreadsheet would run).

        A field that starts with MARK (U+E000) holds no value, and `fault` says why in words: an error cell (MARK and
        its code, "#DIV/0!"), a formula that was saved without its result (FORMULA), or, in the first field of a line
        only, FIELDS and a number: the CSV row has content in so many fields, more than there are headings, so that
        nobody knows which value belongs to which. Such a line gives its other fields as they stand.

        Raises Refused when the file turns out to be damaged on the way, TooLarge when it passes a limit.
        """
        ...


def fault(field: str) -> str | None:
    """Why a field of `copy_rows` holds no value, as the end of a sentence about the cell; None when it holds one."""
    if not field.startswith(MARK):
        return None
    if field == FORMULA:
        return "holds a formula that was saved without its result; open the file in Excel, save it and upload it again"
    if field.startswith(FIELDS):
        return (
            f"belongs to a row of {field.removeprefix(FIELDS)} fields, more than there are headings; "
            "put texts that hold the separator in quotation marks"
        )
    return f"holds the error {field.removeprefix(MARK)}; correct it in the file"
