"""A deadline as a calendar file (RFC 5545): one event per cycle and rep, which a later file of the same UID moves."""

import datetime as dt
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from cycles.models import Cycle
from sop_portal import conf
from sop_portal.mail.rendering import absolute, one_line
from sop_portal.mail.services import Attachment

_OCTETS = 75


def deadline_file(cycle: Cycle, user: Any, deadline: dt.datetime, now: dt.datetime, url: str) -> Attachment:
    """The event "forecast due" of `user`. Instants are UTC, which every calendar shows on its owner's clock.

    SEQUENCE counts the seconds since the cycle opened, so a file that moves the deadline always has a larger one.
    """
    host = urlsplit(settings.SITE_URL).hostname or "localhost"
    link = absolute(url)
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//S&OP portal//Deadlines//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:cycle-{cycle.pk}-rep-{user.pk}@{host}",
        f"SEQUENCE:{max(0, int((now - (cycle.opened_at or now)).total_seconds()))}",
        f"DTSTAMP:{_utc(now)}",
        f"DTSTART:{_utc(deadline)}",
        f"SUMMARY:{_text(f'Forecast due: {cycle}')}",
        f"DESCRIPTION:{_text(f'The last moment to hand in your forecast of {cycle}.')}\\n{_text(link)}",
        f"URL:{link}",
        f"ORGANIZER;CN={_quoted(conf.get('from_name'))}:mailto:{conf.get('from_email')}",
        "TRANSP:TRANSPARENT",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{_text(f'Forecast due tomorrow: {cycle}')}",
        "TRIGGER:-P1D",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    content = "".join(f"{_folded(line)}\r\n" for line in lines).encode()
    return Attachment("deadline.ics", content, "text/calendar")


def _utc(at: dt.datetime) -> str:
    return f"{at.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}"


def _text(value: str) -> str:
    """A text value; a comma, a semicolon or a line end within it would end it."""
    return one_line(value).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")


def _quoted(value: str) -> str:
    """A parameter's value; it may hold anything but quotes."""
    return f'"{one_line(value).replace(chr(34), "")}"'


def _folded(line: str) -> str:
    """A line in pieces of at most 75 octets, never within a character."""
    pieces, piece = [], ""
    for character in line:
        if len((piece + character).encode()) > _OCTETS:
            pieces.append(piece)
            piece = " "
        piece += character
    return "\r\n".join([*pieces, piece])
