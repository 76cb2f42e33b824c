"""How numbers and times are written for people; every expected text is written by hand."""

import datetime as dt
from decimal import Decimal

import pytest

from sop_portal.accounts import formats


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        ("", ""),
        (Decimal("0"), "0"),
        (Decimal("-0.001"), "0"),
        (Decimal("1234.500000"), "1,234.5"),
        (Decimal("9999999.99"), "9,999,999.99"),
        (Decimal("2.005"), "2.01"),
        (Decimal("NaN"), ""),
        (100, "100"),
        (Decimal("1E+3"), "1,000"),
    ],
)
def test_qty(value: formats.Number, text: str) -> None:
    assert formats.qty(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (Decimal("52"), "52.00"), (Decimal("52.1250"), "52.125"), (Decimal("0.00005"), "0.0001")],
)
def test_price(value: formats.Number, text: str) -> None:
    assert formats.price(value) == text


@pytest.mark.parametrize(
    ("day", "text"),
    [
        ((2026, 11, 26, 11, 4), "today 12:04"),
        # In Madrid it is past midnight already.
        ((2026, 11, 25, 23, 30), "today 0:30"),
        ((2026, 11, 25, 7, 5), "yesterday 8:05"),
        ((2026, 11, 20, 9, 0), "Fri 20 Nov"),
        ((2025, 12, 4, 9, 0), "4 Dec 2025"),
        ((2026, 11, 27, 9, 0), "27 Nov 2026"),
    ],
)
def test_recent_instants_are_brief(day: tuple[int, ...], text: str) -> None:
    now = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)
    assert formats.recent(dt.datetime(*day, tzinfo=dt.UTC), "Europe/Madrid", now) == text
    assert formats.recent(None, "Europe/Madrid", now) == ""


def test_a_deadline_shows_both_clocks_where_they_differ() -> None:
    at = dt.datetime(2026, 11, 27, 23, tzinfo=dt.UTC)
    told = "Fri 27 Nov 2026, 18:00 New York"
    assert formats.both_clocks(at, "America/New_York", "America/Toronto") == told
    assert formats.both_clocks(at, "America/New_York", "America/Chicago") == f"{told} (17:00 for you)"
    assert formats.both_clocks(at, "America/New_York", "Europe/Madrid") == f"{told} (Sat 28 Nov 2026, 00:00 for you)"
    assert formats.both_clocks(None, "America/New_York", "UTC") == ""


def test_money_names_its_currency_and_keeps_the_sign_in_front() -> None:
    assert formats.money(Decimal("1234.567"), "USD") == "$ 1,234.57"
    assert formats.money(Decimal("-1234.5"), "EUR") == "-€ 1,234.50"
    assert formats.money(Decimal("1234.5"), "SEK", 0) == "SEK 1,235"
    assert formats.money(None, "USD") == ""
    assert formats.money_compact(Decimal("5920000"), "USD") == "$ 5.92 M"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""), (0, "0"), (950, "950"), (999.6, "1 k"), (9600, "9.6 k"), (37_400, "37.4 k"), (287_000, "287 k"),
        (999_499, "999 k"), (999_960, "1 M"), (1_943_210, "1.94 M"), (71_200_000, "71.2 M"), (-8_700, "-8.7 k"),
        (12_340_000_000_000, "12,340 bn"),
    ],
)  # fmt: skip
def test_compact_has_three_digits_and_never_a_thousand_of_a_unit(value: formats.Number, text: str) -> None:
    assert formats.compact(value) == text


def test_percent_is_of_a_fraction() -> None:
    assert formats.percent(Decimal("0.246")) == "24.6 %"
    assert formats.percent(Decimal("0.4666"), 0) == "47 %"
    assert formats.percent(None) == ""


@pytest.mark.parametrize(
    ("text", "signed"), [("720", "+720"), ("-20", "-20"), ("0", "0"), ("0.0 %", "0.0 %"), ("", "")]
)
def test_signed(text: str, signed: str) -> None:
    assert formats.signed(text) == signed


@pytest.mark.parametrize(("value", "word"), [(1, "up"), (Decimal("-0.5"), "down"), (0, "flat"), (None, "flat")])
def test_direction(value: formats.Number, word: str) -> None:
    assert formats.direction(value) == word


def test_words_up_to_twelve() -> None:
    assert [formats.words(n) for n in (0, 1, 12, 13, 1498)] == ["no", "one", "twelve", "13", "1,498"]


def test_instant_is_shown_on_the_clock_of_the_zone() -> None:
    at = dt.datetime(2026, 11, 27, 23, 0, tzinfo=dt.UTC)
    assert formats.instant(at, "America/New_York") == "Fri 27 Nov 2026, 18:00"
    assert formats.instant(at, "Asia/Tokyo") == "Sat 28 Nov 2026, 08:00"
    assert formats.zone_name("America/New_York") == "New York"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4 * 86400 + 6 * 3600 + 59, "4 d 6 h left"),
        (5 * 3600 + 5 * 60, "5 h 5 min left"),
        (61, "1 min left"),
        (59, "less than a minute left"),
        (0, "closed"),
        (-5, "closed"),
    ],
)
def test_remaining(seconds: float, text: str) -> None:
    assert formats.remaining(seconds) == text
