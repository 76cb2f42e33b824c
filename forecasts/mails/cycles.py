"""What is told when a cycle moves: one function per move, called after the lines have followed it."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.urls import reverse

from cycles import standing
from cycles.missed import missed_words
from cycles.models import Cycle, ExtensionRequest, Participant
from forecasts.mails import calendar, people
from forecasts.mails.words import NAMED, board_url, cycle_url, deadline_words, named, own_clock
from forecasts.models import Line
from forecasts.progress import by_rep
from sop_portal.accounts.formats import counted
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from sop_portal.mail.services import Letter, queue_many


def tell_of_move(cycle: Cycle, move: str, *, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    """Mail those whom a move of `cycle` concerns. details: those of `cycles.signals.cycle_moved`."""
    _TOLD[move](cycle, by, now, details)


def _opened(cycle: Cycle, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    url = reverse("forecasts:list")
    queue_many(
        "cycle_opened",
        [
            _to_rep(cycle, share, now, f"{cycle.pk}:{share.rep_id}:{cycle.times_opened}", url, {
                "months": f"{periods.label(cycle.periods[0])} to {periods.label(cycle.periods[-1])}",
                "mandatory": cycle.mandatory,
                "expected": share.lines_expected,
                "lines_words": counted(share.lines_expected, "live line"),
            })
            for share in people.participants(cycle)
        ],
    )  # fmt: skip


def _extended(cycle: Cycle, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    """Whoever has the new deadline now; somebody whose own one is later anyway keeps that and hears nothing."""
    until = details["until"]
    shares = [
        share for share in people.participants(cycle, details["reps"])
        if cycle.deadline_with(share.deadline_extension) == until
    ]  # fmt: skip
    # A rep gets a deadline once in each opening; a manager may hear of it for one rep after the other, and the first of
    # those who were moved tells one act from the next.
    key = f"{cycle.pk}:{{}}:{cycle.times_opened}:{int(until.timestamp())}"
    act = "all" if details["reps"] is None else min(details["reps"])
    more = {"reason": details["reason"]}
    url = reverse("forecasts:list")
    letters = [_to_rep(cycle, share, now, key.format(share.rep_id), url, more) for share in shares]
    letters += _to_managers(cycle, shares, until, f"{key}:{act}", more, everybody=details["reps"] is None)
    queue_many("cycle_extended", letters)


def _reopened(cycle: Cycle, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    shares = people.participants(cycle, details["reps"])
    key = f"{cycle.pk}:{{}}:{cycle.times_opened}"
    reopened: Mapping[int, int] = details["reopened"]
    letters = [
        _to_rep(cycle, share, now, key.format(share.rep_id), reverse("forecasts:list"), {
            "reason": details["reason"],
            "lines_words": counted(reopened.get(share.rep_id, 0), "missed line"),
            "number": reopened.get(share.rep_id, 0),
        })
        for share in shares
    ]  # fmt: skip
    letters += _to_managers(
        cycle, shares, details["until"], key, {"reason": details["reason"]}, everybody=details["reps"] is None
    )
    queue_many("cycle_reopened", letters)


def _to_rep(cycle: Cycle, share: Participant, now: dt.datetime, key: str, url: str, more: Mapping[str, Any]) -> Letter:
    """A letter about the deadline of a participant, with the calendar file that sets or moves it."""
    deadline = cycle.deadline_with(share.deadline_extension)
    context = {"url": url, "cycle": str(cycle), "deadline": deadline_words(deadline, share.rep), **more}
    files = [calendar.deadline_file(cycle, share.rep, deadline, now, url)] if deadline else []
    return Letter(share.rep, key, context, files)


def _to_managers(
    cycle: Cycle,
    shares: Sequence[Participant],
    until: dt.datetime,
    key: str,
    more: Mapping[str, Any],
    *,
    everybody: bool,
) -> list[Letter]:
    """The same for the managers of those concerned, who chase them; who takes part oneself has a letter already."""
    own = {share.rep_id for share in shares}
    return [
        Letter(
            manager,
            key.format(manager.pk),
            {
                "url": board_url(cycle),
                "cycle": str(cycle),
                "deadline": deadline_words(until, manager),
                "team": "your whole team" if everybody else people.words(reps),
                **more,
            },
        )
        for manager, reps in people.teams(share.rep for share in shares).items()
        if manager.pk not in own
    ]


def _deadline(cycle: Cycle, share: Participant, now: dt.datetime) -> dict[str, Any]:
    """The deadline of a participant, and whether their time is over."""
    deadline = cycle.deadline_with(share.deadline_extension)
    return {"deadline": deadline_words(deadline, share.rep), "is_past": deadline is not None and deadline <= now}


def _refreshed(cycle: Cycle, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    woken, slept = details["woken"], details["slept"]
    queue_many(
        "cycle_refreshed",
        [
            Letter(
                share.rep,
                f"{cycle.pk}:{share.rep_id}:{int(now.timestamp())}",
                {
                    "url": reverse("forecasts:list"),
                    "cycle": str(cycle),
                    "woken": woken.get(share.rep_id, 0),
                    "woken_words": counted(woken.get(share.rep_id, 0)),
                    "slept": slept.get(share.rep_id, 0),
                    "slept_words": counted(slept.get(share.rep_id, 0)),
                    "expected_words": counted(share.lines_expected, "live line"),
                    **_deadline(cycle, share, now),
                },
            )
            for share in people.participants(cycle, {*woken, *slept})
        ],
    )


def _closed(cycle: Cycle, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    """Reps hear what they missed, unless they heard it at an earlier close, and admins the totals."""
    missed: Mapping[int, int] = details["missed"]
    shares = people.participants(cycle)
    late = [share for share in shares if share.rep_id in details["late"]]
    lines = _missed_lines(cycle, [share.rep_id for share in late])
    common = {"cycle": str(cycle), "policy": missed_words(cycle), "reason": details["reason"]}
    queue_many(
        "lines_missed",
        [
            Letter(
                share.rep,
                f"{cycle.pk}:{share.rep_id}:{cycle.times_opened}",
                {
                    **common,
                    "url": cycle_url(cycle),
                    "number": missed[share.rep_id],
                    "lines_words": counted(missed[share.rep_id]),
                    "expected_words": counted(share.lines_expected),
                    **named(lines.get(share.rep_id, ()), missed[share.rep_id]),
                },
            )
            for share in late
        ],
    )
    _tell_admins_of_close(cycle, common, missed)


def _tell_admins_of_close(cycle: Cycle, common: Mapping[str, Any], missed: Mapping[int, int]) -> None:
    admins = people.admins()
    if not admins:
        return
    everybody = list(Participant.objects.filter(cycle=cycle).select_related("rep").order_by("rep__full_name"))
    # Admins see every line, so any of them asks for all.
    counts = standing.total(by_rep([cycle.pk], admins[0]).get(cycle.pk, {}).values())
    facts = {
        **common,
        "url": board_url(cycle),
        "expected_words": counted(sum(share.lines_expected for share in everybody)),
        "handed_in": f"{counts.handed_in:,}",
        "approved": f"{counts.approved:,}",
        "submitted": f"{counts.submitted:,}",
        "number": sum(missed.values()),
        "missed_words": counted(sum(missed.values())),
        "reps": [
            [str(share.rep), f"{missed[share.rep_id]:,} of {share.lines_expected:,}"]
            for share in everybody
            if missed.get(share.rep_id)
        ],
    }
    queue_many("cycle_closed", [Letter(one, f"{cycle.pk}:{one.pk}:{cycle.times_opened}", facts) for one in admins])


def _missed_lines(cycle: Cycle, rep_ids: Sequence[int]) -> dict[int, list[Line]]:
    """Rep -> the first of their missed lines."""
    if not rep_ids:
        return {}
    place = Window(
        RowNumber(), partition_by=F("owner_id"),
        order_by=[F("customer__name").asc(), F("product__item_code").asc(), F("pk").asc()],
    )  # fmt: skip
    rows: Any = (
        Line.objects.live().filter(cycle=cycle, status=Line.Status.MISSED, owner__in=rep_ids)
        .annotate(place=place).filter(place__lte=NAMED).select_related("customer", "product").order_by("owner_id", "place")
    )  # fmt: skip
    found: dict[int, list[Line]] = {}
    for line in rows:
        found.setdefault(line.owner_id, []).append(line)
    return found


def _published(cycle: Cycle, by: Any, now: dt.datetime, details: Mapping[str, Any]) -> None:
    queue_many(
        "cycle_published",
        [
            Letter(
                reader,
                f"{cycle.pk}:{reader.pk}",
                {
                    "url": cycle_url(cycle),
                    "cycle": str(cycle),
                    "by": str(by) if by else "",
                    "at": own_clock(now, reader),
                    "months": f"{periods.label(cycle.periods[0])} to {periods.label(cycle.periods[-1])}",
                },
            )
            for reader in people.readers_of_plans()
            if reader != by
        ],
    )


_TOLD: dict[str, Callable[[Cycle, Any, dt.datetime, Mapping[str, Any]], None]] = {
    "open": _opened,
    "extend": _extended,
    "refresh": _refreshed,
    "close": _closed,
    "reopen": _reopened,
    "publish": _published,
}


def tell_of_request(request: ExtensionRequest) -> None:
    """A rep asked for more time: admins hear of it. A request that was changed is told once more."""
    queue_many(
        "extension_asked",
        [
            Letter(
                admin,
                f"{request.pk}:{admin.pk}:{int(request.asked_at.timestamp())}",
                {
                    "url": f"{cycle_url(request.cycle)}#requests",
                    "cycle": str(request.cycle),
                    "rep": str(request.rep),
                    "until": deadline_words(request.wanted_until, admin),
                    "reason": request.text,
                },
            )
            for admin in people.admins()
        ],
    )


def tell_of_declined_request(request: ExtensionRequest) -> None:
    """There is no more time: the rep hears it, with the deadline that stays."""
    if not request.rep.is_active:
        return
    share = Participant.objects.select_related("rep").get(cycle=request.cycle, rep=request.rep_id)
    context = {
        "url": reverse("forecasts:list"),
        "cycle": str(request.cycle),
        "until": deadline_words(request.wanted_until, request.rep),
        **_deadline(request.cycle, share, portal_now()),
        "reason": request.answer,
        "by": str(request.answered_by),
    }
    queue_many("extension_declined", [Letter(request.rep, f"{request.pk}:{request.rep_id}", context)])


def tell_of_refused_opening(cycle: Cycle, sentence: str, now: dt.datetime) -> None:
    """The job that opens cycles could not open this one at its planned time: admins hear why."""
    queue_many(
        "opening_refused",
        [
            Letter(
                admin,
                f"{cycle.pk}:{admin.pk}:{int(now.timestamp())}",
                {
                    "url": cycle_url(cycle),
                    "cycle": str(cycle),
                    "planned": deadline_words(cycle.opens_at, admin),
                    "sentence": sentence,
                },
            )
            for admin in people.admins()
        ],
    )
