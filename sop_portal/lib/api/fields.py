"""Fields that serializers of several apps take."""

import datetime as dt
import re
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from sop_portal.lib import periods


class InstantField(serializers.DateTimeField):
    """An instant with its distance from UTC: without it nobody could tell which of the world's clocks is meant."""

    default_error_messages = {
        "naive": "Say how far from UTC the time is, as in 2026-11-27T18:00:00-05:00 or 2026-11-27T23:00:00Z."
    }

    def enforce_timezone(self, value: Any) -> dt.datetime:
        """The instant in UTC; the framework would take the reader's zone for a time without one."""
        if value.tzinfo is None:
            self.fail("naive")
        try:
            return value.astimezone(dt.UTC)  # type: ignore[no-any-return]
        except OverflowError:
            self.fail("invalid", format="a year from 1 to 9999")


MONTH: dict[str, Any] = {"type": "string", "pattern": r"^[0-9]{4}-(0[1-9]|1[0-2])(-01)?$", "examples": ["2027-01"]}


@extend_schema_field(MONTH)
class PeriodField(serializers.Field):
    """A month, written YYYY-MM or as its first day; sent as its first day."""

    default_error_messages = {
        "invalid": "Write a month as 2027-01, or as its first day 2027-01-01.",
        "range": f"Choose a month from {periods.EARLIEST.year} to {periods.LATEST.year}.",
    }

    def to_internal_value(self, data: Any) -> dt.date:
        try:
            month = periods.parse(data if isinstance(data, str) else "")
        except ValueError:
            self.fail("invalid")
        if not periods.EARLIEST <= month <= periods.LATEST:
            self.fail("range")
        return month

    def to_representation(self, value: dt.date) -> str:
        return value.isoformat()


# An exact number as a text.
NUMBER = r"^-?[0-9]{1,30}(\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?$"


class KeyField(serializers.IntegerField):
    """The number of a row, from 1 to what the database counts to."""

    def __init__(self, **more: Any) -> None:
        super().__init__(min_value=1, max_value=2**63 - 1, **more)

    def to_internal_value(self, data: Any) -> int:
        """The number. A parameter has digits alone; the framework would take 1.0 and 1_0 as well."""
        if isinstance(data, str) and not re.fullmatch(r"[0-9]{1,20}", data):
            self.fail("invalid")
        return super().to_internal_value(data)


class UsersField(serializers.ListField):
    """Users by their numbers: at least one, when it is given at all."""

    def __init__(self, **more: Any) -> None:
        super().__init__(child=KeyField(), min_length=1, max_length=1_000, required=False, **more)
