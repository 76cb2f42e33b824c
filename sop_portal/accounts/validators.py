"""Checks of single values; migrations name them, so they import nothing of ours."""

import zoneinfo

from django.core.exceptions import ValidationError


def known_time_zone(name: str) -> None:
    """Refuse names that are not in the IANA time zone database."""
    if name not in zoneinfo.available_timezones():
        raise ValidationError(f"'{name}' is not a time zone; use a name such as America/New_York.")
