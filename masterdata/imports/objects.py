"""Files of things that are few (customers, products, users): each row becomes an object, whose own rules speak.

Cells are read, set on the stored or a new object, and checked by the model's `clean_fields` and `clean`, without a
query for each row. What is good goes into a staged table, from where `merge` writes it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, models

from masterdata.imports.kinds import Column
from masterdata.imports.merge import Target
from masterdata.imports.staging import KEPT, Staging, missing, rows_of, run_sql
from masterdata.imports.values import Unreadable
from masterdata.models.codes import differs_by_capitals

PYTHON: Mapping[str, Callable[[str], Any]] = {
    "quantity": Decimal,
    "money": Decimal,
    "price": Decimal,
    "whole": int,
    "yes_no": "true".__eq__,
}


@dataclass
class Row:
    """One row of the file: the text of each cell, what was read from it, and why cells are refused.

    values: column -> value, for cells that hold one; blanks: the columns whose cell is empty.
    """

    line: int
    texts: dict[str, str | None]
    values: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    def refuse(self, name: str, sentence: str) -> None:
        """Refuse a cell; the first reason is kept."""
        self.refused.setdefault(name, sentence)

    @property
    def blanks(self) -> list[str]:
        return [name for name, text in self.texts.items() if text is None]


def read_rows(staging: Staging) -> list[Row]:
    """All staged rows with their cells read; rows that share a key refuse each other."""
    columns = staging.columns
    names = ", ".join(f'"{column.name}"' for column in columns)
    rows = [
        Row(line, dict(zip(staging.found.names, texts, strict=True)))
        for line, *texts in rows_of(f"SELECT line, {names} FROM import_text ORDER BY line")
    ]
    known: dict[tuple[str, str], Any] = {}
    for row in rows:
        for column in columns:
            _read_cell(row, column, staging, known)
    _refuse_shared_keys(rows, staging)
    return rows


def _read_cell(row: Row, column: Column, staging: Staging, known: dict[tuple[str, str], Any]) -> None:
    text = row.texts[column.name]
    if text is None:
        if column.must_be_filled:
            row.refuse(column.name, missing(column))
        return
    key = (column.name, text)
    if key not in known:
        try:
            value = staging.read(column, text)
            known[key] = PYTHON.get(column.type, str)(value.text)
        except Unreadable as refusal:
            known[key] = refusal
    found = known[key]
    if isinstance(found, Unreadable):
        row.refuse(column.name, str(found))
    else:
        row.values[column.name] = found


def _refuse_shared_keys(rows: Iterable[Row], staging: Staging) -> None:
    (name,) = staging.kind.key_columns
    column = staging.kind.column(name)
    by_key: dict[str, list[Row]] = {}
    for row in rows:
        if name in row.values:
            key = row.values[name].casefold() if column.type == "email" else row.values[name]
            by_key.setdefault(key, []).append(row)
    for sharing in by_key.values():
        for at, row in enumerate(sharing if len(sharing) > 1 else ()):
            one, other = sorted((row.line, sharing[1 if at == 0 else 0].line))
            row.refuse(name, f"Rows {one} and {other} hold the same {column.heading}; delete one of them.")


def fill(instance: models.Model, row: Row, fields: Mapping[str, str], *, clears: bool) -> None:
    """Set what the row says on an object. fields: column -> field. A blank cell leaves a field as it is, or empties it
    when `clears`, as far as the field may be empty."""
    for name, attribute in fields.items():
        if name in row.values:
            setattr(instance, attribute, row.values[name])
        elif clears and name in row.texts and row.texts[name] is None:
            meta: Any = instance._meta.get_field(attribute)
            if meta.null or meta.blank:
                setattr(instance, attribute, None if meta.null else "")


def check(
    instance: models.Model, row: Row, fields: Mapping[str, str], skip: Collection[str] = (), *, whole: bool = True
) -> None:
    """Let the model's own rules speak about what the row sets; refusals go to the columns.

    fields: column -> field. skip: fields that are checked elsewhere. whole: also the rules about the row as a whole.
    """
    own = {field.name for field in instance._meta.concrete_fields} - set(fields.values()) | set(skip)
    columns = {attribute: name for name, attribute in fields.items()}
    rules: list[Callable[[], None]] = [lambda: instance.clean_fields(exclude=own)]
    for rule in [*rules, instance.clean] if whole else rules:
        try:
            rule()
        except ValidationError as refusal:
            for attribute, errors in refusal.update_error_dict({}).items():
                row.refuse(
                    columns.get(attribute, ""), " ".join(message for error in errors for message in error.messages)
                )


def refuse_rows(rows: Iterable[Row]) -> int:
    """Stage what was refused; how many rows that are."""
    bad = [row for row in rows if row.refused]
    with connection.cursor() as cursor, cursor.copy("COPY import_bad (line, name, value, sentence) FROM STDIN") as copy:
        for row in bad:
            for name, sentence in row.refused.items():
                copy.write_row((row.line, name, _cut(row.texts.get(name) or ""), sentence))
    return len(bad)


def _cut(text: str) -> str:
    """So much of a refused cell as is kept, like `staging.cut`."""
    return text if len(text) <= KEPT else f"{text[:KEPT]}…"


def new_ids(target: Target, number: int) -> list[int]:
    """Ids for rows that are to come, so that others may point at them already."""
    return (
        [pk for (pk,) in rows_of(f"SELECT {target.next_id()} FROM generate_series(1, %s)", [number])] if number else []
    )


def stage(target: Target, objects: Iterable[tuple[int, models.Model]]) -> None:
    """Put objects (with the line they come from) into the staged table of `target`, beside what is stored."""
    columns: Sequence[str] = (*target.keys, *target.values)
    empty = ", ".join(f"{name} AS n_{name}" for name in columns)
    run_sql(f"DROP TABLE IF EXISTS import_parsed; CREATE TEMP TABLE import_parsed AS "
            f"SELECT 0 AS line, id, {empty} FROM {target.table} WHERE false")  # fmt: skip
    fields: list[Any] = [
        next(each for each in target.model._meta.concrete_fields if each.attname == n) for n in columns
    ]
    names = ", ".join(f"n_{name}" for name in columns)
    with connection.cursor() as cursor, cursor.copy(f"COPY import_parsed (line, id, {names}) FROM STDIN") as copy:
        for line, row in objects:
            copy.write_row((line, row.pk, *(_stored(each, getattr(row, each.attname)) for each in fields)))
    old = ", ".join(f"own.{name} AS o_{name}" for name in target.values)
    run_sql(
        f"CREATE TEMP TABLE {target.rows} AS SELECT compared.*, {target.state} AS state FROM "
        f"(SELECT parsed.*, own.id AS known, {old} FROM import_parsed AS parsed "
        f"LEFT JOIN {target.table} AS own ON own.id = parsed.id) AS compared"
    )


def _stored(meta: Any, value: Any) -> Any:
    """A value as the column keeps it: texts trimmed and in NFC."""
    return meta.get_prep_value(value)


def refuse_near_keys(rows: Iterable[Row], name: str, target: Target) -> None:
    """Refuse new codes that differ by capitals only from a stored one or one further up in the file."""
    fresh = {row.values[name]: row for row in rows if name in row.values}
    column = f"{target.table}.{name}"
    stored = rows_of(
        f"SELECT wanted.code, min({column}) FROM unnest(%s::text[]) AS wanted(code) JOIN {target.table} "
        f"ON upper({column}) = upper(wanted.code) AND {column} <> wanted.code GROUP BY wanted.code",
        [list(fresh)],
    )
    near = dict(stored)
    first: dict[str, str] = {}
    for code, row in fresh.items():
        other = near.get(code) or first.setdefault(code.upper(), code)
        if other != code:
            row.refuse(name, differs_by_capitals(code, other))


def link(objects: Iterable[Any], name: str, by_id: Mapping[int, Any]) -> None:
    """Give objects the others they point at as objects that are at hand, so that rules need not ask for them."""
    for each in objects:
        pk = getattr(each, f"{name}_id")
        if pk in by_id:
            setattr(each, name, by_id[pk])


def refuse_dangling(rows: Sequence[Row], name: str, by_line: Mapping[int, Any]) -> None:
    """Refuse cells that point at an object which the file was to create in a row that is refused."""
    while True:
        come = {id(by_line[row.line]) for row in rows if row.line in by_line and not row.refused}
        dangling = [
            row
            for row in rows
            if not row.refused and (other := row.values.get(name)) and other._state.adding and id(other) not in come
        ]
        if not dangling:
            return
        for row in dangling:
            row.refuse(
                name, f"The row of '{row.texts[name]}' is refused, so nothing can point at it; correct that row."
            )
