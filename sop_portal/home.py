"""The home page and what the frame of every page shows of the open cycle.

Each part of the page is for a permission: the own lines for those who edit lines, the queue for those who decide them,
the board for those who see every line, the next move for those who run cycles.
"""

import dataclasses
import datetime as dt
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from cycles import outlook, standing
from cycles.models import Cycle, Participant
from cycles.seen import mark_seen
from cycles.services import business_zone
from forecasts import board, progress, queue
from forecasts.models import Line
from forecasts.services.reminding import may_remind
from masterdata.models import ImportRun
from masterdata.notices import notices
from sop_portal import attention, conf
from sop_portal.accounts import formats
from sop_portal.accounts.formats import counted
from sop_portal.first_steps import first_steps
from sop_portal.lib.clock import portal_now

# How many customers, decisions, imports and reps the home page names.
CUSTOMERS, DECISIONS, IMPORTS, REPS = 12, 8, 5, 30


@dataclasses.dataclass(frozen=True)
class Strip:
    """The open cycle under the top bar. `deadline` is the one that applies to this person."""

    cycle: Cycle
    deadline: dt.datetime | None
    deadline_label: str
    progress_text: str
    progress_done: int
    progress_total: int
    note: str


def is_demo() -> bool:
    """Whether the portal shows the invented demo company."""
    return bool(conf.get("demo_company"))


def strip(request: HttpRequest) -> Strip | None:
    """The open cycle as this person sees it, or None."""
    user: Any = request.user
    cycle = Cycle.objects.visible_to(user).open().first()
    if cycle is None:
        return None
    deadline = _deadline(cycle, user)
    done, total, text, note = 0, 0, "", ""
    if edits_own(user):
        counts = progress.handed_in(own_lines(user, cycle))
        done, total = counts.handed_in, counts.live
        text = f"{done:,} of {counted(total)} submitted" if total else "no live lines of yours"
    elif user.has_perm("forecasts.view_all_lines"):
        counts = progress.handed_in(Line.objects.visible_to(user).filter(cycle=cycle))
        done, total = counts.handed_in, counts.live
        text = f"{done:,} of {counted(total, 'live line')} submitted, {counts.approved:,} approved"
    if user.has_perm("forecasts.decide_team_lines"):
        number, since = queue.oldest_wait(user)
        if number:
            note = f"your team: {counted(number)} wait{'s' if number == 1 else ''} for you, oldest since {_day(since, user)}"
        elif not text:
            note = "your team: no line waits for you"
    label = formats.both_clocks(deadline, business_zone().key, user.time_zone)
    return Strip(cycle, deadline, label, text, done, total, note)


def review_count(request: HttpRequest) -> int:
    """Lines that wait for this person's decision."""
    return int(queue.waiting(request.user).count())


def _deadline(cycle: Cycle, user: Any) -> dt.datetime | None:
    """The deadline that applies to this person."""
    own = Participant.objects.filter(cycle=cycle, rep=user).values_list("deadline_extension", flat=True)
    return cycle.deadline_with(own.first())


def edits_own(user: Any) -> bool:
    """Whether the home page shows the person's own lines; those who may edit everybody's have the board."""
    return bool(user.has_perm("forecasts.edit_own_lines") and not user.has_perm("forecasts.edit_any_line"))


def own_lines(user: Any, cycle: Cycle) -> Any:
    """The lines of a cycle that the person forecasts, those delegated to them included."""
    lines = Line.objects.editable_by(user).filter(cycle=cycle)
    # While the cycle is open whoever may edit a line may read it; to ask for both costs every page as much as its strip.
    return lines if cycle.is_open else lines.visible_to(user)


def _day(at: dt.datetime | None, user: Any) -> str:
    return formats.instant(at, user.time_zone).split(",")[0]


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    """What the person should do next, and how far things are."""
    user: Any = request.user
    open_cycle = Cycle.objects.visible_to(user).open().first()
    context: dict[str, Any] = {"cycle": open_cycle, "latest": None if open_cycle else _latest(user)}
    if edits_own(user):
        mark_seen(open_cycle, user)
        context["own"] = _own(user, open_cycle, context["latest"])
        context["more_time"] = outlook.more_time(open_cycle, user) if open_cycle else None
    if queue.may_decide(user):
        number, since = queue.oldest_wait(user)
        context["queue"] = {"number": number, "since": since}
    if board.may_read(user):
        context |= _board_parts(user, open_cycle or context["latest"])
    if user.has_perm("cycles.move_cycle"):
        context["steps"] = first_steps(user)
        context["moves"] = [] if context["steps"] else _moves(user, open_cycle)
        context["notices"] = notices(user, lately=True)
    if user.has_perm("masterdata.import_data") and not context.get("steps"):
        context["imports"] = ImportRun.objects.visible_to(user).select_related("uploaded_by")[:IMPORTS]
    context["headline"], context["subline"] = _headline(context)
    return render(request, "home/home.html", context)


