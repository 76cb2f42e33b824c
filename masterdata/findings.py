"""What figures say, in a sentence: the titles of pages and plots."""

from collections.abc import Callable, Sequence
from decimal import Decimal

from masterdata.sales import YEAR, ZERO, Month, change
from sop_portal.accounts.formats import percent
from sop_portal.lib import periods

# Changes below half a percent are none that anybody would mention.
_STEADY = Decimal("0.005")
_MOST, _THIRD = Decimal("0.5"), Decimal("0.3")


def trend(now: Decimal, before: Decimal | None, *, what: str = "Sales", span: str = "the last 12 months") -> str:
    """How `now` compares with what was sold a year before it; before is None when that is not known.

    >>> trend(Decimal(94), Decimal(100))
    'Sales fell 6 % over the last 12 months'
    >>> trend(Decimal(0), Decimal(0), what="Sales of this product")
    'Nothing was sold in the last 12 months'
    """
    if before is None:
        return f"{what} over {span}; the year before is not known" if now else f"Nothing was sold in {span}"
    if now <= 0 and before <= 0:
        return f"Nothing was sold in {span}" if not now else f"More came back than was sold in {span}"
    moved = change(now, before)
    if moved is None:
        return f"{what} began in {span}: nothing was sold the year before"
    if now <= 0:
        return f"{what} stopped: {'more came back than was' if now else 'nothing was'} sold in {span}"
    if abs(moved) < _STEADY:
        return f"{what} held steady over {span}"
    return f"{what} {'rose' if moved > 0 else 'fell'} {percent(abs(moved), _places(moved))} over {span}"


def where(values: Sequence[Decimal], months: Sequence[Month]) -> str:
    """Which of the last twelve months made most of the change against a year before: ", most of it in June" or "".

    values: one for each of `months`, which are at least 24; the last twelve are compared with the twelve before.
    """
    if len(values) < 2 * YEAR:
        return ""
    moves = [now - before for now, before in zip(values[-YEAR:], values[-2 * YEAR : -YEAR], strict=True)]
    total = sum(moves, ZERO)
    if not total or abs(total) < _STEADY * abs(sum(values[-2 * YEAR : -YEAR], ZERO)):
        return ""
    number = max(range(YEAR), key=lambda n: moves[n] / total)
    share = moves[number] / total
    # More than all of it means that other months went the other way; then no month made the change.
    if not _THIRD <= share <= 1:
        return ""
    words = "most of it" if share >= _MOST else "a third of it"
    return f", {words} in {months[-YEAR + number].period:%B}"


def _places(moved: Decimal) -> int:
    return 1 if abs(moved) < Decimal("0.01") else 0


def extremes(months: Sequence[Month], values: Sequence[Decimal], write: Callable[[Decimal], str]) -> str:
    """Between which months a plot moves: "From $ 6.7 M in August 2024 to $ 9.9 M in December 2023"."""
    if len(values) < 2 or min(values) == max(values):
        return ""
    low, high = values.index(min(values)), values.index(max(values))
    return (
        f"From {write(values[low])} in {periods.long_label(months[low].period)} "
        f"to {write(values[high])} in {periods.long_label(months[high].period)}"
    )
