"""Risk class from what people typed in the Probability column."""

import difflib
import re
from dataclasses import dataclass

ORDER, PLAN, CUSTOMER, ESTIMATE = 0, 1, 2, 3
OFFICIAL = {
    "with sales order - low risk": ORDER,
    "in customer supply plan - low/mid risk": PLAN,
    "customer forecast - mid risk": CUSTOMER,
    "volume estimated by sales rep (budget)": ESTIMATE,
}
# How risky, in words: this decides when it is said, whatever else the text holds.
_LEVELS = {"low": ORDER, "mid": CUSTOMER, "medium": CUSTOMER, "high": ESTIMATE}
# What the volume rests on; longer evidence first, "customer forecast" is no "customer plan".
_EVIDENCE = [
    ({"estimated", "estimate", "estimation", "budget"}, ESTIMATE),
    ({"supply", "plan"}, PLAN),
    ({"order", "orders"}, ORDER),
    ({"forecast"}, CUSTOMER),
    ({"rep"}, ESTIMATE),
]
_VOCABULARY = [*_LEVELS, *(word for words, _ in _EVIDENCE for word in words)]


@dataclass(frozen=True, slots=True)
class Risk:
    """A risk class 0 to 3, None when the text says nothing known; `guessed` when it is not an official text."""

    value: int | None
    guessed: bool = False


def risk_class(text: str) -> Risk:
    """The class of a Probability text; blank is unknown without being a guess.

    >>> risk_class("Customer Fprecast - HIGH Risk")
    Risk(value=3, guessed=True)
    """
    bare = " ".join(text.replace("–", "-").split()).casefold()
    if bare in OFFICIAL:
        return Risk(OFFICIAL[bare])
    words = {_known(word) for word in re.findall(r"[a-z]+", bare)} - {""}
    levels = {_LEVELS[word] for word in words if word in _LEVELS}
    if levels == {ORDER, CUSTOMER}:
        return Risk(PLAN, guessed=True)
    if len(levels) == 1:
        return Risk(levels.pop(), guessed=True)
    if not levels:
        for evidence, value in _EVIDENCE:
            if words & evidence:
                return Risk(value, guessed=True)
    return Risk(None)


def _known(word: str) -> str:
    """`word` with a slip of the keyboard mended; empty when it is none of ours."""
    if word in _VOCABULARY:
        return word
    if len(word) < 4:
        return ""
    near = difflib.get_close_matches(word, _VOCABULARY, n=1, cutoff=0.75)
    return near[0] if near else ""
