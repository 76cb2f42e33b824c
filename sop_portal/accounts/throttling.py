"""How often one may try to sign in. Counting per name and address is django-axes' and per name that of `turns`, both in
the database, so they work with the cache away; per address alone it is lib/ratelimit's."""

import datetime as dt
from collections.abc import Iterable
from typing import Any

from axes.handlers.database import AxesDatabaseHandler
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Exists, OuterRef, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.crypto import salted_hmac

from sop_portal.accounts import turns
from sop_portal.accounts.models import SignInTurn, User
from sop_portal.lib import ratelimit
from sop_portal.lib.net import client_ip

COOLOFF = dt.timedelta(minutes=15)
LOGINS_PER_ADDRESS = "20/m"
REFRESHES_PER_ADDRESS = "120/m"
RESETS_PER_ADDRESS = "10/m"
RESETS_PER_NAME = "5/h"
# Trying many names with one password: beyond so many failed names an address waits, until the oldest have aged.
SPRAY_NAMES = 10
SPRAY_WINDOW = dt.timedelta(minutes=10)
# What a request is marked with: the turn it took, or the seconds until the next.
_TURN, _WAIT = "_sign_in_turn", "_sign_in_wait"


def limit_address(request: HttpRequest, group: str, rate: str) -> None:
    """Count one attempt of a network address, such as a sign-in. Raises TooMany."""
    ratelimit.limit(
        request,
        group,
        client_ip(request) or "unknown",
        rate,
        "There were too many attempts from your network address. Wait a minute and try again.",
    )


def limit_resets(request: HttpRequest, email: str) -> None:
    """Count one link asked for an address: nobody's mailbox is to be filled. Raises TooMany."""
    ratelimit.limit(
        request,
        "password_reset_name",
        email.lower(),
        RESETS_PER_NAME,
        "Several links were asked for this address within the hour. Look into the mailbox, or try again later.",
    )


def cooloff(request: HttpRequest | None = None) -> dt.timedelta:
    """How long failures count and a lock lasts."""
    return COOLOFF


def axes_username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str | None:
    """The one name under which failures are counted: a person's e-mail address whichever of their two names was
    typed. What is nobody's name is kept as a digest: people type their password into the wrong field."""
    typed = None
    if credentials:
        typed = credentials.get("username") or credentials.get("email")
    if not typed:
        typed = request.POST.get("login")
    if not typed:
        return None
    typed = str(typed).strip().lower()
    known: dict[str, str] = request.__dict__.setdefault("_axes_names", {})
    if typed not in known:
        user = User.objects.named(typed)
        known[typed] = user.email if user else f"unknown {salted_hmac(__name__, typed).hexdigest()}"
    return known[typed]


class PortalHandler(AxesDatabaseHandler):
    """Also holds an address that failed with many names, and lets attempts at one name take turns.

    An office shares an address, so only failures count.
    """

    def is_allowed(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Whether the password may be looked at now; takes the turn of the name when that is needed."""
        if not super().is_allowed(request, credentials):
            return False
        name = axes_username(request, credentials)
        if name is None or turns.is_known(name, client_ip(request)):
            return True
        wait = turns.take(name)
        request.__dict__.update({_WAIT: wait} if wait else {_TURN: name})
        return not wait

    def is_locked(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
        """Whether this name from this address, or this address altogether, has to wait."""
        return super().is_locked(request, credentials) or self.is_spraying(request)

    def is_spraying(self, request: HttpRequest) -> bool:
        """Whether the address failed with more than SPRAY_NAMES names within SPRAY_WINDOW."""
        recent = AccessAttempt.objects.filter(
            ip_address=client_ip(request), attempt_time__gte=timezone.now() - SPRAY_WINDOW
        )
        return recent.values("username").distinct().count() > SPRAY_NAMES


def seconds_to_wait(request: HttpRequest) -> int:
    """Seconds until the next turn of the name that `request` tried; 0 when it had one."""
    return int(request.__dict__.get(_WAIT, 0))


def wait_sentence(seconds: int) -> str:
    """What is said to an attempt out of turn; the same for names that exist and names that do not."""
    return (
        f"There were many failed attempts for this name. Try again in {seconds} second{'' if seconds == 1 else 's'}; "
        "your password was not looked at."
    )


def signed_in(request: HttpRequest, user: User) -> None:
    """`user` signed in: the address is theirs, and a turn that was taken was no failure."""
    if name := request.__dict__.get(_TURN):
        turns.give_back(name)
    turns.remember(user, client_ip(request))


def is_locked_out() -> Exists:
    """Whether a user (the outer row) failed so often from one address that they have to wait, as an expression."""
    recent = AccessAttempt.objects.filter(username=OuterRef("email"), attempt_time__gte=timezone.now() - COOLOFF)
    failed = recent.order_by().values("username", "ip_address").annotate(failures=Sum("failures_since_start"))
    return Exists(failed.filter(failures__gte=settings.AXES_FAILURE_LIMIT))


def forget_failures(users: Iterable[User]) -> list[User]:
    """Forget the failed sign-ins of `users`, from wherever; returns those who had any."""
    people = {user.email: user for user in users}
    attempts = AccessAttempt.objects.filter(username__in=list(people))
    waits = SignInTurn.objects.filter(name__in=list(people), attempts__gt=0)
    had = {*attempts.values_list("username", flat=True), *waits.values_list("name", flat=True)}
    attempts.delete()
    waits.delete()
    return [user for email, user in people.items() if email in had]


def seconds_locked(request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
    """Seconds until the name and address of `request` may try again."""
    attempts = AccessAttempt.objects.filter(ip_address=client_ip(request))
    name = axes_username(request, credentials)
    last = (
        attempts.filter(username=name).order_by("-attempt_time").values_list("attempt_time", flat=True).first()
        or attempts.order_by("-attempt_time").values_list("attempt_time", flat=True).first()
    )
    if last is None:
        return int(COOLOFF.total_seconds())
    return max(1, int((last + COOLOFF - timezone.now()).total_seconds()))


def locked_out(
    request: HttpRequest, original_response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """The page that says how long to wait; the same for names that exist and names that do not.

    An attempt out of turn gets its own form back, which says it, as does one by the API.
    """
    if original_response is not None and original_response.status_code == 429:
        return original_response
    wait = seconds_to_wait(request)
    if wait and original_response is not None:
        original_response.status_code = 429
        original_response["Retry-After"] = str(wait)
        return original_response
    seconds = seconds_locked(request, credentials)
    context = {"status": 429, "retry_after": seconds, "minutes": -(-seconds // 60)}
    response = render(request, "errors/locked.html", context, status=429)
    response["Retry-After"] = str(seconds)
    add_never_cache_headers(response)
    return response
