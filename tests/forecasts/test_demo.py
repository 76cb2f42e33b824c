"""The demo company: complete, possible, repeatable, and only for an empty local database."""

import stat
from collections import defaultdict
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.db.models import F, Max, Min

from audit.models import Entry
from cycles.models import Cycle, Participant
from forecasts.demo.habits import CAREFUL, COMMON, GOOD, HABITS, HOPEFUL, LAZY
from forecasts.demo.seed import is_empty, seed
from forecasts.demo.size import Size
from forecasts.models import Line, Snapshot
from masterdata.models import Actual, ActualRevision, Budget, Customer, MatrixEntry, Price, Product
from sop_portal import conf
from sop_portal.accounts.models import User
from sop_portal.lib import periods
from sop_portal.lib.clock import portal_now
from tests.factories import make_customer

pytestmark = pytest.mark.django_db

SMALL = Size(reps=5, customers=15, products=40, months=20, cycles=4)
TINY = Size(reps=2, customers=4, products=16, months=15, cycles=1)
PASSWORD = "garlic-press-and-peeler"
SMALL_OPTIONS = ["--reps", "2", "--customers", "4", "--products", "16", "--months", "15", "--cycles", "1"]


def test_the_company_is_complete() -> None:
    seed(SMALL, PASSWORD)
    assert User.objects.count() == 5 + 2 + 1 + 1
    admin, rep = User.objects.get(email="admin@example.com"), User.objects.get(email="rep1@example.com")
    assert admin.check_password(PASSWORD) and rep.check_password(PASSWORD)
    assert admin.has_perm("cycles.move_cycle") and rep.has_perm("forecasts.edit_own_lines")
    assert rep.full_name == "Rep 1" and rep.manager is not None
    assert (Customer.objects.count(), Product.objects.count()) == (15, 40)
    assert MatrixEntry.objects.count() == SMALL.live_pairs + SMALL.dormant_pairs == 376
    assert Cycle.objects.filter(status="archived").count() == 4 and Cycle.objects.open().count() == 1
    assert Budget.objects.exists() and Price.objects.exists()
    assert conf.get("demo_company") is True
    last_month = periods.shift(periods.first_of_month(portal_now().date()), -1)
    span = Actual.objects.aggregate(first=Min("period"), last=Max("period"))
    assert span == {"first": periods.shift(last_month, -19), "last": last_month}
    assert ActualRevision.objects.count() == Actual.objects.count()
    assert ActualRevision.objects.values("batch").distinct().count() == 5
    assert not Entry.objects.filter(source="unattributed").exists()


def test_past_cycles_happened_as_the_rules_allow() -> None:
    seed(SMALL, PASSWORD)
    past = Line.objects.filter(cycle__status="archived")
    events: dict[int, list[Any]] = defaultdict(list)
    for line_id, event, status, at in (
        Snapshot.objects.filter(line__in=past).order_by("pk").values_list("line_id", "event", "status", "at")
    ):
        events[line_id].append((event, status, at))
    assert len(events) == past.count()
    seen = set()
    for story in events.values():
        names = [event for event, _, _ in story]
        seen.update(names)
        assert names[0] == "open" and names[-1] == "final" and names.count("close") == 1
        assert [at for _, _, at in story] == sorted(at for _, _, at in story)
        status = "draft"
        for _, then, _ in story[1:]:
            # A rejected line becomes a draft by editing it, which takes no snapshot.
            before = "draft" if status == "rejected" and then != "missed" else status
            assert then == before or then in Line.MOVES[before], story
            status = then
    assert seen == {"open", "submit", "approve", "reject", "return", "adjust", "close", "final"}
    submits = Snapshot.objects.filter(line__in=past, event="submit")
    late = submits.filter(at__gte=F("line__cycle__closes_at")) | submits.filter(at__lte=F("line__cycle__opened_at"))
    assert not late.exists()
    assert not submits.exclude(actor=F("owner")).exists()
    # The published cells of a line are those it has; what a missed line has is another matter.
    published = Snapshot.objects.filter(event="final", line__in=past.filter(status="approved"))
    assert all(plan == cells for plan, cells in published.values_list("quantity", "line__quantity"))
    assert past.filter(status="missed").exists()
    for share in Participant.objects.filter(cycle__status="archived"):
        assert sum(share.counts_at_close.values()) == share.lines_expected


def test_the_open_cycle_is_half_done() -> None:
    seed(SMALL, PASSWORD)
    cycle = Cycle.objects.open().get()
    assert cycle.first_period == periods.shift(periods.first_of_month(portal_now().date()), 1)
    assert 2 < (cycle.closes_at - portal_now()).days < 9
    live = Line.objects.filter(cycle=cycle, live=True)
    states = {
        rep: set(live.filter(owner__email=f"rep{rep}@example.com").values_list("status", flat=True))
        for rep in range(1, 6)
    }
    assert states[1] == {"draft", "submitted"}
    assert {"submitted"} <= states[2] <= {"draft", "submitted"}
    assert {"approved"} <= states[3] <= {"draft", "approved"}
    assert {"approved", "rejected", "submitted", "draft"} == states[4]
    assert states[5] == {"draft"}
    # The new items have no price, so somebody has something to do.
    assert live.filter(unit_price__contains=[None]).exists() or "-" in "".join(
        live.values_list("price_source", flat=True)
    )
    assert Line.objects.filter(cycle=cycle, live=False).count() > live.count() // 2


