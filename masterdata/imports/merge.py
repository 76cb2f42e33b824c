"""Writing staged rows: what is new is inserted, what differs is changed, the rest is left; every row told in the trail.

A staged table has a line, the `id` of its row (given beforehand to new ones), its `state`, the new values `n_<column>`
and, of what may change, the old ones `o_<column>`. Nothing here costs more statements for more rows, except that a
large import goes in slices, between which it can be followed and stopped.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from django.db import models

from audit import registry
from audit.services import record_queries, record_query, told_of
from masterdata.imports.outcome import SAMPLE_KEPT
from masterdata.imports.progress import Watch
from masterdata.imports.staging import one_of, rows_of, run_sql
from masterdata.imports.told import CREATED, DELETED, UPDATED, told

NEW, CHANGED, SAME, GONE = "n", "c", "u", "d"
STATES = (NEW, CHANGED, SAME)
VERBS = {NEW: CREATED, CHANGED: UPDATED, GONE: DELETED}
SLICE = 100_000


@dataclass(frozen=True)
class Target:
    """Where staged rows go. keys: columns that are never changed; values: columns that may be; both in the database's
    names. rows: the staged table."""

    model: type[models.Model]
    keys: tuple[str, ...]
    values: tuple[str, ...]
    rows: str = "import_rows"

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @property
    def entity(self) -> str:
        """The first part of the trail's actions."""
        return registry.tracked[self.model].entity

    def fields(self, columns: tuple[str, ...]) -> list[models.Field]:
        """The tracked fields among these columns, in the order of the declaration."""
        return [field for field in registry.tracked[self.model].fields.values() if field.attname in columns]  # type: ignore[attr-defined]

    def next_id(self) -> str:
        """The SQL of the next id of the table; the name of its sequence is asked once, not once a row."""
        (sequence,) = one_of("SELECT pg_get_serial_sequence(%s, 'id')", [self.table])
        return f"nextval('{sequence}')"

    @property
    def differs(self) -> str:
        """The condition that a row's new values are not its old ones."""
        new, old = (", ".join(f"{side}_{name}" for name in self.values) for side in "no")
        return f"ROW({new}) IS DISTINCT FROM ROW({old})"

    @property
    def state(self) -> str:
        """The SQL of a row's state, over the key `known` of the row that is there (NULL: none)."""
        return f"CASE WHEN known IS NULL THEN '{NEW}' WHEN {self.differs} THEN '{CHANGED}' ELSE '{SAME}' END"


def lock(*targets: Target) -> None:
    """Keep others from writing these tables while objects of them are compared and written; reading goes on."""
    for target in targets:
        run_sql(f"LOCK TABLE {target.table} IN SHARE ROW EXCLUSIVE MODE")


def count(target: Target) -> tuple[int, int, int]:
    """How many staged rows are new, changed and unchanged."""
    found = dict(rows_of(f"SELECT state, count(*) FROM {target.rows} GROUP BY state"))
    return found.get(NEW, 0), found.get(CHANGED, 0), found.get(SAME, 0)


def write(target: Target, watch: Watch, *, run_id: int | None = None, rows: int | None = None) -> None:
    """Insert what is new, change what differs, and tell each row in the trail.

    run_id: keep what is needed to undo it, for this run. rows: how many are staged, where that is known.
    """
    # Without it the planner takes a state for rare, and joins row by row. Three states show in a few thousand rows.
    run_sql(f"SET LOCAL default_statistics_target = 10; ANALYZE {target.rows} (state)")
    # No row is in two slices, so only what was told before can have to be merged.
    merging = told_of(target.entity)
    for part in _slices(target, rows):
        _change(target, part)
        _insert(target, part)
        record_queries(
            target.entity,
            {f"{target.entity}_{VERBS[state]}": _told(target, state, part.condition) for state in (CHANGED, NEW)},
            merging=merging,
        )
        if run_id is not None:
            _remember(target, run_id, part)
        watch.rows(part.done)


