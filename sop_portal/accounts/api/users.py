"""Users: read by whoever has a team, kept by administrators."""

from typing import Any, ClassVar

from django.contrib.postgres.aggregates import ArrayAgg
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.accounts import mail, services, throttling
from sop_portal.accounts.many import UserEdit, save_users
from sop_portal.accounts.models import User
from sop_portal.lib.api.conditions import CHANGING, created, named, require_match
from sop_portal.lib.api.filters import FlagFilter, KeyFilter
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import tells_address
from sop_portal.lib.api.shapes import Shape, read
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.errors import Conflict, Refused

TAG = "Users"


class UserBody(Shape):
    """A user as an administrator writes it. Activity is changed by operations of its own."""

    email = serializers.CharField(max_length=254)
    full_name = serializers.CharField(max_length=200)
    username = serializers.CharField(max_length=150, required=False, help_text="The e-mail address unless it is given.")
    employee_id = serializers.CharField(max_length=50, required=False, allow_null=True, allow_blank=True)
    manager_id = serializers.IntegerField(required=False, allow_null=True, help_text="Who reviews their lines.")
    time_zone = serializers.CharField(max_length=64, required=False, help_text="Such as Europe/Berlin.")
    roles = serializers.ListField(
        child=serializers.CharField(max_length=150), required=False, help_text="sales_rep, manager, admin, viewer."
    )


class UserRow(serializers.Serializer):
    """A user."""

    id = serializers.IntegerField()
    email = serializers.CharField()
    username = serializers.CharField()
    full_name = serializers.CharField()
    employee_id = serializers.CharField(allow_null=True)
    manager_id = serializers.IntegerField(allow_null=True)
    time_zone = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    is_active = serializers.BooleanField()
    is_locked = serializers.BooleanField(help_text="Whether they failed to sign in so often that they have to wait.")
    must_change_password = serializers.BooleanField()
    last_login = serializers.DateTimeField(allow_null=True)
    date_joined = serializers.DateTimeField()


FIELDS = tuple(UserRow().fields)


class UserFilters(filters.FilterSet):
    """Which users."""

    is_active = FlagFilter(help_text="Whether they may sign in.")
    role = filters.CharFilter(method="with_role", help_text="A role they have, such as sales_rep.")
    manager_id = KeyFilter(field_name="manager", help_text="Whose team they are in.")
    email = filters.CharFilter(lookup_expr="iexact", help_text="Exactly this address, in any case.")
    employee_id = filters.CharFilter(help_text="Exactly this number.")

    class Meta:
        model = User
        fields: ClassVar[list[str]] = []

    def with_role(self, users: Any, name: str, value: str) -> Any:
        """By a query of its own: joined, it would hide their other roles."""
        return users.filter(pk__in=users.filter(groups__name=value).values("pk"))


def rows_of(users: Any) -> list[dict[str, Any]]:
    """Users as they are sent, with one query."""
    told = users.annotate(
        roles=ArrayAgg("groups__name", filter=Q(groups__name__isnull=False), default=[], order_by="groups__name"),
        is_locked=throttling.is_locked_out(),
    )
    return list(told.values(*FIELDS))


