"""Pre-flight: what stands in the way of a good cycle, before it is opened.

Red is what would leave a part of the business out of the plan, or keep everybody from typing: customers without a rep,
customers of a rep who is not active, and a deadline that has passed. The first two can be overridden with a reason, the
last one cannot. All else is amber: a rep can mend it while the cycle is open, or it is told by another way as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Count, Window
from django.urls import reverse

from cycles.models import Cycle
from cycles.services.deadlines import business_zone, day_off, deadline_text
from masterdata import readiness
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now

RED, AMBER = "red", "amber"
# How many rows a finding names before it only counts.
NAMED = 20


@dataclass(frozen=True)
class Row:
    """One thing a finding names, and where it is mended."""

    label: str
    url: str = ""
    note: str = ""


@dataclass(frozen=True)
class Finding:
    """One finding. title: what is the case, with its number; text: what follows from it.

    url, action: where all of its rows are mended. final: whether no reason overrides it.
    """

    key: str
    level: str
    title: str
    text: str
    count: int = 1
    rows: Sequence[Row] = ()
    url: str = ""
    action: str = ""
    final: bool = False

    @property
    def is_red(self) -> bool:
        return self.level == RED

    @property
    def more(self) -> int:
        """How many rows are not named."""
        return self.count - len(self.rows) if self.rows else 0


@dataclass(frozen=True)
class Preflight:
    """All findings of one cycle, the red ones first."""

    findings: Sequence[Finding] = field(default_factory=list)

    @property
    def red(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_red]

    @property
    def amber(self) -> list[Finding]:
        return [finding for finding in self.findings if not finding.is_red]

    @property
    def final(self) -> list[Finding]:
        """The red ones that no reason overrides."""
        return [finding for finding in self.findings if finding.final]

    @property
    def sentence(self) -> str:
        """The red findings in one sentence: "Two customers have no sales rep, and ..."."""
        titles = [finding.title.removesuffix(".") for finding in self.red]
        return " and ".join([", ".join(titles[:-1]), titles[-1]] if len(titles) > 1 else titles)


def preflight(cycle: Cycle) -> Preflight:
    """Look at everything; the number of queries does not depend on the number of rows."""
    return Preflight([*_red(cycle), *_amber(cycle)])


def red_findings(cycle: Cycle) -> Preflight:
    """What keeps `cycle` from being opened, without the rest."""
    return Preflight(_red(cycle))


def _red(cycle: Cycle) -> list[Finding]:
    found = [_past_deadline(cycle), _without_rep(), _inactive_owners()]
    return [finding for finding in found if finding is not None]


def _amber(cycle: Cycle) -> list[Finding]:
    found = [
        _unpriced(cycle), _missing_actuals(cycle), _proposed(), _idle_reps(), _unreachable(), _odd_deadline(cycle),
    ]  # fmt: skip
    return [finding for finding in found if finding is not None]


def _counted(found: Any, make: Callable[[Any], Row]) -> tuple[int, list[Row]]:
    """How many rows a question has, and the first of them, in one query."""
    first = list(found.annotate(of=Window(Count("pk")))[:NAMED])
    return (first[0].of if first else 0), [make(row) for row in first]


def _are(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def _past_deadline(cycle: Cycle) -> Finding | None:
    if cycle.closes_at is not None and cycle.closes_at > portal_now():
        return None
    when = deadline_text(cycle.closes_at) if cycle.closes_at else "not set"
    return Finding(
        "past_deadline", RED, f"The deadline has passed: {when}", "Nobody could type a single number.",
        url=reverse("cycles:edit", args=[cycle.pk]), action="Choose a later deadline", final=True,
    )  # fmt: skip


def _without_rep() -> Finding | None:
    count, rows = _counted(readiness.customers_without_rep(), _customer_row)
    if not count:
        return None
    return Finding(
        "without_rep", RED, f"{_are(count, 'customer with products has', 'customers with products have')} no sales rep",
        "Nobody plans them, and they are left out of the cycle.", count, rows,
        f"{reverse('admin:masterdata_customer_changelist')}?rep=none", "Give them to a rep",
    )  # fmt: skip


def _inactive_owners() -> Finding | None:
    count, rows = _counted(readiness.customers_of_inactive_reps(), _customer_row)
    if not count:
        return None
    return Finding(
        "inactive_owners", RED,
        f"{_are(count, 'customer is', 'customers are')} served by somebody who is not active",
        "Whoever cannot sign in cannot plan; these customers are left out of the cycle.", count, rows,
        f"{reverse('admin:masterdata_customer_changelist')}?rep=inactive", "Give them to another rep",
    )  # fmt: skip


def _customer_row(customer: Any) -> Row:
    note = f"{customer.sales_rep.full_name} is not active" if customer.sales_rep else ""
    return Row(customer.name, reverse("admin:masterdata_customer_change", args=[customer.pk]), note)


def _entry_row(entry: Any) -> Row:
    note = f"proposed by {entry.proposed_by.full_name}" if entry.proposed_by_id else ""
    url = reverse("admin:masterdata_matrixentry_change", args=[entry.pk])
    return Row(f"{entry.customer.label} · {entry.product}", url, note)


def _unpriced(cycle: Cycle) -> Finding | None:
    count, rows = _counted(readiness.unpriced_pairs(cycle.first_period), _pair_row)
    if not count:
        return None
    return Finding(
        "unpriced", AMBER,
        f"{_are(count, 'pair has', 'pairs have')} no price in {periods.long_label(cycle.first_period)}",
        "Their reps have to type one before they can submit a quantity.", count, rows,
        f"{reverse('admin:masterdata_matrixentry_changelist')}?price={periods.key(cycle.first_period)}", "Set prices",
    )  # fmt: skip


def _pair_row(entry: Any) -> Row:
    return Row(
        f"{entry.customer.label} · {entry.product}", reverse("admin:masterdata_matrixentry_change", args=[entry.pk])
    )


def _proposed() -> Finding | None:
    count, rows = _counted(readiness.proposed_pairs(), _entry_row)
    if not count:
        return None
    return Finding(
        "proposed", AMBER, f"{_are(count, 'pair was', 'pairs were')} proposed by reps and not looked at yet",
        "They are planned like all others.", count, rows,
        f"{reverse('admin:masterdata_matrixentry_changelist')}?proposed=yes", "Look at them",
    )  # fmt: skip


def _idle_reps() -> Finding | None:
    count, rows = _counted(
        readiness.reps_without_customers(),
        lambda rep: Row(rep.full_name or rep.email, reverse("admin:accounts_user_change", args=[rep.pk])),
    )
    if not count:
        return None
    return Finding(
        "idle_reps", AMBER, f"{_are(count, 'sales rep has', 'sales reps have')} no customers",
        "They take no part in the cycle and hear nothing of it.", count, rows,
        reverse("admin:masterdata_customer_changelist"), "Assign customers",
    )  # fmt: skip


def _missing_actuals(cycle: Cycle) -> Finding | None:
    """The newest month that is over and before the cycle ought to be loaded."""
    today = portal_now().astimezone(business_zone()).date()
    until = min(periods.shift(periods.first_of_month(today), -1), periods.shift(cycle.first_period, -1))
    months = readiness.missing_actuals(until)
    if not months:
        return None
    names = periods.long_label(months[0])
    if len(months) > 1:
        names += f" to {periods.long_label(months[-1])}"
    return Finding(
        "actuals", AMBER, f"Actuals of {names} are not loaded",
        "Which lines are live is worked out from the newest twelve months; refresh the cycle when they come later.",
        url=reverse("masterdata:import_start", args=["actuals"]), action="Import actuals",
    )  # fmt: skip


def _unreachable() -> Finding | None:
    people = readiness.unreachable(readiness.people_concerned())
    if not people:
        return None
    rows = [
        Row(person.full_name or person.username, reverse("admin:accounts_user_change", args=[person.pk]), why)
        for person, why in people[:NAMED]
    ]
    return Finding(
        "unreachable", AMBER, f"No mail reaches {_are(len(people), 'person', 'people')} of the cycle",
        "They hear of it only when they look at their notices.", len(people), rows,
        reverse("admin:accounts_user_changelist"), "Correct the addresses",
    )  # fmt: skip


def _odd_deadline(cycle: Cycle) -> Finding | None:
    if cycle.closes_at is None:
        return None
    day = day_off(cycle.closes_at)
    if not day:
        return None
    return Finding(
        "odd_deadline", AMBER, f"The deadline is on a {day}: {deadline_text(cycle.closes_at)}",
        "People may not be at work.", url=reverse("cycles:edit", args=[cycle.pk]), action="Choose another day",
    )  # fmt: skip
