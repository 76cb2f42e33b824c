"""A request that comes again because its answer was lost: no refusal and no second effect, also when time went on."""

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from forecasts import services
from forecasts.models import Line, Snapshot
from sop_portal.lib.errors import Conflict, Refused, StaleRevision
from tests.factories import ref
from tests.world import COMMENT, close, decided, make_world, next_transaction, publish, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def world():
    return make_world(lines=2)


def kept():
    """How many entries and copies of lines there are."""
    return Entry.objects.count(), Snapshot.objects.count()


def post(user, url, data):
    client = Client()
    client.force_login(user)
    next_transaction()
    return client.post(url, data, follow=True)


def pairs(lines):
    return [f"{line.pk}:{ref(line).revision}" for line in lines]


def twice(user, url, data, later=lambda: None):
    """Send a form, let `later` happen, send it again; the words of both answers."""
    first = post(user, url, data)
    later()
    next_transaction()
    before, lines = kept(), list(Line.objects.order_by("pk").values())
    second = post(user, url, data)
    assert (first.status_code, second.status_code) == (200, 200)
    # Signing in is told in the trail, nothing else.
    assert kept() == (before[0] + 1, before[1])
    assert list(Line.objects.order_by("pk").values()) == lines
    return [" ".join(str(message) for message in answer.context["messages"]) for answer in (first, second)]


@pytest.mark.parametrize("later", ["at once", "closed", "published"])
def test_submitting_again(world, later):
    for line in world.lines:
        submitted([line])
        with acting(world.rep, source="web"):
            services.recall_lines(world.cycle.pk, [ref(line)], by=world.rep)
    form = {"line": pairs(world.lines)}
    url = reverse("forecasts:submit", args=[world.cycle.pk])
    told = twice(world.rep, url, form, lambda: move_on(world, later))
    assert told == ["2 lines were submitted. Your manager sees them now.", "Nothing was left to submit."]


def move_on(world, later):
    if later != "at once":
        close(world)
    if later == "published":
        publish(world)


def test_recalling_again(world):
    form = {"line": pairs(submitted(world.lines))}
    url = reverse("forecasts:recall", args=[world.cycle.pk])
    told = twice(world.rep, url, form)
    assert told[0].startswith("2 lines were recalled.") and told[1] == "Nothing was left to recall."
    # Once the cycle has closed they are missed, which no recall undoes.
    close(world)
    assert post(world.rep, url, form).status_code == 409


def test_recalling_again_after_typing(world):
    """The second request comes late: the line is being edited already."""
    lines = submitted(world.lines)
    refs = [ref(line) for line in lines]
    with acting(world.rep, source="web"):
        services.recall_lines(world.cycle.pk, refs, by=world.rep)
        edit = services.LineEdit(lines[0].pk, ref(lines[0]).revision, {lines[0].cycle.periods[0]: Decimal(3)})
        services.set_cells(world.cycle.pk, [edit], by=world.rep)
        assert services.recall_lines(world.cycle.pk, refs, by=world.rep) == []


def test_recalling_what_is_no_longer_the_same_is_refused(world):
    first, second = submitted(world.lines)
    refs = [ref(first)]
    with acting(world.rep, source="web"):
        # A draft that the page showed as a draft was never handed in.
        services.recall_lines(world.cycle.pk, refs, by=world.rep)
        with pytest.raises(Refused, match="is draft, so you cannot recall it"):
            services.recall_lines(world.cycle.pk, [ref(first)], by=world.rep)
        # Handed in once more since: the old request must not take that back.
        services.submit_lines(world.cycle.pk, [ref(first)], by=world.rep)
        with pytest.raises(StaleRevision):
            services.recall_lines(world.cycle.pk, refs, by=world.rep)
    # A line that the manager gave back was not recalled.
    refs = [ref(second)]
    decided("return", [second], world.manager)
    with acting(world.rep, source="web"), pytest.raises(Refused, match="is draft, so you cannot recall it"):
        services.recall_lines(world.cycle.pk, refs, by=world.rep)


@pytest.mark.parametrize("later", ["at once", "closed", "published"])
@pytest.mark.parametrize(("act", "word"), [("approve", "approved"), ("reject", "rejected"), ("return", "returned")])
def test_deciding_again(world, act, word, later):
    lines = submitted(world.lines)
    form = {"cycle": world.cycle.pk, "action": act, "line": pairs(lines), "comment": COMMENT}
    if later != "at once" and act != "approve":
        # Rejected and returned lines are missed by then.
        post(world.manager, reverse("forecasts:decide"), form)
        move_on(world, later)
        with acting(world.manager, source="web"), pytest.raises(Conflict):
            services.reject_lines(world.cycle.pk, [ref(lines[0])], by=world.manager, comment=COMMENT)
        return
    told = twice(world.manager, reverse("forecasts:decide"), form, lambda: move_on(world, later))
    assert told == [f"2 lines {word}.", f"Nothing was left to decide: you {word} these lines before."]


@pytest.mark.parametrize("later", ["at once", "published"])
def test_adjusting_again(world, later):
    line = submitted(world.lines)[0]
    close(world)
    form = {"revision": ref(line).revision, "reason": COMMENT, "q_2027-01": "7", "p_2027-02": "11.5"}
    url = reverse("forecasts:adjust", args=[line.pk])
    first = post(world.manager, url, form)
    assert first.status_code == 200
    if later == "published":
        publish(world)
        other = post(world.manager, url, form | {"q_2027-01": "8"})
        assert other.status_code == 409
        page = other.content.decode()
        assert "is published, so its lines stay as they are." in page
        assert 'name="q_2027-01" value="8"' in page and COMMENT in page
    next_transaction()
    before = kept()
    assert post(world.manager, url, form).status_code == 200
    assert kept() == (before[0] + 1, before[1])


def test_another_adjustment_is_none_of_the_first(world):
    line = submitted(world.lines)[0]
    close(world)
    month, old = line.cycle.periods[0], ref(line).revision
    with acting(world.manager, source="web"):
        first = services.Adjustment(line.pk, old, {month: Decimal(7)})
        services.adjust_lines(world.cycle.pk, [first], by=world.manager, reason=COMMENT)
        for other, reason in (
            (first, "Another reason."),
            (services.Adjustment(line.pk, old, {month: Decimal(8)}), COMMENT),
        ):
            with pytest.raises(StaleRevision):
                services.adjust_lines(world.cycle.pk, [other], by=world.manager, reason=reason)


def test_cycles_that_are_moved_again(world):
    submitted(world.lines)
    for move in ("close", "publish"):
        url = reverse(f"cycles:{move}", args=[world.cycle.pk])
        assert post(world.admin, url, {}).status_code == 200
        next_transaction()
        before = kept()
        assert post(world.admin, url, {}).status_code == 200
        assert kept() == (before[0] + 1, before[1])
