"""All acts upon users. The rule of the last administrator sits in the model, where every path meets it."""

from collections.abc import Iterable, Sequence
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.auth.models import Group
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F

from audit.services import Event, record_many
from sop_portal.accounts import throttling
from sop_portal.accounts.models import ADMINISTER, User
from sop_portal.lib.errors import NotAllowed, Refused

ADMIN_ROLE = "admin"


def require_admin(by: User | None) -> None:
    """Raise NotAllowed unless `by` may manage users; None is a command on the server, which may."""
    if by is not None and not by.has_perm(ADMINISTER):
        raise NotAllowed("Users are managed by administrators.")


def roles_named(names: Iterable[str]) -> list[Group]:
    """The groups of `names`. Raises Refused naming those that do not exist."""
    wanted = set(names)
    groups = list(Group.objects.filter(name__in=wanted))
    unknown = wanted - {group.name for group in groups}
    if unknown:
        raise Refused({"roles": f"There is no role {', '.join(sorted(unknown))}."})
    return groups


@transaction.atomic
def create_user(
    *,
    by: User | None,
    email: str,
    full_name: str,
    roles: Iterable[str] = (),
    password: str | None = None,
    **fields: Any,
) -> User:
    """Create a user in `roles`, without a usable password unless one is given.

    fields: username, employee_id, manager, time_zone.
    Raises NotAllowed, Refused for an unknown role, ValidationError for fields that do not make sense.
    """
    require_admin(by)
    groups = roles_named(roles)
    user: User = User.objects.create_user(email, password, full_name=full_name, **fields)
    user.groups.set(groups)
    return user


@transaction.atomic
def set_roles(user: User, roles: Iterable[str], *, by: User | None) -> None:
    """Give `user` exactly these roles.

    Raises NotAllowed, Refused for an unknown role, Conflict for the last active administrator.
    """
    require_admin(by)
    user.groups.set(roles_named(roles))


@transaction.atomic
def set_active(users: Iterable[User], active: bool, *, by: User | None) -> list[User]:
    """Activate or deactivate `users`, all or none; those who already are so are left alone.

    Returns the users changed. Raises NotAllowed, and Conflict for the last active administrator.
    """
    require_admin(by)
    changed = []
    for user in User.objects.filter(pk__in=[user.pk for user in users]).exclude(is_active=active).order_by("pk"):
        user.is_active = active
        user.save(update_fields=["is_active"])
        changed.append(user)
    return changed


@transaction.atomic
def unlock(users: Iterable[User], *, by: User | None) -> list[User]:
    """Forget the failed sign-ins of `users`, so that they may try again at once. Returns those who had any."""
    require_admin(by)
    had = throttling.forget_failures(users)
    record_many(
        Event(action="user_unlocked", entity_type="user", entity_id=str(user.pk), label=str(user)) for user in had
    )
    return had


@transaction.atomic
def require_new_password(users: Iterable[User], *, by: User | None) -> list[User]:
    """End the sessions of `users` and let them do nothing but choose another password once they sign in again.

    Returns those of whom it was not asked yet. Raises NotAllowed.
    """
    require_admin(by)
    held = User.objects.filter(pk__in=[user.pk for user in users], must_change_password=False).order_by("pk")
    changed: list[User] = list(held.select_for_update(no_key=True))
    User.objects.filter(pk__in=[user.pk for user in changed]).update(must_change_password=True)
    revoke_access([user.pk for user in changed])
    return changed


def revoke_access(user_ids: Sequence[int]) -> None:
    """End everything these users are signed in with: sessions now, tokens by the version they carry."""
    User.objects.filter(pk__in=user_ids).update(access_version=F("access_version") + 1)
    end_sessions(user_ids)


def end_sessions(user_ids: Sequence[int]) -> None:
    """Delete the stored sessions of these users."""
    sessions = UserSession.objects.filter(user_id__in=user_ids)
    Session.objects.filter(session_key__in=list(sessions.values_list("session_key", flat=True))).delete()
    sessions.delete()


@transaction.atomic
def make_admin(email: str, full_name: str = "") -> tuple[User, bool]:
    """The active administrator with this e-mail address, created or promoted, and whether they were created."""
    user = User.objects.named(email)
    if user is None:
        name = full_name or email.partition("@")[0]
        return create_user(by=None, email=email, full_name=name, roles=[ADMIN_ROLE]), True
    set_active([user], True, by=None)
    user.groups.add(*roles_named([ADMIN_ROLE]))
    return User.objects.get(pk=user.pk), False
