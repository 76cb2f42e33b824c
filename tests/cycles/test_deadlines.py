"""Deadlines by the clock on the wall: what is stored is what was stated, to the millisecond, whatever the clocks do."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from django.urls import reverse

from audit.context import acting
from cycles import services
from cycles.models import Cycle
from forecasts import services as lines
from forecasts.models import Line
from sop_portal.conf import services as settings
from sop_portal.lib.errors import Conflict, Refused
from tests.cycles.acts import act
from tests.factories import answer, make_actual, make_customer, make_cycle, make_entry, make_user, ref

pytestmark = pytest.mark.django_db

ZONES = ("America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata")
MILLISECOND = dt.timedelta(milliseconds=1)
# Days on which something may go wrong: around both changes of the clocks in each zone, a leap day, the end of a year.
STATED = [
    "2027-03-14 01:59:59", "2027-03-14 03:00:00", "2027-11-07 00:59:59", "2027-11-07 02:00:00",
    "2027-03-28 01:59:59", "2027-03-28 03:00:00", "2027-10-31 01:59:59", "2027-10-31 03:00:00",
    "2027-04-04 01:29:59", "2027-04-04 02:00:00", "2027-10-03 01:59:59", "2027-10-03 02:30:00",
    "2028-02-29 18:00:00", "2026-12-31 23:59:59", "2027-01-01 00:00:00",
]  # fmt: skip
# Zone, a time that the clocks skip, the next one that exists.
SKIPPED = [
    ("America/New_York", "2027-03-14 02:30", "03:30"),
    ("Europe/Berlin", "2027-03-28 02:00", "03:00"),
    # Half an hour is skipped there.
    ("Australia/Lord_Howe", "2027-10-03 02:15", "02:45"),
]
TWICE = [
    ("America/New_York", "2027-11-07 01:30"),
    ("Europe/Berlin", "2027-10-31 02:00"),
    ("Australia/Lord_Howe", "2027-04-04 01:45"),
]


@pytest.fixture
def admin():
    return make_user("admin")


def live_in(zone: str, admin) -> None:
    with acting(admin, source="web"):
        settings.set_value("business_time_zone", zone, admin)


def form(stated: str) -> dict[str, str]:
    day, _, time = stated.partition(" ")
    return {"first_period": "2028-06", "closes_on": day, "closes_time": time, "name": ""}


@pytest.mark.parametrize("zone", ZONES)
def test_the_stored_instant_is_the_stated_local_time(client, admin, zone):
    live_in(zone, admin)
    # The browser of the admin lives elsewhere.
    with acting(admin, source="web"):
        admin.time_zone = "Pacific/Auckland"
        admin.save()
    client.force_login(admin)
    for stated in STATED:
        assert client.post(reverse("cycles:create"), form(stated)).status_code == 302, stated
        cycle = Cycle.objects.get()
        shown = cycle.closes_at.astimezone(ZoneInfo(zone))
        assert shown.replace(tzinfo=None).isoformat(" ") == stated
        # Edited without a change it stays the same to the second.
        page = client.get(reverse("cycles:edit", args=[cycle.pk])).content.decode()
        assert f'value="{stated[:10]}"' in page and f'value="{stated[11:16]}"' in page
        act("delete_cycle", cycle.pk, by=admin)


@pytest.mark.parametrize(("zone", "stated", "exists"), SKIPPED)
def test_a_time_that_the_clocks_skip_is_refused_with_the_next_one(client, admin, zone, stated, exists):
    live_in(zone, admin)
    client.force_login(admin)
    answer_ = client.post(reverse("cycles:create"), form(stated))
    assert answer_.status_code == 422
    assert f"the next time that exists is {exists}" in str(answer_.context["form"].errors["closes_time"])
    assert client.post(reverse("cycles:create"), form(f"{stated[:10]} {exists}")).status_code == 302


@pytest.mark.parametrize(("zone", "stated"), TWICE)
def test_a_time_that_happens_twice_is_asked_again(client, admin, zone, stated):
    live_in(zone, admin)
    client.force_login(admin)
    answer_ = client.post(reverse("cycles:create"), form(stated))
    assert answer_.status_code == 422
    assert "happens twice" in str(answer_.context["form"].errors["closes_time"])
    with pytest.raises(Refused, match="happens twice"):
        services.localize(dt.datetime.fromisoformat(stated))


@pytest.mark.parametrize(
    ("zone", "stated"),
    [
        ("America/New_York", "2027-03-14 03:00:00"),
        ("America/New_York", "2027-11-07 02:00:00"),
        ("Europe/Berlin", "2027-03-28 03:00:00"),
        ("Europe/Berlin", "2026-12-31 23:59:59"),
        ("Australia/Lord_Howe", "2027-04-04 02:00:00"),
        ("Asia/Kolkata", "2028-02-29 23:59:59"),
    ],
)
def test_a_millisecond_decides(admin, at, zone, stated):
    live_in(zone, admin)
    deadline = services.localize(dt.datetime.fromisoformat(stated))
    at(deadline - dt.timedelta(days=10))
    rep = make_user("sales_rep")
    entries = [make_entry(make_customer(sales_rep=rep)) for _ in range(2)]
    for entry in entries:
        make_actual(entry, dt.date(2026, 11, 1))
    cycle = act("open_cycle", make_cycle(by=admin, closes_at=deadline).pk, by=admin)
    first, second = Line.objects.filter(cycle=cycle).order_by("pk")

    def submit(line):
        with acting(rep, source="web"):
            lines.submit_lines(cycle.pk, [ref(line)], by=rep)

    at(deadline - MILLISECOND)
    answer(first, 5)
    answer(second, 5)
    submit(first)
    for late in (deadline, deadline + MILLISECOND):
        at(late)
        for attempt in (lambda: answer(second, 6), lambda: submit(second)):
            second.refresh_from_db()
            with pytest.raises(Conflict, match="took input until"):
                attempt()
    at(deadline - MILLISECOND)
    assert services.auto_close() == 0
    at(deadline)
    assert services.auto_close() == 1
    assert sorted(Line.objects.filter(cycle=cycle).values_list("status", flat=True)) == ["missed", "submitted"]


def test_the_proposal_keeps_the_wall_clock_over_a_change_of_the_clocks(admin):
    live_in("America/New_York", admin)
    # 26 February 2027 18:00 is two working days before March; April's is 30 March, in summer time.
    make_cycle(by=admin, first_period=dt.date(2027, 3, 1), closes_at=dt.datetime(2027, 2, 25, 23, tzinfo=dt.UTC))
    proposed = services.propose()["closes_at"].astimezone(ZoneInfo("America/New_York"))
    assert proposed.replace(tzinfo=None) == dt.datetime(2027, 3, 30, 18)


def test_working_days_leave_holidays_out(admin):
    make_cycle(by=admin, first_period=dt.date(2026, 12, 1), closes_at=dt.datetime(2026, 11, 26, 18, tzinfo=dt.UTC))
    # Three working days before December: the 26th of November is Thursday, so in January Tuesday the 29th.
    assert services.propose()["closes_at"] == dt.datetime(2026, 12, 29, 18, tzinfo=dt.UTC)
    with acting(admin, source="web"):
        settings.set_value("holidays", ["2026-12-30", "2026-12-31"], admin)
    assert services.propose()["closes_at"] == dt.datetime(2026, 12, 25, 18, tzinfo=dt.UTC)


def test_a_proposal_never_falls_into_a_gap(admin):
    live_in("America/New_York", admin)
    # Sunday 14 February 2027 02:30 counts as many working days before March as 14 March before April.
    make_cycle(by=admin, first_period=dt.date(2027, 3, 1), closes_at=dt.datetime(2027, 2, 15, 7, 30, tzinfo=dt.UTC))
    closes_at = services.propose()["closes_at"]
    assert services.localize(closes_at.astimezone(ZoneInfo("America/New_York")).replace(tzinfo=None)) == closes_at
