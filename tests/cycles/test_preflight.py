"""What pre-flight finds, how much of it keeps a cycle shut, and what a reason overrides."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.context import acting
from audit.models import Entry
from cycles import services
from masterdata.models import Price
from sop_portal.accounts.models import User
from sop_portal.conf import services as settings
from sop_portal.lib.errors import Refused
from sop_portal.mail.models import OutboxMail
from tests.cycles.acts import act
from tests.factories import make_actual, make_customer, make_cycle, make_entry, make_product, make_user
from tests.world import next_transaction

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 12, 8, 12, tzinfo=dt.UTC)
DEADLINE = dt.datetime(2026, 12, 21, 18, tzinfo=dt.UTC)
WHY = "Their rep starts next week."


@pytest.fixture(autouse=True)
def tuesday(at):
    at(NOW)


@pytest.fixture
def admin():
    return make_user("admin")


@pytest.fixture
def ready(admin):
    """A draft of which nothing is to be said: one rep with a customer, a price, and November's actuals."""
    rep = make_user("sales_rep", full_name="Rita Rep", manager=make_user("manager"))
    entry = make_entry(make_customer(name="Elm Supply", sales_rep=rep))
    make_actual(entry, dt.date(2026, 11, 1))
    return make_cycle(by=admin, closes_at=DEADLINE)


def found(cycle) -> dict[str, tuple[str, int, list[str]]]:
    """Key -> level, count and the rows that are named."""
    return {
        one.key: (one.level, one.count, [row.label for row in one.rows]) for one in services.preflight(cycle).findings
    }


def test_nothing_is_found_where_all_is_well(ready, admin):
    assert found(ready) == {}
    assert act("open_cycle", ready.pk, by=admin).override_reason == ""


def test_customers_without_a_rep_are_red(ready, admin):
    make_entry(make_customer(name="Nobody Serves Me"))
    make_customer(name="Buys Nothing")
    make_entry(make_customer(name="Asleep", is_active=False))
    assert found(ready) == {"without_rep": ("red", 1, ["Nobody Serves Me"])}


def test_customers_of_somebody_who_is_not_active_are_red(ready):
    make_entry(make_customer(name="Left Behind", sales_rep=make_user("sales_rep", is_active=False)))
    assert found(ready) == {"inactive_owners": ("red", 1, ["Left Behind"])}


def test_a_deadline_that_has_passed_is_red_and_no_reason_helps(ready, admin, at):
    at(DEADLINE)
    (finding,) = services.preflight(ready).findings
    assert (finding.key, finding.level, finding.final) == ("past_deadline", "red", True)
    assert finding.title == "The deadline has passed: 21 Dec 2026 18:00 (UTC)"
    with pytest.raises(Refused, match="deadline of this cycle has passed"):
        act("open_cycle", ready.pk, override=WHY, by=admin)


def test_pairs_without_a_price_in_the_first_month_are_amber(ready):
    rep = User.objects.get(full_name="Rita Rep")
    bare = make_entry(make_customer(name="Fir", sales_rep=rep), make_product(description="Bare"), price=None)
    later = make_entry(make_customer(name="Ash", sales_rep=rep), make_product(description="Later"), price=None)
    listed = make_product(list_price=Decimal(9))
    make_entry(make_customer(name="Oak", sales_rep=rep), listed, price=None)
    with acting("system", source="command"):
        Price.objects.create(entry=later, valid_from=dt.date(2027, 1, 2), unit_price=1)
    level, count, rows = found(ready)["unpriced"]
    assert (level, count) == ("amber", 2)
    assert [row.split(" · ")[0] for row in rows] == ["Ash", "Fir"]
    with acting("system", source="command"):
        Price.objects.create(entry=bare, valid_from=dt.date(2027, 1, 1), unit_price=1)
    assert found(ready)["unpriced"][1] == 1


def test_set_prices_leads_to_the_very_pairs_that_lack_one_in_the_first_month(ready, admin, client):
    """It once led to those without a price today, where a price of the future is missing and one that nobody plans is
    named."""
    rep = User.objects.get(full_name="Rita Rep")
    bare = make_entry(make_customer(name="Fir", sales_rep=rep), make_product(description="Bare"), price=None)
    priced = make_entry(make_customer(name="Ash", sales_rep=rep), make_product(description="In time"), price=None)
    make_entry(make_customer(name="Oak"), make_product(description="Nobody's"), price=None)
    with acting("system", source="command"):
        Price.objects.create(entry=priced, valid_from=dt.date(2027, 1, 1), unit_price=1)
    (finding,) = [one for one in services.preflight(ready).findings if one.key == "unpriced"]
    client.force_login(admin)
    page = client.get(finding.url)
    assert list(page.context["cl"].queryset) == [bare] and finding.count == 1
    assert "Missing in January 2027" in page.content.decode()
    for other in ("2027-13", "none", "\u0662027-01"):
        assert client.get(reverse("admin:masterdata_matrixentry_changelist"), {"price": other}).status_code == 200


def test_reps_without_customers_and_proposed_pairs_are_amber(ready):
    rep = User.objects.get(full_name="Rita Rep")
    make_user("sales_rep", full_name="Ida Idle")
    make_user("sales_rep", full_name="Gone", is_active=False)
    make_entry(make_customer(name="New Shop", sales_rep=rep), make_product(description="Dip"), proposed_by=rep)
    seen = found(ready)
    assert seen["idle_reps"] == ("amber", 1, ["Ida Idle"])
    assert seen["proposed"][:2] == ("amber", 1) and "New Shop" in seen["proposed"][2][0]


