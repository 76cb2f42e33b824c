"""Reminders, decisions that wait, digests: whom they reach, when, once, and what selecting costs."""

import datetime as dt
import re
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from cycles import services as cycle_services
from cycles.models import Cycle
from forecasts import digests, reminders, services
from forecasts.services import reminding
from forecasts.tasks import send_deadline_reminders, send_digests
from masterdata.models import Customer
from masterdata.services import assign_customers
from sop_portal.accounts.models import User
from sop_portal.accounts.services import set_roles
from sop_portal.conf import services as settings_services
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from sop_portal.mail.models import Notification, OutboxMail
from tests.factories import (
    answer,
    make_actual,
    make_customer,
    make_cycle,
    make_entry,
    make_product,
    make_user,
    open_cycle,
    ref,
)
from tests.world import SOLD, close, decided, make_world, submitted

pytestmark = pytest.mark.django_db
DEADLINE = dt.datetime(2027, 1, 8, 18, tzinfo=dt.UTC)  # A Friday.
OPENED = dt.datetime(2027, 1, 4, 8, tzinfo=dt.UTC)


def day(number: int, hour: int = 9, minute: int = 0) -> dt.datetime:
    return dt.datetime(2027, 1, number, hour, minute, tzinfo=dt.UTC)


@pytest.fixture
def world(at: Any) -> SimpleNamespace:
    """Opened on Monday, due on Friday at six in the evening; nothing is in the outbox."""
    at(OPENED)
    made = make_world(lines=3, closes_at=DEADLINE)
    clear()
    return made


def clear() -> None:
    OutboxMail.objects.all().delete()
    Notification.objects.all().delete()


def reached(kind: str = reminders.REMINDER) -> list[str]:
    return sorted(mail.user.full_name for mail in OutboxMail.objects.filter(kind=kind).select_related("user"))


def run() -> dict[str, int]:
    with acting("system", source="job"):
        return dict(send_deadline_reminders())


def set_value(key: str, value: Any, by: User) -> None:
    with acting(by, source="web"):
        settings_services.set_value(key, value, by)


# --- The daily job --------------------------------------------------------------------------------------------------


def test_whoever_has_lines_left_is_reminded_also_who_never_started(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines[:1])
    clear()
    at(day(6))
    assert run() == {"reminders": 2, "decisions": 1}
    assert reached() == ["Oskar Rep", "Rita Rep"]
    mail = OutboxMail.objects.get(kind=reminders.REMINDER, user=world.rep)
    assert mail.subject == "Forecast due Friday: 2 lines left for S&OP Jan 2027"
    for body in (mail.text, mail.html):
        assert "2 d 9 h left" in body and "Fri 8 Jan 2027, 18:00 UTC" in body
        assert "Elm Supply, Inc. · P1 Garlic 1" in body and "P0 Garlic 0" not in body
    assert OutboxMail.objects.get(kind=reminders.REMINDER, user=world.other_rep).subject.startswith(
        "Forecast due Friday: 3 lines left"
    )


def test_somebody_finished_is_never_reminded(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines)
    submitted(world.other_lines)
    decided("approve", world.other_lines, world.other_manager, comment="")
    clear()
    at(day(6))
    run()
    assert reached() == []


def test_a_manager_who_may_not_decide_is_not_asked_to(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines[:1])
    with acting("system", source="command"):
        set_roles(world.manager, ["viewer"], by=None)
    clear()
    at(day(6))
    assert run()["decisions"] == 1
    assert reached(reminders.WAITING) == [world.admin.full_name]


def test_what_came_back_is_left_again_and_named_first(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines)
    submitted(world.other_lines)
    decided("return", world.lines[2:], world.manager)
    clear()
    at(day(6))
    run()
    mail = OutboxMail.objects.get(kind=reminders.REMINDER)
    assert (mail.user, mail.subject) == (world.rep, "Forecast due Friday: 1 line left for S&OP Jan 2027")
    assert "1 line of yours is not handed in yet. It came back to you. 2 d 9 h left." in mail.text


def test_dormant_lines_are_not_missing(at: Any) -> None:
    at(OPENED)
    admin, rep = make_user("admin"), make_user("sales_rep", full_name="Rita Rep")
    make_entry(make_customer(sales_rep=rep))
    cycle = open_cycle(make_cycle(by=admin, closes_at=DEADLINE), by=admin)
    assert not cycle.lines.get().live
    at(day(6))
    assert run()["reminders"] == 0
    answer(cycle.lines.get(), 5, by=rep)
    assert run()["reminders"] == 1


