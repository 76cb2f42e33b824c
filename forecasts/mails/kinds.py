"""The kinds of mail about cycles and lines, with an example of each for the preview."""

import datetime as dt
from typing import Any

from sop_portal.mail.kinds import LIFETIME, Kind, declare

# The next day's takes the place of a reminder that could not be delivered.
_LIFETIMES = dict.fromkeys(("deadline_reminder", "decisions_waiting"), dt.timedelta(days=1))
_CYCLE = {"cycle": "S&OP Dec 2026", "url": "/forecast/"}
_DEADLINE = "Fri 27 Nov 2026, 18:00 New York (23:00 for you)"
_LINES = {
    "number": 17,
    "lines_words": "17 lines",
    "lines": ["Elm Supply · 110009 Peeled garlic 4x5", "Elm Supply · 110014 Ginger 10 kg"],
    "more": 15,
}
_DECIDED = {**_CYCLE, **_LINES, "by": "Mona Manager", "comment": "Add the new store in March.", "is_open": True}
_WAITING_REPS = [["Oskar Rep", "5"], ["Rita Rep", "12"]]


def _kind(name: str, colour: str, help: str, **sample: Any) -> None:
    declare(Kind(name=name, colour=colour, help=help, sample=sample, lifetime=_LIFETIMES.get(name, LIFETIME)))


def declare_all() -> None:
    """Make the kinds known; called once, when the app is ready."""
    _kind(
        "cycle_opened",
        "blue",
        "To everybody who takes part, when a cycle opens; with a calendar file of the deadline.",
        **_CYCLE,
        deadline=_DEADLINE,
        months="Dec 2026 to Mar 2028",
        mandatory=12,
        expected=58,
        lines_words="58 live lines",
    )
    _kind(
        "cycle_extended",
        "blue",
        "To those who get more time, and to their managers; with the calendar file.",
        **_CYCLE,
        deadline=_DEADLINE,
        reason="The actuals of October came late.",
    )
    _kind(
        "cycle_reopened",
        "blue",
        "To those who can hand in again, and to their managers; with the calendar file.",
        **_CYCLE,
        deadline=_DEADLINE,
        reason="Two reps were ill.",
        number=5,
        lines_words="5 missed lines",
    )
    _kind(
        "cycle_refreshed",
        "blue",
        "To reps whose lines woke up or went dormant because actuals came late.",
        **_CYCLE,
        deadline=_DEADLINE,
        is_past=False,
        woken=2,
        woken_words="2 lines",
        slept=1,
        slept_words="1 line",
        expected_words="59 live lines",
    )
    _kind(
        "lines_missed",
        "red",
        "To reps with lines that were not handed in, when a cycle closes.",
        **_CYCLE,
        **_LINES,
        expected_words="58 lines",
        policy="what the line started with",
        reason="",
    )
    _kind(
        "cycle_closed",
        "blue",
        "To S&OP admins, when a cycle closes: the totals and who missed lines.",
        **_CYCLE,
        expected_words="1,498 lines",
        handed_in="1,450",
        approved="1,300",
        submitted="150",
        number=48,
        missed_words="48 lines",
        reps=[["Rita Rep", "17 of 58"], ["Oskar Rep", "31 of 120"]],
        policy="what the line started with",
        reason="",
    )
    _kind(
        "cycle_published",
        "green",
        "To managers, viewers and S&OP admins, when a cycle becomes the plan of record.",
        **_CYCLE,
        by="Ada Admin",
        at="Tue 1 Dec 2026, 10:12 Madrid",
        months="Dec 2026 to Mar 2028",
    )
    _kind(
        "deadline_reminder",
        "orange",
        "To everybody with lines left, daily from some days before their deadline, and when somebody presses Remind.",
        **_CYCLE,
        **_LINES,
        deadline=_DEADLINE,
        due="Friday",
        remaining="2 d 9 h left",
        came_back=1,
        policy="what the line started with",
    )
    _kind(
        "decisions_waiting",
        "orange",
        "To managers, daily while lines wait for a decision for more than a day, and on the last two days.",
        url="/review/",
        number=17,
        lines_words="17 lines",
        since="Tue 24 Nov 2026, 15:02 Madrid",
        team="Oskar Rep and Rita Rep",
        reps=_WAITING_REPS,
    )
    _kind(
        "lines_submitted",
        "green",
        "To whoever handed lines in, at once.",
        **_CYCLE,
        **_LINES,
        for_others=False,
    )
    _kind(
        "submissions_digest",
        "green",
        "To managers and S&OP admins: what a rep handed in within an hour.",
        **_CYCLE,
        **_LINES,
        rep="Rita Rep",
        waiting=15,
        at="Tue 24 Nov 2026, 15:00 Madrid",
    )
    _kind("lines_approved", "green", "To the owner of lines that were approved.", **_DECIDED)
    _kind("lines_rejected", "red", "To the owner of lines that were rejected.", **_DECIDED)
    _kind("lines_returned", "orange", "To the owner of lines that came back, and to the manager.", **_DECIDED)
    _kind("lines_adjusted", "blue", "To the owner of lines adjusted after the close, and to the manager.", **_DECIDED)
    _kind(
        "extension_asked",
        "orange",
        "To S&OP admins, when a rep asks for more time.",
        **_CYCLE,
        rep="Rita Rep",
        until=_DEADLINE,
        reason="I am on the road until Thursday.",
    )
    _kind(
        "extension_declined",
        "orange",
        "To a rep who gets no more time.",
        **_CYCLE,
        until=_DEADLINE,
        deadline="Wed 25 Nov 2026, 18:00 New York",
        is_past=False,
        by="Ada Admin",
        reason="The meeting is on Thursday.",
    )
    _kind(
        "opening_refused",
        "red",
        "To S&OP admins, when a cycle could not open by itself.",
        **_CYCLE,
        planned=_DEADLINE,
        sentence="S&OP Nov 2026 is still open; close it before opening S&OP Dec 2026.",
    )
