"""Loading many rows at once, and telling the audit trail."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from django.db import connection, models

from audit.services import Event, record


def copy_rows(model: type[models.Model], columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """COPY `rows` into the table of `model`; returns how many. None is NULL."""
    # Names of our own models and columns, never input.
    statement = f"COPY {model._meta.db_table} ({', '.join(columns)}) FROM STDIN"
    count = 0
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
            count += 1
    return count


@contextmanager
def keys_checked_meanwhile(*models: type[models.Model]) -> Iterator[None]:
    """Let the database check the foreign keys of the rows of `models` so far, while Python is busy inside.

    They are checked late, and all of them would be waited for at the commit. Tables whose rows still change are better
    left to it, since a row that changes in the transaction that made it is checked again. Nothing may be asked of the
    database inside.
    """
    tables = [model._meta.db_table for model in models]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT string_agg(quote_ident(conname), ', ') FROM pg_constraint "
            "WHERE contype = 'f' AND condeferrable AND conrelid = ANY(%s::regclass[])",
            [tables],
        )
        keys = cursor.fetchone()[0]
        driver = connection.connection
        with driver.pipeline():
            # Names of our own constraints as the database quotes them, never input. Sent now; the answer is waited for
            # where the pipeline ends.
            psycopg.Cursor(driver).execute(f"SET CONSTRAINTS {keys} IMMEDIATE")
            yield
        # The same names, never input.
        cursor.execute(f"SET CONSTRAINTS {keys} DEFERRED")


def record_load(entity: str, name: str, label: str, *, verb: str = "created", **sums: float) -> None:
    """One entry of the trail for a whole load: rows of facts are too many for one each.

    Each changed actual is kept as a revision of its batch anyway. sums: what the load added up to.
    """
    record(
        Event(
            action=f"{entity}_{verb}",
            entity_type=entity,
            entity_id=name,
            label=label,
            changes={what: [0, round(value, 2)] for what, value in sums.items()},
        )
    )
