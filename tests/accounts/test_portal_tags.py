"""The tag library of all pages: what it writes is escaped, says a word beside each colour, and keeps the URL."""

import datetime as dt
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.template import engines
from django.test import RequestFactory

from sop_portal.accounts.models import User

AT = dt.datetime(2026, 11, 27, 23, 0, tzinfo=dt.UTC)


def show(source: str, path: str = "/", **context: Any) -> str:
    """What `source` renders to at the address `path`."""
    template = engines["django"].from_string("{% load portal %}" + source)
    request = RequestFactory().get(path)
    request.user = context.pop("user", AnonymousUser())
    request.session = {}  # type: ignore[assignment]
    request._messages = []  # type: ignore[attr-defined]
    return template.render({"user": request.user, **context}, request).strip()


def test_pill_says_the_status_and_colours_it() -> None:
    assert show("{% pill 'approved' 'Approved' %}") == '<span class="pill pill-ok">Approved</span>'
    assert show("{% pill 'not_seen' %}") == '<span class="pill pill-bad">not seen</span>'
    assert show("{% pill 'draft' %}") == '<span class="pill">draft</span>'
    assert show("{% pill word %}", word="<b>") == '<span class="pill">&lt;b&gt;</span>'


def test_progress_never_exceeds_its_bar() -> None:
    assert show("{% progress 41 58 label='41 of 58 lines' %}") == (
        '<progress class="bar" max="58" value="41" aria-label="41 of 58 lines">41 of 58 lines</progress>'
    )
    assert 'max="1" value="0"' in show("{% progress 0 0 %}")
    assert 'class="bar bar-ok" max="2" value="2"' in show("{% progress 3 2 %}")


def test_bar_parts_stand_one_after_the_other() -> None:
    svg = show("{% bar_parts 200 plain=100 warn=50 label='x' %}")
    assert '<rect class="part-plain" x="0.00" y="0" width="50.00" height="6"/>' in svg
    assert '<rect class="part-warn" x="50.00" y="0" width="25.00" height="6"/>' in svg
    assert "<rect" in show("{% bar_parts 0 plain=0 %}")


def test_sparkline_leaves_gaps_where_nothing_is_known() -> None:
    assert "no history" in show("{% sparkline rows %}", rows=[])
    assert "no history" in show("{% sparkline rows %}", rows=[None, None])
    # Height 32, two pixels of margin: the highest value lies at 2, zero at 30; three months are 0, 70 and 140 wide.
    assert 'd="M0.0 2.0M140.0 30.0"' in show("{% sparkline rows %}", rows=[10, None, 0])
    both = show("{% sparkline rows plan=plan %}", rows=[10, 10], plan=[5])
    assert '<path class="history" d="M0.0 2.0L70.0 2.0"/><path class="plan" d="M140.0 16.0"/>' in both


@pytest.mark.django_db
def test_times_are_those_of_the_reader_and_deadlines_those_of_the_business() -> None:
    reader = User(email="rep@example.com", full_name="Rep", time_zone="Asia/Tokyo")
    assert "Sat 28 Nov 2026, 08:00</time>" in show("{% local at %}", user=reader, at=AT)
    assert "Sat 28 Nov 2026, 08:00 Tokyo</time>" in show("{% local at zone=True %}", user=reader, at=AT)
    assert "Fri 27 Nov 2026, 23:00 UTC</time>" in show("{% business at %}", user=reader, at=AT)
    assert show("{% local at %}{% business at %}{% countdown at %}", user=reader, at=None) == ""


def test_countdown_carries_the_clock_of_the_server() -> None:
    now = AT - dt.timedelta(days=4, hours=6)
    assert show("{% countdown at now %}", at=AT, now=now) == (
        '<b class="nowrap" data-countdown="2026-11-27T23:00:00+00:00" data-now="2026-11-23T17:00:00+00:00">4 d 6 h left</b>'
    )


def test_sort_heading_turns_around_and_keeps_the_filters() -> None:
    assert '<a href="?q=a%26b&amp;sort=name">Name</a>' in show("{% sort_th 'name' 'Name' %}", path="/?q=a%26b&page=3")
    turned = show("{% sort_th 'name' 'Name' num=True %}", path="/?sort=name")
    assert turned == '<th scope="col" class="num" aria-sort="ascending"><a href="?sort=-name">Name</a></th>'
    assert 'aria-sort="descending"' in show("{% sort_th 'name' 'Name' %}", path="/?sort=-name")


def test_a_place_is_marked_on_its_own_pages_only() -> None:
    assert ' aria-current="page"' in show("{% place 'home' 'Home' %}", path="/")
    assert "aria-current" not in show("{% place 'home' 'Home' %}", path="/cycles/")
    assert ' aria-current="page"' in show("{% place 'account_login' 'In' %}", path="/accounts/login/x/")
    assert '<span class="badge">3<' in show("{% place 'home' 'Home' 3 %}")
    assert "badge" not in show("{% place 'home' 'Home' 0 %}")


@pytest.mark.django_db
def test_money_is_in_the_currency_of_the_portal() -> None:
    assert (
        show("{{ n|money }} {{ n|money0 }} {{ n|money_compact }}", n=5_920_000) == "$ 5,920,000.00 $ 5,920,000 $ 5.92 M"
    )


def test_periods() -> None:
    assert show("{{ p|period }} {{ p|period_long }}", p=dt.date(2026, 12, 1)) == "Dec 2026 December 2026"
