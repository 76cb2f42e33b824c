"""Tags and filters of all pages: numbers, periods, money, times, status words, bars and sparklines."""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django import template
from django.template import Context
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join

from sop_portal import conf
from sop_portal.accounts import formats
from sop_portal.lib import periods

register = template.Library()

# Which colour stands beside a word; the word itself always carries the meaning.
LEVELS = {
    "ok": {"approved", "submitted", "open", "published", "applied", "sent", "done", "ready", "active", "saved", "ok"},
    "warn": {
        "returned", "rejected", "in_review", "late", "missed", "waiting", "warning", "previewed", "checked", "dry_run",
        "cancelled", "partly_applied", "unassigned",
    },
    "bad": {"not_seen", "failed", "refused", "error", "critical", "overdue", "locked"},
}  # fmt: skip
LEVEL_OF = {word: level for level, words in LEVELS.items() for word in words}

SPARK_WIDTH, SPARK_HEIGHT = 140, 32


# --- Numbers --------------------------------------------------------------------------------------------------------

register.filter("qty", formats.qty)
register.filter("price", formats.price)
register.filter("words", formats.words)
register.filter("named", formats.named)
register.filter("percent", formats.percent)
register.filter("roomy", formats.roomy)
register.filter("weight", formats.weight)
register.filter("change_class", formats.direction)


@register.filter
def qty0(value: formats.Number) -> str:
    """A number without decimals: "1,235"."""
    return formats.fixed(value, 0)


@register.filter
def money(value: formats.Number) -> str:
    """An amount in the portal's currency: "$ 1,234.56"."""
    return formats.money(value, conf.get("currency"))


@register.filter
def money0(value: formats.Number) -> str:
    """An amount without cents: "$ 1,235"."""
    return formats.money(value, conf.get("currency"), 0)


@register.filter
def money_compact(value: formats.Number) -> str:
    """A large amount: "$ 5.92 M"."""
    return formats.money_compact(value, conf.get("currency"))


@register.filter
def change_money0(value: formats.Number) -> str:
    """A signed amount without cents: "+$ 1,235"."""
    return formats.signed(money0(value))


@register.filter
def change_compact(value: formats.Number) -> str:
    """A large signed number: "+37.4 k"."""
    return formats.signed(formats.compact(value))


@register.filter
def change_percent(value: formats.Number, places: int = 1) -> str:
    """A signed fraction as a percentage: "+1.2 %"."""
    return formats.signed(formats.percent(value, places))


# --- Periods and times ----------------------------------------------------------------------------------------------


@register.filter
def period(value: dt.date | None) -> str:
    """A period in lists: "Dec 2026"."""
    return periods.label(value) if value else ""


@register.filter
def period_long(value: dt.date | None) -> str:
    """A period in sentences: "December 2026"."""
    return periods.long_label(value) if value else ""


def user_zone(context: Context) -> str:
    """The time zone of the signed-in user, else the portal's."""
    user = context.get("user")
    if user is not None and user.is_authenticated:
        return user.time_zone
    return conf.get("business_time_zone")


@register.simple_tag(takes_context=True)
def local(context: Context, at: dt.datetime | None, zone: bool = False) -> str:
    """An instant on the reader's clock, as a <time>; `zone` adds the zone's name."""
    return _time(at, user_zone(context), zone)


@register.simple_tag(takes_context=True)
def recently(context: Context, at: dt.datetime | None) -> str:
    """A past instant on the reader's clock, as briefly as its day allows; in full on hover."""
    if at is None:
        return ""
    zone = user_zone(context)
    return format_html(
        '<time class="nowrap" datetime="{}" title="{}">{}</time>',
        at.isoformat(), formats.instant(at, zone), formats.recent(at, zone, timezone.now()),
    )  # fmt: skip


@register.simple_tag
def business(at: dt.datetime | None) -> str:
    """An instant in the portal's business time zone, with its name: how deadlines are entered and shown."""
    return _time(at, conf.get("business_time_zone"), True)


@register.simple_tag
def countdown(at: dt.datetime | None, now: dt.datetime | None = None) -> str:
    """What is left until `at`; countdown.js keeps it live. now: the server's clock, given by tests."""
    if at is None:
        return ""
    now = now or timezone.now()
    return format_html(
        '<b class="nowrap" data-countdown="{}" data-now="{}">{}</b>',
        at.isoformat(), now.isoformat(), formats.remaining((at - now).total_seconds()),
    )  # fmt: skip


def _time(at: dt.datetime | None, zone: str, named: bool) -> str:
    if at is None:
        return ""
    text = formats.instant(at, zone)
    if named:
        text = f"{text} {formats.zone_name(zone)}"
    return format_html(
        '<time class="nowrap" datetime="{}" title="{}">{}</time>',
        at.isoformat(), f"{formats.instant(at, 'UTC')} UTC", text,
    )  # fmt: skip


# --- The frame ------------------------------------------------------------------------------------------------------


