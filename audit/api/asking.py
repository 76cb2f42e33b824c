"""How the trail is asked: days by the clock of the person, filters by name, a place instead of a number of a page."""

import re
import zoneinfo
from collections.abc import Iterable
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils import timezone
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request

from audit import filters
from sop_portal.lib.api.problems import Fault, Invalid
from sop_portal.lib.api.views import ApiView

TAG = "Audit logs"
# What the page's form calls otherwise than lists of the API.
NAMES = {"text": "search"}
CURSOR = r"^(before|after)-[0-9]{20}-[0-9]{1,18}$"

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class TrailView(ApiView):
    """An operation about the trail. Its days begin at midnight where the person is, however they signed in."""

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        # The clock of a session was set before; whose token it is, is known only now. It ends with the request.
        timezone.activate(zoneinfo.ZoneInfo(request.user.time_zone))  # type: ignore[union-attr]


def require_reader(request: Request) -> None:
    """Raises PermissionDenied for those who may not read the trail."""
    if not request.user.has_perm("audit.view_entry"):
        raise PermissionDenied(
            "Only administrators read the audit trail; your own acts are at /audit-logs/my-activity."
        )


def asked(query: QueryDict, form: Iterable[str]) -> dict[str, str]:
    """The values that the address gives for the fields of a form of the page. Raises Invalid for days it cannot mean."""
    given = {name: query.get(NAMES.get(name, name), "") for name in form}
    faults = [
        Fault(f"?{name}", "invalid", f"{name} is a day, written as 2026-11-27.")
        for name in ("since", "until")
        # The page takes days as people write them.
        if given.get(name) and not _DAY.fullmatch(given[name])
    ]
    if faults:
        raise Invalid(faults)
    return given


def sensible(form: forms.Form) -> None:
    """Raises Invalid with what the form has to say."""
    faults = [
        Fault(f"?{NAMES.get(name, name)}", "invalid", f"{NAMES.get(name, name)}: {sentence}")
        for name, sentences in form.errors.items()
        for sentence in sentences
    ]
    if faults:
        raise Invalid(faults)


def place(query: QueryDict) -> tuple[str, str]:
    """Behind and ahead of which entry the page lies, each "" for none. Raises Invalid for what is no cursor of ours."""
    text = query.get("cursor")
    if text is None:
        return "", ""
    side, _, mark = text.partition("-")
    if side not in ("before", "after") or filters.position(mark) is None:
        raise Invalid([Fault("?cursor", "invalid", "cursor is copied from next or previous of another page.")])
    return (mark, "") if side == "before" else ("", mark)
