"""What stands on the summary before submitting: which lines can go, which cannot and why, what they add up to, and for
which of them a reason is asked."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import F
from django.http import Http404, QueryDict
from django.urls import reverse

from cycles.models import Cycle
from forecasts.grid import REVENUE, next_total, shown_values
from forecasts.models import Line
from forecasts.reasons import Reason
from forecasts.services import LineEdit, LineRef, problems, set_cells
from forecasts.services.problems import Problem
from forecasts.versus import Earlier, earlier_plans
from masterdata.models import Customer
from sop_portal.lib import periods
from sop_portal.lib.measures import Part, Total, total

MAX_ID_DIGITS = 18
# For so many of the largest changes a reason is asked.
ASKED = 5
_REASON = re.compile(rf"(?:why|words)-([1-9][0-9]{{0,{MAX_ID_DIGITS - 1}}})")


@dataclass
class Scope:
    """Which lines the summary is about: those of a customer, of a rep, or all of the person's own."""

    cycle: Cycle
    lines: Any
    customer: Customer | None = None
    needs_choice: bool = False

    @property
    def back_url(self) -> str:
        """Where handing in leads back to."""
        if self.customer is not None:
            return reverse("forecasts:grid", args=[self.cycle.pk, self.customer.pk])
        return reverse("forecasts:list")


@dataclass
class Candidate:
    """One line of the summary."""

    line: Line
    problems: list[Problem] = field(default_factory=list)
    chosen: bool = True
    earlier: Earlier | None = None
    reason: Reason = field(default_factory=Reason)

    @property
    def reference(self) -> str:
        """How the form names the line as its reader saw it."""
        return f"{self.line.pk}:{self.line.revision}"

    @property
    def quantity(self) -> Decimal:
        return next_total(self.line, "quantity")

    @property
    def money(self) -> Decimal:
        return next_total(self.line, REVENUE)

    @property
    def change(self) -> Decimal | None:
        """The money against the last plan over the months it covered; None for a line that plan did not hold."""
        if self.earlier is None:
            return None
        return self.earlier.sum(shown_values(self.line, REVENUE)) - self.earlier.money

    @property
    def blanks(self) -> list[Problem]:
        return [problem for problem in self.problems if problem.kind == "blank"]

    @property
    def rejected(self) -> bool:
        return self.line.status == Line.Status.REJECTED

    @property
    def url(self) -> str:
        """The grid at the line, or at its first cell that needs something."""
        base = reverse("forecasts:grid", args=[self.line.cycle_id, self.line.customer_id])
        if not self.problems:
            return f"{base}#l{self.line.pk}"
        first = self.problems[0]
        show = "?show=price" if first.kind == "price" else ""
        return f"{base}{show}#l{self.line.pk}-{periods.key(self.line.cycle.periods[first.position])}"

    @property
    def reasons(self) -> list[str]:
        """What keeps the line back, its months put together: "Blank in January, February and March 2027"."""
        if self.rejected:
            return ["Rejected; change it before you submit it again."]
        months = self.line.cycle.periods
        sentences = []
        for kind, words in (("blank", "No answer for"), ("price", "No price for"), ("large", "Too large in")):
            found = [months[problem.position] for problem in self.problems if problem.kind == kind]
            if found:
                sentences.append(f"{words} {_months(found)}.")
        return sentences


@dataclass
class Summary:
    """The lines by what can be done with them, and the sums of those that are ready.

    asked: those among the ready ones for which the person may give a reason, the largest change first.
    """

    ready: list[Candidate]
    blocked: list[Candidate]
    submitted: list[Candidate]
    approved: int
    asked: list[Candidate] = field(default_factory=list)

    @property
    def blanks(self) -> int:
        """How many cells "answer 0" would fill."""
        return sum(len(item.blanks) for item in self.zeroable)

    @property
    def money(self) -> Decimal:
        return sum((item.money for item in self.ready), Decimal(0))

    @property
    def change(self) -> Decimal | None:
        """The ready lines against the last plan; None when it held none of them."""
        changes = [item.change for item in self.ready if item.change is not None]
        return sum(changes, Decimal(0)) if changes else None

    @property
    def new_money(self) -> Decimal:
        """What those of the ready lines come to that the last plan did not hold."""
        return sum((item.money for item in self.ready if item.change is None), Decimal(0))

    @property
    def total(self) -> Total:
        """What the ready lines add up to."""
        products = ((item.line.product, item.quantity) for item in self.ready)
        return total(Part.of(one.description, one.uom, quantity, one.weight) for one, quantity in products)

    @property
    def zeroable(self) -> list[Candidate]:
        """Lines whose blanks may be answered with 0; a rejected line waits for an answer to its comment."""
        return [item for item in self.blocked if item.blanks and not item.rejected]


