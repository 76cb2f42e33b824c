"""What the apps above have to say after master data changed, to the person who looks after it."""

from dataclasses import dataclass
from typing import Any

from masterdata.signals import notices_asked


@dataclass(frozen=True)
class Notice:
    """A sentence, and where the person decides what to do about it."""

    text: str
    action: str
    url: str


def notices(user: Any, *, lately: bool = False) -> list[Notice]:
    """What waits for a decision of `user`, [] for people who decide nothing of it.

    lately: what was so within the last minute is enough, for a page that is opened all day.
    """
    answers: Any = notices_asked.send(sender=Notice, user=user, lately=lately)
    return [notice for _, answer in answers for notice in answer]
