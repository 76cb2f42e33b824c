"""Counting requests in the shared cache, with django-ratelimit's arithmetic.

django-ratelimit raises when Redis is away, even when told to fail open; here the portal keeps serving. After a
failure the cache is left alone for a few seconds, so that a hanging Redis does not slow every request down.
"""

import time
from dataclasses import dataclass

import redis
import structlog
from django.http import HttpRequest
from django_ratelimit.core import get_usage

from sop_portal.lib.errors import DomainError

# Seconds during which nothing is counted after the cache failed.
PAUSE = 5.0

log = structlog.get_logger(__name__)
_away_until = 0.0


class TooMany(DomainError):
    """More requests than the limit allows (429); `retry_after` is in seconds."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after: int) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Usage:
    """How much of a limit is used in the current window; `reset` is in seconds from now."""

    count: int
    limit: int
    reset: int

    @property
    def exceeded(self) -> bool:
        return self.count > self.limit


def is_degraded() -> bool:
    """Whether this process counts nothing at the moment because the cache is away."""
    return time.monotonic() < _away_until


def count(request: HttpRequest, group: str, value: str, rate: str) -> Usage | None:
    """Count one request of `value` in `group`; None when the cache is away and nothing could be counted.

    rate: requests per period, such as "20/m" or "5/15m".
    """
    global _away_until
    if is_degraded():
        return None
    try:
        usage = get_usage(request, group=group, key=lambda _group, _request: value, rate=rate, increment=True)
    except (redis.RedisError, OSError) as problem:
        _away_until = time.monotonic() + PAUSE
        log.warning("cache away, requests are not counted", problem=str(problem))
        return None
    if usage is None:
        return None
    # The second in which a window ends still belongs to it: whoever waited for less would be refused once more.
    return Usage(usage["count"], usage["limit"], usage["time_left"] + 1)


def limit(request: HttpRequest, group: str, value: str, rate: str, sentence: str) -> None:
    """Count one request and refuse it beyond the limit.

    Raises TooMany with `sentence`.
    """
    usage = count(request, group, value, rate)
    if usage is not None and usage.exceeded:
        raise TooMany(sentence, usage.reset)
