"""Tokens that people make for their programs."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.accounts import bearer
from sop_portal.accounts.models import PersonalToken
from sop_portal.lib.api.lists import ListView
from sop_portal.lib.api.shapes import Shape, read
from sop_portal.lib.api.views import ApiView
from sop_portal.lib.errors import Conflict

TAG = "Tokens"
SCOPES = PersonalToken.Scope.choices


class TokenWanted(Shape):
    """What a new token is for."""

    name = serializers.CharField(max_length=100, help_text="Which program will show it.")
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES), min_length=1, max_length=2)
    days = serializers.IntegerField(
        min_value=1, max_value=bearer.LONGEST_DAYS, default=bearer.USUAL_DAYS, help_text="How long it lasts."
    )


class TokenRow(serializers.Serializer):
    """A token, without its text."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    scopes = serializers.ListField(child=serializers.ChoiceField(SCOPES))
    hint = serializers.CharField(help_text="How its text ends.")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)


class TokenMade(TokenRow):
    """A new token with its text, which is shown this once."""

    token = serializers.CharField()


FIELDS = tuple(TokenRow().fields)


class TokenList(ListView):
    """One's own tokens."""

    model = PersonalToken
    orders = {"created": ("-created_at",), "name": ("name",), "expires": ("expires_at",)}
    searched = ("name__icontains",)

    def get_queryset(self) -> Any:
        return PersonalToken.objects.visible_to(self.request.user)

    def page(self, rows: Any) -> list[dict[str, Any]]:
        return list(rows.values(*FIELDS))

    @extend_schema(operation_id="tokens_list", tags=[TAG], responses={200: TokenRow(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One's own tokens, revoked and expired ones too."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        operation_id="tokens_create", tags=[TAG], request=TokenWanted, responses={201: TokenMade},
        examples=[OpenApiExample("For a nightly job", request_only=True,
                                 value={"name": "Nightly load", "scopes": ["read", "write"], "days": 90})],
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Make a token for a program. Its text stands in the answer and can never be had again.

        A token cannot make another one. An Idempotency-Key is not taken: the answer would have to be kept.
        """
        if isinstance(request.auth, bearer.Shown) and request.auth.token_id is not None:
            raise Conflict("A token of a program cannot make tokens; sign in for that.")
        token, text = bearer.create_token(request.user, **read(TokenWanted, request.data))  # type: ignore[arg-type]
        return Response({**{name: getattr(token, name) for name in FIELDS}, "token": text}, status=201)


class TokenDetail(ApiView):
    """One token."""

    @extend_schema(operation_id="tokens_delete", tags=[TAG], responses={204: None})
    def delete(self, request: Request, pk: int) -> Response:
        """Revoke a token: it is not accepted any more. Doing it again changes nothing."""
        bearer.revoke_token(request.user, pk)  # type: ignore[arg-type]
        return Response(status=204)
