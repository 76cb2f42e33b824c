"""Every mail about cycles and lines: who gets it, who does not, once however often, in text and in HTML."""

import base64
import datetime as dt
import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.urls import reverse

from audit.context import acting
from cycles import services as cycle_services
from cycles.models import ExtensionRequest
from cycles.services.auto import auto_open
from forecasts import services
from masterdata.models import Actual
from sop_portal.accounts.models import User
from sop_portal.conf import services as settings_services
from sop_portal.mail import kinds, rendering
from sop_portal.mail.models import Notification, OutboxMail
from tests.factories import answer, make_actual, make_customer, make_cycle, make_entry, make_user, open_cycle, ref
from tests.world import COMMENT, SOLD, close, decided, make_world, publish, submitted

pytestmark = pytest.mark.django_db
DEADLINE = dt.datetime(2027, 1, 8, 18, tzinfo=dt.UTC)
LATER = dt.datetime(2027, 1, 12, 18, tzinfo=dt.UTC)
OPENED = dt.datetime(2027, 1, 4, 9, tzinfo=dt.UTC)
OURS = (
    "cycle_opened", "cycle_extended", "cycle_reopened", "cycle_refreshed", "lines_missed", "cycle_closed",
    "cycle_published", "deadline_reminder", "decisions_waiting", "lines_submitted", "submissions_digest",
    "lines_approved", "lines_rejected", "lines_returned", "lines_adjusted", "extension_asked", "extension_declined",
    "opening_refused",
)  # fmt: skip


@pytest.fixture
def world(at: Any) -> SimpleNamespace:
    """Opened on Monday at nine, due on Friday at six in the evening; nothing else is in the outbox."""
    at(OPENED)
    made = make_world(lines=3, closes_at=DEADLINE)
    made.opening = list(OutboxMail.objects.order_by("pk"))
    clear()
    return made


def clear() -> None:
    OutboxMail.objects.all().delete()
    Notification.objects.all().delete()


def sent(kind: str | None = None) -> list[tuple[str, str]]:
    """(kind, whom it is for) of the outbox, in order."""
    mails = OutboxMail.objects.select_related("user")
    if kind is not None:
        mails = mails.filter(kind=kind)
    return sorted((mail.kind, mail.user.full_name) for mail in mails)


def mail_of(kind: str, user: User) -> OutboxMail:
    return OutboxMail.objects.get(kind=kind, user=user)


def extend(world: SimpleNamespace, until: dt.datetime = LATER, reps: list[User] | None = None) -> None:
    with acting(world.admin, source="web"):
        cycle_services.extend_cycle(
            world.cycle.pk, until=until, reason="Actuals came late.", by=world.admin,
            rep_ids=None if reps is None else [rep.pk for rep in reps],
        )  # fmt: skip
    world.cycle.refresh_from_db()


@pytest.mark.parametrize("name", OURS)
def test_every_kind_can_be_shown_in_text_and_html(name: str) -> None:
    kind = kinds.find(name)
    written = rendering.render(kind, make_user(full_name="Rosa Meyer", time_zone="Europe/Madrid"), kind.sample)
    link = rendering.absolute(kind.sample["url"])
    assert written.subject.strip() and len(written.subject) <= 120
    for body in (written.text, written.html):
        assert "Hello Rosa," in body and link in body
        assert "{{" not in body and "{%" not in body and "None" not in body
    assert written.html.count("<a href=") == 1
    assert "\n\n\n" not in written.text and not any(line != line.rstrip() for line in written.text.split("\n"))


@pytest.mark.parametrize("name", OURS)
def test_hostile_words_stay_words(name: str) -> None:
    kind = kinds.find(name)
    evil = "<img src=x>\r\nBcc: all@example.com"

    def spoiled(value: Any) -> Any:
        if isinstance(value, str) and not value.startswith("/"):
            return f"{value} {evil}"
        return [spoiled(part) for part in value] if isinstance(value, list) else value

    context = {key: spoiled(value) for key, value in kind.sample.items()}
    written = rendering.render(kind, make_user(full_name=f"Rosa {'<b>'}"), context)
    assert "<img" not in written.html and "&lt;img src=x&gt;" in written.html
    assert "\n" not in written.subject and "\r" not in written.subject


# --- Cycles ---------------------------------------------------------------------------------------------------------


