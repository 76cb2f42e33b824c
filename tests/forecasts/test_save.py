"""Saving from the grid: the JSON that scripts send, and the plain form."""

import datetime as dt
import json
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from cycles.services import close_cycle
from forecasts.models import Line
from forecasts.services import LineEdit, set_cells
from tests import factories

pytestmark = pytest.mark.django_db

JAN, FEB, MAR = (dt.date(2027, month, 1) for month in (1, 2, 3))


def client_of(user, language="en-US"):
    client = Client(headers={"accept-language": language})
    client.force_login(user)
    return client


def post(client, line, body):
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(f"/forecast/{line.cycle_id}/save/", content, content_type="application/json")


def edit(line, quantity=None, **parts):
    found = {"line": line.pk, "revision": line.revision, **parts}
    return found if quantity is None else {**found, "quantity": quantity}


@pytest.fixture
def line(db):
    return factories.make_line(
        product=factories.make_product(item_code="110009", description="Peeled garlic 4x5"), quantity=100
    )


@pytest.fixture
def client(line):
    return client_of(line.owner)


# --- What is saved --------------------------------------------------------------------------------------------------


def test_cells_price_and_risk_class_are_saved_as_typed(client, line):
    answer = post(
        client, line,
        {"edits": [edit(line, {"2027-01": "1,200.50", "2027-02": ""}, unit_price={"2027-03": "$ 52.125"}, risk_class=1)]},
    )  # fmt: skip
    assert answer.status_code == 200
    (told,) = answer.json()["lines"]
    assert told["revision"] == line.revision + 1
    assert told["quantity"][:3] == ["1200.5", None, "100"]
    assert told["quantity_source"][:3] == "e-e"
    assert told["unit_price"][:3] == ["10", "10", "52.125"]
    assert told["price_source"][:3] == "mme"
    assert told["risk_class"] == 1
    assert told["problems"] == [
        {
            "period": "2027-02",
            "kind": "blank",
            "sentence": "Peeled garlic 4x5, February 2027 is blank; enter a quantity or 0.",
        }
    ]
    line.refresh_from_db()
    assert line.quantity[:3] == [Decimal("1200.5"), None, Decimal(100)]
    assert (line.unit_price[2], line.risk_class) == (Decimal("52.1250"), 1)


def test_number_of_json_is_exact_in_every_language(line):
    answer = post(
        client_of(line.owner, "de"), line, {"edits": [edit(line, {"2027-01": 15638.333333, "2027-02": None})]}
    )
    assert answer.json()["lines"][0]["quantity"][:2] == ["15638.333333", None]


def test_text_that_reads_two_ways_is_read_by_the_language_and_said(line):
    answer = post(client_of(line.owner, "de-DE,en;q=0.5"), line, {"edits": [edit(line, {"2027-01": "1.234"})]})
    assert answer.json()["lines"][0]["quantity"][0] == "1234"
    (note,) = answer.json()["notes"]
    assert note == {
        "line": line.pk, "period": "2027-01", "field": "quantity",
        "sentence": "'1.234' was read as 1,234, because your browser writes decimals with ','.",
    }  # fmt: skip


