"""Saving many users at once, with the rules of saving one, in a number of statements that does not grow with them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group
from django.db import transaction

from audit.services import DERIVED, Event, record_many
from sop_portal.accounts.models import User
from sop_portal.accounts.services import require_admin, revoke_access, roles_named

FIELDS = ("email", "username", "full_name", "employee_id", "manager", "time_zone", "is_active")
BATCH = 500


@dataclass
class UserEdit:
    """A user as they should be: a stored one with new values, or one to come. roles: all of theirs, None: as they are."""

    user: User
    roles: Collection[str] | None = None


@transaction.atomic
def save_users(edits: Sequence[UserEdit], *, by: User | None) -> None:
    """Create and change users with their roles, all of them or none. New ones have no usable password.

    The caller has let the model's rules speak (`clean_fields`, `User.objects.clashes`); the database guards. Whoever
    gets other roles or is deactivated is signed out. Raises NotAllowed, Refused for an unknown role, Conflict when no
    active administrator would be left.
    """
    require_admin(by)
    had_admin = User.objects.lock_admins().exists()
    groups = {group.name: group for group in roles_named({name for edit in edits for name in edit.roles or ()})}
    managers = [edit.user.manager for edit in edits]
    _create([edit.user for edit in edits if edit.user._state.adding], managers)
    for edit, manager in zip(edits, managers, strict=True):
        # A manager may have come in the same list, and has a key only now.
        edit.user.manager = manager
    ended = _change([edit.user for edit in edits])
    ended |= give_roles({edit.user: edit.roles for edit in edits if edit.roles is not None}, groups)
    revoke_access(sorted(ended))
    User.objects.refuse_without_admin(had_admin)


def _create(users: Sequence[User], managers: Iterable[User | None]) -> None:
    to_come = {id(manager) for manager in managers if manager is not None and manager._state.adding}
    for user in users:
        user.password = make_password(None)
        if user.manager is not None and id(user.manager) in to_come:
            user.manager = None
    User.objects.bulk_create(users, batch_size=BATCH)


def _change(users: Sequence[User]) -> set[int]:
    """Write what differs from what is stored; the keys of those whose activity changed."""
    stored = User.objects.in_bulk([user.pk for user in users])
    columns = {name: User._meta.get_field(name).attname for name in FIELDS}  # type: ignore[union-attr]
    differs: dict[str, None] = {}
    changed = []
    for user in users:
        before = stored[user.pk]
        names = [name for name, column in columns.items() if getattr(user, column) != getattr(before, column)]
        differs |= dict.fromkeys(names)
        if names:
            changed.append(user)
    if changed:
        # A statement has a term for each user and field, so fields that differ in nobody are left out.
        User.objects.bulk_update(changed, list(differs), batch_size=BATCH)
    return {user.pk for user in changed if user.is_active != stored[user.pk].is_active}


def give_roles(wanted: Mapping[User, Collection[str]], groups: Mapping[str, Group]) -> set[int]:
    """Make the roles of users those wanted and tell each change; the keys of those whose roles changed."""
    through: Any = User.groups.through
    ids = [user.pk for user in wanted]
    before: dict[int, dict[str, int]] = {pk: {} for pk in ids}
    for link, user, name in through.objects.filter(user__in=ids).values_list("pk", "user_id", "group__name"):
        before[user][name] = link
    gone, fresh, events, changed = [], [], [], set()
    for user, names in wanted.items():
        has = before[user.pk]
        if set(names) == has.keys():
            continue
        changed.add(user.pk)
        gone += [link for name, link in has.items() if name not in names]
        fresh += [through(user_id=user.pk, group_id=groups[name].pk) for name in set(names) - has.keys()]
        events.append(
            Event(
                action="user_role_changed",
                entity_type="user",
                entity_id=str(user.pk),
                label=str(user),
                changes={"groups": (sorted(has), sorted(names))},
                specificity=DERIVED,
            )
        )
    through.objects.filter(pk__in=gone).delete()
    through.objects.bulk_create(fresh)
    record_many(events)
    return changed