def test_opening_tells_everybody_who_takes_part(world: SimpleNamespace) -> None:
    assert sorted((mail.kind, mail.user.full_name) for mail in world.opening) == [
        ("cycle_opened", "Oskar Rep"), ("cycle_opened", "Rita Rep")
    ]  # fmt: skip
    mail = next(mail for mail in world.opening if mail.user == world.rep)
    assert mail.subject == "Forecast S&OP Jan 2027 is open: due Fri 8 Jan 2027, 18:00 UTC"
    for body in (mail.text, mail.html):
        assert "3 live lines" in body and "Jan 2027 to Apr 2028" in body
        assert rendering.absolute(reverse("forecasts:list")) in body


def test_opening_again_tells_nothing(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        cycle_services.open_cycle(world.cycle.pk, by=world.admin)
    assert sent() == []


def test_nobody_who_cannot_sign_in_is_told(at: Any) -> None:
    at(OPENED)
    world = make_world(lines=1, closes_at=DEADLINE)
    clear()
    with acting(world.admin, source="web"):
        world.rep.is_active = False
        world.rep.save(update_fields=["is_active"])
    extend(world)
    assert {name for _, name in sent()} == {"Oskar Rep", "Otto Manager"}


def test_times_are_those_of_the_business_and_of_the_reader(at: Any) -> None:
    at(OPENED)
    admin = make_user("admin")
    with acting(admin, source="web"):
        settings_services.set_value("business_time_zone", "America/New_York", admin)
    rep = make_user("sales_rep", time_zone="Europe/Madrid")
    make_actual(make_entry(make_customer(sales_rep=rep)), SOLD)
    open_cycle(make_cycle(by=admin, closes_at=dt.datetime(2027, 1, 8, 23, tzinfo=dt.UTC)), by=admin)
    told = "Fri 8 Jan 2027, 18:00 New York (Sat 9 Jan 2027, 00:00 for you)"
    mail = mail_of("cycle_opened", rep)
    assert told in mail.subject and told in mail.text and told in mail.html


def test_an_extension_for_all_tells_reps_and_their_managers(world: SimpleNamespace) -> None:
    extend(world)
    assert sent() == [
        ("cycle_extended", name) for name in ("Mona Manager", "Oskar Rep", "Otto Manager", "Rita Rep")
    ]  # fmt: skip
    mail = mail_of("cycle_extended", world.rep)
    assert mail.subject == "You have more time for S&OP Jan 2027: due Tue 12 Jan 2027, 18:00 UTC"
    assert "Actuals came late." in mail.text and "Actuals came late." in mail.html
    assert "your whole team" in mail_of("cycle_extended", world.manager).text
    extend(world)
    assert len(sent()) == 4


def test_an_extension_for_one_tells_that_one_and_the_manager(world: SimpleNamespace) -> None:
    extend(world, reps=[world.rep])
    assert sent() == [("cycle_extended", "Mona Manager"), ("cycle_extended", "Rita Rep")]
    assert "More time for Rita Rep" in mail_of("cycle_extended", world.manager).subject
    clear()
    # Everybody gets less than she has: nothing changes for her.
    extend(world, until=LATER - dt.timedelta(days=1))
    assert sent() == [("cycle_extended", "Oskar Rep"), ("cycle_extended", "Otto Manager")]


def test_a_manager_hears_of_each_rep_who_gets_the_same_deadline(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        world.other_rep.manager = world.manager
        world.other_rep.save()
    extend(world, reps=[world.rep])
    extend(world, reps=[world.other_rep])
    extend(world, reps=[world.other_rep])
    subjects = [mail.subject for mail in OutboxMail.objects.filter(user=world.manager).order_by("pk")]
    assert [subject.partition(":")[0] for subject in subjects] == [
        "More time for Rita Rep for S&OP Jan 2027", "More time for Oskar Rep for S&OP Jan 2027",
    ]  # fmt: skip
    assert len(sent()) == 4


def test_late_actuals_tell_those_whose_lines_changed(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        cycle_services.refresh_cycle(world.cycle.pk, by=world.admin)
    assert sent() == []
    entry = make_entry(world.customer)
    close(world)
    publish(world)
    following = open_cycle(
        make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1), closes_at=LATER), by=world.admin
    )
    clear()
    make_actual(entry, dt.date(2027, 1, 1))
    with acting(world.admin, source="web"):
        cycle_services.refresh_cycle(following.pk, by=world.admin)
        cycle_services.refresh_cycle(following.pk, by=world.admin)
    assert sent() == [("cycle_refreshed", "Rita Rep")]
    mail = mail_of("cycle_refreshed", world.rep)
    assert mail.subject == "S&OP Feb 2027 counts 4 live lines of yours now: late actuals came in"
    assert "1 line woke up" in mail.text and "1 line woke up" in mail.html


def test_late_actuals_after_the_deadline_do_not_call_it_one_to_meet(world: SimpleNamespace, at: Any) -> None:
    """The mail once named a deadline in the past as if there were time."""
    extend(world, reps=[world.other_rep])
    clear()
    Actual.objects.untracked().all().delete()
    at(world.cycle.closes_at + dt.timedelta(hours=1))
    with acting(world.admin, source="web"):
        assert cycle_services.refresh_cycle(world.cycle.pk, by=world.admin).slept
    late, in_time = (mail_of("cycle_refreshed", rep) for rep in (world.rep, world.other_rep))
    for words in (late.text, late.html):
        assert "Your deadline was:" in words and "Ask for more time on your home page" in words
    for words in (in_time.text, in_time.html):
        assert "Deadline: " in words and "Your deadline was" not in words


def test_a_second_close_tells_only_those_for_whom_it_was_opened_again(world: SimpleNamespace) -> None:
    close(world)
    assert ("lines_missed", "Oskar Rep") in sent() and ("lines_missed", "Rita Rep") in sent()
    with acting(world.admin, source="web"):
        cycle_services.reopen_cycle(
            world.cycle.pk, until=LATER, reason="Rita was ill.", by=world.admin, rep_ids=[world.rep.pk]
        )
    clear()
    close(world)
    assert sent() == [("cycle_closed", "Ada Admin"), ("lines_missed", "Rita Rep")]


def test_closing_tells_reps_what_they_missed_and_admins_the_totals(world: SimpleNamespace) -> None:
    submitted(world.lines[:1])
    submitted(world.other_lines)
    clear()
    close(world)
    assert sent() == [("cycle_closed", "Ada Admin"), ("lines_missed", "Rita Rep")]
    mail = mail_of("lines_missed", world.rep)
    assert mail.subject == "S&OP Jan 2027 is closed: you missed 2 lines"
    for body in (mail.text, mail.html):
        assert "2 lines" in body and "3 lines" in body
        assert "Elm Supply, Inc. · P1 Garlic 1" in body and "P0 Garlic 0" not in body
    totals = mail_of("cycle_closed", world.admin)
    assert totals.subject == "S&OP Jan 2027 is closed: 4 of 6 lines handed in, 2 lines missed"
    for body in (totals.text, totals.html):
        assert "Rita Rep" in body and "2 of 3" in body and "Oskar Rep" not in body


def test_reopening_tells_those_who_may_hand_in_again(world: SimpleNamespace) -> None:
    submitted(world.lines[:1])
    close(world)
    clear()
    with acting(world.admin, source="web"):
        for _ in range(2):
            cycle_services.reopen_cycle(
                world.cycle.pk, until=LATER, reason="Rita was ill.", by=world.admin, rep_ids=[world.rep.pk]
            )
    assert sent() == [("cycle_reopened", "Mona Manager"), ("cycle_reopened", "Rita Rep")]
    mail = mail_of("cycle_reopened", world.rep)
    assert mail.subject == "S&OP Jan 2027 is open again: due Tue 12 Jan 2027, 18:00 UTC"
    assert "2 missed lines" in mail.text and "Rita was ill." in mail.html
    # The second close is one of its own.
    world.cycle.refresh_from_db()
    close(world)
    assert ("lines_missed", "Rita Rep") in sent()


def test_publishing_tells_those_who_read_plans_but_not_who_did_it(world: SimpleNamespace) -> None:
    close(world)
    clear()
    publish(world)
    assert sent() == [("cycle_published", name) for name in ("Mona Manager", "Otto Manager", "Vera Viewer")]
    assert "published by Ada Admin" in mail_of("cycle_published", world.viewer).text


def test_a_request_for_more_time_goes_to_admins_and_its_refusal_to_the_rep(world: SimpleNamespace) -> None:
    with acting(world.rep, source="web"):
        for _ in range(2):
            cycle_services.ask_for_time(world.cycle.pk, until=LATER, text="On the road.", by=world.rep)
    assert sent() == [("extension_asked", "Ada Admin")]
    mail = mail_of("extension_asked", world.admin)
    assert mail.subject == "Rita Rep asks for more time in S&OP Jan 2027"
    assert "On the road." in mail.text and "Tue 12 Jan 2027, 18:00 UTC" in mail.html
    clear()
    request = ExtensionRequest.objects.get()
    with acting(world.admin, source="web"):
        for _ in range(2):
            cycle_services.decline_request(request.pk, answer="The meeting is on Monday.", by=world.admin)
    assert sent() == [("extension_declined", "Rita Rep")]
    mail = mail_of("extension_declined", world.rep)
    assert "it stays due Fri 8 Jan 2027, 18:00 UTC" in mail.subject and "The meeting is on Monday." in mail.html


def test_a_granted_request_is_an_extension(world: SimpleNamespace) -> None:
    with acting(world.rep, source="web"):
        request = cycle_services.ask_for_time(world.cycle.pk, until=LATER, by=world.rep)
    clear()
    with acting(world.admin, source="web"):
        cycle_services.grant_request(request.pk, by=world.admin)
        cycle_services.grant_request(request.pk, by=world.admin)
    assert sent() == [("cycle_extended", "Mona Manager"), ("cycle_extended", "Rita Rep")]


def test_an_opening_that_was_refused_is_told_to_admins_once(world: SimpleNamespace, at: Any) -> None:
    with acting(world.admin, source="web"):
        settings_services.set_value("auto_open_cycles", True, world.admin)
    make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1), opens_at=OPENED, closes_at=LATER)
    for hour in (1, 2):
        at(OPENED + dt.timedelta(hours=hour))
        auto_open()
    assert sent() == [("opening_refused", "Ada Admin")]
    mail = mail_of("opening_refused", world.admin)
    assert mail.subject == "S&OP Feb 2027 could not open by itself"
    assert "S&OP Jan 2027 is still open" in mail.text and "Mon 4 Jan 2027, 09:00 UTC" in mail.html


