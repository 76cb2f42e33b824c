"""Pages that begin after a row: every row once and in order, forwards and backwards, and no mark breaks them."""

import base64
import json

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext

from masterdata.models import Customer, Product
from sop_portal.lib import keyset
from sop_portal.lib.keyset import Page, count_text, page_size, pager
from tests.factories import make_customer, make_group, make_product

pytestmark = pytest.mark.django_db


@pytest.fixture
def names() -> list[str]:
    """Names that repeat, so that the second column decides."""
    names = ["Elm", "Ash", "Elm", "Oak", "Ash", "Elm", "Fir"]
    for name in names:
        make_customer(name=name)
    return names


def walk(order, size, *, model=Customer, back=False):
    """The rows of all pages, from the first to the last or the other way round."""
    pages, after, before = [], "", ""
    while True:
        page = Page(model.objects.all(), order, size=size, after=after, before=before)
        pages.append(page.rows)
        assert len(pages) < 50
        if back:
            if not page.previous:
                return [row for rows in reversed(pages) for row in rows]
            before = page.previous
        elif page.next:
            after = page.next
        elif back is False:
            return [row for rows in pages for row in rows]


@pytest.mark.parametrize("order", [("name", "pk"), ("-name", "pk"), ("name", "-pk"), ("-name", "-pk")])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_every_row_comes_once_and_in_order(names, order, size):
    assert walk(order, size) == list(Customer.objects.order_by(*order))


def test_the_way_back_shows_the_same_pages(names):
    order = ("name", "pk")
    first = Page(Customer.objects.all(), order, size=3)
    second = Page(Customer.objects.all(), order, size=3, after=first.next)
    third = Page(Customer.objects.all(), order, size=3, after=second.next)
    assert (first.previous, third.next) == ("", "") and len(third.rows) == 1
    again = Page(Customer.objects.all(), order, size=3, before=third.previous)
    assert again.rows == second.rows
    assert Page(Customer.objects.all(), order, size=3, before=again.previous).rows == first.rows
    assert not Page(Customer.objects.all(), order, size=3, before=again.previous).previous


def test_a_page_may_be_ordered_by_what_stands_beside_the_row():
    groups = [make_group(code=code) for code in ("B", "A")]
    for number in range(6):
        make_product(item_code=str(number), group=groups[number % 2])
    found = walk(("group__code", "item_code"), 2, model=Product)
    assert [row.item_code for row in found] == ["1", "3", "5", "0", "2", "4"]


def test_rows_that_come_and_go_move_no_other(names):
    first = Page(Customer.objects.all(), ("name", "pk"), size=3)
    make_customer(name="Aaa")
    assert Page(Customer.objects.all(), ("name", "pk"), size=3, after=first.next).rows[0].name == "Elm"


def encoded(values):
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode()


@pytest.mark.parametrize(
    "mark",
    [
        "x", "%00", "é", "A" * 5000, "0" * 400, encoded("text"), encoded([]), encoded(["Elm"]), encoded(["Elm", "x"]),
        encoded(["Elm", 5]), encoded(["E\x00m", "5"]), encoded(["Elm", "9" * 30]), encoded(["Elm", "5", "6"]),
        encoded([None, None]), encoded({"a": 1}), base64.urlsafe_b64encode(b"[" * 900).decode(),
    ],
)  # fmt: skip
def test_a_mark_that_is_not_ours_is_the_first_page(names, mark):
    first = Page(Customer.objects.all(), ("name", "pk"), size=3).rows
    assert Page(Customer.objects.all(), ("name", "pk"), size=3, after=mark).rows == first
    assert Page(Customer.objects.all(), ("name", "pk"), size=3, before=mark).rows == first


def test_a_column_that_may_be_null_is_refused():
    with pytest.raises(FieldDoesNotExist):
        Page(Customer.objects.all(), ("credit_limit", "pk"))


def test_a_page_is_one_query(names):
    with CaptureQueriesContext(connection) as caught:
        Page(Customer.objects.all(), ("name", "pk"), size=3, after=encoded(["Elm", "1"]))
    assert len(caught) == 1 and "OFFSET" not in caught[0]["sql"]


def test_counts_end_where_counting_would_cost_more_than_the_page(names, monkeypatch):
    assert count_text(Customer.objects.all(), "customer") == "7 customers"
    assert count_text(Customer.objects.filter(name="Fir"), "customer") == "1 customer"
    monkeypatch.setattr(keyset, "COUNT_LIMIT", 5)
    assert count_text(Customer.objects.all(), "customer") == "5+ customers"
    assert count_text(Customer.objects.none(), "entry", "entries") == "0 entries"


def test_the_pager_keeps_the_rest_of_the_address(names):
    page = Page(Customer.objects.all(), ("name", "pk"), size=3)
    shown = pager(page, QueryDict("q=a%26b&after=old&size=100&page=4"), "7 customers")
    assert shown["next_url"] == f"?q=a%26b&size=100&after={page.next}" and shown["previous_url"] == ""
    assert shown["sizes"] == [(50, "?q=a%26b&size=50"), (100, ""), (200, "?q=a%26b&size=200")]


@pytest.mark.parametrize(("asked", "size"), [("", 50), ("100", 100), ("200", 200), ("201", 50), ("-1", 50), ("x", 50)])
def test_only_the_sizes_offered_are_served(asked, size):
    assert page_size(QueryDict(f"size={asked}")) == size
