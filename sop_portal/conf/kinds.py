"""The kinds of values a setting may have: each turns what a person or a program sent into the typed value.

Every function raises ValueError with a sentence that says what would be accepted.
"""

import datetime as dt
import functools
import re
import zoneinfo
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from sop_portal.lib.risk import RISK_LABELS
from sop_portal.lib.text import bad_character, normal

if TYPE_CHECKING:
    from sop_portal.conf.registry import Spec

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}\Z")
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
MOST_DAYS = 500
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})*\Z")
# The list is gathered from hundreds of files, and a stored time zone is checked whenever it is asked for.
time_zones = functools.cache(zoneinfo.available_timezones)
_YES = {"true", "yes", "on", "1"}
_NO = {"false", "no", "off", "0"}
# JSON has no numbers for keys.
RISK_KEYS = tuple(str(number) for number in RISK_LABELS)


def text(spec: "Spec", raw: Any) -> str:
    """One line of text, in NFC and without control characters."""
    if not isinstance(raw, str):
        raise ValueError(f"{spec.label} must be text.")
    value = normal(raw)
    if bad_character(value) is not None:
        raise ValueError(f"{spec.label} must not contain line breaks or invisible characters.")
    if not value and not spec.blank:
        raise ValueError(f"{spec.label} must not be empty.")
    if len(value) > 200:
        raise ValueError(f"{spec.label} may have up to 200 characters, not {len(value)}.")
    return value


def integer(spec: "Spec", raw: Any) -> int:
    """A whole number within the range of the setting."""
    wanted = f"{spec.label} must be a whole number from {spec.minimum} to {spec.maximum}."
    if isinstance(raw, str) and _WHOLE.match(raw.strip()):
        raw = int(raw)
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise ValueError(wanted)
    if not (spec.minimum or 0) <= raw <= (spec.maximum or 0):
        raise ValueError(f"{wanted[:-1]}, not {raw}.")
    return raw


def boolean(spec: "Spec", raw: Any) -> bool:
    """Yes or no."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.strip().lower() in _YES | _NO:
        return raw.strip().lower() in _YES
    raise ValueError(f"{spec.label} must be yes or no.")


def choice(spec: "Spec", raw: Any) -> str:
    """One of the setting's choices."""
    allowed = [value for value, _ in spec.choices]
    if raw not in allowed:
        raise ValueError(f"{spec.label} must be one of {', '.join(allowed)}.")
    return str(raw)


def time_zone(spec: "Spec", raw: Any) -> str:
    """A name of the IANA time zone database."""
    if not isinstance(raw, str) or raw.strip() not in time_zones():
        raise ValueError(f"{spec.label} must be the name of a time zone such as America/New_York.")
    return raw.strip()


def currency(spec: "Spec", raw: Any) -> str:
    """A code of three capital letters (ISO 4217)."""
    value = raw.strip().upper() if isinstance(raw, str) else ""
    if not re.fullmatch(r"[A-Z]{3}", value):
        raise ValueError(f"{spec.label} must be a code of three letters such as USD.")
    return value


def email(spec: "Spec", raw: Any) -> str:
    """An e-mail address."""
    value = text(spec, raw)
    try:
        validate_email(value)
    except ValidationError as problem:
        raise ValueError(f"{spec.label} must be an e-mail address such as noreply@example.com.") from problem
    return value


def host(spec: "Spec", raw: Any) -> str:
    """The name or IPv4 address of a server."""
    value = text(spec, raw)
    if not _HOST.match(value):
        raise ValueError(f"{spec.label} must be the name of a server such as smtp.example.com.")
    return value


def dates(spec: "Spec", raw: Any) -> list[str]:
    """Days as 2026-12-25, in their order and each once: a list, or text with one in a line or commas between them."""
    given = re.split(r"[\s,;]+", raw.strip()) if isinstance(raw, str) else raw
    if not isinstance(given, list | tuple):
        raise ValueError(f"{spec.label} must be a list of days such as 2026-12-25.")
    days = set()
    for part in given:
        if part == "":
            continue
        if not isinstance(part, str) or not _DAY.match(part):
            raise ValueError(f"{spec.label}: “{str(part)[:40]}” is not a day such as 2026-12-25.")
        try:
            days.add(dt.date.fromisoformat(part).isoformat())
        except ValueError as problem:
            raise ValueError(f"{spec.label}: {part} is not in the calendar.") from problem
    if len(days) > MOST_DAYS:
        raise ValueError(f"{spec.label} may have up to {MOST_DAYS} days, not {len(days)}.")
    return sorted(days)


def endings(spec: "Spec", raw: Any) -> list[str]:
    """Endings of file names such as .xlsx, of those that the portal can read; at least one."""
    given = re.split(r"[\s,;]+", raw.strip()) if isinstance(raw, str) else raw
    allowed = [value for value, _ in spec.choices]
    wanted = f"{spec.label} must name one or more of {', '.join(allowed)}."
    if not isinstance(given, list | tuple) or not all(isinstance(part, str) for part in given):
        raise ValueError(wanted)
    named = {part.lower() if part.startswith(".") else f".{part.lower()}" for part in given if part}
    for part in sorted(named - set(allowed)):
        raise ValueError(f"{wanted[:-1]}; the portal cannot read {part[:20]} files.")
    if not named:
        raise ValueError(wanted)
    return [ending for ending in allowed if ending in named]


def weights(spec: "Spec", raw: Any) -> dict[str, float]:
    """A weight from 0 to 1 for each of the four risk classes, none above that of the class before."""
    wanted = f"{spec.label} must give each risk class 0, 1, 2 and 3 a weight from 0 to 1."
    if not isinstance(raw, dict) or {str(name) for name in raw} != set(RISK_KEYS):
        raise ValueError(wanted)
    given = {str(name): value for name, value in raw.items()}
    result: dict[str, float] = {}
    for name in RISK_KEYS:
        value = given[name]
        if isinstance(value, str) and _NUMBER.match(value.strip()):
            value = float(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(wanted)
        result[name] = float(value)
    if list(result.values()) != sorted(result.values(), reverse=True):
        raise ValueError(f"{spec.label}: a riskier class cannot weigh more than a surer one.")
    return result


CLEANERS: dict[str, Callable[["Spec", Any], Any]] = {
    "text": text,
    "integer": integer,
    "boolean": boolean,
    "choice": choice,
    "time_zone": time_zone,
    "currency": currency,
    "email": email,
    "host": host,
    "weights": weights,
    "dates": dates,
    "endings": endings,
}