def scope_of(user: Any, cycle: Cycle, query: QueryDict) -> Scope:
    """The lines that `user` may hand in, narrowed by ?customer= or ?rep=. Raises Http404 for a foreign customer.

    People who may hand in for everybody choose a customer or a rep first.
    """
    lines = Line.objects.visible_to(user).editable_by(user).live().filter(cycle=cycle)
    wanted = _number(query.get("customer", ""))
    if query.get("customer"):
        customer = Customer.objects.filter(pk__in=Line.objects.visible_to(user).filter(cycle=cycle).values("customer"))
        found = customer.filter(pk=wanted).first() if wanted is not None else None
        if found is None:
            raise Http404("There is no such customer in this cycle.")
        return Scope(cycle, lines.filter(customer=found), found)
    if user.has_perm("forecasts.edit_any_line"):
        rep = _number(query.get("rep", ""))
        return Scope(cycle, lines.filter(owner=rep) if rep is not None else lines.none(), needs_choice=rep is None)
    return Scope(cycle, lines)


def summary(
    user: Any, scope: Scope, chosen: set[int] | None = None, typed: Mapping[int, Reason] | None = None
) -> Summary:
    """The lines of the scope sorted by what can be done.

    chosen, typed: the lines ticked and the reasons given when the form came back.
    """
    rows = (
        scope.lines.select_related("product", "customer")
        .defer("baseline", "baseline_low", "baseline_high")
        .order_by(F("customer__name"), "customer_id", "product__item_code", "pk")
    )
    ready: list[Candidate] = []
    blocked: list[Candidate] = []
    submitted: list[Candidate] = []
    approved = 0
    for line in rows:
        line.cycle = scope.cycle
        if line.status == Line.Status.DRAFT:
            item = Candidate(line, problems(line), chosen is None or line.pk in chosen)
            (blocked if item.problems else ready).append(item)
        elif line.status == Line.Status.REJECTED:
            blocked.append(Candidate(line, problems(line)))
        elif line.status == Line.Status.SUBMITTED and line.submitted_by_id == user.pk:
            submitted.append(Candidate(line))
        else:
            approved += line.status == Line.Status.APPROVED
    plans = earlier_plans([line.pk for line in rows], scope.cycle.mandatory)
    for item in ready:
        item.earlier = plans.get(item.line.pk)
        item.reason = (typed or {}).get(item.line.pk, Reason.kept(item.line.change_reason))
    return Summary(ready, blocked, submitted, approved, _asked(scope.cycle, ready))


def _asked(cycle: Cycle, ready: Sequence[Candidate]) -> list[Candidate]:
    """The lines whose money changed most against the last plan, and those that have a reason already.

    A line that the last plan did not hold changed by all it is worth. Before the first plan nothing is a change.
    """
    before = Cycle.objects.filter(first_period__lt=cycle.first_period).exclude(status=Cycle.Status.DRAFT).exists()
    changed = sorted(
        (item for item in ready if _moved(item)),
        key=lambda item: (-_moved(item), item.line.product.item_code, item.line.pk),
    )
    asked = changed[:ASKED] if before else []
    known = {item.line.pk for item in asked}
    return asked + [item for item in ready if item.reason and item.line.pk not in known]


def _moved(item: Candidate) -> Decimal:
    return abs(item.money if item.change is None else item.change)


def read_reasons(data: QueryDict) -> dict[int, Reason]:
    """The reasons of a form by line, not checked yet: a field why-<line> and a field words-<line> each."""
    ids = {int(match[1]) for name in data if (match := _REASON.fullmatch(name))}
    return {pk: Reason.typed(data.get(f"why-{pk}", ""), data.get(f"words-{pk}", "")) for pk in ids}


def answer_zero(scope: Scope, refs: Iterable[LineRef], *, by: Any) -> int:
    """Answer 0 in every blank mandatory cell of the lines; returns how many cells that were."""
    revisions = {ref.line_id: ref.revision for ref in refs}
    lines = scope.lines.filter(pk__in=list(revisions)).select_related("product")
    edits = []
    for line in lines:
        line.cycle = scope.cycle
        blanks = [problem for problem in problems(line) if problem.kind == "blank"]
        cells = {scope.cycle.periods[problem.position]: Decimal(0) for problem in blanks}
        if cells:
            edits.append(LineEdit(line.pk, revisions[line.pk], cells))
    set_cells(scope.cycle.pk, edits, by=by)
    return sum(len(edit.quantity) for edit in edits)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MAX_ID_DIGITS else None


def _months(found: Sequence[Any]) -> str:
    """ "January to March 2027" for months in a row, else their list."""
    if len(found) > 2 and periods.between(found[0], found[-1]) == len(found) - 1:
        return f"{periods.label(found[0])} to {periods.label(found[-1])}"
    names = [periods.label(month) for month in found]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
