"""Every action that the code writes can be asked for: the filter of the trail offers it."""

import ast
from collections.abc import Iterator
from pathlib import Path

from audit import words

ROOT = Path(__file__).parents[2]
PACKAGES = ("audit", "cycles", "forecasts", "masterdata", "sop_portal")
# What is given an action as its first argument, or as its second.
FIRST, SECOND = {"action", "record_query"}, {"save_open"}


def named(tree: ast.AST) -> Iterator[str]:
    """The actions that a module names outright."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = [keyword.value for keyword in node.keywords if keyword.arg == "action" and function == "Event"]
        given += node.args[:1] if function in FIRST else node.args[1:2] if function in SECOND else []
        yield from (part.value for part in given if isinstance(part, ast.Constant) and isinstance(part.value, str))


def test_the_filter_offers_every_action() -> None:
    offered = {name for _, group in words.actions() for name, _ in group}
    written: set[str] = set()
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            written |= set(named(ast.parse(path.read_text(encoding="utf-8"))))
    assert {"cycle_reopened", "user_token_reused", "access_denied"} <= written
    assert written - offered == set()
