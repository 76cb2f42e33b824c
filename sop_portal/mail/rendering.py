"""From a kind and a context to subject, text and HTML."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.template import Context
from django.template.loader import get_template

from sop_portal import conf
from sop_portal.lib.text import bad_character, normal
from sop_portal.mail.kinds import COLOURS, Kind

# Columns of the table and a sensible line in a list of mails.
LONGEST_SUBJECT = 200


@dataclasses.dataclass(frozen=True)
class Rendered:
    """A mail in words."""

    subject: str
    text: str
    html: str


def absolute(path: str) -> str:
    """`path` under the portal's public address."""
    return f"{settings.SITE_URL.rstrip('/')}{path}"


def one_line(text: str) -> str:
    """`text` as one line that can stand in a header, whatever a name in it holds."""
    kept = "".join(" " if bad_character(character) is not None else character for character in normal(text))
    line = " ".join(kept.split())
    return line if len(line) <= LONGEST_SUBJECT else f"{line[: LONGEST_SUBJECT - 1]}…"


def subject(kind: Kind, user: Any, context: Mapping[str, Any]) -> str:
    """The subject alone, which is the title of the notice, too."""
    return one_line(_plain(f"mail/{kind.name}_subject.txt", _context(kind, user, context)))


def render(kind: Kind, user: Any, context: Mapping[str, Any]) -> Rendered:
    """The mail of `kind` to `user`."""
    shown = _context(kind, user, context)
    shown["subject"] = subject(kind, user, context)
    text = _plain(f"mail/{kind.name}.txt", shown)
    html = get_template(f"mail/{kind.name}.html").render(shown)
    return Rendered(shown["subject"], _lines(text), _storable(html))


def _context(kind: Kind, user: Any, context: Mapping[str, Any]) -> dict[str, Any]:
    """What every template may use: the letter's own context, the person, the portal's name, the link of the button."""
    url = context.get("url", "")
    return {
        "app_name": conf.get("app_name"),
        "user": user,
        "first_name": user.get_short_name(),
        "link": absolute(url) if url else "",
        **context,
        "colour": COLOURS[context.get("colour", kind.colour)],
    }


def _lines(text: str) -> str:
    """A text without blanks at the ends of lines and without more than one empty line in a row."""
    lines = "\n".join(line.rstrip() for line in _storable(text).strip().split("\n"))
    return re.sub(r"\n{3,}", "\n\n", lines) + "\n"


def _storable(text: str) -> str:
    """`text` without characters that cannot be stored or seen; what a mail server answers may hold any."""
    return "".join(character for character in text if bad_character(character, multiline=True) is None)


def _plain(template: str, context: Mapping[str, Any]) -> str:
    """A text template, in which nothing is escaped, since nothing in it is markup."""
    backend: Any = get_template(template)
    rendered: str = backend.template.render(Context(dict(context), autoescape=False))
    return rendered
