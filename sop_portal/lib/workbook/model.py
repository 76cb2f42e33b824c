"""What is read of a workbook, and what it is then: sheets, rows and values, nothing that can still run."""

import datetime as dt
from dataclasses import dataclass, field

MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """What is read of one file: bytes on disk, unpacked, parts, rows and columns per sheet, cells in all.

    A sheet beyond `rows` x `columns` is left unread and says so; everything else refuses the file.
    """

    size: int = 10 * MB
    unpacked: int = 100 * MB
    ratio: int = 100
    entries: int = 2_000
    rows: int = 20_000
    columns: int = 200
    cells: int = 4_000_000
    memory: int = 512 * MB
    seconds: int = 60


@dataclass(frozen=True, slots=True)
class ErrorCell:
    """A cell whose value is an error ("#DIV/0!"), apart from text that merely looks like one."""

    code: str


Cell = str | float | int | bool | dt.datetime | dt.date | ErrorCell | None


@dataclass(slots=True)
class Sheet:
    """One sheet: `rows[0][0]` is A1, rows end at their last filled cell, empty cells are None.

    `unread` is a sentence when the sheet was left unread (a chart, or larger than the limits);
    `formulas_without_value` holds (row, column) of formulas that were saved without their result.
    """

    name: str
    visible: bool = True
    rows: list[list[Cell]] = field(default_factory=list)
    unread: str = ""
    formulas_without_value: frozenset[tuple[int, int]] = frozenset()

    def at(self, row: int, column: int) -> Cell:
        """The value at zero-based `row` and `column`; None beyond the filled area."""
        if 0 <= row < len(self.rows) and 0 <= column < len(self.rows[row]):
            return self.rows[row][column]
        return None


@dataclass(slots=True)
class Workbook:
    """`format` is what the bytes say: xlsx, xlsb, xls or ods. `date1904`: serial numbers count from 1904."""

    format: str
    sheets: list[Sheet]
    date1904: bool = False


def column_name(column: int) -> str:
    """The letters of a zero-based column: 0 is A, 26 is AA."""
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def cell_name(row: int, column: int) -> str:
    """The address of a zero-based row and column: (6, 2) is C7."""
    return f"{column_name(column)}{row + 1}"