@pytest.mark.parametrize(
    ("now", "first", "title"),
    [
        (NOW, dt.date(2027, 1, 1), None),
        (dt.datetime(2027, 1, 1, tzinfo=dt.UTC), dt.date(2027, 2, 1), "Actuals of December 2026 are not loaded"),
        (dt.datetime(2027, 3, 9, tzinfo=dt.UTC), dt.date(2027, 3, 1), "Actuals of December 2026 to February 2027 are"),
        # A cycle that starts before the newest month that is over asks for the months before it alone.
        (dt.datetime(2027, 3, 9, tzinfo=dt.UTC), dt.date(2027, 1, 1), "Actuals of December 2026 are not loaded"),
    ],
)
def test_missing_months_of_actuals_are_amber(ready, admin, at, now, first, title):
    at(now)
    cycle = ready if first == ready.first_period else make_cycle(by=admin, first_period=first)
    titles = [finding.title for finding in services.preflight(cycle).findings if finding.key == "actuals"]
    assert titles == [] if title is None else titles[0].startswith(title)


def test_the_month_that_is_over_is_told_by_the_business_clock(ready, admin, at):
    at(dt.datetime(2027, 1, 1, 3, tzinfo=dt.UTC))
    cycle = make_cycle(by=admin, first_period=dt.date(2027, 2, 1))
    assert "actuals" in found(cycle)
    with acting(admin, source="web"):
        settings.set_value("business_time_zone", "America/New_York", admin)
    assert "actuals" not in found(cycle)


@pytest.mark.parametrize(
    ("address", "why"),
    [("rita@nowhere.invalid", "reaches nobody"), ("rita(at)shop", "is no e-mail address")],
)
def test_addresses_that_no_mail_reaches_are_amber(ready, address, why):
    User.objects.untracked().filter(full_name="Rita Rep").update(email=address)
    (finding,) = services.preflight(ready).findings
    assert (finding.key, finding.level, finding.count) == ("unreachable", "amber", 1)
    assert finding.title == "No mail reaches 1 person of the cycle" and why in finding.rows[0].note


def test_an_address_whose_last_mail_failed_is_amber_until_one_arrives(ready):
    rep = User.objects.get(full_name="Rita Rep")

    def mail(state, minutes, address=rep.email):
        OutboxMail.objects.create(
            kind="test", key=str(minutes), user=rep, address=address, subject="x", state=state,
            message_id=f"<{minutes}@x>", created_at=NOW + dt.timedelta(minutes=minutes), next_attempt_at=NOW, give_up_at=NOW,
        )  # fmt: skip

    mail("sent", 0)
    mail("failed", 1, address="old@example.com")
    assert found(ready) == {}
    mail("failed", 2)
    assert found(ready)["unreachable"][1] == 1
    mail("sent", 3)
    assert found(ready) == {}


@pytest.mark.parametrize(
    ("closes_at", "day"),
    [
        (dt.datetime(2026, 12, 19, 18, tzinfo=dt.UTC), "Saturday"),
        (dt.datetime(2026, 12, 20, 18, tzinfo=dt.UTC), "Sunday"),
        (dt.datetime(2026, 12, 25, 18, tzinfo=dt.UTC), "holiday"),
        (DEADLINE, None),
    ],
)
def test_a_deadline_on_a_day_off_is_amber(ready, admin, closes_at, day):
    with acting(admin, source="web"):
        settings.set_value("holidays", ["2026-12-25"], admin)
        services.update_cycle(ready.pk, first_period=ready.first_period, closes_at=closes_at, by=admin)
    ready.refresh_from_db()
    titles = [finding.title for finding in services.preflight(ready).findings]
    assert len(titles) == (day is not None) and (day is None or titles[0].startswith(f"The deadline is on a {day}"))


def test_red_findings_keep_a_cycle_shut_until_a_reason_overrides_them(ready, admin):
    make_entry(make_customer(name="Nobody Serves Me"))
    make_entry(make_customer(name="Left Behind", sales_rep=make_user("sales_rep", is_active=False)))
    with pytest.raises(Refused) as refused:
        act("open_cycle", ready.pk, by=admin)
    assert refused.value.lines == {
        "override": "1 customer with products has no sales rep and 1 customer is served by somebody who is not active. "
        "Mend that first, or say why S&OP Jan 2027 is opened all the same."
    }
    ready.refresh_from_db()
    assert ready.status == "draft"
    next_transaction()
    opened = act("open_cycle", ready.pk, override=WHY, by=admin)
    assert opened.is_open and opened.override_reason == WHY and opened.lines.count() == 1
    entry = Entry.objects.get(action="cycle_opened")
    assert entry.changes["override_reason"] == ["", WHY]
    assert "has no sales rep" in entry.changes["overridden"][1]


def test_a_reason_that_overrides_nothing_is_not_kept(ready, admin):
    assert act("open_cycle", ready.pk, override=WHY, by=admin).override_reason == ""


def test_the_number_of_queries_does_not_depend_on_the_number_of_rows(ready):
    def queries() -> int:
        with CaptureQueriesContext(connection) as caught:
            services.preflight(ready)
        return sum("conf_setting" not in query["sql"] for query in caught.captured_queries)

    def spoil(number: int) -> None:
        for n in range(number):
            make_entry(make_customer(name=f"No rep {n}"))
            make_entry(make_customer(sales_rep=make_user("sales_rep", is_active=False)))
            make_user("sales_rep")
            rep = make_user("sales_rep")
            make_entry(make_customer(sales_rep=rep), price=None, proposed_by=rep)
            User.objects.untracked().filter(pk=rep.pk).update(email=f"r{rep.pk}@x.invalid")

    spoil(1)
    few = queries()
    spoil(5)
    assert queries() == few
    spoil(20)
    assert queries() == few
    assert services.preflight(ready).findings[0].more == 6
