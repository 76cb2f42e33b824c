"""What of accounts, and of the packages below it, the audit trail keeps."""

from allauth.account.models import EmailAddress, EmailConfirmation
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session

from audit.registry import Changes
from audit.tracking import exempt, track
from sop_portal.accounts.models import (
    IdempotencyKey,
    KnownAddress,
    PasswordRequest,
    PersonalToken,
    SignInTurn,
    TokenFamily,
    User,
)


def user_action(changes: Changes, created: bool) -> str | None:
    """The name of a change of a user; that of their activity tells more than that of their password."""
    if created:
        return None
    if "is_active" in changes:
        return "user_activated" if changes["is_active"][1] else "user_deactivated"
    return "user_password_changed" if "password" in changes else None


def declare() -> None:
    """Declare the models tracked and exempt."""
    track(
        User,
        fields=[
            "email", "username", "full_name", "employee_id", "manager", "time_zone", "is_active", "is_superuser",
            "must_change_password", "password",
        ],
        entity="user",
        secret=["password"],
        many={"groups": "user_role_changed", "user_permissions": "user_role_changed"},
        actions=user_action,
    )  # fmt: skip
    track(Group, fields=["name"], entity="role", many={"permissions": "role_updated"})
    for model in (Permission, ContentType):
        exempt(model, why="declared by the code, written by migrations")
    exempt(LogEntry, why="the admin's own log; the trail holds the same acts")
    exempt(Session, why="signing in and out is recorded")
    exempt(UserSession, why="signing in and out is recorded")
    for model in (EmailAddress, EmailConfirmation):
        exempt(model, why="not used: the address of a user is a field of the user")
    for model in (AccessAttempt, AccessAttemptExpiration, AccessFailureLog, AccessLog):
        exempt(model, why="counters of failed sign-ins, which are recorded")
    track(PersonalToken, fields=["user", "name", "scopes", "expires_at", "revoked_at"], entity="token")
    exempt(TokenFamily, why="signing in and out is recorded")
    exempt(IdempotencyKey, why="tells a repeated request from a new one; what requests do is recorded")
    exempt(SignInTurn, why="counts failed sign-ins, which are recorded")
    exempt(PasswordRequest, why="lives until the next mail is sent; what comes of it is recorded")
    exempt(KnownAddress, why="follows from sign-ins, which are recorded with their address")
