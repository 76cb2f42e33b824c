"""Periods: calendar months, stored as the date of their first day."""

import datetime as dt
import functools

# Months that people may ask for: wide enough for any plan, and a year before or after each of them exists.
EARLIEST, LATEST = dt.date(2000, 1, 1), dt.date(2199, 12, 1)


def first_of_month(day: dt.date) -> dt.date:
    """The period that `day` lies in."""
    return dt.date(day.year, day.month, 1)


def shift(period: dt.date, months: int) -> dt.date:
    """`period` moved by `months` (negative: back). Raises ValueError outside the years 1 to 9999."""
    index = period.year * 12 + period.month - 1 + months
    return dt.date(index // 12, index % 12 + 1, 1)


def between(first: dt.date, last: dt.date) -> int:
    """Months from `first` to `last`; 0 when they are the same period, negative when `last` is earlier."""
    return (last.year - first.year) * 12 + last.month - first.month


def span(first: dt.date, length: int) -> list[dt.date]:
    """`length` consecutive periods starting with `first`."""
    return [shift(first, n) for n in range(length)]


def parse(text: str) -> dt.date:
    """The period written as YYYY-MM or YYYY-MM-01. Raises ValueError for anything else."""
    head, _, day = text[:7], text[7:8], text[8:]
    if len(text) not in (7, 10) or (len(text) == 10 and day != "01"):
        raise ValueError(f"'{text}' is not a month written as YYYY-MM")
    year, dash, month = head[:4], head[4], head[5:]
    if dash != "-" or not (year + month).isascii() or not (year + month).isdigit():
        raise ValueError(f"'{text}' is not a month written as YYYY-MM")
    return dt.date(int(year), int(month), 1)


# A grid writes the same sixteen keys thousands of times.
@functools.lru_cache(maxsize=1024)
def key(period: dt.date) -> str:
    """YYYY-MM, the form used in URLs, JSON and form fields."""
    return f"{period.year:04d}-{period.month:02d}"


def label(period: dt.date) -> str:
    """ "Dec 2026", the form people read."""
    return f"{period:%b} {period.year}"


def long_label(period: dt.date) -> str:
    """ "December 2026", the form of sentences."""
    return f"{period:%B} {period.year}"