@pytest.mark.parametrize(("days", "first"), [(3, 5), (1, 7), (0, 8), (4, 4)])
def test_reminders_start_so_many_days_before_the_deadline(
    world: SimpleNamespace, at: Any, days: int, first: int
) -> None:
    set_value("reminder_days_before_close", days, world.admin)
    found = []
    for number in range(4, 10):
        clear()
        at(day(number))
        if run()["reminders"]:
            found.append(number)
    assert found == list(range(first, 9))


def test_the_deadline_that_applies_to_the_rep_decides(world: SimpleNamespace, at: Any) -> None:
    set_value("reminder_days_before_close", 1, world.admin)
    with acting(world.admin, source="web"):
        cycle_services.extend_cycle(
            world.cycle.pk, until=day(15, 18), reason="Ill.", by=world.admin, rep_ids=[world.rep.pk]
        )
    found = {}
    for number in (7, 8, 9, 13, 14, 15, 16):
        clear()
        at(day(number))
        run()
        found[number] = reached()
    both = {7: ["Oskar Rep"], 8: ["Oskar Rep"], 9: [], 13: [], 14: ["Rita Rep"], 15: ["Rita Rep"], 16: []}
    assert found == both


def test_a_day_is_one_of_the_business_time_zone(at: Any) -> None:
    at(OPENED)
    world = make_world(lines=1, closes_at=day(8, 4))
    set_value("business_time_zone", "America/New_York", world.admin)
    set_value("reminder_days_before_close", 0, world.admin)
    clear()
    # In New York the deadline is on Thursday at eleven at night.
    at(day(7, 4, 59))
    assert run()["reminders"] == 0
    at(day(7, 5))
    assert run()["reminders"] == 2
    at(day(8, 3, 59))
    assert run()["reminders"] == 0


def test_repeated_late_and_out_of_order_runs_are_one_reminder_a_day(world: SimpleNamespace, at: Any) -> None:
    for when in (day(6, 9), day(6, 9), day(6, 12), day(7, 9), day(6, 9), day(7, 9)):
        at(when)
        run()
    assert reached() == ["Oskar Rep", "Oskar Rep", "Rita Rep", "Rita Rep"]


def test_the_last_day_is_red_and_says_today(world: SimpleNamespace, at: Any) -> None:
    at(day(7))
    run()
    mail = OutboxMail.objects.get(kind=reminders.REMINDER, user=world.rep)
    assert "due tomorrow" in mail.subject and "#a84b00" in mail.html
    clear()
    at(day(8))
    run()
    mail = OutboxMail.objects.get(kind=reminders.REMINDER, user=world.rep)
    assert "due today" in mail.subject and "#a0282b" in mail.html


def test_without_an_open_cycle_nobody_is_reminded(world: SimpleNamespace, at: Any) -> None:
    at(day(6))
    close(world)
    clear()
    assert run() == {"reminders": 0, "decisions": 0}


def test_inactive_reps_are_not_mailed(world: SimpleNamespace, at: Any) -> None:
    with acting(world.admin, source="web"):
        world.rep.is_active = False
        world.rep.save(update_fields=["is_active"])
    at(day(6))
    run()
    assert reached() == ["Oskar Rep"]


def many(number: int, at: Any) -> Cycle:
    """A cycle with `number` reps, each with twelve live lines."""
    at(OPENED)
    admin = make_user("admin")
    products = [make_product() for _ in range(12)]
    for one in range(number):
        customer = make_customer(sales_rep=make_user("sales_rep", full_name=f"Rep {one:03}"))
        for product in products:
            make_actual(make_entry(customer, product, price=None), SOLD)
    return open_cycle(make_cycle(by=admin, closes_at=DEADLINE), by=admin)


def selecting() -> tuple[int, int]:
    """How many reps are selected with what their mails name, and in how many queries."""
    with CaptureQueriesContext(connection) as caught:
        found = reminders.open_cycle()
        assert found is not None
        left = reminders.due_today(*found)
        letters = reminders.reminders(found[0], left, found[1], "day")
    queries = [query["sql"] for query in caught.captured_queries if "conf_setting" not in query["sql"]]
    assert all(len(letter.context["lines"]) == 10 and letter.context["more"] == 2 for letter in letters)
    return len(letters), len(queries)


def test_sixty_reps_are_selected_in_three_queries_at_most(at: Any) -> None:
    many(60, at)
    at(day(6))
    number, queries = selecting()
    assert number == 60 and queries <= 3


