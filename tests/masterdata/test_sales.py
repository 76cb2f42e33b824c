"""Sums of actuals: by hand, over everything the filters leave, without adding what cannot be added."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from masterdata import sales
from masterdata.findings import extremes, trend, where
from masterdata.models import Actual
from masterdata.sales import Loaded, Month
from sop_portal.lib import periods
from tests.factories import make_actual, make_customer, make_entry, make_product

LAST = dt.date(2026, 11, 1)
FIRST = periods.shift(LAST, -23)
KNOWN = Loaded(FIRST, LAST)


def month(offset):
    """The month `offset` before the last one."""
    return periods.shift(LAST, -offset)


@pytest.fixture
def rows(db):
    """Elm buys 10 cases of 2 kg a month for 100, and returned 5 in the last; Oak buys 3 bags of unknown weight."""
    case = make_product(item_code="CASE", weight=Decimal(2))
    bag = make_product(item_code="BAG", uom="KG", weight=None)
    elm, oak = make_entry(make_customer(name="Elm"), case), make_entry(make_customer(name="Oak"), bag)
    for offset in range(24):
        if offset:
            make_actual(elm, month(offset), 10, amount=Decimal(100), cost=Decimal(60))
    make_actual(elm, LAST, -5, amount=Decimal(-50), cost=None)
    make_actual(oak, LAST, 3, amount=Decimal(30), cost=Decimal(12))
    return Actual.objects.all()


def test_months_without_sales_are_there_and_units_stay_apart(rows):
    months = sales.by_month(rows, periods.shift(FIRST, -2), LAST)
    assert [found.period for found in months] == periods.span(periods.shift(FIRST, -2), 26)
    assert not months[0].has_rows and months[0].amount == 0
    last = months[-1]
    assert (last.amount, last.weight, last.quantities) == (-20, -10, {"CS": -5, "KG": 3})


def test_totals_compare_with_the_same_months_a_year_before(rows):
    months = sales.by_month(rows, FIRST, LAST, with_cost=True)
    year = sales.totals(months, month(11), LAST)
    assert (year.amount, year.before) == (11 * 100 - 20, 1200) and year.change == Decimal(-120) / 1200
    assert year.weight == 11 * 20 - 10 and year.quantities == {"CS": 105, "KG": 3} and year.one_unit is None
    # The credit has no cost, so it is left out of the margin on both sides.
    assert (year.cost, year.priced) == (11 * 60 + 12, 1130) and year.margin == (Decimal(1130) - 672) / 1130
    three = sales.totals(months, month(3), month(1))
    assert three.one_unit == ("CS", 30) and three.before == 300 and three.change == 0


def test_a_year_before_that_is_not_loaded_is_not_zero(rows):
    months = sales.by_month(rows, month(13), LAST)
    assert sales.totals(months, month(11), LAST).before is None
    assert sales.totals(months, month(1), LAST).before == 200
    assert sales.average([Decimal(1)] * 5, 6) is None and sales.average([Decimal(9), *[Decimal(1)] * 6], 6) == 1


def test_what_is_loaded_ends_with_the_month_of_today(rows):
    assert sales.loaded(dt.date(2026, 11, 26)) == KNOWN
    make_actual(make_entry(), dt.date(2036, 1, 1))
    assert sales.loaded(dt.date(2026, 11, 26)) == KNOWN
    assert sales.loaded(dt.date(2026, 6, 1)).last == dt.date(2026, 6, 1)
    assert KNOWN.has(24, LAST) and not KNOWN.has(25, LAST)


@pytest.mark.django_db
def test_without_actuals_the_month_before_counts_as_loaded():
    assert sales.loaded(dt.date(2026, 3, 15)) == Loaded(dt.date(2026, 2, 1), dt.date(2026, 2, 1))


def test_products_without_weight_are_named_and_the_rest_counted(rows):
    assert sales.without_weight(rows, FIRST, LAST) == (["BAG"], 0)
    assert sales.without_weight(rows, FIRST, month(1)) == ([], 0)
    for number in range(4):
        make_actual(make_entry(product=make_product(item_code=f"A{number}")), LAST)
    assert sales.without_weight(rows, FIRST, LAST) == (["A0", "A1", "A2"], 2)


def test_shares_by_customer_in_one_query(rows):
    with CaptureQueriesContext(connection) as caught:
        found = sales.shares(rows, "customer", month(2), LAST, KNOWN, with_quantity=True)
    assert len(caught) == 1
    elm, oak = sorted(found, key=lambda share: -share.total)
    assert (elm.total, elm.last6, elm.last12, elm.last24) == (150, 450, 1050, 2250)
    assert elm.change == Decimal(1050 - 1200) / 1200 and elm.average12 == Decimal(1050) / 12
    assert (oak.total, oak.change, oak.quantity12) == (30, None, 3)


def test_shares_over_more_months_than_are_known_are_none(rows):
    (share, _) = sales.shares(rows, "product", month(2), LAST, Loaded(month(11), LAST))
    assert share.last24 is None and share.average24 is None and share.change is None and share.last12 is not None


def test_ranking_puts_what_has_no_figure_last(rows):
    found = sales.shares(rows, "customer", month(2), LAST, KNOWN)
    by_total = [share.total for share in sales.ranked(found, "-total", {})]
    assert by_total == [150, 30] and [share.total for share in sales.ranked(found, "total", {})] == [30, 150]
    for sort in ("change", "-change"):
        assert [share.total for share in sales.ranked(found, sort, {})] == [150, 30]
    names = {share.key: str(share.total) for share in found}
    assert [share.total for share in sales.ranked(found, "name", names)] == [150, 30]


@pytest.mark.parametrize(
    ("now", "before", "sentence"),
    [
        (94, 100, "Sales fell 6 % over the last 12 months"),
        (106, 100, "Sales rose 6 % over the last 12 months"),
        ("100.4", 100, "Sales held steady over the last 12 months"),
        ("100.8", 100, "Sales rose 0.8 % over the last 12 months"),
        (5, 0, "Sales began in the last 12 months: nothing was sold the year before"),
        (0, 5, "Sales stopped: nothing was sold in the last 12 months"),
        (0, 0, "Nothing was sold in the last 12 months"),
        (-5, 0, "More came back than was sold in the last 12 months"),
        (-5, 10, "Sales stopped: more came back than was sold in the last 12 months"),
        (5, None, "Sales over the last 12 months; the year before is not known"),
        (0, None, "Nothing was sold in the last 12 months"),
    ],
)
def test_the_sentence_of_a_trend(now, before, sentence):
    assert trend(Decimal(now), None if before is None else Decimal(before)) == sentence


def series(*changes):
    """24 months at 100, with changes by position counted from the last year's first month."""
    values = [Decimal(100)] * 24
    for position, value in changes:
        values[12 + position] = Decimal(value)
    return values, [Month(period) for period in periods.span(FIRST, 24)]


def test_the_month_that_made_the_change_is_named():
    assert where(*series((6, 20))) == ", most of it in June"
    assert where(*series((6, 60), (7, 60), (8, 60))) == ", a third of it in June"
    assert where(*series((6, 20), (7, 150))) == ""
    assert where(*series()) == "" and where([Decimal(1)] * 20, []) == ""


def test_the_extremes_of_a_plot_are_named():
    values, months = series((3, 40), (5, 300))
    assert extremes(months, values, lambda value: f"{value} kg") == "From 40 kg in March 2026 to 300 kg in May 2026"
    assert extremes(months[:3], values[:3], str) == ""