class UserList(ListView):
    """Users."""

    model = User
    filterset_class = UserFilters
    orders = {
        "full_name": ("full_name",), "email": ("email",), "last_login": ("last_login",), "date_joined": ("date_joined",),
    }  # fmt: skip
    searched = ("full_name__icontains", "email__icontains", "username__icontains", "employee_id__icontains")

    def get_queryset(self) -> Any:
        return User.objects.visible_to(self.request.user)

    def page(self, rows: Any) -> list[dict[str, Any]]:
        return rows_of(rows)

    @extend_schema(operation_id="users_list", tags=[TAG], responses={200: UserRow(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The users one may see: oneself, one's team, or all of them for administrators."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="users_create", tags=[TAG], request=UserBody, responses={201: UserRow},
        examples=[OpenApiExample("A sales rep", request_only=True,
                                 value={"email": "new.rep@example.com", "full_name": "New Rep", "roles": ["sales_rep"],
                                        "time_zone": "America/New_York"})],
    )  # fmt: skip
    @repeatable
    @tells_address(201)
    def post(self, request: Request) -> Response:
        """Create a user. They have no password yet; a link to choose one is mailed to them."""
        services.require_admin(request.user)  # type: ignore[arg-type]
        with transaction.atomic():
            user = save(User(), read(UserBody, request.data), by=request.user)
            mail.send_password_links([user], welcome=True)
        return created(request, one(request, user.pk), user.pk)


class UserDetail(ApiView):
    """One user."""

    takes_match = CHANGING

    @extend_schema(operation_id="users_get", tags=[TAG], responses={200: UserRow})
    def get(self, request: Request, pk: int) -> Response:
        """One user."""
        return Response(one(request, pk))

    @extend_schema(operation_id="users_replace", tags=[TAG], request=UserBody, responses={200: UserRow})
    def put(self, request: Request, pk: int) -> Response:
        """Write a user anew: fields that are left out get their defaults, roles that are left out are taken away."""
        return self._write(request, pk, partial=False)

    @extend_schema(operation_id="users_change", tags=[TAG], request=UserBody, responses={200: UserRow})
    def patch(self, request: Request, pk: int) -> Response:
        """Change the fields that are given."""
        return self._write(request, pk, partial=True)

    @extend_schema(operation_id="users_delete", tags=[TAG], responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Deactivate a user: their work stays attributed to them. Doing it again changes nothing."""
        with transaction.atomic():
            held(request, pk)
            set_active(request, pk, False)
        return Response(status=204)

    @staticmethod
    def _write(request: Request, pk: int, *, partial: bool) -> Response:
        with transaction.atomic():
            user = held(request, pk)
            values = read(UserBody, request.data, partial=partial)
            if not partial:
                values = {
                    "username": "",
                    "employee_id": None,
                    "manager_id": None,
                    "time_zone": "UTC",
                    "roles": [],
                } | values
            save(user, values, by=request.user)
            return named(one(request, pk))


class UserActivate(ApiView):
    """Let a user sign in again."""

    @extend_schema(operation_id="users_activate", tags=[TAG], request=None, responses={200: UserRow})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Let a user sign in again. Doing it again changes nothing."""
        return Response(set_active(request, pk, True))


class UserDeactivate(ApiView):
    """Keep a user out."""

    @extend_schema(operation_id="users_deactivate", tags=[TAG], request=None, responses={200: UserRow})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Keep a user out and end everything they are signed in with. Doing it again changes nothing."""
        return Response(set_active(request, pk, False))


class UserUnlock(ApiView):
    """Forget failed sign-ins."""

    @extend_schema(operation_id="users_unlock", tags=[TAG], request=None, responses={200: UserRow})
    @repeatable
    def post(self, request: Request, pk: int) -> Response:
        """Forget a user's failed sign-ins, so that they may try again at once."""
        user = get_object_or_404(User.objects.visible_to(request.user), pk=pk)
        services.unlock([user], by=request.user)  # type: ignore[arg-type]
        return Response(one(request, pk))


def one(request: Request, pk: int) -> dict[str, Any]:
    """One user as they are sent. Raises Http404."""
    rows = rows_of(User.objects.visible_to(request.user).filter(pk=pk))
    if not rows:
        raise User.DoesNotExist
    return rows[0]


def held(request: Request, pk: int) -> User:
    """The user, kept from others, for an administrator who saw them as they are. Raises Http404."""
    users: Any = User.objects.visible_to(request.user)
    get_object_or_404(users, pk=pk)
    services.require_admin(request.user)  # type: ignore[arg-type]
    # Before the row, as by whoever takes the last administrator away: in another order two would wait for each other.
    users.lock_admins()
    user: User = users.select_for_update(no_key=True, of=("self",)).get(pk=pk)
    require_match(request, one(request, pk))
    return user


def set_active(request: Request, pk: int, active: bool) -> dict[str, Any]:
    """Activate or deactivate one user; returns them as they are sent."""
    user = get_object_or_404(User.objects.visible_to(request.user), pk=pk)
    services.set_active([user], active, by=request.user)  # type: ignore[arg-type]
    return one(request, pk)


def save(user: User, values: dict[str, Any], *, by: Any) -> User:
    """Write the values of a body to `user`, with the rules that administrators' pages have."""
    roles = values.pop("roles", [] if user._state.adding else None)
    if "manager_id" in values:
        manager = values.pop("manager_id")
        user.manager = None if manager is None else User.objects.visible_to(by).filter(pk=manager).first()
        if manager is not None and user.manager is None:
            raise Refused({"manager_id": f"There is no user {manager}."})
        if manager is not None and manager == user.pk:
            raise Refused({"manager_id": "Nobody can be their own manager."})
    for name, value in values.items():
        setattr(user, name, value)
    user.username = user.username or user.email.lower()
    user.full_clean(exclude=["password"])
    try:
        with transaction.atomic():
            save_users([UserEdit(user, roles)], by=by)
    except IntegrityError as race:
        raise Conflict("Somebody else was just given this e-mail address, username or employee ID.") from race
    return user
