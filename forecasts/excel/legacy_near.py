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
        ranked = sorted(
            (
                (difflib.SequenceMatcher(None, text.casefold(), customers[at][1].casefold()).ratio(), at)
                for at in at_hand
            ),
            key=lambda one: (-one[0], one[1]),
        )
        found[text] = [customers[at] for ratio, at in ranked[:MOST] if ratio >= _LIKE]
    return found


def _words(name: str) -> set[str]:
    return {word for word in re.findall(r"\w{3,}", name.casefold()) if word not in _COMMON}
