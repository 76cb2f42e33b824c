"""Telling how far a long import is, hearing that it should stop, and knowing whether anybody still works on it.

All of it goes over a connection of its own: what the work itself writes is seen by nobody before it is committed. The
connection holds a lock for as long as it lives, so a worker that dies leaves a run that nobody works on.
"""

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from sop_portal.lib.leases import held, lease

# Advisory locks (class, run id): somebody works on this run.
WORK_LOCK_CLASS = 5_022
# Seconds between two signs; more would cost more than they tell.
EVERY = 0.3


class Cancelled(Exception):
    """Somebody asked to stop; nothing is to be written."""


class Watch:
    """Nobody watches: small files, commands and tests."""

    def step(self, words: str, rows_all: int | None = None) -> None:
        """Begin a step of the work, of so many rows. Raises Cancelled when somebody asked to stop."""

    def rows(self, done: int) -> None:
        """So many rows of the step are done. Raises Cancelled when somebody asked to stop."""


class LiveWatch(Watch):
    """The progress of one run, written over a connection of its own."""

    def __init__(self, run_id: int, line: psycopg.Connection[Any]) -> None:
        self._run_id, self._line = run_id, line
        self._told_at = 0.0

    def step(self, words: str, rows_all: int | None = None) -> None:
        self._tell("step = %s, rows_done = 0, rows_all = %s", words, rows_all)

    def rows(self, done: int) -> None:
        if time.monotonic() - self._told_at >= EVERY:
            self._tell("rows_done = %s", done)

    def _tell(self, assignments: str, *values: Any) -> None:
        # The assignments are those of the two functions above, never input.
        row = self._line.execute(
            f"UPDATE masterdata_importprogress SET {assignments}, updated_at = now() WHERE run_id = %s RETURNING cancel",
            [*values, self._run_id],
        ).fetchone()
        self._told_at = time.monotonic()
        if row is None or row[0]:
            raise Cancelled


@contextmanager
def watching(run_id: int) -> Iterator[LiveWatch | None]:
    """Work on a run alone and be seen doing so; None when somebody else works on it."""
    with lease(WORK_LOCK_CLASS, run_id) as line:
        if line is None:
            yield None
            return
        line.execute(
            "INSERT INTO masterdata_importprogress (run_id, step, rows_done, cancel, attempts, updated_at) "
            "VALUES (%s, '', 0, false, 1, now()) ON CONFLICT (run_id) DO UPDATE "
            "SET attempts = masterdata_importprogress.attempts + 1, updated_at = now()",
            [run_id],
        )
        yield LiveWatch(run_id, line)


def worked_on(run_ids: Collection[int]) -> set[int]:
    """Those of the runs that somebody works on now."""
    return held(WORK_LOCK_CLASS, run_ids)
