"""Signing in by the API: short access tokens and a refresh token that changes with each use.

Refresh tokens of one sign-in are a family (`TokenFamily`). The row is locked while one is exchanged, so that of two
exchanges at once the second finds a token that is not current any more and ends the family, as for a stolen one.
"""

import datetime as dt
import functools
import hashlib
import secrets
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from audit.context import acting
from audit.services import Event, record
from sop_portal.accounts.models import IdempotencyKey, PersonalToken, TokenFamily, User
from sop_portal.lib.api.repeating import KEPT_FOR
from sop_portal.lib.errors import Conflict, DomainError, Refused

PREFIX = "sop_"
LONGEST_DAYS = 366
# What a token lasts unless its person says otherwise.
USUAL_DAYS = 90
# Seconds between two notes of when a token was used last.
_NOTED_EVERY = dt.timedelta(seconds=60)


class NotSignedIn(DomainError):
    """What was shown is no valid sign-in (401)."""

    status = 401
    title = "Not signed in"


@dataclass(frozen=True)
class Pair:
    """The two tokens of a sign-in; seconds until each expires."""

    access: str
    refresh: str
    access_expires_in: int
    refresh_expires_in: int


@transaction.atomic
def issue(user: User) -> Pair:
    """Tokens of a new sign-in of `user`, who has proved who they are."""
    now = timezone.now()
    family = TokenFamily(
        user=user,
        access_version=user.access_version,
        current=uuid.uuid4().hex,
        created_at=now,
        expires_at=now + dt.timedelta(hours=settings.JWT_REFRESH_HOURS),
    )
    family.save(force_insert=True)
    return _pair(family)


def refresh(text: str) -> Pair:
    """Exchange a refresh token. Raises NotSignedIn; one that was exchanged before ends the whole sign-in."""
    claims = _claims(RefreshToken, text)
    with transaction.atomic():
        family = _families().select_for_update(of=("self",)).filter(pk=claims["family"]).first()
        if family is None or not _is_valid(family):
            raise NotSignedIn("This sign-in has ended; sign in again.")
        reused = not secrets.compare_digest(family.current, claims["jti"])
        if not reused:
            family.current = uuid.uuid4().hex
            family.save(update_fields=["current"])
            return _pair(family)
        _revoke(family)
        with acting(family.user, source="api"):
            record(
                Event(
                    action="user_token_reused", entity_type="user", entity_id=str(family.user_id),
                    label=str(family.user), severity="ERROR",
                )
            )  # fmt: skip
    raise NotSignedIn("This refresh token was used before, so the sign-in has ended; sign in again.")


def revoke(text: str) -> User | None:
    """End the sign-in that a refresh token belongs to; whose it was, or None for one that had ended."""
    try:
        claims = _claims(RefreshToken, text)
    except NotSignedIn:
        return None
    return end(claims["family"])


@transaction.atomic
def end(family_id: Any) -> User | None:
    """End one sign-in; whose it was, or None when it had ended before."""
    family = _families().select_for_update(of=("self",)).filter(pk=family_id, revoked_at=None).first()
    if family is None:
        return None
    _revoke(family)
    return family.user


@dataclass(frozen=True)
class Shown:
    """What a request showed: a sign-in of the API (`family_id`), or the token of a program (`token_id`)."""

    family_id: Any = None
    token_id: int | None = None
    # None: everything its person may do.
    scopes: frozenset[str] | None = None


def whose(text: str) -> tuple[User, Shown]:
    """The person that an access token or a token of a program stands for. Raises NotSignedIn."""
    return _program(text) if text.startswith(PREFIX) else _signed_in(text)


def _signed_in(text: str) -> tuple[User, Shown]:
    family = _family_of(_claims(AccessToken, text)["family"])
    if family is None or not _is_valid(family):
        raise NotSignedIn("This sign-in has ended; sign in again.")
    return family.user, Shown(family_id=family.pk)


def _program(text: str) -> tuple[User, Shown]:
    now = timezone.now()
    token = PersonalToken.objects.valid(now).filter(digest=_digest(text)).select_related("user").first()
    if token is None:
        raise NotSignedIn("This token is not valid: it has expired, was revoked, or never was one.")
    if token.last_used_at is None or now - token.last_used_at >= _NOTED_EVERY:
        PersonalToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token.user, Shown(token_id=token.pk, scopes=frozenset(token.scopes))