def _headline(context: dict[str, Any]) -> tuple[str, str]:
    """The finding of the page and a sentence that explains it."""
    own, found, waiting = context.get("own") or {}, context.get("board"), context.get("queue") or {}
    cycle, latest = context["cycle"], context["latest"]
    if context.get("steps"):
        return "Set up the portal in five steps", "Each opens where you do it; come back here for the next."
    if cycle is None:
        state = f"{latest} is {latest.get_status_display().lower()}" if latest else "No cycle is open"
        return state, "No cycle is open for input at the moment."
    if own:
        counts = own["counts"]
        ready = (
            f"{counts.ready:,} of your {counted(counts.live, 'live line')} {'is' if counts.ready == 1 else 'are'} ready"
        )
        return own["next"]["title"], f"{ready}, {counts.handed_in:,} handed in." if counts.live else ""
    if found is None:
        return f"{cycle} is open", ""
    told = _told(found)
    if waiting.get("number") and "moves" not in context:
        number = waiting["number"]
        return f"{formats.words(number).capitalize()} line{' waits' if number == 1 else 's wait'} for you", told
    done, expected = found.counts.handed_in, found.expected
    return f"{done:,} of {counted(expected)} {'is' if done == 1 else 'are'} handed in", told


def _told(found: board.Board) -> str:
    """How many reps are done, and how many have not looked."""
    states = found.states
    done = states[board.State.SUBMITTED] + states[board.State.APPROVED]
    late, unseen = states[board.State.LATE], states[board.State.NOT_SEEN]
    parts = [f"{formats.words(done)} of {formats.words(len(found.rows))} reps {'is' if done == 1 else 'are'} done"]
    if late:
        parts.append(f"{formats.words(late)} {'is' if late == 1 else 'are'} late")
    if unseen:
        parts.append(f"{formats.words(unseen)} {'has' if unseen == 1 else 'have'} not looked yet")
    return f"{found.cycle}: {', '.join(parts)}."


def _latest(user: Any) -> Cycle | None:
    """The newest cycle that once was open, when none is."""
    past = Cycle.objects.visible_to(user).filter(
        kind=Cycle.Kind.NORMAL, status__in=[Cycle.Status.CLOSED, Cycle.Status.ARCHIVED]
    )
    found: Cycle | None = past.order_by("-first_period", "-pk").first()
    return found


def _own(user: Any, cycle: Cycle | None, latest: Cycle | None) -> dict[str, Any]:
    """The card of a rep: the one next action, the lines that came back, progress by customer, recent decisions.

    Without an open cycle: how the lines of the latest one ended.
    """
    shown = cycle or latest
    own: dict[str, Any] = {
        "decisions": progress.decisions(user, [shown.pk], DECISIONS) if shown else [],
        "came_back": [],
        "customers": [],
        "counts": standing.Counts(),
    }
    if cycle is None:
        return own | {"counts": progress.counts(own_lines(user, latest))} if latest else own
    lines = own_lines(user, cycle)
    customers = progress.by_customer(lines)
    counts = standing.total(share.counts for share in customers)
    deadline = _deadline(cycle, user)
    came_back = lines.live().filter(progress.CAME_BACK).select_related("customer", "product", "decided_by")
    return own | {
        "counts": counts,
        "customers": customers[:CUSTOMERS],
        "more_customers": max(0, len(customers) - CUSTOMERS),
        "came_back": list(came_back.order_by("-decided_at", "pk")[:DECISIONS]) if counts.came_back else [],
        "money": progress.money(lines) if counts.live else None,
        "next": _next_action(cycle, counts, customers, is_late=deadline is not None and deadline <= portal_now()),
    }


