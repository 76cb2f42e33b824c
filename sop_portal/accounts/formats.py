"""How numbers, money, changes and times are written for people; pages and mails write them alike.

Every function gives "" for None, so that a blank stays a blank. Rounding happens here and nowhere before.
"""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "CHF": "CHF", "CNY": "¥"}
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

Number = Decimal | int | float | str | None


def decimal(value: Number) -> Decimal | None:
    """`value` as a finite Decimal; None and "" are None. Raises decimal.InvalidOperation for other text."""
    if value is None or value == "":
        return None
    number = value if isinstance(value, Decimal) else Decimal(str(value))
    return number if number.is_finite() else None


def fixed(value: Number, places: int, least: int | None = None) -> str:
    """`value` with thousands separators, rounded half up to `places`; trailing zeros go down to `least` places."""
    number = decimal(value)
    if number is None:
        return ""
    number = number.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)
    text = f"{number:,f}" if number else f"{abs(number):,f}"
    if least is None or "." not in text:
        return text
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    return f"{whole}.{fraction}" if fraction else whole


def qty(value: Number) -> str:
    """A quantity with at most two decimals.

    >>> qty(Decimal("1234.500000"))
    '1,234.5'
    """
    return fixed(value, 2, 0)


def price(value: Number) -> str:
    """A unit price with two to four decimals.

    >>> price(Decimal("52.1250"))
    '52.125'
    """
    return fixed(value, 4, 2)


def money(value: Number, currency: str, places: int = 2) -> str:
    """An amount with its currency.

    >>> money(Decimal("-1234.5"), "USD")
    '-$ 1,234.50'
    """
    return _with_symbol(fixed(value, places), currency)


def compact(value: Number) -> str:
    """A large number in three significant digits.

    >>> [compact(n) for n in (950, 9600, 999960, 1943210, -8700)]
    ['950', '9.6 k', '1 M', '1.94 M', '-8.7 k']
    """
    number = decimal(value)
    if number is None:
        return ""
    for unit, exponent in (("", 0), ("k", 3), ("M", 6), ("bn", 9)):
        scaled = number.scaleb(-exponent)
        size = abs(scaled)
        places = 0 if not unit or size >= 100 else 1 if size >= 10 else 2
        rounded = abs(scaled.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))
        if rounded < 1000 or unit == "bn":
            return f"{fixed(scaled, places, 0)} {unit}".rstrip()
    raise AssertionError("the last unit always answers")


def roomy(value: Number) -> str:
    """A number in full up to six digits, beyond that in three significant ones.

    >>> roomy(Decimal("1559.5")), roomy(1559000)
    ('1,560', '1.56 M')
    """
    number = decimal(value)
    if number is None:
        return ""
    return fixed(number, 0) if abs(number) < 1_000_000 else compact(number)


def weight(kilograms: Number) -> str:
    """A weight in kilograms, a large one in tonnes.

    >>> weight(Decimal("46169.4")), weight(53931501)
    ('46,169 kg', '53,932 t')
    """
    number = decimal(kilograms)
    if number is None:
        return ""
    return f"{fixed(number, 0)} kg" if abs(number) < 1_000_000 else f"{fixed(number / 1000, 0)} t"


def money_compact(value: Number, currency: str) -> str:
    """A large amount with its currency: "$ 5.92 M"."""
    return _with_symbol(compact(value), currency)


def percent(value: Number, places: int = 1) -> str:
    """A fraction as a percentage.

    >>> percent(Decimal("0.246"))
    '24.6 %'
    """
    number = decimal(value)
    return "" if number is None else f"{fixed(number * 100, places)} %"


def signed(text: str) -> str:
    """`text` of a number with a plus sign when it is above zero: "+720", "-20", "0"."""
    above_zero = text and not text.startswith("-") and any(digit in text for digit in "123456789")
    return f"+{text}" if above_zero else text


def direction(value: Number) -> str:
    """Whether `value` is "up", "down" or "flat"; the class that colours it, beside its sign."""
    number = decimal(value)
    if not number:
        return "flat"
    return "up" if number > 0 else "down"


def words(number: int | None) -> str:
    """A count as a word up to twelve, beyond that in digits: "seven", "41", "no"."""
    if number is None:
        return ""
    return WORDS[number] if 0 <= number < len(WORDS) else f"{number:,}"


def counted(number: int, word: str = "line") -> str:
    """ "1 line", "1,700 lines"."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def named(names: Sequence[str], most: int = 2) -> str:
    """Names as part of a sentence, the first `most` of them and how many more there are.

    >>> named(["Garlic"]), named(["Garlic", "Ginger"]), named(["Garlic", "Ginger", "Press", "Knife"])
    ('Garlic', 'Garlic and Ginger', 'Garlic, Ginger and 2 more')
    """
    shown = [*names[:most], f"{len(names) - most:,} more"] if len(names) > most else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else ""


def instant(at: dt.datetime | None, zone: str) -> str:
    """An aware instant on the clock of `zone`: "Fri 27 Nov 2026, 18:04"."""
    if at is None:
        return ""
    local = at.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b %Y}, {local:%H:%M}"


def recent(at: dt.datetime | None, zone: str, now: dt.datetime) -> str:
    """A past instant as briefly as its day allows: "today 12:04", "yesterday 8:30", "Fri 20 Nov", "4 Dec 2025"."""
    if at is None:
        return ""
    local, today = at.astimezone(ZoneInfo(zone)), now.astimezone(ZoneInfo(zone)).date()
    days = (today - local.date()).days
    if days in (0, 1):
        return f"{('today', 'yesterday')[days]} {local.hour}:{local:%M}"
    return f"{local:%a} {local.day} {local:%b}" if 0 <= days < 180 else f"{local.day} {local:%b %Y}"


def both_clocks(at: dt.datetime | None, business: str, own: str) -> str:
    """An instant in the business time zone, with the reader's own clock behind it when that shows something else.

    "Fri 27 Nov 2026, 18:00 New York (23:00 for you)".
    """
    if at is None:
        return ""
    there, here = instant(at, business), instant(at, own)
    text = f"{there} {zone_name(business)}"
    if there == here:
        return text
    return f"{text} ({here.rpartition(', ')[2] if there.split(',')[0] == here.split(',')[0] else here} for you)"


def zone_name(zone: str) -> str:
    """A time zone as people say it: "New York" for America/New_York."""
    return zone.rsplit("/", 1)[-1].replace("_", " ")


def instant_in(at: dt.datetime, zone: str) -> str:
    """An instant on the clock of `zone`, which is named: "Fri 27 Nov 2026, 18:04 (New York)"."""
    return f"{instant(at, zone)} ({zone_name(zone)})"


def remaining(seconds: float) -> str:
    """What is left until a deadline, in the words of static/js/countdown.js.

    >>> remaining(4 * 86400 + 6 * 3600 + 59)
    '4 d 6 h left'
    """
    if seconds <= 0:
        return "closed"
    minutes = int(seconds // 60)
    days, hours = minutes // 1440, minutes % 1440 // 60
    if days:
        return f"{days} d {hours} h left"
    if hours:
        return f"{hours} h {minutes % 60} min left"
    return f"{minutes} min left" if minutes else "less than a minute left"


def _with_symbol(text: str, currency: str) -> str:
    if not text:
        return ""
    sign, digits = ("-", text[1:]) if text.startswith("-") else ("", text)
    return f"{sign}{SYMBOLS.get(currency, currency)} {digits}"
