"""Lists and single rows of a resource: the verbs that all of them share."""

from typing import Any, ClassVar

from django.db import transaction
from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from masterdata import services
from masterdata.api.resources import Resource
from sop_portal.lib.api.conditions import CHANGING, created, named, require_match
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.api.repeating import repeatable
from sop_portal.lib.api.schema import tells_address
from sop_portal.lib.api.views import ApiView


class RowList(ListView):
    """The rows of a resource that a person may see."""

    resource: ClassVar[Resource]

    def get_queryset(self) -> Any:
        return self.resource.listed(self.request.user)

    def page(self, rows: Any) -> list[dict[str, Any]]:
        return self.resource.read(rows, self.request.user)


class Growing(RowList):
    """A list that rows are added to."""

    @repeatable
    @tells_address(201)
    def post(self, request: Request) -> Response:
        """Add a row."""
        user, resource = request.user, self.resource
        services.require_to("add", resource.model, user)
        with transaction.atomic(), resource.in_its_words():
            row = services.create(resource.model, resource.values(request.data, user), by=user)
            shown = resource.one(row.pk, user)
            return created(request, shown, shown[resource.key])


def described_list(
    shape: type[serializers.Serializer],
    tag: str,
    name: str,
    *,
    get: str,
    post: str,
    example: tuple[str, dict[str, Any]],
) -> Any:
    """The description of a list that rows are added to. get, post: what is said of each; example: a row to add."""
    title, row = example
    return extend_schema_view(
        get=extend_schema(
            operation_id=f"{name}_list", tags=[tag], responses={200: shape(many=True)}, description=get
        ),
        post=extend_schema(
            operation_id=f"{name}_create", tags=[tag], request=shape, responses={201: shape}, description=post,
            examples=[OpenApiExample(title, request_only=True, value=row)],
        ),
    )  # fmt: skip


def described_row(
    shape: type[serializers.Serializer],
    tag: str,
    name: str,
    *,
    get: str,
    put: str,
    delete: str,
    more: str = "",
    away: tuple[str, dict[int, Any]] = ("delete", {204: None}),
) -> Any:
    """The description of one row. get, put, delete: what is said of each; more: of changing it, whole or in part.

    away: what taking the row away is called, and what it answers.
    """
    verb, answers = away
    patch = f"Change the fields that are named, and leave the others.{more}"
    return extend_schema_view(
        get=extend_schema(operation_id=f"{name}_get", tags=[tag], responses={200: shape}, description=get),
        put=extend_schema(
            operation_id=f"{name}_replace", tags=[tag], request=shape, responses={200: shape}, description=put + more
        ),
        patch=extend_schema(
            operation_id=f"{name}_change", tags=[tag], request=shape, responses={200: shape}, description=patch
        ),
        delete=extend_schema(operation_id=f"{name}_{verb}", tags=[tag], responses=answers, description=delete),
    )


class RowDetail(ApiView):
    """One row of a resource, found by what stands in its address."""

    resource: ClassVar[Resource]
    # What one must be allowed to do to take the row away.
    taken_away_by = "change"
    takes_match = CHANGING

    def get(self, request: Request, **key: Any) -> Response:
        """Answer the row."""
        resource, user = self.resource, request.user
        pk = resource.visible(user).values_list("pk", flat=True).get(**key)
        return Response(resource.one(pk, user))

    def put(self, request: Request, **key: Any) -> Response:
        """Give the row these values, and the defaults where there are none."""
        return self._change(request, key, partial=False)

    def patch(self, request: Request, **key: Any) -> Response:
        """Give the row these values, and leave the others."""
        return self._change(request, key, partial=True)

    def delete(self, request: Request, **key: Any) -> Response:
        """Take the row away."""
        with transaction.atomic():
            return self.take_away(request, self.held(request, key, self.taken_away_by))

    def take_away(self, request: Request, row: Any) -> Response:
        """Deactivate a row that is held."""
        services.set_active(type(row), [row.pk], False, by=request.user)
        return Response(status=204)

    def held(self, request: Request, key: dict[str, Any], verb: str) -> Any:
        """The row, kept from others, for somebody who may `verb` it and saw it as it is."""
        rows = self.resource.visible(request.user)
        row = rows.select_for_update(no_key=True, of=("self",)).get(**key)
        services.require_to(verb, self.resource.model, request.user)
        if "If-Match" in request.headers:
            require_match(request, self.resource.one(row.pk, request.user))
        return row

    def _change(self, request: Request, key: dict[str, Any], *, partial: bool) -> Response:
        body, resource = request.data, self.resource
        with transaction.atomic(), resource.in_its_words():
            row = self.held(request, key, "change")
            services.change(row, resource.values(body, request.user, partial=partial), by=request.user)
            return named(resource.one(row.pk, request.user))