def test_habits_show_in_the_numbers() -> None:
    """Bias at lag 2, all pairs of a rep: who hopes is over, who is careful under, who is good near the truth."""
    seed(Size(reps=5, customers=25, products=40, months=30, cycles=6), PASSWORD)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rep.email, sum(snap.quantity[2]) / sum(actual.quantity) - 1 FROM forecasts_snapshot AS snap "
            "JOIN forecasts_line AS line ON line.id = snap.line_id JOIN cycles_cycle AS cycle ON cycle.id = line.cycle_id "
            "JOIN accounts_user AS rep ON rep.id = snap.owner_id "
            "JOIN masterdata_actual AS actual ON actual.customer_id = line.customer_id "
            "AND actual.product_id = line.product_id AND actual.period = cycle.first_period + interval '1 month' "
            "WHERE snap.event = 'submit' GROUP BY rep.email"
        )
        bias = {email: float(value) for email, value in cursor.fetchall()}
    assert HABITS[:5] == (COMMON, HOPEFUL, GOOD, LAZY, CAREFUL)
    hopeful, good, careful = (bias[f"rep{number}@example.com"] for number in (2, 3, 5))
    assert hopeful > good + 0.08 > careful + 0.16
    assert abs(good) < 0.15


def _fingerprint() -> list[Any]:
    with connection.cursor() as cursor:
        found = []
        for query in (
            "SELECT customer.customer_id, product.item_code, period, quantity, amount FROM masterdata_actual AS actual "
            "JOIN masterdata_customer AS customer ON customer.id = actual.customer_id "
            "JOIN masterdata_product AS product ON product.id = actual.product_id",
            "SELECT cycle.name, customer.customer_id, product.item_code, line.status, line.quantity, line.unit_price, "
            "line.quantity_source, line.risk_class, count(snap.id) FROM forecasts_line AS line "
            "JOIN cycles_cycle AS cycle ON cycle.id = line.cycle_id "
            "JOIN masterdata_customer AS customer ON customer.id = line.customer_id "
            "JOIN masterdata_product AS product ON product.id = line.product_id "
            "JOIN forecasts_snapshot AS snap ON snap.line_id = line.id GROUP BY line.id, cycle.id, customer.id, product.id",
        ):
            cursor.execute(f"SELECT md5(string_agg(t::text, ',' ORDER BY t::text)) FROM ({query}) AS t")
            found.append(cursor.fetchone()[0])
    return found


def test_the_same_seed_gives_the_same_company_and_another_one_another() -> None:
    found = []
    for number in (1, 1, 2):
        with transaction.atomic():
            seed(Size(seed=number, reps=2, customers=4, products=16, months=15, cycles=1), PASSWORD)
            found.append(_fingerprint())
            transaction.set_rollback(True)
        conf.clear_cache()
    assert found[0] == found[1] != found[2]


def test_the_command_keeps_the_password_for_its_owner_only(settings: Any, tmp_path: Path) -> None:
    settings.VAR_DIR = tmp_path / "var"
    out = StringIO()
    call_command("seed_demo", *SMALL_OPTIONS, stdout=out)
    kept = settings.VAR_DIR / "demo-password"
    password = kept.read_text().strip()
    assert len(password) >= 12 and password in out.getvalue()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert User.objects.get(email="viewer@example.com").check_password(password)


def test_a_given_password_is_neither_printed_nor_kept(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.VAR_DIR = tmp_path
    monkeypatch.setenv("DEMO_PASSWORD", PASSWORD)
    out = StringIO()
    call_command("seed_demo", *SMALL_OPTIONS, stdout=out)
    assert PASSWORD not in out.getvalue() and "DEMO_PASSWORD" in out.getvalue()
    assert not (tmp_path / "demo-password").exists()
    assert User.objects.get(email="admin@example.com").check_password(PASSWORD)


def test_a_database_with_something_in_it_is_refused() -> None:
    make_customer()
    with pytest.raises(CommandError, match="The database is not empty"):
        call_command("seed_demo", *SMALL_OPTIONS)
    out = StringIO()
    call_command("seed_demo", "--if-empty", stdout=out)
    assert out.getvalue() == "" and Customer.objects.count() == 1 and not User.objects.exists()


def test_production_is_refused(settings: Any) -> None:
    settings.LOCAL = False
    with pytest.raises(CommandError, match="SOP_ENV=local only"):
        call_command("seed_demo", "--if-empty")
    assert is_empty()


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ({"reps": 0}, "1 or more"),
        ({"customers": 5}, "Every rep needs a customer"),
        ({"products": 7}, "8 product groups"),
        ({"months": 24}, "13 months more"),
    ],
)
def test_sizes_that_make_no_sense(size: dict[str, int], words: str) -> None:
    assert words in Size(**size).problem()
    assert not Size().problem()


def test_the_sizes_of_the_design() -> None:
    assert (Size().live_pairs, Size().dormant_pairs) == (1500, 1500)
    middle = Size(reps=60, customers=2000, products=1000)
    assert (middle.live_pairs, middle.dormant_pairs) == (20_000, 0)


def test_quantities_are_what_a_person_could_have_typed() -> None:
    seed(TINY, PASSWORD)
    cells = [cell for line in Line.objects.filter(live=True) for cell in line.quantity if cell is not None]
    assert cells and all(cell == cell.to_integral_value() and 0 <= cell < Decimal(100_000) for cell in cells)
