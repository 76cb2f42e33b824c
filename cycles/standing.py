"""How far the lines of a cycle are, in numbers.

Cycles stand below the lines, so they ask for these by a signal; the app of lines answers.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any, Self

from cycles.models import Cycle
from cycles.signals import missed_asked, standing_asked, undecided_asked


@dataclasses.dataclass(frozen=True)
class Counts:
    """How many live lines stand where. Dormant lines are in none of the numbers.

    ready: handed in, or drafts that could be as they stand. blocked: drafts and rejected lines with a mandatory blank
    or a price missing. came_back: rejected or returned, and not handed in again.
    """

    live: int = 0
    ready: int = 0
    blocked: int = 0
    came_back: int = 0
    draft: int = 0
    submitted: int = 0
    approved: int = 0
    rejected: int = 0
    missed: int = 0

    @property
    def handed_in(self) -> int:
        """Lines their reps are done with: submitted or already approved."""
        return self.submitted + self.approved

    @property
    def complete(self) -> int:
        """Drafts that could be submitted as they stand."""
        return self.ready - self.handed_in

    @property
    def to_do(self) -> int:
        """Lines that would be missed if the cycle closed now."""
        return self.draft + self.rejected

    def __add__(self, other: Self) -> "Counts":
        names = [field.name for field in dataclasses.fields(self)]
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclasses.dataclass(frozen=True)
class Undecided:
    """One line that publishing would accept as it is."""

    line_id: int
    label: str
    owner: str
    status: str
    status_label: str


def by_rep(cycle_ids: Iterable[int], user: Any) -> dict[int, dict[int | None, Counts]]:
    """Cycle -> rep -> counts of the lines that `user` may read; a cycle without lines is missing."""
    answers: Any = standing_asked.send(sender=Cycle, cycle_ids=list(cycle_ids), user=user)
    return answers[0][1] if answers else {}


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of several shares."""
    return sum(counts, Counts())


def undecided(cycle: Cycle, user: Any, limit: int) -> tuple[int, Sequence[Undecided]]:
    """How many live lines of a closed cycle nobody decided, and the first `limit` of them."""
    answers: Any = undecided_asked.send(sender=Cycle, cycle=cycle, user=user, limit=limit)
    return answers[0][1] if answers else (0, [])


def missed(cycle: Cycle) -> dict[int, int]:
    """Rep -> how many missed lines of a closed cycle they would have to answer if it were reopened."""
    answers: Any = missed_asked.send(sender=Cycle, cycle=cycle)
    return answers[0][1] if answers else {}