def create_token(user: User, *, name: str, scopes: Iterable[str], days: int) -> tuple[PersonalToken, str]:
    """A token for a program of `user` and its text, which cannot be had again.

    Raises Refused for a span or scope that does not exist, Conflict for a name that is taken.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused({"days": f"A token lasts 1 to {LONGEST_DAYS} days."})
    wanted = sorted(set(scopes))
    unknown = set(wanted) - set(PersonalToken.Scope.values)
    if unknown or not wanted:
        raise Refused({"scopes": f"A token is for {' or '.join(PersonalToken.Scope.values)}, or for both."})
    text = PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    token = PersonalToken(
        user=user,
        name=name,
        scopes=wanted,
        digest=_digest(text),
        hint=text[-4:],
        access_version=user.access_version,
        created_at=now,
        expires_at=now + dt.timedelta(days=days),
    )
    token.clean_fields()
    try:
        with transaction.atomic():
            token.save(force_insert=True)
    except IntegrityError as taken:
        raise Conflict(f"You have a token named '{name}'; revoke it first, or choose another name.") from taken
    return token, text


@transaction.atomic
def revoke_token(user: User, token_id: int) -> None:
    """End a token of `user`; again it changes nothing. Raises PersonalToken.DoesNotExist for one of somebody else."""
    token = PersonalToken.objects.visible_to(user).select_for_update().get(pk=token_id)
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])


def forget() -> int:
    """Delete sign-ins that ended a month ago, and answers that nobody may ask for again; returns how many."""
    now = timezone.now()
    families, _ = TokenFamily.objects.filter(expires_at__lt=now - dt.timedelta(days=30)).delete()
    answers, _ = IdempotencyKey.objects.filter(at__lt=now - KEPT_FOR).delete()
    return families + answers


def _pair(family: TokenFamily) -> Pair:
    tokens = []
    for kind, jti in ((AccessToken, uuid.uuid4().hex), (RefreshToken, family.current)):
        token = kind()
        token["sub"], token["family"], token["jti"] = str(family.user_id), str(family.pk), jti
        tokens.append(token)
    access, renewing = tokens
    # An exchange does not make the sign-in longer.
    renewing["exp"] = min(renewing["exp"], int(family.expires_at.timestamp()))
    now = timezone.now().timestamp()
    return Pair(str(access), str(renewing), int(access["exp"] - now), int(renewing["exp"] - now))


def _claims(kind: Any, text: str) -> dict[str, str]:
    """What a token says, once its signature, span, issuer and audience are right."""
    try:
        token = kind(text)
        return {"family": str(uuid.UUID(str(token["family"]))), "jti": str(token["jti"])}
    except (TokenError, KeyError, ValueError) as problem:
        raise NotSignedIn("This token is not valid or has expired.") from problem


def _family_of(family_id: str) -> TokenFamily | None:
    """A sign-in with its person."""
    with connection.cursor() as cursor:
        # What the ORM compiled, never input.
        cursor.execute(_reading(), [family_id])
        row = cursor.fetchone()
    if row is None:
        return None
    own = _names(TokenFamily)
    family = TokenFamily.from_db(connection.alias, own, row[: len(own)])
    family.user = User.from_db(connection.alias, _names(User), row[len(own) :])
    return family


@functools.cache
def _reading() -> str:
    """The SQL of a sign-in and its person, compiled once: every request of a program asks, and by the ORM that costs more
    than reading them."""
    columns = (*_names(TokenFamily), *(f"user__{name}" for name in _names(User)))
    return TokenFamily.objects.filter(pk=uuid.UUID(int=0)).values_list(*columns).query.sql_with_params()[0]


def _names(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _families() -> Any:
    return TokenFamily.objects.select_related("user")


def _is_valid(family: TokenFamily) -> bool:
    return (
        family.revoked_at is None
        and family.user.is_active
        and family.access_version == family.user.access_version
        and family.expires_at > timezone.now()
    )


def _revoke(family: TokenFamily) -> None:
    family.revoked_at = timezone.now()
    family.save(update_fields=["revoked_at"])


def _digest(text: str) -> str:
    """Enough for a text that nobody can guess: 256 random bits."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
