"""People: who they are, whose team they are in. What they may do are permissions of their groups."""

import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any, Self

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import Permission, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import connections, models, transaction
from django.db.models.functions import Lower
from django.utils.crypto import salted_hmac

from audit.models import TrackedQuerySet
from sop_portal.accounts.validators import known_time_zone
from sop_portal.lib.errors import Conflict
from sop_portal.lib.text import NameField

# The permission that makes an administrator; the last active holder stays.
ADMINISTER = "accounts.manage_users"
# Key of the advisory lock behind which administrators are counted; any fixed number does.
_ADMINS_LOCK = 7_305_001


class UserQuerySet(TrackedQuerySet):
    """The words in which people are asked for."""

    def active(self) -> Self:
        """Users who may sign in."""
        return self.filter(is_active=True)

    def with_permission(self, permission: str) -> Self:
        """Users who hold `permission` ("accounts.manage_users"), through a group or by themselves, active or not."""
        app_label, _, codename = permission.partition(".")
        granted = Permission.objects.filter(content_type__app_label=app_label, codename=codename)
        return self.filter(
            models.Q(is_superuser=True)
            | models.Q(pk__in=User.groups.through.objects.filter(group__permissions__in=granted).values("user_id"))
            | models.Q(pk__in=User.user_permissions.through.objects.filter(permission__in=granted).values("user_id"))
        )

    def visible_to(self, user: "User") -> Self:
        """Users `user` may read: all with manage_users, else oneself and one's team."""
        if user.has_perm("accounts.manage_users"):
            return self.all()
        return self.filter(models.Q(pk=user.pk) | models.Q(manager=user.pk))

    def lock_admins(self) -> Self:
        """The active administrators, read behind a lock that lasts until the transaction ends.

        Two people who each take one of the last two administrators away therefore come one after the other.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ADMINS_LOCK])
        return self.active().with_permission(ADMINISTER)

    def keep_an_admin_beside(self, user: "User") -> None:
        """Raise Conflict when `user` is the only active administrator."""
        admins = list(self.lock_admins().values_list("pk", flat=True)[:2])
        if admins == [user.pk]:
            raise Conflict(f"{user} is the last active administrator. Give another active user the role admin first.")

    def hold_access(self, pk: int) -> int | None:
        """The version of a person's access, kept from others until the transaction ends; None when there is no such person.

        Whoever may take an administrator away asks `lock_admins` first, so that nobody waits in a circle.
        """
        held = self.select_for_update(no_key=True, of=("self",)).filter(pk=pk)
        version: int | None = held.values_list("access_version", flat=True).first()
        return version

    def refuse_without_admin(self, had_admin: bool) -> None:
        """Raise Conflict when what was written took the last active administrator; `had_admin`: there was one before."""
        if had_admin and not self.lock_admins().exists():
            raise Conflict("This would leave no active administrator. Give another active user the role admin first.")

    def clashes(self, users: "Sequence[User]") -> list[dict[str, str]]:
        """Why these users cannot have the names they are given, by field, as if all of them were saved together.

        E-mail address, username and employee ID belong to one user each, and nobody's username is the address of
        another, who signs in with it.
        """
        emails = [user.email.lower() for user in users]
        names = [(user.username or user.email).lower() for user in users]
        numbers = [user.employee_id or None for user in users]
        others = (
            self.annotate(email_lower=Lower("email"), username_lower=Lower("username"))
            .exclude(pk__in=[user.pk for user in users if user.pk])
            .filter(
                models.Q(email_lower__in={*emails, *names})
                | models.Q(username_lower__in=names)
                | models.Q(employee_id__in=[number for number in numbers if number])
            )
        )
        rows = list(others.values_list("email_lower", "username_lower", "employee_id"))
        taken_emails, taken_names, taken_numbers = ({row[at] for row in rows} for at in range(3))
        own_emails, own_names, own_numbers = Counter(emails), Counter(names), Counter(numbers)
        found: list[dict[str, str]] = []
        for email, name, number in zip(emails, names, numbers, strict=True):
            clash = {}
            if email in taken_emails or own_emails[email] > 1:
                clash["email"] = "Another user has this e-mail address."
            if name in taken_names or own_names[name] > 1:
                clash["username"] = "Another user has this username."
            elif name in taken_emails or (name != email and own_emails[name]):
                clash["username"] = "This is the e-mail address of another user, who signs in with it."
            if number and (number in taken_numbers or own_numbers[number] > 1):
                clash["employee_id"] = "Another user has this employee ID."
            found.append(clash)
        return found

    def in_bulk_by_email(self, emails: "Sequence[str]") -> "dict[str, User]":
        """Users by their e-mail address in lower case, those of `emails` that somebody has."""
        found: list[User] = list(self.annotate(email_lower=Lower("email")).filter(email_lower__in=emails))  # type: ignore[arg-type]
        return {user.email.lower(): user for user in found}

    def named(self, login: str) -> "User | None":
        """The user whose e-mail address, or else username, is `login` in any case."""
        login = login.strip().lower()
        found = self.annotate(email_lower=Lower("email"), username_lower=Lower("username")).filter(
            models.Q(email_lower=login) | models.Q(username_lower=login)
        )
        users: list[User] = list(found)  # type: ignore[arg-type]
        return min(users, key=lambda user: user.email.lower() != login, default=None)


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Creates users and finds them by e-mail address, whatever its case."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A user with `password`, or without a usable one until a one-use link is followed."""
        fields.setdefault("username", email.lower())
        user: User = self.model(email=email, **fields)
        user.set_password(password)
        user.full_clean(exclude=["password"])
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. `email` is the login name, `username` is accepted too."""

    email = models.EmailField("e-mail address", max_length=254)
    username = models.CharField(
        max_length=150,
        validators=[RegexValidator(r"^[\w.@+-]+\Z", "Letters, digits and @ . + - _ only.")],
    )
    full_name = NameField(max_length=200)
    employee_id = NameField("employee ID", max_length=50, blank=True, null=True, unique=True)
    manager = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="team",
        help_text="Who reviews their lines.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", validators=[known_time_zone])
    is_active = models.BooleanField("active", default=True)
    # Set by an administrator: nothing but choosing another password is possible until that is done.
    must_change_password = models.BooleanField("must choose a new password", default=False, editable=False)
    # Raised whenever password, roles or activity change: sessions and tokens made under an older version are dead.
    access_version = models.PositiveIntegerField(default=0, editable=False)
    date_joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["full_name"]

    objects = UserManager()

    # Which of password and is_active the last save changed; receivers tell the audit trail.
    access_changes: Sequence[str] = ()

    class Meta:
        ordering = ["full_name", "pk"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_unique",
                violation_error_message="Another user has this e-mail address.",
            ),
            models.UniqueConstraint(
                Lower("username"),
                name="user_username_unique",
                violation_error_message="Another user has this username.",
            ),
            models.CheckConstraint(
                condition=~models.Q(manager=models.F("id")),
                name="user_not_own_manager",
                violation_error_message="Nobody can be their own manager.",
            ),
        ]
        permissions = [
            ("access_admin", "Can use the admin pages"),
            ("manage_users", "Can manage users and their roles"),
        ]

    def __str__(self) -> str:
        return self.full_name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = self.__class__.objects.normalize_email(self.email).lower()
        self.username = self.username or self.email
        self.employee_id = self.employee_id or None
        if self.manager_id and self.manager_id == self.pk:
            raise ValidationError({"manager": "Nobody can be their own manager."})
        (clash,) = self.__class__.objects.clashes([self])
        if clash:
            raise ValidationError(clash)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save; a changed password or activity ends what was signed in under the old one.

        Raises Conflict when this would take the last active administrator away.
        """
        fields: set[str] | None = None if kwargs.get("update_fields") is None else set(kwargs["update_fields"])
        if self._state.adding or (fields is not None and not fields & {"password", "is_active"}):
            super().save(*args, **kwargs)
            return
        with transaction.atomic():
            users = self.__class__.objects
            if not self.is_active and (fields is None or "is_active" in fields):
                users.lock_admins()
            # Of two who end the access of one person at once, both count.
            held = users.select_for_update(no_key=True, of=("self",)).filter(pk=self.pk)
            before = held.values("password", "is_active", "access_version").first()
            self.access_changes = [
                name
                for name in ("password", "is_active")
                if before and (fields is None or name in fields) and before[name] != getattr(self, name)
            ]
            if "is_active" in self.access_changes and not self.is_active:
                self.__class__.objects.keep_an_admin_beside(self)
            # Never the number this instance was loaded with: somebody may have raised it since.
            self.access_version = (before["access_version"] if before else 0) + bool(self.access_changes)
            if fields is not None:
                kwargs["update_fields"] = {*fields, "access_version"}
            super().save(*args, **kwargs)

    def get_full_name(self) -> str:
        return self.full_name

    def get_short_name(self) -> str:
        return self.full_name.split(" ")[0] if self.full_name else self.email

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """What a session must match: the password and the version of the person's access."""
        return salted_hmac(
            "sop_portal.accounts.models.User.session",
            f"{self.access_version}:{self.password}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    @property
    def is_staff(self) -> bool:
        """Whether the admin pages open for this person; asked by django.contrib.admin."""
        return self.is_active and self.has_perm("accounts.access_admin")


class KnownAddress(models.Model):
    """An address from which somebody signed in: guesses from elsewhere never delay them there."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="known_addresses")
    address = models.GenericIPAddressField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "known addresses"
        constraints = [models.UniqueConstraint(fields=["user", "address"], name="knownaddress_once")]

    def __str__(self) -> str:
        return f"{self.user} at {self.address}"


class SignInTurn(models.Model):
    """How many attempts at one name were made lately from addresses that are not known to be its person's.

    `name` is an e-mail address, or the digest of a name that is nobody's.
    """

    name = models.CharField(max_length=254, unique=True)
    attempts = models.PositiveIntegerField()
    last_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name


class PasswordRequest(models.Model):
    """Somebody asked for a one-use link at this address, which may be nobody's. Answered and deleted by the job that
    sends mail, so that the page takes the same time for everybody."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(max_length=254)
    asked_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return self.email