def _next_action(
    cycle: Cycle, counts: standing.Counts, customers: list[progress.CustomerShare], *, is_late: bool
) -> dict[str, str]:
    """The one thing a rep should do now: title, text, action and its address."""
    everything = reverse("forecasts:list")

    def grid(wanted: list[progress.CustomerShare]) -> str:
        """The grid of the first customer concerned; the next one is a step away from there."""
        return reverse("forecasts:grid", args=[cycle.pk, wanted[0].customer.pk]) if wanted else everything

    if not counts.live:
        return {"title": "You have no live lines yet", "action": "Open the grid", "url": everything,
                "text": "Nothing was sold or planned lately. Type a quantity into a line, and it counts."}  # fmt: skip
    if not counts.to_do:
        left = f"{counts.submitted:,} wait for your manager" if counts.submitted else "your manager approved them"
        return {"title": f"All {counted(counts.live)} are handed in" if counts.live > 1 else "Your line is handed in",
                "text": f"{left[0].upper()}{left[1:]}. Until the deadline you can recall what is not decided.",
                "action": "Look at the grid", "url": grid(customers) if len(customers) == 1 else everything}  # fmt: skip
    if is_late:
        return {"title": "The deadline has passed", "action": "Look at the grid", "url": everything,
                "text": f"{counted(counts.to_do)} {'was' if counts.to_do == 1 else 'were'} not handed in. Ask an S&OP "
                "admin if you need more time."}  # fmt: skip
    if counts.came_back:
        back = [share for share in customers if share.counts.came_back]
        one = counts.came_back == 1
        return {"title": f"{formats.words(counts.came_back).capitalize()} line{' came' if one else 's came'} back",
                "text": f"Read the comment{'' if one else 's'} below, revise and submit again.",
                "action": "Revise them" if not one else "Revise it", "url": grid(back)}  # fmt: skip
    if counts.blocked:
        gaps = [share for share in customers if share.counts.blocked]
        one = counts.blocked == 1
        return {"title": f"{formats.words(counts.blocked).capitalize()} line{'' if one else 's'} need{'s' if one else ''} you",
                "text": "A mandatory month is blank or a price is missing."
                + (f" {counted(counts.complete)} can be submitted as {'it stands' if counts.complete == 1 else 'they stand'}."
                   if counts.complete else ""),
                "action": f"Start with {gaps[0].customer.label}" if len(gaps) > 1 else "Open the grid",
                "url": grid(gaps)}  # fmt: skip
    return {"title": f"{counted(counts.complete)} can be submitted",
            "text": "Every mandatory month is answered. Look once more, then hand them in.",
            "action": "Check and submit", "url": reverse("forecasts:submit", args=[cycle.pk])}  # fmt: skip


def _board_parts(user: Any, cycle: Cycle | None) -> dict[str, Any]:
    """The board of a cycle by rep, and what else to look at. Of many reps those who are furthest behind are shown."""
    found = None if cycle is None else board.read(user, board.Wanted(cycle))
    return {
        "board": found,
        "rows": found.rows[-REPS:] if found else [],
        "may_remind": cycle is not None and cycle.is_open and may_remind(user),
        "items": attention.items(user, found),
    }


def _moves(user: Any, open_cycle: Cycle | None) -> list[dict[str, str]]:
    """What the person who runs cycles can do next, the most urgent first."""
    cycles = list(
        Cycle.objects.visible_to(user).filter(kind=Cycle.Kind.NORMAL)
        .exclude(status=Cycle.Status.ARCHIVED).order_by("first_period")
    )  # fmt: skip
    moves = []
    if open_cycle is not None:
        last = open_cycle.last_deadline()
        late = last is not None and last <= portal_now()
        moves.append({
            "title": f"{open_cycle} is open for input" if not late else f"The deadline of {open_cycle} has passed",
            "text": "Reps can no longer type." if late else "Close it when everybody has handed in.",
            "action": "Close it" if late else "See the cycle",
            "url": reverse("cycles:close" if late else "cycles:detail", args=[open_cycle.pk]),
        })  # fmt: skip
    for cycle in cycles:
        if cycle.is_closed:
            moves.append({
                "title": f"{cycle} is closed",
                "text": "Decide what waits, then publish it as the plan of record.",
                "action": "Publish it", "url": reverse("cycles:publish", args=[cycle.pk]),
            })  # fmt: skip
        elif cycle.status == Cycle.Status.DRAFT:
            moves.append({
                "title": f"{cycle} is a draft",
                "text": "Reps see it when you open it." if open_cycle is None else f"It can open when {open_cycle} is closed.",
                "action": "Open it" if open_cycle is None else "See the draft",
                "url": reverse("cycles:open" if open_cycle is None else "cycles:detail", args=[cycle.pk]),
            })  # fmt: skip
    if not any(cycle.status == Cycle.Status.DRAFT for cycle in cycles):
        moves.append({
            "title": "Plan the next cycle", "text": "It is proposed as the last one moved by a month.",
            "action": "Create cycle", "url": reverse("cycles:create"),
        })  # fmt: skip
    return moves