def test_six_hundred_reps_cost_no_more_queries(at: Any) -> None:
    cycle = many(1, at)
    rep = User.objects.get(full_name="Rep 000")
    with acting("system", source="command"):
        reps = User.objects.bulk_create(
            User(email=f"r{n}@example.com", username=f"r{n}", full_name=f"Rep {n:03}", password="!")
            for n in range(1, 600)
        )
        customers = Customer.objects.bulk_create(
            Customer(customer_id=f"K{one.pk}", name=f"Customer of {one}", sales_rep=one) for one in reps
        )
    with connection.cursor() as cursor:
        # Six hundred shares at once: the lines of the first rep, given to each of the others.
        cursor.execute("SELECT set_config('sop.line_move', 'on', true)")
        cursor.execute(
            "INSERT INTO forecasts_line (cycle_id, customer_id, product_id, owner_id, status, live, risk_class, "
            "risk_is_default, revision, notes, change_reason, quantity, quantity_source, unit_price, price_source, "
            "decision_comment) SELECT line.cycle_id, c.id, line.product_id, c.sales_rep_id, 'draft', true, 3, true, 1, "
            "'', '', line.quantity, line.quantity_source, line.unit_price, line.price_source, '' "
            "FROM forecasts_line AS line CROSS JOIN masterdata_customer AS c "
            "WHERE line.owner_id = %s AND line.cycle_id = %s AND c.id = ANY(%s)",
            [rep.pk, cycle.pk, [customer.pk for customer in customers]],
        )
        cursor.execute(
            "INSERT INTO cycles_participant (cycle_id, rep_id, lines_expected, counts_at_close, extension_reason) "
            "SELECT cycle_id, owner_id, count(*), '{}', '' FROM forecasts_line "
            "WHERE cycle_id = %s AND owner_id <> %s GROUP BY 1, 2",
            [cycle.pk, rep.pk],
        )
        cursor.execute("SELECT set_config('sop.line_move', '', true)")
    at(day(6))
    number, queries = selecting()
    assert number == 600 and queries <= 3


# --- Decisions that wait --------------------------------------------------------------------------------------------


def waiting() -> list[str]:
    return reached(reminders.WAITING)


def test_a_manager_is_asked_when_lines_wait_for_more_than_a_day(world: SimpleNamespace, at: Any) -> None:
    at(day(4, 9, 1))
    submitted(world.lines[:2])
    clear()
    at(day(5, 9))
    run()
    assert waiting() == []
    at(day(5, 9, 1))
    run()
    run()
    assert waiting() == ["Mona Manager"]
    mail = OutboxMail.objects.get(kind=reminders.WAITING)
    assert mail.subject == "2 lines wait for your decision: Rita Rep"
    for body in (mail.text, mail.html):
        assert "Rita Rep" in body and "Mon 4 Jan 2027, 09:01 UTC" in body
        assert "/review/" in body


@pytest.mark.parametrize(("number", "asked"), [(6, []), (7, ["Mona Manager"]), (8, ["Mona Manager"]), (9, [])])
def test_on_the_last_two_days_a_fresh_line_is_enough(
    world: SimpleNamespace, at: Any, number: int, asked: list[str]
) -> None:
    at(day(min(number, 8), 8))
    submitted(world.lines[:1])
    at(day(number, 7 if number == 9 else 9))
    run()
    assert waiting() == asked


def test_decided_lines_wait_for_nobody(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines)
    decided("approve", world.lines, world.manager, comment="")
    at(day(7))
    run()
    assert waiting() == []


def test_after_the_close_decisions_still_wait(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines)
    close(world)
    clear()
    at(day(12))
    run()
    assert waiting() == ["Mona Manager"]


def test_without_an_active_manager_admins_are_asked(world: SimpleNamespace, at: Any) -> None:
    submitted(world.lines)
    with acting(world.admin, source="web"):
        world.manager.is_active = False
        world.manager.save(update_fields=["is_active"])
    at(day(7))
    run()
    assert waiting() == ["Ada Admin"]


def test_nobody_is_asked_for_what_they_worked_on(world: SimpleNamespace, at: Any) -> None:
    second = make_user("admin", full_name="Alan Admin")
    (line,) = world.lines[:1]
    answer(line, 5, by=world.admin)
    with acting(world.admin, source="web"):
        services.submit_lines(world.cycle.pk, [ref(line)], by=world.admin)
        world.rep.manager = None
        world.rep.save(update_fields=["manager"])
    at(day(7))
    run()
    assert waiting() == [second.full_name]


