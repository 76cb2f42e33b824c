"""Settings that admins add: the key, its kind, words and first value stand in the table instead of the registry."""

import re
from collections.abc import Mapping
from typing import Any

from sop_portal.conf import kinds
from sop_portal.conf.registry import CATEGORY_LABELS, REGISTRY, Category, Spec
from sop_portal.lib.errors import Refused

# What a key of one's own may hold, in words.
KINDS = {
    "text": "Text",
    "integer": "Whole number",
    "boolean": "Yes or no",
    "email": "E-mail address",
    "dates": "List of days",
}
SMALLEST, LARGEST = -999_999_999, 999_999_999

_KEY = re.compile(r"[a-z][a-z0-9_]{2,59}\Z")


def spec(key: str, declaration: Mapping[str, Any]) -> Spec:
    """The declaration of a key as it is stored."""
    return Spec(
        key=key,
        category=Category(declaration["category"]),
        kind=declaration["kind"],
        default=declaration["default"],
        label=declaration["label"],
        help=declaration["help"],
        minimum=SMALLEST if declaration["kind"] == "integer" else None,
        maximum=LARGEST if declaration["kind"] == "integer" else None,
        blank=declaration["kind"] in ("text", "dates"),
        own=True,
    )


def declare(*, key: Any, category: Any, kind: Any, label: Any, help: Any, value: Any) -> Spec:
    """What an admin declares, checked. Raises Refused with a sentence for each part that does not fit."""
    wrong: dict[str, str] = {}
    if not isinstance(key, str) or not _KEY.match(key):
        wrong["key"] = "A key has 3 to 60 small letters, digits and underscores, and begins with a letter."
    elif key in REGISTRY:
        wrong["key"] = f"The portal has a setting '{key}' already; change that one, or choose another key."
    if category not in CATEGORY_LABELS:
        wrong["category"] = f"The category must be one of {', '.join(CATEGORY_LABELS)}."
    if kind not in KINDS:
        wrong["kind"] = f"The kind must be one of {', '.join(KINDS)}."
    words = {}
    for name, text, most in (("label", label, 100), ("help", help, 200)):
        about = Spec(
            key=name, category=Category.SYSTEM, kind="text", default="", label=name.capitalize(), help="",
            blank=name == "help",
        )  # fmt: skip
        try:
            words[name] = kinds.text(about, text)
            if len(words[name]) > most:
                raise ValueError(f"{about.label} may have up to {most} characters, not {len(words[name])}.")
        except ValueError as problem:
            wrong[name] = str(problem)
    if wrong:
        raise Refused(wrong)
    declared = spec(key, {"category": category, "kind": kind, "default": None, **words})
    try:
        first = declared.clean(value)
    except ValueError as problem:
        raise Refused({"value": str(problem)}) from problem
    return spec(key, {"category": category, "kind": kind, "default": first, **words})


def stored(declared: Spec) -> dict[str, Any]:
    """A declaration as the table keeps it."""
    return {
        "category": str(declared.category),
        "kind": declared.kind,
        "default": declared.default,
        "label": declared.label,
        "help": declared.help,
    }
