"""Customers whose names resemble those in a workbook, to be offered where somebody decides by hand."""

import difflib
import re
from collections.abc import Iterable, Sequence

MOST = 3
# Words that tell nothing about whose name it is.
_COMMON = {
    "inc",
    "llc",
    "ltd",
    "co",
    "corp",
    "company",
    "the",
    "and",
    "of",
    "foods",
    "food",
    "supply",
    "trading",
    "group",
}
_LIKE = 0.55


def near_customers(names: Iterable[str], customers: Sequence[tuple[str, str]]) -> dict[str, list[tuple[str, str]]]:
    """For each name up to three customers (ID, name) that share a telling word with it, the most alike first."""
    by_word: dict[str, list[int]] = {}
    for at, (_, name) in enumerate(customers):
        for word in _words(name):
            by_word.setdefault(word, []).append(at)
    found = {}
    for text in names:
        at_hand = {at for word in _words(text) for at in by_word.get(word, [])}
        ranked = sorted((-_likeness(text, customers[at][1]), at) for at in at_hand)
        found[text] = [customers[at] for unlike, at in ranked[:MOST] if -unlike >= _LIKE]
    return found


def _likeness(one: str, other: str) -> float:
    """From 0 to 1; a name all of whose telling words stand in the other is like it, however long that is."""
    ratio = difflib.SequenceMatcher(None, one.casefold(), other.casefold()).ratio()
    a, b = _words(one), _words(other)
    return max(ratio, _LIKE) if a <= b or b <= a else ratio


def _words(name: str) -> set[str]:
    return {word for word in re.findall(r"\w{3,}", name.casefold()) if word not in _COMMON}
