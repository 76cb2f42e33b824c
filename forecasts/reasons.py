"""Why a plan changed much against the last one: one of six reasons, with a few words where they help."""

from dataclasses import dataclass
from typing import Self

from django.core.exceptions import ValidationError
from django.db.models import TextChoices

from sop_portal.lib.text import normal, plain_text

# Characters of the words; with the reason in front they fit into `Line.change_reason`.
LONGEST = 150
_BETWEEN = ": "


class Why(TextChoices):
    """The reasons, as a line keeps them and as people read them."""

    PROMOTION = "promotion", "Promotion"
    NEW_STORE = "new store", "New store"
    LOST_BUSINESS = "lost business", "Lost business"
    PRICE = "price", "Price"
    SUPPLY = "supply", "Supply"
    OTHER = "other", "Other"


@dataclass(frozen=True)
class Reason:
    """A reason and its words; both blank for none. Words without a choice are another reason."""

    why: str = ""
    words: str = ""

    @classmethod
    def typed(cls, why: str, words: str) -> Self:
        """The reason of a form or a body, not checked yet."""
        words = normal(words)
        return cls(why or (Why.OTHER.value if words else ""), words)

    @classmethod
    def kept(cls, text: str) -> Self:
        """The reason that a line keeps.

        >>> Reason.kept("new store: opens in May"), Reason.kept("price"), Reason.kept("")
        (Reason(why='new store', words='opens in May'), Reason(why='price', words=''), Reason(why='', words=''))
        """
        why, _, words = text.partition(_BETWEEN)
        return cls(why, words) if why in Why.values else cls.typed("", text)

    def __str__(self) -> str:
        return f"{self.why}{_BETWEEN}{self.words}" if self.words else self.why

    def __bool__(self) -> bool:
        return bool(self.why)

    @property
    def problem(self) -> str:
        """What is wrong with it, as a sentence with the remedy; "" for a good one."""
        if self.why and self.why not in Why.values:
            return f"Choose one of the reasons: {', '.join(Why.values)}."
        if self.why == Why.OTHER and not self.words:
            return "Say in a few words what the other reason is."
        if len(self.words) > LONGEST:
            return f"The words of a reason have at most {LONGEST} characters; these are {len(self.words):,}."
        try:
            plain_text(self.words)
        except ValidationError as problem:
            return " ".join(problem.messages)
        return ""
