"""Loading many rows at once, and telling the audit trail."""

from collections.abc import Iterable, Sequence
from typing import Any

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