def test_what_is_rolled_back_tells_nothing(world: SimpleNamespace) -> None:
    with pytest.raises(RuntimeError), transaction.atomic():
        extend(world)
        raise RuntimeError
    assert sent() == []


# --- The calendar file ----------------------------------------------------------------------------------------------


def event_of(mail: OutboxMail) -> dict[str, str]:
    (file,) = mail.attachments
    assert (file["name"], file["type"]) == ("deadline.ics", "text/calendar")
    content = base64.b64decode(file["content"]).decode()
    assert content.endswith("END:VCALENDAR\r\n")
    assert max(len(line.encode()) for line in content.split("\r\n")) <= 75
    lines = content.replace("\r\n ", "").split("\r\n")
    event = lines[lines.index("BEGIN:VEVENT") + 1 : lines.index("BEGIN:VALARM")]
    return dict(re.split("[;:]", line, maxsplit=1) for line in event)


def test_the_calendar_file_has_the_deadline_in_utc_and_moves_with_it(world: SimpleNamespace, at: Any) -> None:
    first = event_of(next(mail for mail in world.opening if mail.user == world.rep))
    other = event_of(next(mail for mail in world.opening if mail.user == world.other_rep))
    assert (first["DTSTART"], first["SEQUENCE"]) == ("20270108T180000Z", "0")
    assert first["UID"] != other["UID"]
    at(OPENED + dt.timedelta(hours=5))
    extend(world, reps=[world.rep])
    moved = event_of(mail_of("cycle_extended", world.rep))
    assert (moved["UID"], moved["DTSTART"]) == (first["UID"], "20270112T180000Z")
    assert int(moved["SEQUENCE"]) == 5 * 3600
    at(OPENED + dt.timedelta(hours=6))
    close(world)
    with acting(world.admin, source="web"):
        cycle_services.reopen_cycle(
            world.cycle.pk, until=LATER + dt.timedelta(days=1), reason="Once more.", by=world.admin
        )
    again = event_of(mail_of("cycle_reopened", world.rep))
    assert (again["UID"], again["DTSTART"], again["SEQUENCE"]) == (first["UID"], "20270113T180000Z", str(6 * 3600))


