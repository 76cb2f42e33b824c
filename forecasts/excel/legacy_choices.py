"""What an admin decided about the names in old workbooks: whose sheet is whose, and whose book."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# Choices beside the ID of a customer.
NEW, OUT = "new", "out"


@dataclass(frozen=True)
class Choices:
    """Decisions by hand; what is missing is decided by the names alone.

    customers: by `alias_key` of the name, ("new", ""), ("out", "") or ("customer", customer ID).
    reps: primary keys of reps by `alias_key` of the name. files: the same by the name of the workbook.
    """

    customers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    reps: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> "Choices":
        """The choices that `stored` says, as `as_json` wrote them."""
        return cls(
            {key: (what, code) for key, (what, code) in stored.get("customers", {}).items()},
            dict(stored.get("reps", {})),
            dict(stored.get("files", {})),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values for the record of the import."""
        return {
            "customers": {key: list(choice) for key, choice in self.customers.items()},
            "reps": dict(self.reps),
            "files": dict(self.files),
        }

    def left_out(self, key: str) -> bool:
        """Whether the sheet of this name is not wanted."""
        return self.customers.get(key, ("", ""))[0] == OUT
