"""Chains of replacements: A by B, B by C. They may be long, and never lead back."""

from typing import Any


def circle(row: Any) -> str:
    """Why `row` cannot be replaced by the one it names, "" when it can: a sentence naming the circle."""
    if row.pk and row.replaced_by_id == row.pk:
        return f"A {row._meta.verbose_name} cannot replace itself."
    seen, link = {row.pk}, row.replaced_by
    while row.pk and link is not None:
        if link.replaced_by_id in seen:
            return (
                f"{row.replaced_by} is itself replaced by {row}{'' if link == row.replaced_by else ', further on'}; "
                "they cannot replace each other."
            )
        seen.add(link.pk)
        link = link.replaced_by
    return ""