def test_names_cannot_break_out_of_the_calendar_file(at: Any) -> None:
    at(OPENED)
    admin, rep = make_user("admin"), make_user("sales_rep")
    make_actual(make_entry(make_customer(sales_rep=rep)), SOLD)
    name = "Plan; A, B\\n — très, très long, so long that its line is folded somewhere"
    open_cycle(make_cycle(by=admin, closes_at=DEADLINE, name=name), by=admin)
    event = event_of(mail_of("cycle_opened", rep))
    assert event["SUMMARY"] == (
        "Forecast due: Plan\\; A\\, B\\\\n — très\\, très long\\, so long that its line is folded somewhere"
    )


# --- Lines ----------------------------------------------------------------------------------------------------------


def test_handing_in_is_confirmed_to_whoever_did_it(world: SimpleNamespace) -> None:
    submitted(world.lines[:2])
    assert sent() == [("lines_submitted", "Rita Rep")]
    mail = mail_of("lines_submitted", world.rep)
    assert mail.subject == "2 lines of S&OP Jan 2027 are handed in"
    for body in (mail.text, mail.html):
        assert "Elm Supply, Inc. · P0 Garlic 0" in body and "P2 Garlic 2" not in body
    with acting(world.rep, source="web"):
        services.submit_lines(world.cycle.pk, [ref(line) for line in world.lines[:2]], by=world.rep)
    assert len(sent()) == 1


