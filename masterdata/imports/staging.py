"""The rows of a file in the database, as text: filled by COPY, each distinct odd text read once, faults by row.

Three temporary tables belong to the transaction of an import. `import_text`: the line and a column of text for each
column of the file. `import_map`: what a text of a column means, or the sentence that refuses it. `import_bad`: the
cells and rows that are refused.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.db import connection

from masterdata.imports.kinds import NUMBERS, Column, Kind
from masterdata.imports.layout import CSV, JSON, Found
from masterdata.imports.outcome import Problem
from masterdata.imports.progress import Watch
from masterdata.imports.values import Cell, Unreadable, may_be_too_long, plain_pattern, read
from sop_portal.lib.errors import TooLarge
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.tables import FIELDS, MARK, fault

TABLES = ("import_text", "import_map", "import_bad", "import_parsed", "import_rows", "import_more")
_FETCH = "FETCH 5000 FROM odd"
# Forms whose numbers are the texts that somebody wrote; those of workbooks are binary fractions.
WRITTEN = (CSV, JSON)
# Columns of few distinct texts, each of which is read once; the others are looked at only where they are odd.
MAPPED = ("period", "date", "yes_no", "choice")


# Of a refused cell so much is kept: one text of a workbook may stand in thousands of cells.
KEPT = 200
# So many bytes of text are not read while somebody waits, in however few rows they stand.
LONG_TEXT = 2 * 1024 * 1024


class Long(Exception):
    """The file has more rows or text than were to be read now."""


def cut(text: str, most: int = KEPT) -> str:
    """The SQL of the beginning of a text, with an ellipsis where it goes on."""
    return f"CASE WHEN length({text}) > {most} THEN left({text}, {most}) || '…' ELSE {text} END"


def run_sql(sql: str, params: Sequence[Any] = ()) -> int:
    """Run one statement; how many rows it touched.

    sql: put together from names of our own models, kinds and columns; values of files go as `params`.
    """
    with connection.cursor() as cursor:
        # Names of ours, never input. Without parameters nothing is formatted: patterns may hold a percent sign.
        cursor.execute(sql, params or None)
        return int(cursor.rowcount)


def rows_of(sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    """All rows of a query, which is put together like those of `run_sql`."""
    with connection.cursor() as cursor:
        # Names of ours, never input.
        cursor.execute(sql, params or None)
        return cursor.fetchall()


def one_of(sql: str, params: Sequence[Any] = ()) -> tuple[Any, ...]:
    """The one row of a query."""
    (row,) = rows_of(sql, params)
    return row


@contextmanager
def staged(kind: Kind, found: Found, form: str, mark: DecimalMark) -> Iterator["Staging"]:
    """The tables of one import, gone at the end of the block; in a transaction."""
    drop = f"DROP TABLE IF EXISTS {', '.join(TABLES)}"
    columns = ", ".join(f'"{name}" text' for name in found.names)
    run_sql(f"SET LOCAL client_min_messages = warning; {drop}; CREATE TEMP TABLE import_text (line int, {columns}); "
            "CREATE TEMP TABLE import_map (name text, raw text, value text, sentence text, ambiguous boolean); "
            "CREATE TEMP TABLE import_bad (line int, name text, value text, sentence text)")  # fmt: skip
    yield Staging(kind, found, form, mark)
    run_sql(drop)


class Staging:
    """The staged rows of one file."""

    def __init__(self, kind: Kind, found: Found, form: str, mark: DecimalMark) -> None:
        self.kind, self.found, self.form, self.mark = kind, found, form, mark
        self.columns = [kind.column(name) for name in found.names]
        # Names of columns whose odd texts stand in import_map.
        self.mapped: set[str] = set()
        # Columns of which somebody knows without a look that no field is blank, or that all are plain numbers.
        self.filled: set[str] = set()
        self.plain: set[str] = set()
        self.rows = 0

    def fill(self, blocks: Iterable[bytes], watch: Watch, at_most: int | None = None) -> None:
        """Copy the rows in.

        Raises TooLarge for more rows than the kind takes, Long for `at_most` rows or more or for much text in fewer,
        and what reading the file raises.
        """
        size = 0
        limit = self.kind.csv_rows if self.form == CSV else self.kind.rows
        names = ", ".join(f'"{name}"' for name in self.found.names)
        with connection.cursor() as cursor, cursor.copy(f"COPY import_text (line, {names}) FROM STDIN") as copy:
            for block in blocks:
                copy.write(block)
                self.rows += block.count(b"\n")
                size += len(block)
                if limit is not None and self.rows > limit:
                    raise TooLarge(
                        f"The file has more than {limit:,} rows of {self.kind.row_words}; split it into several files."
                    )
                if at_most is not None and (self.rows >= at_most or size > LONG_TEXT):
                    raise Long
                watch.rows(self.rows)

    def settle(self, references: Collection[str] = ()) -> None:
        """Read every odd text once and refuse the cells that make no sense, and rows with too many fields.

        references: columns whose texts are looked up elsewhere.
        """
        if self.form == CSV:
            self._refuse_overfull()
        # One look at every row says which columns need a second one.
        asked = [
            (column, what, condition)
            for column in self.columns
            for what, condition in self._asked(column, column.name in references)
        ]
        numbers = [column for column in self.columns if column.type in NUMBERS and column.name not in self.plain]
        looks = {condition: condition for *_, condition in asked} | self._together(numbers)
        # Where every text is read once, there is one if none is blank.
        flags = {
            condition: True for column, _, condition in asked if column.name in self.filled and column.type in MAPPED
        }
        names = [look for look in dict.fromkeys(looks.values()) if look not in flags]
        if names:
            found = one_of(f"SELECT {', '.join(f'bool_or({look})' for look in names)} FROM import_text")
            flags |= dict(zip(names, found, strict=True))
        for column, what, condition in asked:
            if not flags[looks[condition]]:
                continue
            if what == "missing":
                run_sql(
                    f"INSERT INTO import_bad SELECT line, %s, '', %s FROM import_text WHERE {condition}",
                    [column.name, missing(column)],
                )
            else:
                self._settle(column, condition)

    def read(self, column: Column, text: str) -> Cell:
        """The value that a text of this file writes in a column. Raises Unreadable."""
        return read(column, text, self.mark, computed=self.form not in WRITTEN)

    def map(self, name: str, rows: Iterable[tuple[str, str | None, str | None, bool]]) -> None:
        """Say what texts of a column mean: (text, value, sentence that refuses it, whether it was ambiguous)."""
        self.mapped.add(name)
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY import_map (name, raw, value, sentence, ambiguous) FROM STDIN") as copy,
        ):
            for row in rows:
                copy.write_row((name, *row))

    def refuse_mapped(self, name: str) -> None:
        """Refuse the cells of a column whose text is refused."""
        value = cut(f'text."{name}"')
        run_sql(
            f"INSERT INTO import_bad SELECT text.line, %s, {value}, map.sentence FROM import_text AS text "
            f'JOIN import_map AS map ON map.name = %s AND map.raw = text."{name}" WHERE map.sentence IS NOT NULL',
            [name, name],
        )

    def value(self, name: str) -> str:
        """The SQL of a column's value as text, over `import_text AS text` with the joins of `joins`."""
        if name not in self.found.columns:
            return "NULL::text"
        if name not in self.mapped:
            return f'text."{name}"'
        if self.kind.column(name).type in MAPPED:
            return f'"map_{name}".value'
        return f'CASE WHEN "map_{name}".raw IS NULL THEN text."{name}" ELSE "map_{name}".value END'

    def joins(self, names: Iterable[str]) -> str:
        """The joins that `value` needs for these columns."""
        return " ".join(
            f'LEFT JOIN import_map AS "map_{name}" ON "map_{name}".name = \'{name}\' '
            f'AND "map_{name}".raw = text."{name}"'
            for name in names
            if name in self.mapped
        )

    def bad_lines(self) -> int:
        """How many rows are refused."""
        return int(one_of("SELECT count(DISTINCT line) FROM import_bad")[0])

    def problems(self, most: int) -> list[Problem]:
        """The first `most` problems, by row and then as the columns stand in the file."""
        order = self.found.columns
        found = rows_of("SELECT line, name, value, sentence FROM import_bad ORDER BY line, name LIMIT %s", [most])
        problems = [
            Problem(line, name, self.found.place(line, name), value, sentence) for line, name, value, sentence in found
        ]
        return sorted(problems, key=lambda problem: (problem.row, order.get(problem.column, -1)))

    def ambiguous(self, name: str) -> tuple[int, int | None, str, str]:
        """How many cells of a column could be read in two ways, and the line, text and value of the first."""
        if name not in self.mapped:
            return 0, None, "", ""
        found = rows_of(
            f"SELECT count(*) OVER (), text.line, map.raw, map.value FROM import_text AS text JOIN import_map AS map "
            f'ON map.name = %s AND map.raw = text."{name}" AND map.ambiguous ORDER BY text.line LIMIT 1',
            [name],
        )
        return found[0] if found else (0, None, "", "")  # type: ignore[return-value]

    def _together(self, columns: Sequence[Column]) -> dict[str, str]:
        """One condition for several columns of numbers, true if that of any of them may be: a look costs by the call.

        Gives it by the condition of each column. Numbers are plain here that are plain in every one of the columns.
        """
        columns = [column for column in columns if column.type != "whole" and column.signed == columns[0].signed]
        if len(columns) < 2:
            return {}
        strictest = replace(
            min(columns, key=lambda column: column.limit or 0), places=min(column.places or 0 for column in columns)
        )
        names = [f'"{column.name}"' for column in columns]
        cells = f"concat_ws(' ', {', '.join(names)})"
        # Digits are counted only where there may be too many.
        one, loose = self._plain(strictest), self._plain(strictest, counted=False)
        too_long = may_be_too_long(strictest, names)
        # "5 77" in one cell would pass as two numbers side by side.
        blank = " OR ".join(f"{name} LIKE '% %'" for name in names)
        look = f"({cells} !~ '^({loose}( |$))*$' OR {blank} OR {too_long} AND {cells} !~ '^({one}( |$))*$')"
        return {self._odd(column): look for column in columns}

    def _asked(self, column: Column, is_reference: bool) -> Iterator[tuple[str, str]]:
        if column.must_be_filled and column.name not in self.filled:
            yield "missing", f'"{column.name}" IS NULL'
        if not is_reference and column.name not in self.plain:
            yield "odd", self._odd(column)

    def _settle(self, column: Column, odd: str) -> None:
        with connection.cursor() as cursor:
            # Read in pieces: of a million texts with decimal commas each is odd. Names and patterns are never input.
            cursor.execute(
                f'DECLARE odd NO SCROLL CURSOR FOR SELECT DISTINCT "{column.name}" FROM import_text WHERE {odd}'
            )
            refused = False
            while True:
                cursor.execute(_FETCH)
                texts = cursor.fetchall()
                if not texts:
                    break
                meant = [self._read(column, text) for (text,) in texts]
                self.map(column.name, meant)
                refused = refused or any(sentence is not None for _, _, sentence, _ in meant)
            cursor.execute("CLOSE odd")
        if refused:
            self.refuse_mapped(column.name)

    def _odd(self, column: Column) -> str:
        """The condition that a text of this column is not one that the database can take as it is."""
        name = f'"{column.name}"'
        if column.type in NUMBERS:
            return f"{name} !~ '^{self._plain(column)}$'"
        if column.type in MAPPED or column.type == "email":
            return f"{name} IS NOT NULL"
        return f"length({name}) > {column.max_length or 0} OR {name} ~ '[^ -~]'"

    def _plain(self, column: Column, *, counted: bool = True) -> str:
        return plain_pattern(column, own_points=self.form != CSV or self.mark == ".", counted=counted)

    def _read(self, column: Column, text: str) -> tuple[str, str | None, str | None, bool]:
        try:
            cell = self.read(column, text)
        except Unreadable as refusal:
            return text, None, str(refusal), False
        return text, cell.text, None, cell.ambiguous

    def _refuse_overfull(self) -> None:
        """Refuse rows that have more fields than there are headings: nobody knows which value belongs where."""
        name = self.found.names[0]
        for line, text in rows_of(
            f'DELETE FROM import_text WHERE "{name}" LIKE %s RETURNING line, "{name}"', [f"{FIELDS}%"]
        ):
            run_sql("INSERT INTO import_bad VALUES (%s, '', '', %s)", [line, f"The row {row_fault(text)}."])


def row_fault(text: str) -> str:
    """Why a row with too many fields is refused, as the end of a sentence about the row."""
    return (fault(text) or "").replace("belongs to a row of", "has", 1)


def is_fault(text: str) -> bool:
    """Whether a cell holds no value but an error or an unsaved formula."""
    return text.startswith(MARK)


def missing(column: Column) -> str:
    """What is said about an empty cell that must be filled."""
    example = f" such as {column.example}" if column.example else ""
    return f"{column.heading} is missing; write one{example}, or delete the row."