# --- Digests --------------------------------------------------------------------------------------------------------


def digest() -> int:
    with acting("system", source="job"):
        return int(send_digests())


def test_an_hour_of_submissions_is_one_mail_to_manager_and_admins(world: SimpleNamespace, at: Any) -> None:
    at(day(5, 10, 5))
    submitted(world.lines[:1])
    at(day(5, 10, 50))
    submitted(world.lines[1:2])
    at(day(5, 11, 10))
    submitted(world.lines[2:])
    clear()
    at(day(5, 11, 5))
    assert digest() == 2
    assert reached(digests.DIGEST) == ["Ada Admin", "Mona Manager"]
    mail = OutboxMail.objects.get(kind=digests.DIGEST, user=world.manager)
    assert mail.subject == "Rita Rep handed in 2 lines of S&OP Jan 2027"
    for body in (mail.text, mail.html):
        assert "Tue 5 Jan 2027, 10:00 UTC" in body and "P2 Garlic 2" not in body
    assert digest() == 0
    at(day(5, 12, 5))
    assert digest() == 2
    assert OutboxMail.objects.filter(kind=digests.DIGEST).count() == 4


def test_lines_that_go_to_another_rep_are_not_told_as_theirs(world: SimpleNamespace, at: Any) -> None:
    at(day(5, 10, 5))
    submitted(world.lines)
    at(day(5, 11, 5))
    assert digest() == 2
    with acting(world.admin, source="web"):
        assign_customers([world.customer.pk], world.other_rep, by=world.admin)
    assert digest() == 0


def test_the_same_hour_of_two_cycles_is_told_for_each(world: SimpleNamespace) -> None:
    following = make_cycle(by=world.admin, first_period=dt.date(2027, 2, 1))
    found = [digests.Hour(world.rep, cycle, day(5, 10), 1, 1, world.lines[:1]) for cycle in (world.cycle, following)]
    assert len({letter.key for letter in digests.letters(found)}) == 4


def test_an_hour_that_is_not_over_is_not_told(world: SimpleNamespace, at: Any) -> None:
    at(day(5, 10, 5))
    submitted(world.lines)
    for when in (day(5, 10, 59), day(5, 11, 3)):
        at(when)
        assert digest() == 0
    at(day(5, 11, 4))
    assert digest() == 2


def test_a_job_that_slept_makes_up_for_a_day(world: SimpleNamespace, at: Any) -> None:
    at(day(5, 10, 5))
    submitted(world.lines)
    at(day(6, 11, 5))
    assert digest() == 2


def test_each_rep_has_a_digest_of_their_own_and_managers_only_those_of_the_team(
    world: SimpleNamespace, at: Any
) -> None:
    at(day(5, 10, 5))
    submitted(world.lines)
    submitted(world.other_lines)
    at(day(5, 11, 5))
    digest()
    assert reached(digests.DIGEST) == ["Ada Admin", "Ada Admin", "Mona Manager", "Otto Manager"]
    assert "Oskar" not in OutboxMail.objects.get(kind=digests.DIGEST, user=world.manager).text


def test_recalled_lines_are_not_told(world: SimpleNamespace, at: Any) -> None:
    at(day(5, 10, 5))
    submitted(world.lines[:1])
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, [ref(world.lines[0])], by=world.rep)
    at(day(5, 11, 5))
    assert digest() == 0


# --- Remind now -----------------------------------------------------------------------------------------------------

PRESS = "5f0e7f0c-6f3d-4a53-9d1b-0d8a5f7a9e11"


def remind(world: SimpleNamespace, by: User, reps: list[User] | None = None, press: str = PRESS) -> int:
    with acting(by, source="web"):
        return reminding.remind(world.cycle.pk, None if reps is None else [rep.pk for rep in reps], press=press, by=by)


def test_one_press_is_one_mail_and_another_press_another(world: SimpleNamespace) -> None:
    assert remind(world, world.admin) == 2
    assert remind(world, world.admin) == 0
    assert remind(world, world.admin, [world.rep], press="another") == 1
    assert reached() == ["Oskar Rep", "Rita Rep", "Rita Rep"]
    entry = Entry.objects.filter(action="cycle_reminded").first()
    assert entry is not None and entry.actor == world.admin


def test_a_press_does_not_stand_in_for_the_daily_reminder(world: SimpleNamespace, at: Any) -> None:
    at(day(6, 8))
    remind(world, world.admin, [world.rep])
    at(day(6, 9))
    run()
    assert reached() == ["Oskar Rep", "Rita Rep", "Rita Rep"]