def remove(target: Target) -> None:
    """Delete the staged rows that are to go, and tell each in the trail; nothing may point at them."""
    record_query(f"{target.entity}_deleted", target.entity, _told(target, GONE))
    run_sql(
        f"DELETE FROM {target.table} AS own USING {target.rows} AS staged "
        f"WHERE own.id = staged.id AND staged.state = '{GONE}'"
    )


def sample(target: Target) -> dict[str, list[dict[str, Any]]]:
    """The first new and changed rows as people read them; once they are written, since they may point at each other."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, state in (("new", NEW), ("changed", CHANGED)):
        # Only these are put into words.
        first = f"(SELECT * FROM {target.rows} WHERE state = '{state}' ORDER BY line LIMIT {SAMPLE_KEPT})"
        rows = rows_of(f"{_told(target, state, source=first, with_line=True)} ORDER BY line")
        found[name] = [{"row": line, "label": label, "changes": orjson.loads(pairs)} for line, label, pairs in rows]
    return found


@dataclass(frozen=True)
class _Part:
    """The staged rows of some blocks of their table, of all when there is no condition; `done`: rows up to their end."""

    condition: str
    done: int


def _slices(target: Target, rows: int | None) -> Iterator[_Part]:
    """The staged rows where they lie, so that those of a slice are found without an index or a look at the others."""
    if rows is None:
        rows, last = one_of(f"SELECT count(*), max(line) FILTER (WHERE state <> '{SAME}') FROM {target.rows}")
        if last is None:
            return
    if rows <= SLICE:
        yield _Part("", rows)
        return
    (blocks,) = one_of(f"SELECT pg_relation_size('{target.rows}') / current_setting('block_size')::int")
    step = math.ceil(blocks * SLICE / rows)
    for first in range(0, blocks, step):
        end = min(first + step, blocks)
        yield _Part(f" AND staged.ctid >= '({first},0)' AND staged.ctid < '({end},0)'", rows * end // blocks)


def _change(target: Target, part: _Part) -> None:
    assignments = ", ".join(f"{name} = staged.n_{name}" for name in target.values)
    run_sql(
        f"UPDATE {target.table} AS own SET {assignments} FROM {target.rows} AS staged "
        f"WHERE own.id = staged.id AND staged.state = '{CHANGED}'{part.condition}"
    )


def _insert(target: Target, part: _Part) -> None:
    columns = (*target.keys, *target.values)
    run_sql(
        f"INSERT INTO {target.table} (id, {', '.join(columns)}) "
        f"SELECT id, {', '.join(f'n_{name}' for name in columns)} FROM {target.rows} AS staged "
        f"WHERE state = '{NEW}'{part.condition}"
    )


def _told(target: Target, state: str, condition: str = "", *, source: str = "", with_line: bool = False) -> str:
    """The query of id, label and changes of the staged rows in `state` that meet a further condition.

    source: rows to take instead of all that are staged.
    """
    columns = target.values if state == CHANGED else (*target.keys, *target.values)
    label, changes, joins = told(target.model, target.fields(columns), VERBS[state])
    head = "staged.line" if with_line else "staged.id::text"
    rows = f"{source or target.rows} AS staged"
    return f"SELECT {head}, {label}, {changes} FROM {rows} {joins} WHERE state = '{state}'{condition}"


def _remember(target: Target, run_id: int, part: _Part) -> None:
    """Keep the old values of what changed, and of each row what it says now, for undoing."""
    old = ", ".join(
        f"CASE WHEN n_{name} IS DISTINCT FROM o_{name} "
        f"THEN '\"{name}\":' || coalesce(to_jsonb(o_{name})::text, 'null') END"
        for name in target.values
    )
    new = ", ".join(f"'{name}', n_{name}" for name in (*target.keys, *target.values))
    run_sql(
        "INSERT INTO masterdata_importchange (run_id, entity, object_id, before, after) "
        f"SELECT {int(run_id)}, '{target.model._meta.label_lower}', id, CASE WHEN state = '{CHANGED}' THEN "
        f"('{{' || concat_ws(',', {old}) || '}}')::jsonb END, jsonb_strip_nulls(jsonb_build_object({new})) "
        f"FROM {target.rows} AS staged WHERE state <> '{SAME}'{part.condition}"
    )