@register.simple_tag
def app_name() -> str:
    """The portal's name, for mails and pages that are rendered without context processors."""
    return conf.get("app_name")


@register.simple_tag(takes_context=True)
def place(context: Context, view_name: str, word: str, count: int | None = None, also: str = "") -> str:
    """One main place of the top bar; marked as current while its pages are shown. count: a badge, none for 0.

    also: where more of its pages are.
    """
    url = reverse(view_name)
    request = context.get("request")
    path = request.path if request is not None else ""
    here = path == url or (url != "/" and path.startswith((url, also or url)))
    current = format_html(' aria-current="{}"', "page") if here else ""
    badge = format_html(' <span class="badge">{}<span class="visually-hidden"> {}</span></span>', count, "waiting")
    return format_html('<li><a href="{}"{}>{}{}</a></li>', url, current, word, badge if count else "")


@register.simple_tag(takes_context=True)
def sort_th(context: Context, key: str, word: str, num: bool = False, param: str = "sort") -> str:
    """A column heading that sorts the list by `key`, a second time in reverse; other parameters of the URL stay."""
    query = context["request"].GET.copy()
    current = query.get(param, "")
    for paging in ("page", "after", "before"):
        query.pop(paging, None)
    query[param] = f"-{key}" if current == key else key
    state = {key: "ascending", f"-{key}": "descending"}.get(current)
    return format_html(
        '<th scope="col"{}{}><a href="?{}">{}</a></th>',
        format_html(' class="{}"', "num") if num else "",
        format_html(' aria-sort="{}"', state) if state else "",
        query.urlencode(),
        word,
    )


# --- Words, bars, lines ---------------------------------------------------------------------------------------------


@register.simple_tag
def pill(status: Any, text: str | None = None, level: str = "") -> str:
    """A status as a word on a weak ground; the level follows from the word unless `level` names one."""
    word = str(status)
    level = level or LEVEL_OF.get(word.lower().replace(" ", "_"), "")
    shown = text if text is not None else word.replace("_", " ")
    return format_html('<span class="pill{}">{}</span>', f" pill-{level}" if level else "", shown)


@register.simple_tag
def progress(done: int, total: int, label: str = "") -> str:
    """How many of how many, as a bar that starts at zero; `label` says it in words."""
    return format_html(
        '<progress class="bar{}" max="{}" value="{}" aria-label="{}">{}</progress>',
        " bar-ok" if total and done >= total else "",
        max(total, 1), min(done, max(total, 1)), label or f"{done} of {total}", label,
    )  # fmt: skip


@register.simple_tag
def bar_parts(total: int, label: str = "", **parts: int) -> str:
    """A bar of several parts in the order given; their names are the levels ok, plain, warn and bad."""
    rectangles, start = [], 0.0
    for level, count in parts.items():
        width = 100 * count / total if total else 0.0
        rectangles.append((level, f"{start:.2f}", f"{width:.2f}"))
        start += width
    inner = format_html_join("", '<rect class="part-{}" x="{}" y="0" width="{}" height="6"/>', rectangles)
    return format_html(
        '<svg class="bar" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label="{}">{}</svg>',
        label, inner,
    )  # fmt: skip


@register.simple_tag
def sparkline(
    history: Sequence[formats.Number],
    plan: Sequence[formats.Number] | None = None,
    last: Sequence[formats.Number] | None = None,
    baseline: Sequence[formats.Number] | None = None,
    label: str = "",
) -> str:
    """A small line of past months and, after a gap, of future ones; all on one scale that starts at zero.

    None leaves a gap. Without any value it says "no history".
    """
    ahead = [("last", last), ("baseline", baseline), ("plan", plan)]
    numbers = [float(n) for _, row in [("", history), *ahead] for n in row or () if n is not None]
    if not numbers:
        return format_html('<span class="muted small">{}</span>', "no history")
    past = len(history)
    months = past + max((len(row) for _, row in ahead if row), default=0)
    step = SPARK_WIDTH / max(months - 1, 1)
    top, bottom = max([*numbers, 1.0]), min([*numbers, 0.0])
    kinds = [("history" if months > past else "plan", 0, history)] + [(kind, past, row) for kind, row in ahead if row]
    paths = [(kind, _path(row, start, step, bottom, top)) for kind, start, row in kinds]
    return format_html(
        '<svg class="spark" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>',
        SPARK_WIDTH, SPARK_HEIGHT, label, format_html_join("", '<path class="{}" d="{}"/>', paths),
    )  # fmt: skip


def _path(row: Sequence[formats.Number], start: int, step: float, bottom: float, top: float) -> str:
    """The SVG path of `row`, whose first value stands at position `start`."""
    parts, pen = [], "M"
    for position, value in enumerate(row, start):
        if value is None:
            pen = "M"
            continue
        y = (SPARK_HEIGHT - 4) * (top - float(value)) / (top - bottom) + 2
        parts.append(f"{pen}{position * step:.1f} {y:.1f}")
        pen = "L"
    return "".join(parts)
