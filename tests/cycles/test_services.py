"""Moves of cycles: what is refused, in which words, and what is proposed."""

import datetime as dt

import pytest

from audit.context import acting
from audit.models import Entry
from cycles import services
from cycles.models import Cycle, Participant
from sop_portal.conf import services as settings
from sop_portal.lib.errors import Conflict, NotAllowed, Refused
from tests.factories import FAR, make_cycle, make_user, open_cycle
from tests.world import close, make_world, publish

pytestmark = pytest.mark.django_db
FEB = dt.date(2027, 2, 1)


@pytest.fixture
def admin():
    return make_user("admin")


def act(function, *args, by, **kw):
    with acting(by, source="web"):
        return getattr(services, function)(*args, by=by, **kw)


@pytest.fixture
def new_york(admin):
    with acting(admin, source="web"):
        settings.set_value("business_time_zone", "America/New_York", admin)


def test_a_draft_is_named_after_its_first_month_and_has_16_periods(admin):
    cycle = make_cycle(by=admin)
    assert (cycle.name, cycle.status) == ("S&OP Jan 2027", Cycle.Status.DRAFT)
    assert (cycle.periods[0], cycle.periods[11], cycle.periods[-1]) == (
        dt.date(2027, 1, 1), dt.date(2027, 12, 1), dt.date(2028, 4, 1)
    )  # fmt: skip
    assert len(cycle.periods) == 16


def test_two_cycles_do_not_start_in_the_same_month(admin):
    make_cycle(by=admin)
    with pytest.raises(Refused) as refused:
        make_cycle(by=admin)
    assert refused.value.lines == {"first_period": "S&OP Jan 2027 already starts in January 2027."}


def test_a_cycle_starts_with_a_month_and_closes_after_it_opens(admin):
    with pytest.raises(Refused, match="first day of a month"):
        act("create_cycle", first_period=dt.date(2027, 1, 2), closes_at=FAR, by=admin)
    with pytest.raises(Refused, match="later than the opening"):
        act("create_cycle", first_period=FEB, closes_at=FAR, opens_at=FAR, by=admin)


def test_only_one_cycle_is_open(admin):
    open_cycle(by=admin)
    second = make_cycle(by=admin, first_period=FEB)
    with pytest.raises(Conflict, match="S&OP Jan 2027 is still open; close it before opening S&OP Feb 2027"):
        act("open_cycle", second.pk, by=admin)


