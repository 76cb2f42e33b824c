"""One's own notices: what the portal would mail."""

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sop_portal.lib.api.filters import FlagFilter, InstantFilter
from sop_portal.lib.api.lists import ListView
from sop_portal.mail.models import Notification


class NoticeRow(serializers.Serializer):
    """A notice."""

    id = serializers.IntegerField()
    kind = serializers.CharField(help_text="What it is about, such as cycle_opened.")
    title = serializers.CharField()
    url = serializers.CharField(help_text="A path within the portal; empty when there is nothing to look at.")
    created_at = serializers.DateTimeField()
    read_at = serializers.DateTimeField(allow_null=True)


class NoticeFilters(filters.FilterSet):
    """Which notices."""

    unread = FlagFilter(field_name="read_at", lookup_expr="isnull", help_text="Whether they are not read yet.")
    kind = filters.CharFilter(help_text="Exactly this kind.")
    since = InstantFilter(field_name="created_at", lookup_expr="gte", help_text="Not older than this.")

    class Meta:
        model = Notification
        fields: ClassVar[list[str]] = []


class NoticeList(ListView):
    """One's own notices."""

    model = Notification
    filterset_class = NoticeFilters
    orders = {"newest": ("-created_at",), "oldest": ("created_at",)}

    def get_queryset(self) -> Any:
        return Notification.objects.visible_to(self.request.user)  # type: ignore[arg-type]

    def page(self, rows: Any) -> list[dict[str, Any]]:
        return list(rows.values(*NoticeRow().fields))

    @extend_schema(operation_id="notifications_list", tags=["Notifications"], responses={200: NoticeRow(many=True)})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One's own notices, the newest first; kept for some months."""
        return super().get(request, *args, **kwargs)
