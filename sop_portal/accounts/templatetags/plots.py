"""The tag that draws a plot with its key and its table, and the small line of a price."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import template
from django.utils.html import format_html

from sop_portal.lib.plots import BAR, COLUMN, HEIGHT, Plot

register = template.Library()

_PRICE_WIDTH, _PRICE_HEIGHT = 90, 20


@register.inclusion_tag("components/plot.html")
def plot(plot: Plot, heading: bool = True) -> dict[str, Any]:
    """A plot: its answer, its marks, its key, and the same numbers as a table.

    heading: False where the answer stands as a heading above it already.
    """
    bars = [(series.kind, plot.bars(series)) for series in plot.shown if series.shape == BAR]
    lines = [(series.kind, plot.path(series)) for series in plot.shown if series.shape != BAR]
    count = len(plot.months)
    return {
        "plot": plot,
        "heading": heading,
        "width": f"{plot.width:g}",
        "height": f"{HEIGHT:g}",
        "bars": bars,
        "lines": lines,
        "gridlines": [(f"{plot.y(tick):g}", tick == 0) for tick in plot.ticks],
        "tick_labels": [plot.short(tick) for tick in reversed(plot.ticks)],
        "columns": [(f"{number * COLUMN:g}", plot.sentence(number)) for number in range(count)],
        "column": f"{COLUMN:g}",
        "few": count <= 18,
        "rows": [
            (month, [plot.write(series.values[number]) for series in plot.shown])
            for number, month in reversed(list(enumerate(plot.months)))
        ],
    }


@register.simple_tag
def price_line(prices: Sequence[Decimal | None], label: str = "") -> str:
    """A small line in steps: prices by month on a scale of their own, since what matters is when they moved."""
    known = [price for price in prices if price is not None]
    if len(set(known)) < 2:
        return ""
    low, high = min(known), max(known)
    step = _PRICE_WIDTH / len(prices)
    parts, pen = [], "M"
    for number, price in enumerate(prices):
        if price is None:
            pen = "M"
            continue
        y = 2 + (_PRICE_HEIGHT - 4) * float((high - price) / (high - low))
        parts.append(f"{pen}{number * step:.1f} {y:.1f}L{(number + 1) * step:.1f} {y:.1f}")
        pen = "L"
    return format_html(
        '<svg class="spark spark-price" viewBox="0 0 {} {}" role="img" aria-label="{}"><path class="price" d="{}"/></svg>',
        _PRICE_WIDTH, _PRICE_HEIGHT, label, "".join(parts),
    )  # fmt: skip
