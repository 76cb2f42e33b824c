"""What follows from facts about users: entries for coming and going, and the end of what they are signed in with."""

import time
from collections.abc import Iterable
from typing import Any

from allauth.account.signals import password_reset
from axes.signals import user_locked_out
from axes.utils import reset as reset_failures
from django.contrib.auth.models import Group
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.db.models.signals import m2m_changed, post_save, pre_delete
from django.http import HttpRequest

from audit.context import acting, current
from audit.services import Event, record
from sop_portal.accounts import mail, services, throttling, turns
from sop_portal.accounts.models import User
from sop_portal.jobs.signals import job_failed
from sop_portal.lib.net import client_ip
from sop_portal.mail.signals import about_to_send


def connect() -> None:
    """Connect the receivers below."""
    user_logged_in.connect(signed_in, dispatch_uid="signed_in")
    user_logged_out.connect(signed_out, dispatch_uid="signed_out")
    user_login_failed.connect(sign_in_failed, dispatch_uid="sign_in_failed")
    user_locked_out.connect(locked, dispatch_uid="locked")
    password_reset.connect(password_was_reset, dispatch_uid="password_was_reset")
    post_save.connect(access_saved, sender=User, dispatch_uid="access_saved")
    about_to_send.connect(mail.answer_requests, dispatch_uid="answer_requests")
    about_to_send.connect(mail.tell_of_stuck_mail, dispatch_uid="tell_of_stuck_mail")
    job_failed.connect(mail.tell_of_failed_job, dispatch_uid="tell_of_failed_job")
    pre_delete.connect(about_to_delete, sender=User, dispatch_uid="about_to_delete")
    for through in (User.groups.through, User.user_permissions.through):
        m2m_changed.connect(grants_changed, sender=through, dispatch_uid=f"grants_changed_{through.__name__}")
    m2m_changed.connect(role_permissions_changed, sender=Group.permissions.through, dispatch_uid="role_permissions")


def _source() -> str:
    """By the API or by a page."""
    return "api" if current().source == "api" else "web"


def _record(action: str, user: User, severity: str | None = None) -> None:
    record(Event(action=action, entity_type="user", entity_id=str(user.pk), label=str(user), severity=severity))


def signed_in(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Start the clocks of the session, if there is one, and know the address from now on."""
    if not getattr(request, "signs_in_by_token", False):
        request.session["signed_in_at"] = request.session["last_seen_at"] = time.time()
    throttling.signed_in(request, user)
    with acting(user, source=_source()):
        _record("user_login", user)


def signed_out(sender: Any, request: HttpRequest, user: User | None, **kwargs: Any) -> None:
    """Signing out, by oneself or by a limit of time."""
    if user is not None and user.pk:
        with acting(user, source=_source()):
            _record("user_logout", user)


def _attempt(action: str, name: str, severity: str | None = None) -> None:
    """Record an attempt under the name of a user that exists. Another name is not kept: people type their password
    into the wrong field."""
    user = User.objects.named(name) if name else None
    with acting("system", source=_source()):
        if user is not None:
            _record(action, user, severity=severity)
        else:
            record(Event(action=action, entity_type="user", label="a name that is nobody's", severity=severity))


def sign_in_failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **kwargs: Any) -> None:
    """A wrong name or password, or the right one of somebody inactive."""
    if not getattr(request, "axes_locked_out", False):
        _attempt("user_login_failed", str(credentials.get("username") or credentials.get("email") or ""))


def locked(sender: Any, request: HttpRequest, username: str | None, **kwargs: Any) -> None:
    """Too many failures: at the one that locks, and at each try during the lock. An attempt out of turn is one more
    that failed."""
    if throttling.seconds_to_wait(request):
        _attempt("user_login_failed", username or "")
    else:
        _attempt("user_locked", username or "", "ERROR")


def password_was_reset(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Whoever chose a new password by mail may use it at once, from where they are."""
    reset_failures(username=user.email, ip=client_ip(request))
    turns.remember(user, client_ip(request))


def access_saved(sender: Any, instance: User, created: bool, **kwargs: Any) -> None:
    """End the sessions of before a changed password or activity, and tell whose password it is."""
    if created or not instance.access_changes:
        return
    services.end_sessions([instance.pk])
    # A password that somebody typed: renewing the hash of the old one at sign-in leaves the field empty.
    if "password" in instance.access_changes and getattr(instance, "_password", None) is not None:
        mail.tell_of_changed_password(instance)


def about_to_delete(sender: Any, instance: User, **kwargs: Any) -> None:
    """The last active administrator stays."""
    User.objects.keep_an_admin_beside(instance)


def grants_changed(
    sender: Any, instance: User | Group, action: str, reverse: bool, pk_set: set[int] | None, **kwargs: Any
) -> None:
    """Roles (or single permissions) of users changed, from either side of the relation."""
    if action.startswith("pre_"):
        ids = _user_ids(sender, instance, reverse, pk_set)
        instance.__dict__["_grants_before"] = (User.objects.lock_admins().exists(), _grants(sender, ids))
        return
    had_admin, before = instance.__dict__.pop("_grants_before")
    User.objects.refuse_without_admin(had_admin)
    after = _grants(sender, before)
    services.revoke_access([pk for pk in before if before[pk] != after[pk]])
    if isinstance(instance, User):
        instance.refresh_from_db(fields=["access_version"])


def _user_ids(sender: Any, instance: User | Group, reverse: bool, pk_set: set[int] | None) -> list[int]:
    """Ids of the users whose grants are about to change."""
    if not reverse:
        return [instance.pk]
    if pk_set is not None:
        return list(pk_set)
    column = "group" if isinstance(instance, Group) else "permission"
    return list(sender.objects.filter(**{column: instance.pk}).values_list("user_id", flat=True))


def _grants(sender: Any, user_ids: Iterable[int]) -> dict[int, set[int]]:
    """Ids of the groups (or permissions) each user has."""
    column = "group_id" if sender is User.groups.through else "permission_id"
    grants: dict[int, set[int]] = {pk: set() for pk in user_ids}
    for pk, granted in sender.objects.filter(user_id__in=grants).values_list("user_id", column):
        grants[pk].add(granted)
    return grants


def role_permissions_changed(sender: Any, instance: Any, action: str, **kwargs: Any) -> None:
    """What a role may do changed: somebody must still be an administrator."""
    if action.startswith("pre_"):
        instance.__dict__["_had_admin"] = User.objects.lock_admins().exists()
    else:
        User.objects.refuse_without_admin(instance.__dict__.pop("_had_admin"))
