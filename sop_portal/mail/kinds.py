"""The kinds of mail. Each app declares those whose event it tells; the words are templates under `templates/mail/`.

A kind named `x` has three of them: `x_subject.txt`, `x.txt` and `x.html`.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# Colour of the band and the button of a mail: white text on each has a contrast of at least 5:1.
COLOURS = {
    "accent": "#0b6157",
    "blue": "#1d5fbf",
    "orange": "#a84b00",
    "red": "#a0282b",
    "green": "#1f6a38",
}

# As long as mail servers, too, keep on trying (RFC 5321, 4.5.4.1).
LIFETIME = dt.timedelta(days=4)

# What a kind adds to its context when the mail is sent: (user, stored context) -> more context.
Completion = Callable[[Any, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The declaration of one kind.

    colour: a key of `COLOURS`; a letter may bring another one as `colour` of its context. help: when it is sent, for
    admins. sample: the context of the preview. account: mail about somebody's account, which goes whatever the setting
    says and is written when it is sent, so that no one-use link is ever stored. complete: what is added then.
    notice: whether it makes a notice in the portal as well. lifetime: how long it is of use; a mail that could not be
    delivered by then is given up.
    """

    name: str
    colour: str
    help: str
    sample: Mapping[str, Any] = field(default_factory=dict)
    account: bool = False
    complete: Completion | None = None
    notice: bool = True
    lifetime: dt.timedelta = LIFETIME


KINDS: dict[str, Kind] = {}


def declare(kind: Kind) -> Kind:
    """Make `kind` known; at import, once."""
    if kind.colour not in COLOURS:
        raise ValueError(f"{kind.name}: '{kind.colour}' is no colour of mails; use one of {', '.join(COLOURS)}")
    KINDS[kind.name] = kind
    return kind


def find(name: str) -> Kind:
    """The declaration of kind `name`. Raises KeyError when there is none."""
    return KINDS[name]
