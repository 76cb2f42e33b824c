"""Checks of single values; migrations name them, so they import nothing of ours."""

import functools
import zoneinfo

from django.core.exceptions import ValidationError

# The list is gathered from hundreds of files, so it is read once a process.
_time_zones = functools.cache(zoneinfo.available_timezones)


def known_time_zone(name: str) -> None:
    """Refuse names that are not in the IANA time zone database."""
    if name not in _time_zones():
        raise ValidationError(f"'{name}' is not a time zone; use a name such as America/New_York.")
