"""Entries: all of them, the grave ones, those of one's own acts, and those about one object."""

from collections.abc import Collection
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from audit import history, registry, retention
from audit.api import asking, shapes
from audit.api.asking import TAG, TrailView
from audit.filters import EntryFilter, Page
from audit.history import hidden_fields
from audit.models import Entry, EntryQuerySet, Tombstone
from audit.words import shown
from sop_portal.lib.api import problems
from sop_portal.lib.api.lists import LARGEST_PAGE, PAGE_SIZE, refuse_unknown, whole
from sop_portal.lib.api.problems import Fault, Invalid
from sop_portal.lib.api.routes import with_query

_PAGING = ("cursor", "page_size")
BY = ("code", "id")


class EntryList(TrailView):
    """The whole trail."""

    @extend_schema(
        operation_id="audit_logs_list", tags=[TAG], parameters=shapes.filters_of_entries(), examples=shapes.EXAMPLES,
        responses={200: shapes.EntryPage},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """The trail with filters, the newest entries first; for administrators. Pages are followed by `next`, at one
        price at any depth."""
        asking.require_reader(request)
        return _filtered(request, Entry.objects.visible_to(request.user), EntryFilter)


class CriticalEvents(TrailView):
    """The grave ones."""

    @extend_schema(
        operation_id="audit_logs_critical_events", tags=[TAG], parameters=shapes.filters_of_entries(),
        examples=shapes.EXAMPLES, responses={200: shapes.EntryPage},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What an administrator should have noticed: entries of severity WARNING, ERROR and CRITICAL."""
        asking.require_reader(request)
        return _filtered(request, Entry.objects.visible_to(request.user), lambda data: EntryFilter(data, grave=True))


class MyActivity(TrailView):
    """One's own acts."""

    @extend_schema(
        operation_id="audit_logs_my_activity", tags=[TAG], parameters=shapes.filters_of_entries(with_actor=False),
        examples=shapes.EXAMPLES, responses={200: shapes.EntryPage},
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """What the person who asks did, by whatever way, the newest first."""
        own = Entry.objects.visible_to(request.user)
        return _filtered(request, own, lambda data: EntryFilter(data, by=request.user))


class ObjectHistory(TrailView):
    """The history of one object."""

    @extend_schema(
        operation_id="audit_logs_entity",
        tags=[TAG],
        parameters=[
            OpenApiParameter(
                "entity_type", str, OpenApiParameter.PATH,
                description="As entries name it: customer, product, matrix, cycle, forecast and others.",
            ),
            OpenApiParameter(
                "entity_id", {"type": "string", "minLength": 1}, OpenApiParameter.PATH,
                description="The business code of a customer or product, percent-encoded; the entity_id of anything "
                            "else.",
            ),
            OpenApiParameter(
                "by", str, enum=BY,
                description="What the address ends with: a business code (unless it is given: for customers and "
                            "products), or the entity_id of an entry (for everything else).",
            ),
            *shapes.PAGING,
        ],
        examples=shapes.EXAMPLES,
        responses={200: shapes.EntryPage},
    )  # fmt: skip
    def get(self, request: Request, entity_type: str, entity_id: str) -> Response:
        """What happened to one object that the person who asks may see, the newest first; without fields that they may
        not see. Administrators read every history, also that of what was deleted."""
        refuse_unknown(request.query_params, {*_PAGING, "by"})
        pk = _id_of(request, entity_type, entity_id)
        hidden = None if pk is None else hidden_fields(request.user, entity_type, pk)
        if pk is None or hidden is None:
            raise NotFound(problems.NOT_FOUND)
        page = Page(Entry.objects.about(entity_type, pk), *asking.place(request.query_params), size=_size(request))
        if not page.rows and registry.by_entity(entity_type) is None:
            raise NotFound(problems.NOT_FOUND)
        sees_origin = request.user.has_perm("audit.view_entry")
        return _sent(request, page, retention.gone(), hidden, sees_origin=sees_origin)


def _id_of(request: Request, entity_type: str, name: str) -> str | None:
    """The id by which the trail knows the object that the address names; None when no object has this code."""
    coded = history.by_code.get(entity_type)
    by = request.query_params.get("by") or ("code" if coded else "id")
    if by not in BY:
        raise Invalid([Fault("?by", "invalid", "by is code or id.")])
    if by == "id":
        return name
    if coded is None:
        raise Invalid([Fault("?by", "invalid", f"'{entity_type[:100]}' has no business codes; leave by=code out.")])
    return coded(name)


def _size(request: Request) -> int:
    return whole(request.query_params, "page_size", PAGE_SIZE, most=LARGEST_PAGE)


def _filtered(request: Request, entries: EntryQuerySet, form_of: Any) -> Response:
    query = request.query_params
    names = list(form_of({}).fields)
    refuse_unknown(query, {*(asking.NAMES.get(name, name) for name in names), *_PAGING})
    form = form_of(asking.asked(query, names))
    asking.sensible(form)
    page = form.page(entries, *asking.place(query), size=_size(request))
    clues = form.clues()
    return _sent(request, page, retention.gone(clues.since, clues.until))


def _sent(
    request: Request,
    page: Page,
    gone: list[Tombstone],
    hidden: Collection[str] = (),
    *,
    sees_origin: bool = True,
) -> Response:
    return Response(
        {
            "count": page.total,
            "next": _address(request, f"before-{page.older}") if page.older else None,
            "previous": _address(request, f"after-{page.newer}") if page.newer else None,
            "looked_back_to": page.reached,
            "gone": [stone.month for stone in gone],
            "results": [_row(entry, hidden, sees_origin) for entry in page.rows],
        }
    )


def _address(request: Request, cursor: str) -> str:
    query = request.query_params.copy()
    query["cursor"] = cursor
    return with_query(request._request, query.urlencode())


def _row(entry: Entry, hidden: Collection[str], sees_origin: bool) -> dict[str, Any]:
    origin = (entry.ip, entry.user_agent, entry.request_id) if sees_origin else (None, None, None)
    return {
        "id": entry.pk,
        "at": entry.at,
        "actor_id": entry.actor_id,
        "actor": entry.actor_label,
        "on_behalf_of_id": entry.on_behalf_of_id,
        "on_behalf_of": entry.on_behalf_label,
        "action": entry.action,
        "entity_type": entry.entity_type,
        "entity_id": entry.entity_id,
        "label": entry.label,
        "changes": shown(entry, hidden),
        "severity": entry.severity,
        "source": entry.source,
        **dict(zip(("ip", "user_agent", "request_id"), origin, strict=True)),
    }
