"""Users and roles in the admin."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.password_validation import password_validators_help_text_html, validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import URLPattern, path, reverse

from sop_portal.accounts import mail, services, throttling
from sop_portal.accounts.admin_trail import TrailHistory
from sop_portal.accounts.formats import named
from sop_portal.accounts.forms import time_zone_choices
from sop_portal.accounts.models import ADMINISTER, User
from sop_portal.lib.errors import Conflict


class UserForm(forms.ModelForm):
    """A user as administrators edit it."""

    groups = forms.ModelMultipleChoiceField(
        Group.objects.order_by("name"), label="Roles", required=False, widget=forms.CheckboxSelectMultiple
    )
    username = forms.CharField(max_length=150, required=False, help_text="Leave empty to use the e-mail address.")
    time_zone = forms.ChoiceField(choices=time_zone_choices, initial="UTC")

    def clean(self) -> dict[str, Any]:
        """Refuse what would leave nobody to manage users."""
        data: dict[str, Any] = super().clean() or self.cleaned_data
        if self.instance.pk and not self._stays_admin(data):
            # The lock lasts until the admin's transaction ends, so nobody else takes the other one away meanwhile.
            try:
                User.objects.keep_an_admin_beside(self.instance)
            except Conflict as refusal:
                raise ValidationError(refusal.detail, code="last_admin") from refusal
        return data

    @staticmethod
    def _stays_admin(data: dict[str, Any]) -> bool:
        app_label, _, codename = ADMINISTER.partition(".")
        granting = Permission.objects.filter(
            content_type__app_label=app_label, codename=codename, group__in=data.get("groups", [])
        )
        return bool(data.get("is_active")) and granting.exists()


class UserAddForm(UserForm):
    """A new user; without a password they are mailed a link for choosing one."""

    password1 = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="Better left empty: a link to choose a password is then mailed to the user.",
    )
    password2 = forms.CharField(
        label="Password (again)",
        required=False,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=password_validators_help_text_html,
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        first, second = data.get("password1") or "", data.get("password2") or ""
        if first != second:
            self.add_error("password2", "Type the same password twice.")
        elif first:
            try:
                validate_password(first, User(email=data.get("email", ""), full_name=data.get("full_name", "")))
            except ValidationError as problem:
                self.add_error("password1", problem)
        return data

    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        user.set_password(self.cleaned_data["password1"] or None)
        if commit:
            user.save()
            self.save_m2m()
        return user


class SignInFilter(admin.SimpleListFilter):
    """Users by what keeps them from working: a lock, a password to choose, or that they never came."""

    title = "sign-in"
    parameter_name = "sign_in"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("locked", "Locked now"), ("password", "Must choose a password"), ("never", "Never signed in")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[User]) -> QuerySet[User]:
        chosen = {
            "locked": Q(is_locked=True), "password": Q(must_change_password=True), "never": Q(last_login=None),
        }.get(self.value() or "")  # fmt: skip
        return queryset.filter(chosen) if chosen else queryset


@admin.register(User)
class UserAdmin(TrailHistory, admin.ModelAdmin):
    """Users are deactivated, never deleted: their work stays attributed to them."""

    form = UserForm
    list_display = ("full_name", "email", "roles", "manager", "is_active", "sign_in", "last_login")
    list_display_links = ("full_name", "email")
    list_filter = ("is_active", SignInFilter, "groups", ("manager", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("manager",)
    search_fields = ("full_name", "email", "username", "employee_id")
    ordering = ("full_name", "pk")
    autocomplete_fields = ("manager",)
    readonly_fields = ("last_login", "date_joined", "sign_in")
    actions = ("mail_password_link", "mail_welcome", "unlock", "require_new_password", "activate", "deactivate")
    fieldsets = (
        (None, {"fields": ("full_name", "email", "username", "employee_id")}),
        ("What they may do", {"fields": ("groups", "manager", "is_active")}),
        ("More", {"fields": ("time_zone", "sign_in", "last_login", "date_joined")}),
    )
    add_fieldsets = (
        (None, {"fields": ("full_name", "email", "username", "employee_id")}),
        ("What they may do", {"fields": ("groups", "manager")}),
        ("More", {"fields": ("time_zone", "password1", "password2")}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        users = super().get_queryset(request).annotate(is_locked=throttling.is_locked_out())
        return users.prefetch_related(Prefetch("groups", Group.objects.order_by("name")))

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with files in and out beside its title."""
        query = f"?{request.GET.urlencode()}" if request.GET else ""
        exports = [
            {"label": f"Export {form}", "url": reverse("masterdata:export", args=["users", form]) + query}
            for form in ("xlsx", "csv")
        ]
        tools = [{"label": "Import", "url": reverse("masterdata:import_start", args=["users"])}, *exports]
        shown = {"title": "Users", "portal_tools": tools if request.user.has_perm("masterdata.import_data") else []}
        return super().changelist_view(request, {**shown, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        welcome = self.admin_site.admin_view(self.welcome_view)
        return [path("<int:pk>/welcome/", welcome, name="accounts_user_welcome"), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The form of one user, with the welcome beside its title while nobody signed in as that user."""
        user = kwargs.get("obj")
        if user is not None and user.is_active and user.last_login is None and self.has_change_permission(request):
            url = reverse("admin:accounts_user_welcome", args=[user.pk])
            context["portal_tools"] = [{"label": "Mail the welcome again", "url": url}]
        return super().render_change_form(request, context, *args, **kwargs)

    def welcome_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Ask whether the welcome goes to one user once more, and send it."""
        user = get_object_or_404(self.get_queryset(request), pk=pk)
        if not self.has_change_permission(request, user):
            raise PermissionDenied
        if request.method == "POST":
            self._mail(request, [user], welcome=True)
            return redirect("admin:accounts_user_change", user.pk)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": "Mail the welcome", "row": user}
        return render(request, "account/admin_welcome.html", context)

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fieldsets if obj else self.add_fieldsets

    def get_form(self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any) -> Any:
        return super().get_form(request, obj, change, **({"form": UserAddForm} if obj is None else {}) | kwargs)

    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """No filter in the address on password hashes: they could be guessed letter by letter."""
        return "password" not in lookup and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @admin.display(description="Roles")
    def roles(self, user: User) -> str:
        """The names of their roles."""
        return ", ".join(group.name.replace("_", " ") for group in user.groups.all())

    @admin.display(description="Sign-in")
    def sign_in(self, user: User) -> str:
        """What keeps them from working at the moment."""
        if user.is_locked:  # type: ignore[attr-defined]
            return "locked after failed sign-ins"
        return "must choose a new password" if user.must_change_password else ""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """After roles are stored: keep one's own session, or welcome a new user."""
        super().save_related(request, form, formsets, change)
        user = User.objects.get(pk=form.instance.pk)
        if user == request.user:
            update_session_auth_hash(request, user)
        if not change and not user.has_usable_password():
            self._mail(request, [user], welcome=True)

    @admin.action(description="Mail a password link", permissions=["change"])
    def mail_password_link(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Mail each chosen active user a one-use link."""
        self._mail(request, queryset)

    @admin.action(description="Mail the welcome", permissions=["change"])
    def mail_welcome(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Mail each chosen active user the welcome with its one-use link, once more if they had it."""
        self._mail(request, queryset, welcome=True)

    def _mail(self, request: HttpRequest, chosen: Iterable[User], *, welcome: bool = False) -> None:
        users = [user for user in chosen if user.is_active]
        what = "The welcome with a link" if welcome else "A link"
        if users:
            mail.send_password_links(users, welcome=welcome)
            names = named([user.email for user in users], most=5)
            self.message_user(request, f"{what} to choose a password is on its way to {names}.")
        if len(users) < len(list(chosen)):
            self.message_user(request, "Inactive users got no mail; activate them first.", messages.WARNING)

    @admin.action(description="Unlock after failed sign-ins", permissions=["change"])
    def unlock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let the chosen users try again at once."""
        had = services.unlock(queryset, by=request.user)  # type: ignore[arg-type]
        self.message_user(request, f"{_users(len(had))} unlocked." if had else "None of them had failed to sign in.")

    @admin.action(description="Require a new password", permissions=["change"])
    def require_new_password(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Sign the chosen users out; they choose another password before anything else."""
        asked = services.require_new_password(queryset, by=request.user)  # type: ignore[arg-type]
        who = f"{_users(len(asked))} signed out; at the next sign-in a new password has to be chosen."
        self.message_user(request, who if asked else "All of them have to choose a new password already.")

    @admin.action(description="Activate", permissions=["change"])
    def activate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Let the chosen users sign in again."""
        self._set_active(request, queryset, True)

    @admin.action(description="Deactivate", permissions=["change"])
    def deactivate(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Sign the chosen users out and keep them out."""
        self._set_active(request, queryset, False)

    def _set_active(self, request: HttpRequest, queryset: QuerySet[User], active: bool) -> None:
        try:
            changed = services.set_active(queryset, active, by=request.user)  # type: ignore[arg-type]
        except Conflict as refusal:
            self.message_user(request, refusal.detail, messages.ERROR)
            return
        self.message_user(request, f"{_users(len(changed))} {'activated' if active else 'deactivated'}.")


def _users(count: int) -> str:
    return f"{count} user{'' if count == 1 else 's'}"


admin.site.unregister(Group)


@admin.register(Group)
class RoleAdmin(TrailHistory, GroupAdmin):
    """Roles are seeded and keep their names, which migrations find them by; what they may do can be changed."""

    readonly_fields = ("name",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        return False
