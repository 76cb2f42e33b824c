"""Refusals: what the portal says when an action is not possible now.

Services raise these; two translators turn them into answers: `sop_portal/api.py` into problem JSON,
`sop_portal/pages.py` into a page or a fragment. Messages are whole sentences a planner can act on.
"""

from collections.abc import Mapping
from typing import Any


class DomainError(Exception):
    """A refusal with an HTTP status; `detail` is one sentence, `extra` data the page may offer back."""

    status = 400
    title = "Not possible"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra = extra


class NotAllowed(DomainError):
    """The row may be seen but not changed by this person (403)."""

    status = 403
    title = "Not allowed"


class Conflict(DomainError):
    """The state of things stands in the way: closed, decided, stale, in use (409)."""

    status = 409
    title = "Conflict"


class StaleRevision(Conflict):
    """Someone saved in between. `extra["stale"]` carries the lines as they are stored now."""


class Refused(DomainError):
    """Values that do not make sense (422): `lines` maps a position in the list sent to its sentence."""

    status = 422
    title = "Not accepted"

    def __init__(self, lines: Mapping[Any, str] | str, detail: str = "", **extra: Any) -> None:
        self.lines: dict[Any, str] = {} if isinstance(lines, str) else dict(lines)
        if not detail:
            detail = lines if isinstance(lines, str) else " ".join(self.lines.values())
        super().__init__(detail, **extra)


class TooLarge(DomainError):
    """The file or body is over its limit (413)."""

    status = 413
    title = "Too large"
