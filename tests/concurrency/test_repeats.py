"""Every act sent three times at once, as a browser or a client that lost the answer does: one effect, no refusal."""

from decimal import Decimal

import pytest

from audit.models import Entry
from cycles import services as cycles
from forecasts import services
from forecasts.models import Line, Snapshot
from forecasts.services import Adjustment
from tests.concurrency.test_races import acts_as, at_once, refusals, world  # noqa: F401  a fixture
from tests.factories import make_cycle, ref, submit
from tests.world import COMMENT, close, decided

pytestmark = pytest.mark.usefixtures("committed")

# Act -> how far the lines have come before, its audit action, the snapshot it takes.
LINE_ACTS = {
    "submit": ("", "forecast_submitted", "submit"),
    "recall": ("submit", "forecast_recalled", None),
    "approve": ("submit", "forecast_approved", "approve"),
    "reject": ("submit", "forecast_rejected", "reject"),
    "return": ("approve", "forecast_returned", "return"),
    "adjust": ("close", "forecast_adjusted", "adjust"),
}


@pytest.mark.parametrize("name", LINE_ACTS)
def test_an_act_on_lines_is_one_effect(name, world):  # noqa: F811
    before, action, event = LINE_ACTS[name]
    lines = world.live
    if before:
        lines = [submit(line) for line in lines]
    if before == "approve":
        decided("approve", lines, world.manager)
    if before == "close":
        close(world)
    wanted = [ref(line) for line in lines]
    revisions = {line.pk: line.revision for line in lines}
    by, extra = (world.rep, {}) if name in ("submit", "recall") else (world.manager, {"comment": COMMENT})
    if name == "adjust":
        months = lines[0].cycle.periods
        wanted = [Adjustment(one.line_id, one.revision, dict.fromkeys(months, Decimal(9))) for one in wanted]
        extra = {"reason": COMMENT}
    act = acts_as(by, getattr(services, f"{name}_lines"), world.cycle.pk, wanted, **extra)
    answers = at_once(act, act, act)
    assert refusals(answers) == []
    assert sorted(len(answer) for answer in answers) == [0, 0, 2]
    assert {line.pk: line.revision - 1 for line in Line.objects.filter(pk__in=revisions)} == revisions
    assert Entry.objects.filter(action=action).count() == 2
    if event:
        assert Snapshot.objects.filter(line__in=revisions, event=event).count() == 2


@pytest.mark.parametrize(
    ("move", "action", "event"),
    [("open", "cycle_opened", "open"), ("close", "cycle_closed", "close"), ("publish", "cycle_archived", "final")],
)
def test_a_move_of_a_cycle_is_one_effect(move, action, event, world):  # noqa: F811
    cycle = world.cycle
    if move != "close":
        close(world)
    if move == "open":
        cycle = make_cycle(by=world.admin, first_period=cycle.periods[1])
    act = acts_as(world.admin, getattr(cycles, f"{move}_cycle"), cycle.pk)
    assert refusals(at_once(act, act, act)) == []
    assert Entry.objects.filter(action=action, entity_id=str(cycle.pk)).count() == 1
    assert Snapshot.objects.filter(line__cycle=cycle, event=event).count() == cycle.lines.count() == 8
