"""Where the marks of a plot stand: bars from zero, lines with gaps, round ticks, labels that fit."""

import datetime as dt
import itertools
from decimal import Decimal

import pytest
from django.template import engines

from sop_portal.lib import periods
from sop_portal.lib.plots import BAR, HEIGHT, LINE, STEP, Plot, Series, nice_ticks, price_steps

START = dt.date(2025, 11, 1)


def make_plot(*series: Series, length: int = 0, **kw) -> Plot:
    months = periods.span(START, length or len(series[0].values))
    write = lambda value: "" if value is None else f"{value} kg"  # noqa: E731
    return Plot("Sales fell", "kg a month", months, series, write, lambda value: str(value), **kw)


def numbers(*values):
    return [None if value is None else Decimal(value) for value in values]


def test_bars_start_at_zero_and_are_as_high_as_their_value():
    plot = make_plot(Series("actual", "sold", numbers(100, 50, 0, None)))
    assert plot.ticks[0] == 0 and plot.ticks[-1] == 100
    (_, y, _, height), (_, y2, _, height2) = plot.bars(plot.series[0])
    assert (y, height) == (0, HEIGHT) and (y2, height2) == (50, 50)


def test_credits_hang_below_zero():
    plot = make_plot(Series("actual", "sold", numbers(100, -100)))
    assert [int(tick) for tick in plot.ticks] == [-100, -50, 0, 50, 100]
    assert [(y, height) for _, y, _, height in plot.bars(plot.series[0])] == [(0, 50), (50, 50)]


def test_a_line_leaves_gaps_and_shows_a_lonely_point():
    plot = make_plot(Series("last-year", "before", numbers(0, 100, None, 100), LINE))
    assert plot.path(plot.series[0]) == "M5 100L15 0M32 0L38 0"


def test_steps_go_from_edge_to_edge():
    plot = make_plot(Series("price", "price", numbers(100, 50, None, 50), STEP))
    assert plot.path(plot.series[0]) == "M0 0L10 0L10 50L20 50M30 50L40 50"


def test_a_price_need_not_start_at_zero_but_a_bar_must():
    prices = numbers(144, 151, 158)
    assert make_plot(Series("price", "price", prices, STEP), from_zero=False).ticks[0] == 140
    assert make_plot(Series("price", "price", prices, STEP)).ticks[0] == 0


@pytest.mark.parametrize(("low", "high"), [(0, 0), (0, 1), (0, "0.003"), (-5, -1), (0, 10**12), (3, 3), (-1, "0.5")])
def test_ticks_hold_every_value(low, high):
    ticks = nice_ticks(Decimal(low), Decimal(high))
    assert ticks[0] <= Decimal(low) and ticks[-1] >= Decimal(high) and 2 <= len(ticks) <= 7
    assert len({after - before for before, after in itertools.pairwise(ticks)}) == 1


def test_few_months_have_a_name_each_and_many_only_years():
    few = make_plot(Series("actual", "sold", numbers(*[1] * 4)))
    assert few.labels == ["Nov 25", "Dec", "Jan 26", "Feb"]
    many = make_plot(Series("actual", "sold", numbers(*[1] * 20)))
    assert [label for label in many.labels if label] == ["2026", "2027"] and many.labels[2] == "2026"
    late = Plot("", "", periods.span(dt.date(2026, 2, 1), 20), many.series, str, str)
    assert late.labels[0] == "Feb 2026"


def test_what_has_no_value_is_neither_drawn_nor_named():
    plot = make_plot(Series("actual", "sold", numbers(1, None)), Series("plan", "plan", numbers(None, None)))
    assert [series.word for series in plot.shown] == ["sold"]
    assert plot.sentence(0) == "Nov 2025: sold 1 kg" and plot.sentence(1) == "Dec 2025: nothing"


def test_a_price_counts_from_its_day_on():
    changes = [(dt.date(2025, 12, 1), Decimal(5)), (dt.date(2026, 1, 15), Decimal(6))]
    assert price_steps(changes, periods.span(START, 4)) == numbers(None, 5, 5, 6)


def show(plot: Plot, source: str = "{% plot plot %}") -> str:
    return engines["django"].from_string("{% load plots %}" + source).render({"plot": plot})


def test_the_tag_draws_the_plot_and_writes_the_same_numbers_as_a_table():
    html = show(make_plot(Series("actual", "sold", numbers(100, 50)), Series("plan", "the <plan>", numbers(None, 70))))
    assert html.count('<g class="s-actual"><rect') == 1 and html.count('class="hit"') == 2
    assert (
        'role="img" aria-label="Sales fell, kg a month"' in html and "<caption>Sales fell, kg a month</caption>" in html
    )
    assert "<title>Dec 2025: sold 50 kg, the &lt;plan&gt; 70 kg</title>" in html and "<plan>" not in html
    assert html.index("Dec 2025</th>") < html.index("Nov 2025</th>") and '<td class="num">70 kg</td>' in html


def test_a_plot_without_values_says_so():
    html = show(make_plot(Series("actual", "sold", numbers(None, None), BAR)))
    assert "nothing to draw" in html and "<svg" not in html


def test_a_price_that_never_moved_has_no_small_line():
    assert show([Decimal(1), Decimal(1), None], "{% price_line plot %}") == ""
    assert 'd="M0.0 18.0L30.0 18.0L30.0 2.0L60.0 2.0"' in show(numbers(1, 2, None), "{% price_line plot label='x' %}")
