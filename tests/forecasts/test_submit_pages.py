"""The summary before submitting, submitting itself, answering blanks with 0, recalling."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.test import Client

from audit.context import acting
from forecasts import services
from forecasts.models import Line
from tests import factories

pytestmark = pytest.mark.django_db


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def book():
    """A rep with two customers: one line of 100 at 10, one with blanks from April on, one without a price."""

    class Book:
        rep = factories.make_user("sales_rep")
        customer = factories.make_customer(sales_rep=rep, name="Elm Supply")
        other = factories.make_customer(sales_rep=rep, name="Oak Trading")
        entries = [
            factories.make_entry(customer, factories.make_product(description="Peeled garlic")),
            factories.make_entry(customer, factories.make_product(description="Black garlic")),
            factories.make_entry(other, factories.make_product(description="Fresh ginger"), price=None),
        ]

    for entry in Book.entries:
        factories.make_actual(entry, dt.date(2026, 12, 1))
    Book.cycle = factories.open_cycle()
    Book.lines = [Line.objects.get(cycle=Book.cycle, product=entry.product) for entry in Book.entries]
    factories.answer(Book.lines[0], 100)
    factories.answer(Book.lines[2], 5)
    line = Book.lines[1]
    with acting(Book.rep, source="web"):
        cells = {period: Decimal(20) for period in Book.cycle.periods[:3]}
        services.set_cells(Book.cycle.pk, [services.LineEdit(line.pk, line.revision, cells)], by=Book.rep)
    for line in Book.lines:
        line.refresh_from_db()
    Book.url = f"/forecast/{Book.cycle.pk}/submit/"
    Book.client = client_of(Book.rep)
    return Book


def pair(line):
    line.refresh_from_db()
    return f"{line.pk}:{line.revision}"


def test_summary_names_what_is_missing_with_a_link_to_the_cell(book):
    page = book.client.get(book.url).content.decode()
    assert "Two lines cannot go yet" in page
    assert "No answer for Apr 2027 to Dec 2027." in page
    assert f"/forecast/{book.cycle.pk}/{book.customer.pk}/#l{book.lines[1].pk}-2027-04" in page
    assert "No price for Jan 2027 to Apr 2028." in page
    assert f"/forecast/{book.cycle.pk}/{book.other.pk}/?show=price#l{book.lines[2].pk}-2027-01" in page
    assert re.search(r"next 12 months \$ 12,000, 1,200 CS", page)
    assert f'value="{pair(book.lines[0])}" id="s{book.lines[0].pk}" checked' in page


def test_summary_of_one_customer_leaves_the_others_out(book):
    page = book.client.get(f"{book.url}?customer={book.other.pk}").content.decode()
    assert "Fresh ginger" in page
    assert "Peeled garlic" not in page


def test_chosen_lines_are_submitted_and_the_page_moves_on(book):
    answer = book.client.post(book.url, {"line": [pair(book.lines[0])]}, follow=True)
    assert answer.redirect_chain == [("/forecast/", 302)]
    assert "1 line was submitted." in answer.content.decode()
    book.lines[0].refresh_from_db()
    assert book.lines[0].status == Line.Status.SUBMITTED


def test_same_form_sent_twice_submits_once_and_is_no_error(book):
    data = {"line": [pair(book.lines[0])]}
    book.client.post(book.url, data)
    answer = book.client.post(book.url, data, follow=True)
    assert answer.status_code == 200
    assert "Nothing was left to submit." in answer.content.decode()


def test_refusal_names_line_and_month_and_submits_nothing(book):
    answer = book.client.post(book.url, {"line": [pair(book.lines[0]), pair(book.lines[1])]})
    assert answer.status_code == 422
    assert "Black garlic, April 2027 is blank; enter a quantity or 0." in answer.content.decode()
    book.lines[0].refresh_from_db()
    assert book.lines[0].status == Line.Status.DRAFT


def test_line_changed_meanwhile_is_409(book):
    sent = pair(book.lines[0])
    factories.answer(book.lines[0], 90)
    answer = book.client.post(book.url, {"line": [sent]})
    assert answer.status_code == 409
    assert "Somebody else saved" in answer.content.decode()


def test_blanks_are_answered_with_0_and_the_line_can_go(book):
    assert "Answer 0 for the 9 blank cells" in book.client.get(book.url).content.decode()
    answer = book.client.post(book.url, {"act": "zero", "line": [pair(book.lines[1])]}, follow=True)
    assert "9 blank cells answered with 0." in answer.content.decode()
    book.lines[1].refresh_from_db()
    assert book.lines[1].quantity[:13] == [20, 20, 20, *[0] * 9, None]
    assert book.client.post(book.url, {"line": [pair(book.lines[1])]}).status_code == 302


@pytest.mark.parametrize(
    "sent", [[], ["x"], ["1"], ["1:x"], ["99999999999999999999:1"], ["1:99999999999"], ["1:1\x00"]]
)
def test_unreadable_choice_is_refused_with_a_sentence(book, sent):
    answer = book.client.post(book.url, {"line": sent})
    assert answer.status_code == 422
    assert "Nothing was submitted." in answer.content.decode()


def test_foreign_line_is_not_there(book):
    stranger = client_of(factories.make_user("sales_rep"))
    answer = stranger.post(book.url, {"line": [pair(book.lines[0])]})
    assert answer.status_code == 422
    assert "There is no such line in this cycle" in answer.content.decode()
    assert stranger.get(f"{book.url}?customer={book.customer.pk}").status_code == 404
    assert book.client.get(f"{book.url}?customer=99999999999999999999").status_code == 404


def test_reader_of_a_line_may_not_submit_it(book):
    viewer = client_of(factories.make_user("viewer"))
    assert viewer.post(book.url, {"line": [pair(book.lines[0])]}).status_code == 403


def test_admin_chooses_whose_lines_first(book):
    admin = client_of(factories.make_user("admin"))
    assert "Choose a customer or a rep" in admin.get(book.url).content.decode()
    assert "Peeled garlic" in admin.get(f"{book.url}?rep={book.rep.pk}").content.decode()


def test_recall_gives_the_line_back(book):
    factories.submit(book.lines[0])
    assert "Recall the chosen lines" in book.client.get(book.url).content.decode()
    answer = book.client.post(
        f"/forecast/{book.cycle.pk}/recall/", {"line": [pair(book.lines[0])], "customer": book.customer.pk}
    )
    assert answer["Location"] == f"/forecast/{book.cycle.pk}/{book.customer.pk}/"
    book.lines[0].refresh_from_db()
    assert book.lines[0].status == Line.Status.DRAFT


def test_decided_line_cannot_be_recalled(book):
    line = factories.submit(book.lines[0])
    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        services.approve_lines(line.cycle_id, [factories.ref(line)], by=admin)
    answer = book.client.post(f"/forecast/{book.cycle.pk}/recall/", {"line": [pair(line)]})
    assert answer.status_code == 422
    assert "is approved, so you cannot recall it" in answer.content.decode()


def test_rejected_line_waits_for_a_change(book):
    line = factories.submit(book.lines[0])
    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        services.reject_lines(line.cycle_id, [factories.ref(line)], by=admin, comment="Too much?")
    page = book.client.get(book.url).content.decode()
    assert "Rejected; change it before you submit it again. “Too much?”" in page