def test_handing_in_for_somebody_is_confirmed_to_who_did_it(world: SimpleNamespace) -> None:
    for line in world.lines[:1]:
        answer(line, 5, by=world.admin)
    with acting(world.admin, source="web"):
        services.submit_lines(world.cycle.pk, [ref(world.lines[0])], by=world.admin)
    assert sent() == [("lines_submitted", "Ada Admin")]
    assert "also for others" in mail_of("lines_submitted", world.admin).text


def test_recalling_tells_nobody(world: SimpleNamespace) -> None:
    submitted(world.lines[:1])
    clear()
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(world.lines[0])], by=world.rep)
    assert sent() == []


@pytest.mark.parametrize(
    ("act", "kind", "comment"),
    [("approve", "lines_approved", ""), ("reject", "lines_rejected", COMMENT), ("return", "lines_returned", COMMENT)],
)
def test_many_decisions_at_once_are_one_mail_to_the_owner(
    world: SimpleNamespace, act: str, kind: str, comment: str
) -> None:
    submitted(world.lines)
    clear()
    decided(act, world.lines, world.manager, comment=comment)
    assert sent() == [(kind, "Rita Rep")]
    mail = mail_of(kind, world.rep)
    verb = {"approve": "approved", "reject": "rejected", "return": "returned"}[act]
    assert mail.subject == f"3 lines of S&OP Jan 2027 were {verb}"
    for body in (mail.text, mail.html):
        assert "Mona Manager" in body and "P2 Garlic 2" in body and comment in body
    decided(act, world.lines, world.manager, comment=comment)
    assert len(sent()) == 1


def test_each_owner_hears_of_the_own_lines_only(world: SimpleNamespace) -> None:
    submitted(world.lines)
    submitted(world.other_lines)
    clear()
    decided("approve", [*world.lines, *world.other_lines], world.admin, comment="")
    assert sent() == [("lines_approved", "Oskar Rep"), ("lines_approved", "Rita Rep")]
    assert "Fir Provisions" not in mail_of("lines_approved", world.rep).text


def test_a_manager_hears_when_somebody_else_returns_lines_of_the_team(world: SimpleNamespace) -> None:
    submitted(world.lines)
    submitted(world.other_lines)
    clear()
    decided("return", world.lines, world.admin)
    assert sent() == [("lines_returned", "Mona Manager"), ("lines_returned", "Rita Rep")]
    assert mail_of("lines_returned", world.manager).subject == "3 lines of S&OP Jan 2027 were returned (Rita Rep)"


def test_the_same_decision_after_another_submission_is_another_mail(world: SimpleNamespace) -> None:
    for quantity in (5, 6):
        submitted(world.lines[:1], quantity)
        decided("reject", world.lines[:1], world.manager)
    assert sent("lines_rejected") == [("lines_rejected", "Rita Rep")] * 2


def test_adjusting_tells_owner_and_manager(world: SimpleNamespace) -> None:
    submitted(world.lines)
    close(world)
    clear()
    line = ref(world.lines[0])
    with acting(world.admin, source="web"):
        wanted = services.Adjustment(line.line_id, line.revision, {world.cycle.periods[0]: Decimal(7)})
        for _ in range(2):
            services.adjust_lines(world.cycle.pk, [wanted], by=world.admin, reason="Supply is short.")
    assert sent() == [("lines_adjusted", "Mona Manager"), ("lines_adjusted", "Rita Rep")]
    assert "Supply is short." in mail_of("lines_adjusted", world.rep).html


def test_a_long_list_names_ten_and_counts_the_rest(at: Any) -> None:
    at(OPENED)
    world = make_world(lines=12, closes_at=DEADLINE)
    submitted(world.lines)
    mail = mail_of("lines_submitted", world.rep)
    assert mail.text.count("Elm Supply, Inc. · P") == 10 and "and 2 more" in mail.text and "and 2 more" in mail.html


def test_switched_off_mail_is_recorded_and_the_notice_stays(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        settings_services.set_value("notification_email_enabled", False, world.admin)
    submitted(world.lines[:1])
    assert OutboxMail.objects.get().state == OutboxMail.State.SUPPRESSED
    notice = Notification.objects.get()
    assert (notice.user, notice.title) == (world.rep, "1 line of S&OP Jan 2027 is handed in")
    assert notice.url == reverse("forecasts:line", args=[world.lines[0].pk])
