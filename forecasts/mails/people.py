"""Whom mails go to. Nobody who cannot sign in gets any."""

from collections.abc import Iterable
from typing import Any

from cycles.models import Cycle, Participant
from sop_portal.accounts import formats
from sop_portal.accounts.models import User


def admins() -> list[User]:
    """Those who run cycles."""
    return list(User.objects.active().with_permission("cycles.move_cycle"))  # type: ignore[arg-type]


def participants(cycle: Cycle, rep_ids: Iterable[int] | None = None) -> list[Participant]:
    """The shares of active reps, of all or of those named, each with its rep and the rep's manager."""
    found = Participant.objects.filter(cycle=cycle, rep__is_active=True).select_related("rep__manager")
    if rep_ids is not None:
        found = found.filter(rep__in=list(rep_ids))
    return list(found.order_by("rep__full_name", "rep_id"))


def teams(reps: Iterable[Any]) -> dict[Any, list[Any]]:
    """Active manager -> those of `reps` who are theirs."""
    found: dict[Any, list[Any]] = {}
    for rep in reps:
        if rep.manager is not None and rep.manager.is_active:
            found.setdefault(rep.manager, []).append(rep)
    return found


def deciding(users: Iterable[Any]) -> set[int]:
    """The keys of those of `users` who are active and may decide their team's lines, in one query."""
    may = User.objects.active().with_permission("forecasts.decide_team_lines")
    may |= User.objects.active().with_permission("forecasts.decide_any_line")
    keys = {user.pk for user in users if user is not None}
    return set(may.filter(pk__in=keys).order_by().values_list("pk", flat=True)) if keys else set()


def readers_of_plans() -> list[User]:
    """Those who read more than their own lines: managers, viewers and admins."""
    users = User.objects.active()
    some = users.with_permission("forecasts.view_all_lines") | users.with_permission("forecasts.view_team_lines")
    return list(some.distinct())  # type: ignore[arg-type]


def words(users: Iterable[Any]) -> str:
    """ "Rita Rep, Oskar Rep and 3 more"."""
    return formats.named([str(user) for user in users], 4)