def test_same_request_again_is_no_conflict(client, line):
    body = {"edits": [edit(line, {"2027-01": "7"})]}
    first, again = post(client, line, body), post(client, line, body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["lines"][0]["revision"] == first.json()["lines"][0]["revision"]


# --- What is refused ------------------------------------------------------------------------------------------------


def test_stale_line_refuses_the_batch_and_gives_their_values(client, line):
    stale = edit(line, {"2027-01": "7"})
    other = factories.make_user("admin")
    with acting(other, source="web"):
        set_cells(line.cycle_id, [LineEdit(line.pk, line.revision, {JAN: Decimal(55)})], by=other)
    answer = post(client, line, {"edits": [stale]})
    assert answer.status_code == 409
    (theirs,) = answer.json()["stale"]
    assert (theirs["line"], theirs["revision"], theirs["quantity"][0]) == (line.pk, line.revision + 1, "55")


def test_text_that_is_no_number_is_named_by_product_and_month(client, line):
    answer = post(client, line, {"edits": [edit(line, {"2027-03": "1e3", "2027-01": "5"})]})
    assert answer.status_code == 422
    sentence = "Peeled garlic 4x5, March 2027: '1e3' is not a number from 0 to 9,999,999.99"
    assert answer.json()["cells"] == [{"line": line.pk, "period": "2027-03", "field": "quantity", "sentence": sentence}]
    assert answer.json()["lines"] == {"0": sentence}
    line.refresh_from_db()
    assert line.quantity[0] == 100


@pytest.mark.parametrize(
    "text", ["-1", "1.234.567", "abc", "0x10", "١٢٣", "1e3", "1000000000000", "1.23456", "\ud800", "\x00"]
)
def test_hostile_texts_are_refused_without_a_word_lost(client, line, text):
    answer = post(client, line, {"edits": [edit(line, {"2027-01": text})]})
    assert answer.status_code == 422
    assert "is not a number from 0 to 9,999,999.99" in answer.json()["cells"][0]["sentence"]


def test_exact_number_out_of_range_is_refused_by_the_rule(client, line):
    answer = post(client, line, {"edits": [edit(line, {"2027-01": 10000000})]})
    assert answer.status_code == 422
    assert "from 0 to 9,999,999.99" in answer.json()["cells"][0]["sentence"]


def test_month_outside_the_horizon_is_refused(client, line):
    answer = post(client, line, {"edits": [edit(line, {"2026-12": "5"})]})
    assert answer.status_code == 422
    assert "December 2026 is not one of the 16 periods" in answer.json()["lines"]["0"]


def test_submitted_line_is_refused_with_the_remedy(client, line):
    factories.submit(line)
    answer = post(client, line, {"edits": [edit(line, {"2027-01": "5"})]})
    assert answer.status_code == 422
    assert "is submitted; recall it to change it" in answer.json()["lines"]["0"]


def test_closed_cycle_answers_409_with_the_time(client, line):
    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        close_cycle(line.cycle_id, by=admin)
    line.refresh_from_db()
    answer = post(client, line, {"edits": [edit(line, {"2027-01": "5"})]})
    assert answer.status_code == 409
    assert "S&OP Jan 2027 closed on" in answer.json()["detail"]
    assert "stale" not in answer.json()


def test_after_the_deadline_nothing_is_taken(client, line, at):
    at(factories.FAR)
    answer = post(client, line, {"edits": [edit(line, {"2027-01": "5"})]})
    assert answer.status_code == 409
    assert "took input until" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ('{"edits": []}', "edits must be a list of at least one line"),
        ('{"edits": [1]}', "edits[0] must be an object"),
        ('{"edits": [], "status": 1}', "'status' is not a field"),
        ('{"edits": [{"line": 1, "revision": 1, "status": "approved"}]}', "'status' is not a field of edits[0]"),
        ('{"edits": [{"line": 1, "revision": 1, "owner": 3}]}', "'owner' is not a field"),
        ('{"edits": [{"line": "1", "revision": 1}]}', "edits[0].line"),
        ('{"edits": [{"line": true, "revision": 1}]}', "edits[0].line"),
        ('{"edits": [{"line": 99999999999999999999, "revision": 1}]}', "edits[0].line"),
        ('{"edits": [{"line": 1, "revision": 1.5}]}', "edits[0].revision"),
        ('{"edits": [{"line": 1}]}', "edits[0].revision"),
        ('{"edits": [{"line": 1, "revision": 1}]}', "edits[0] changes nothing"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": []}]}', "edits[0].quantity"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-1": "5"}}]}', "'2027-1'"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-01-01": "5"}}]}', "'2027-01-01'"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-01": {"a": 1}}}]}', "edits[0].quantity.2027-01"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-01": true}}]}', "edits[0].quantity.2027-01"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-01": NaN}}]}', "NaN"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-01": "5", "2027-01": "6"}}]}', "'2027-01' occurs twice"),
        ('{"edits": [{"line": 1, "revision": 1, "risk_class": 4}]}', "edits[0].risk_class"),
        ('{"edits": [{"line": 1, "revision": 1, "quantity": {"2027-01": "' + "9" * 500 + '"}}]}', "500 characters"),
        ("[" * 100_000, "deeper than 20 levels"),
        (b"\xff\xfe{}", "not UTF-8: byte 0"),
        ('{"edits": ' + "9" * 6000 + "}", "too many digits"),
    ],
)  # fmt: skip
def test_body_of_the_wrong_shape_is_400_and_names_the_field(client, line, body, named):
    answer = post(client, line, body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


def test_other_content_types_and_verbs_are_not_taken(client, line):
    url = f"/forecast/{line.cycle_id}/save/"
    assert client.post(url, {"edits": "x"}).status_code == 415
    assert client.get(url).status_code == 405


# --- Whose lines ----------------------------------------------------------------------------------------------------


def test_another_reps_line_is_as_missing_as_one_that_is_not_there(line):
    stranger = client_of(factories.make_user("sales_rep"))
    foreign = post(stranger, line, {"edits": [edit(line, {"2027-01": "5"})]})
    missing = post(stranger, line, {"edits": [{"line": 10**15, "revision": 1, "quantity": {"2027-01": "5"}}]})
    wrong = post(stranger, line, {"edits": [edit(line, {"2027-01": "abc"})]})
    assert (foreign.status_code, missing.status_code, wrong.status_code) == (404, 404, 404)
    assert foreign.json()["detail"] == missing.json()["detail"] == wrong.json()["detail"]


@pytest.mark.parametrize("cycle", [10**9, 2**31, 10**20])
def test_missing_cycle_is_404(client, line, cycle):
    body = json.dumps({"edits": [edit(line, {"2027-01": "5"})]})
    assert client.post(f"/forecast/{cycle}/save/", body, content_type="application/json").status_code == 404


@pytest.mark.parametrize("role", ["manager", "viewer"])
def test_readers_may_not_write(line, role):
    reader = factories.make_user(role)
    with acting("system", source="command"):
        line.owner.manager = reader if role == "manager" else None
        line.owner.save(update_fields=["manager"])
    assert post(client_of(reader), line, {"edits": [edit(line, {"2027-01": "5"})]}).status_code == 403


def test_admin_writes_on_behalf_of_the_rep(line):
    admin = factories.make_user("admin")
    assert post(client_of(admin), line, {"edits": [edit(line, {"2027-01": "5"})]}).status_code == 200
    line.refresh_from_db()
    assert (line.quantity[0], line.edited_by_id) == (5, admin.pk)


# --- What it costs --------------------------------------------------------------------------------------------------


def statements(queries):
    """The statements of a request, without those that only begin and end a transaction."""
    frame = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT")
    return [query["sql"] for query in queries.captured_queries if not query["sql"].startswith(frame)]


def test_autosave_costs_the_same_few_queries_for_one_cell_and_for_many_lines(line):
    entries = [factories.make_entry(customer=line.customer) for _ in range(39)]
    for entry in entries:
        factories.make_actual(entry, dt.date(2026, 12, 1))
    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        close_cycle(line.cycle_id, by=admin)
    cycle = factories.open_cycle(first_period=dt.date(2027, 2, 1))
    lines = list(Line.objects.filter(cycle=cycle, live=True))
    assert len(lines) == 40
    client = client_of(line.owner)
    counts = []
    for batch in (lines[:1], lines[:1], lines[1:]):
        for one in batch:
            one.refresh_from_db(fields=["revision"])
        body = {
            "edits": [
                edit(one, {f"2027-{month:02d}": str(len(counts) + month) for month in range(2, 13)}) for one in batch
            ]
        }
        with CaptureQueriesContext(connection) as queries:
            assert post(client, lines[0], body).status_code == 200
        counts.append(len(statements(queries)))
    # The first request of a session notes when it was seen.
    assert counts[1] <= 8
    assert counts[2] <= 10
    assert counts[2] == counts[1]


# --- The form without JavaScript ------------------------------------------------------------------------------------


def form_url(line, query=""):
    return f"/forecast/{line.cycle_id}/{line.customer_id}/form/{query}"


def fields(line, **typed):
    """What the browser sends: every field as it was shown, but for those typed in."""
    shown = [f"{quantity.normalize():f}" if quantity is not None else "" for quantity in line.quantity]
    keys = [f"{period:%Y-%m}" for period in line.cycle.periods]
    data = {f"q-{line.pk}-{key}": text for key, text in zip(keys, shown, strict=True)}
    data |= {f"r-{line.pk}": line.revision, f"o-{line.pk}": "|".join(shown), f"k-{line.pk}": line.risk_class}
    return data | {f"q-{line.pk}-{key.replace('_', '-')}": text for key, text in typed.items()}


def test_form_saves_what_was_typed_and_redirects(client, line):
    answer = client.post(form_url(line), fields(line, **{"2027_01": "1,500", "2027_02": ""}))
    assert answer.status_code == 302
    assert answer["Location"] == f"/forecast/{line.cycle_id}/{line.customer_id}/?form=1"
    revision = line.revision
    line.refresh_from_db()
    assert line.quantity[:3] == [Decimal(1500), None, Decimal(100)]
    assert line.revision == revision + 1


def test_untouched_form_changes_nothing(client, line):
    revision = line.revision
    page = client.post(form_url(line), fields(line), follow=True)
    assert "Nothing was changed." in page.content.decode()
    line.refresh_from_db()
    assert line.revision == revision


def test_refused_form_comes_back_with_its_text_and_the_sentence(client, line):
    answer = client.post(form_url(line), fields(line, **{"2027_01": "7", "2027_03": "<b>1e3"}))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="&lt;b&gt;1e3"' in page
    assert "Peeled garlic 4x5, March 2027: &#x27;&lt;b&gt;1e3&#x27; is not a number" in page
    assert f'name="q-{line.pk}-2027-01" value="7"' in page
    line.refresh_from_db()
    assert line.quantity[0] == 100


def test_form_in_conflict_shows_both_and_saves_on_the_second_try(client, line):
    sent = fields(line, **{"2027_01": "7"})
    other = factories.make_user("admin")
    with acting(other, source="web"):
        set_cells(line.cycle_id, [LineEdit(line.pk, line.revision, {JAN: Decimal(55), FEB: Decimal(66)})], by=other)
    answer = client.post(form_url(line), sent)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Somebody else saved" in page
    assert "Now &#x27;55&#x27; stands here" in page
    assert f'name="q-{line.pk}-2027-01" value="7"' in page
    assert f'name="q-{line.pk}-2027-02" value="66"' in page
    line.refresh_from_db()
    sent = fields(line, **{"2027_01": "7"})
    assert client.post(form_url(line), sent).status_code == 302
    line.refresh_from_db()
    assert line.quantity[:2] == [Decimal(7), Decimal(66)]


def test_prices_have_a_form_of_their_own(client, line):
    data = {f"r-{line.pk}": line.revision, f"o-{line.pk}": "|".join(["10.00"] * 16), f"p-{line.pk}-2027-01": "52.125"}
    assert client.post(form_url(line, "?show=price"), data).status_code == 302
    line.refresh_from_db()
    assert line.unit_price[:2] == [Decimal("52.1250"), Decimal(10)]


def test_line_submitted_meanwhile_says_so_instead_of_dropping_what_was_typed(client, line):
    sent = fields(line, **{"2027_01": "7"})
    factories.submit(line)
    answer = client.post(form_url(line), sent)
    assert answer.status_code == 422
    assert "is submitted; recall it to change it" in answer.content.decode()
    assert "Peeled garlic 4x5, January 2027: 7" in answer.content.decode()


@pytest.mark.parametrize("end", ["closed", "deadline"])
def test_form_that_comes_too_late_says_since_when_and_gives_the_text_back(client, line, end, at):
    sent = fields(line, **{"2027_01": "7", "2027_03": "<b>abc"})
    if end == "deadline":
        at(factories.FAR)
    else:
        admin = factories.make_user("admin")
        with acting(admin, source="web"):
            close_cycle(line.cycle_id, by=admin)
    for typed in (sent, sent | {f"q-{line.pk}-2027-03": "100"}):
        answer = client.post(form_url(line), typed)
        page = answer.content.decode()
        assert answer.status_code in (409, 422)
        assert "Peeled garlic 4x5, January 2027: 7" in page
        assert "<b>abc" not in page
    # Without the text that is no number only the time stands in the way.
    assert answer.status_code == 409
    assert ("S&amp;OP Jan 2027 closed on" if end == "closed" else "took input until") in page


def test_fields_count_whatever_page_their_line_has_moved_to(client, line):
    for _ in range(50):
        factories.make_actual(factories.make_entry(customer=line.customer), dt.date(2026, 12, 1))
    admin = factories.make_user("admin")
    factories.submit(line)
    with acting(admin, source="web"):
        close_cycle(line.cycle_id, by=admin)
    cycle = factories.open_cycle(first_period=dt.date(2027, 2, 1))
    last = Line.objects.get(cycle=cycle, product=line.product)
    page = client.get(f"/forecast/{cycle.pk}/{line.customer_id}/?form=1&page=1").content.decode()
    assert f'name="r-{last.pk}"' not in page
    assert client.post(form_url(last), fields(last, **{"2027_02": "7"})).status_code == 302
    last.refresh_from_db()
    assert last.quantity[0] == 7


def test_form_with_an_unreadable_revision_is_refused(client, line):
    answer = client.post(form_url(line), fields(line, **{"2027_01": "7"}) | {f"r-{line.pk}": "x"})
    assert answer.status_code == 422
    assert client.post(form_url(line), {"r-999999": "1", "q-999999-2027-01": "5"}).status_code == 422
