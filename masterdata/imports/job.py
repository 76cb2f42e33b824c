"""What one run is asked to do."""

from dataclasses import dataclass, field
from typing import Any

from masterdata.imports.progress import Watch


@dataclass(frozen=True)
class Job:
    """options: those of the run. run_id: the run that remembers what undoing needs; None for a trial. by: who acts,
    None for a command. shows: whether somebody wants to see the first new and changed rows. alone: whether others are
    kept from the tables between comparing and writing, which a trial does without."""

    options: dict[str, Any] = field(default_factory=dict)
    watch: Watch = field(default_factory=Watch)
    run_id: int | None = None
    by: Any = None
    shows: bool = True
    alone: bool = True

    @property
    def sums(self) -> bool:
        """Whether rows with the same key are added up."""
        return bool(self.options.get("sum_duplicates"))

    @property
    def clears(self) -> bool:
        """Whether a blank cell empties what it would leave alone."""
        return bool(self.options.get("clear_blanks"))
