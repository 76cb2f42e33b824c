"""Telling a database that is away from one that refused a statement."""

import psycopg
from django.db import InterfaceError, OperationalError

# Shut down, starting up, too many connections; a busy row and a statement that ran into its time limit pass, too.
_PASSING = ("08", "57P", "53300", "55P03", "57014", "40P01", "40001")


def is_away(problem: BaseException | None) -> bool:
    """Whether `problem` means that the database cannot answer now and may answer soon."""
    if isinstance(problem, InterfaceError):
        return True
    if not isinstance(problem, OperationalError):
        return False
    cause = problem.__cause__
    code = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    # Without a code the connection broke before the server could say one.
    return code is None or code.startswith(_PASSING)
