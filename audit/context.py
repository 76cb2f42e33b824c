"""Who acts, from where, and what their act is called. Kept per thread of control, read when an entry is written.

The actor may be a callable: users of tokens are known only inside the view, so the trail asks as late as it can.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.http import HttpRequest

SOURCES = ("web", "api", "excel", "admin", "job", "command", "system")
# The source of a write that nobody claimed; the tests fail on it.
UNATTRIBUTED = "unattributed"
SYSTEM = "system"


@dataclasses.dataclass(frozen=True)
class Context:
    """Who acts now. `actor` is a user, "system", None (nobody is signed in) or a callable that gives one of these."""

    actor: Any = None
    source: str = UNATTRIBUTED
    on_behalf_of: Any = None
    ip: str | None = None
    user_agent: str = ""
    request_id: str = ""

    def who(self) -> tuple[int | None, str]:
        """Id and label of the actor, asked now."""
        return identify(self.actor() if callable(self.actor) else self.actor)


_NOBODY = Context()
_current: ContextVar[Context] = ContextVar("audit_context", default=_NOBODY)
_actions: ContextVar[tuple[str, ...]] = ContextVar("audit_actions", default=())


def identify(person: Any) -> tuple[int | None, str]:
    """Id and label of a user; "system" has a label only, somebody who is not signed in has neither."""
    if person == SYSTEM:
        return None, SYSTEM
    if person is None or not getattr(person, "is_authenticated", False):
        return None, ""
    return person.pk, str(person)


def current() -> Context:
    """The context that an entry written now belongs to."""
    return _current.get()


@contextmanager
def acting(
    actor: Any,
    *,
    source: str,
    on_behalf_of: Any = None,
    ip: str | None = None,
    user_agent: str = "",
    request_id: str = "",
) -> Iterator[None]:
    """Attribute what is written inside to `actor`: a user, "system", None or a callable that gives one of these.

    source: one of SOURCES. Address, user agent and request id come from the surrounding context when not given.
    Raises ValueError for another source.
    """
    if source not in SOURCES:
        raise ValueError(f"'{source}' is no source of the audit trail; use one of {', '.join(SOURCES)}")
    outer = _current.get()
    inner = Context(
        actor=actor,
        source=source,
        on_behalf_of=on_behalf_of,
        ip=ip or outer.ip,
        user_agent=user_agent or outer.user_agent,
        request_id=request_id or outer.request_id,
    )
    token = _current.set(inner)
    try:
        yield
    finally:
        _current.reset(token)


@contextmanager
def acting_in(request: HttpRequest, *, source: str, ip: str | None) -> Iterator[None]:
    """Attribute what is written inside to whoever `request.user` is when it is written."""
    with acting(
        lambda: getattr(request, "user", None),
        source=source,
        ip=ip,
        user_agent=request.headers.get("User-Agent", ""),
        request_id=getattr(request, "request_id", ""),
    ):
        yield


@contextmanager
def as_source(source: str) -> Iterator[None]:
    """The same actor by another way: rows that a page takes from a workbook are written `as_source("excel")`."""
    outer = _current.get()
    with acting(outer.actor, source=source, on_behalf_of=outer.on_behalf_of):
        yield


@contextmanager
def action(name: str) -> Iterator[None]:
    """Call the tracked changes inside by `name` ("cycle_opened"), where the entity is the one that begins the name."""
    token = _actions.set((*_actions.get(), name))
    try:
        yield
    finally:
        _actions.reset(token)


def named_action(entity: str) -> str | None:
    """The innermost action in force for `entity`, or None."""
    return next((name for name in reversed(_actions.get()) if name.startswith(f"{entity}_")), None)