def test_a_cycle_whose_deadline_has_passed_is_not_opened(admin, at):
    cycle = make_cycle(by=admin, closes_at=dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    at(dt.datetime(2027, 1, 5, 18, tzinfo=dt.UTC))
    with pytest.raises(Refused, match="deadline of this cycle has passed"):
        act("open_cycle", cycle.pk, by=admin)
    at(dt.datetime(2027, 1, 5, 17, 59, 59, tzinfo=dt.UTC))
    assert act("open_cycle", cycle.pk, by=admin).is_open


def test_opening_copies_the_settings_and_freezes_the_participants():
    world = make_world(lines=2)
    assert world.cycle.settings["missing_forecast_policy"] == "carry_over"
    with acting(world.admin, source="web"):
        settings.set_value("missing_forecast_policy", "zero", world.admin)
    world.cycle.refresh_from_db()
    assert world.cycle.settings["missing_forecast_policy"] == "carry_over"
    shares = Participant.objects.filter(cycle=world.cycle).values_list("rep", "lines_expected")
    assert sorted(shares) == sorted([(world.rep.pk, 2), (world.other_rep.pk, 2)])


def test_moves_are_repeatable_and_in_order(admin):
    cycle = make_cycle(by=admin)
    with pytest.raises(Conflict, match="is draft, so it cannot become closed"):
        act("close_cycle", cycle.pk, by=admin)
    assert act("open_cycle", cycle.pk, by=admin).opened_at == act("open_cycle", cycle.pk, by=admin).opened_at
    with pytest.raises(Conflict):
        act("publish_cycle", cycle.pk, by=admin)
    assert act("close_cycle", cycle.pk, by=admin).closed_at == act("close_cycle", cycle.pk, by=admin).closed_at
    act("publish_cycle", cycle.pk, by=admin)
    assert act("publish_cycle", cycle.pk, by=admin).status == Cycle.Status.ARCHIVED
    actions = Entry.objects.filter(entity_type="cycle", entity_id=str(cycle.pk)).values_list("action", flat=True)
    # The test is one transaction, hence one entry, called by the last of its moves.
    assert list(actions) == ["cycle_archived"]


def test_closing_stores_how_the_participants_stood():
    world = make_world(lines=3)
    close(world)
    assert Participant.objects.get(rep=world.rep).counts_at_close == {"missed": 3}


def test_drafts_are_deleted_and_opened_cycles_are_kept(admin):
    draft = make_cycle(by=admin, first_period=FEB)
    act("delete_cycle", draft.pk, by=admin)
    assert not Cycle.objects.filter(pk=draft.pk).exists()
    opened = open_cycle(by=admin)
    with pytest.raises(Conflict, match="has been opened, so it is kept"):
        act("delete_cycle", opened.pk, by=admin)
    with pytest.raises(Conflict, match="no longer a draft"):
        act("update_cycle", opened.pk, first_period=FEB, closes_at=FAR, by=admin)


@pytest.mark.parametrize("role", ["sales_rep", "manager", "viewer"])
def test_only_admins_move_cycles(role):
    user = make_user(role)
    with pytest.raises(NotAllowed):
        act("create_cycle", first_period=FEB, closes_at=FAR, by=user)
    cycle = make_cycle()
    for move in ("open_cycle", "close_cycle", "publish_cycle", "delete_cycle"):
        with pytest.raises(NotAllowed):
            act(move, cycle.pk, by=user)


def test_a_new_default_name_follows_a_new_month(admin):
    cycle = make_cycle(by=admin)
    moved = act("update_cycle", cycle.pk, first_period=FEB, closes_at=FAR, name="S&OP Jan 2027", by=admin)
    assert moved.name == "S&OP Feb 2027"
    named = act("update_cycle", cycle.pk, first_period=FEB, closes_at=FAR, name="Crisis round", by=admin)
    assert named.name == "Crisis round"


def test_the_proposal_does_not_follow_extensions_and_reopenings(admin, at):
    deadline = dt.datetime(2026, 12, 22, 18, tzinfo=dt.UTC)
    at(deadline - dt.timedelta(days=3))
    cycle = open_cycle(make_cycle(by=admin, closes_at=deadline), by=admin)
    wanted = services.propose()["closes_at"]
    later = deadline + dt.timedelta(days=1, hours=2)
    act("extend_cycle", cycle.pk, until=later, reason="Late data.", by=admin)
    at(deadline - dt.timedelta(days=2, minutes=7))
    act("close_cycle", cycle.pk, by=admin)
    assert services.propose()["closes_at"] == wanted
    act("reopen_cycle", cycle.pk, until=later, reason="Late data.", by=admin)
    assert services.propose()["closes_at"] == wanted


def test_the_proposal_is_the_last_cycle_moved_by_a_month_on_the_same_working_day(admin, new_york):
    # Tuesday 29 Dec 2026, 18:00 in New York is the third working day before 1 Jan 2027 (30th, 31st, then the 1st).
    make_cycle(by=admin, closes_at=dt.datetime(2026, 12, 29, 23, tzinfo=dt.UTC))
    proposed = services.propose()
    assert proposed["first_period"] == FEB
    # Three working days before Monday 1 February 2027: Wednesday 27 January, still winter time.
    assert proposed["closes_at"] == dt.datetime(2027, 1, 27, 23, tzinfo=dt.UTC)


def test_the_first_proposal_is_the_coming_month(at):
    at(dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC))
    proposed = services.propose()
    assert (proposed["first_period"], proposed["opens_at"]) == (dt.date(2026, 12, 1), None)
    # Two working days before Tuesday 1 December 2026, at 18:00.
    assert proposed["closes_at"] == dt.datetime(2026, 11, 27, 18, tzinfo=dt.UTC)


def test_a_deadline_that_the_clocks_skip_is_refused_with_the_next_that_exists(new_york):
    with pytest.raises(Refused) as refused:
        services.localize(dt.datetime(2027, 3, 14, 2, 30))
    assert refused.value.lines == {
        "closes_at": "The clocks skip 02:30 on 14 Mar 2027 in America/New_York; the next time that exists is 03:30."
    }


def test_a_deadline_that_happens_twice_is_refused(new_york):
    with pytest.raises(Refused, match="01:30 happens twice on 7 Nov 2027"):
        services.localize(dt.datetime(2027, 11, 7, 1, 30))


def test_deadlines_are_wall_clock_times_of_the_business(new_york):
    assert services.localize(dt.datetime(2027, 7, 1, 18, 0)) == dt.datetime(2027, 7, 1, 22, tzinfo=dt.UTC)
    assert services.localize(dt.datetime(2027, 1, 1, 18, 0)) == dt.datetime(2027, 1, 1, 23, tzinfo=dt.UTC)
    assert services.deadline_text(dt.datetime(2027, 7, 1, 22, tzinfo=dt.UTC)) == "1 Jul 2027 18:00 (New York)"


def test_a_published_month_may_start_again():
    world = make_world(lines=1)
    close(world)
    with pytest.raises(Refused):
        make_cycle(by=world.admin)
    publish(world)
    assert make_cycle(by=world.admin).first_period == world.cycle.first_period