def test_a_manager_who_may_read_everything_still_reminds_the_team_alone(world: SimpleNamespace) -> None:
    with acting(world.admin, source="web"):
        world.manager.groups.add(Group.objects.get(name="viewer"))
    manager = User.objects.get(pk=world.manager.pk)
    _, _, left = reminding.remindable(world.cycle.pk, None, manager)
    assert [one.rep for one in left] == [world.rep]


def test_managers_remind_their_team_and_nobody_else(world: SimpleNamespace) -> None:
    assert remind(world, world.manager) == 1
    assert reached() == ["Rita Rep"]
    with pytest.raises(Refused):
        remind(world, world.manager, [world.other_rep], press="b")
    for stranger in (world.viewer, world.rep):
        with pytest.raises(NotAllowed):
            remind(world, stranger, press="c")
    assert reached() == ["Rita Rep"]


def test_nobody_is_reminded_of_a_closed_cycle_or_after_the_deadline(world: SimpleNamespace, at: Any) -> None:
    at(DEADLINE)
    with pytest.raises(Refused):
        remind(world, world.admin)
    close(world)
    with pytest.raises(Conflict):
        remind(world, world.admin)


REMIND = reverse("forecasts:remind")


def test_the_preview_shows_the_mails_and_sends_none(client: Any, world: SimpleNamespace) -> None:
    submitted(world.lines[:1])
    clear()
    client.force_login(world.admin)
    page = client.get(f"{REMIND}?cycle={world.cycle.pk}")
    told = page.content.decode()
    assert "Rita Rep" in told and "Oskar Rep" in told
    assert "Forecast due Friday: 2 lines left for S&amp;OP Jan 2027" in told
    assert "Elm Supply, Inc. · P1 Garlic 1" in told
    assert not OutboxMail.objects.exists()
    one = client.get(f"{REMIND}?cycle={world.cycle.pk}&rep={world.rep.pk}").content.decode()
    assert "Oskar Rep" not in one


def test_reminding_the_ticked_with_nobody_ticked_reminds_nobody(client: Any, world: SimpleNamespace) -> None:
    client.force_login(world.admin)
    answered = client.get(f"{REMIND}?cycle={world.cycle.pk}&chosen=1", follow=True)
    assert answered.request["PATH_INFO"] == reverse("forecasts:board")
    assert "Tick at least one rep first." in answered.content.decode()


def test_the_page_sends_once_for_one_press(client: Any, world: SimpleNamespace) -> None:
    client.force_login(world.admin)
    page = client.get(f"{REMIND}?cycle={world.cycle.pk}&rep={world.rep.pk}").content.decode()
    press = re.search(r'name="press" value="([^"]+)"', page)
    assert press is not None
    form = {"cycle": world.cycle.pk, "rep": world.rep.pk, "press": press[1]}
    for _ in range(2):
        answered = client.post(REMIND, form)
        assert answered.status_code == 302
    assert reached() == ["Rita Rep"]
    again = re.search(r'name="press" value="([^"]+)"', client.get(f"{REMIND}?cycle={world.cycle.pk}").content.decode())
    assert again is not None and again[1] != press[1]


@pytest.mark.parametrize(
    "spoiled", [{"press": ""}, {"press": "x" * 300}, {"press": "a\x00b"}, {"rep": "x"}, {"cycle": "x"}]
)
def test_a_form_without_sense_sends_nothing(client: Any, world: SimpleNamespace, spoiled: dict[str, str]) -> None:
    client.force_login(world.admin)
    answered = client.post(REMIND, {"cycle": world.cycle.pk, "rep": world.rep.pk, "press": PRESS, **spoiled})
    assert 400 <= answered.status_code < 500
    assert not OutboxMail.objects.exists()


def test_the_board_offers_reminding_to_those_who_may(client: Any, world: SimpleNamespace) -> None:
    submitted(world.other_lines)
    address = reverse("forecasts:board")
    client.force_login(world.admin)
    page = client.get(address).content.decode()
    assert f"{REMIND}?cycle={world.cycle.pk}&amp;rep={world.rep.pk}" in page
    assert f'rep={world.other_rep.pk}"' not in page.split("Remind<span")[0].split(REMIND)[-1]
    client.force_login(world.viewer)
    assert REMIND not in client.get(address).content.decode()
    close(world)
    client.force_login(world.admin)
    assert REMIND not in client.get(address).content.decode()
