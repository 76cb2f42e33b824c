"""The pages of the grid: the list of customers, one customer's grid, what each person sees of it."""

import datetime as dt
import gzip
import re
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from audit.context import acting
from cycles.services import close_cycle
from forecasts import services
from forecasts.models import Line
from sop_portal.accounts.models import User
from tests import factories

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script>\"'{{7*7}}"


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def page_of(user, line, query=""):
    answer = client_of(user).get(f"/forecast/{line.cycle_id}/{line.customer_id}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def row_of(page, line):
    return re.search(rf'<tr class="g-row[^"]*" id="l{line.pk}".*?</tr>', page, re.S)[0]


def cells_of(row):
    return re.findall(r'<td class="c([^"]*)"[^>]*>(.*?)</td>', row)


def texts(row, name):
    return re.search(rf'class="{name}[^"]*"[^>]*>([^<]*)<', row)[1]


def beside(line, **kw):
    """Another pair of the same customer, sold last month; its line exists once the next cycle opens."""
    entry = factories.make_entry(customer=line.customer, **kw)
    factories.make_actual(entry, dt.date(2026, 12, 1))
    return entry


def next_cycle(line, first=dt.date(2027, 2, 1), publish=False):
    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        close_cycle(line.cycle_id, by=admin)
    return factories.open_cycle(by=admin, first_period=first)


# --- Cells ----------------------------------------------------------------------------------------------------------


def test_row_shows_what_was_sold_the_sum_and_all_sixteen_cells():
    line = factories.make_line(quantity=None)
    entry = line.customer.matrix.get()
    for month, sold in ((10, 30), (11, 60)):
        factories.make_actual(entry, dt.date(2026, month, 1), sold)
    factories.make_actual(entry, dt.date(2025, 12, 1), 999)  # 13 months before the first period
    with acting(line.owner, source="web"):
        cells = {period: Decimal(n) for n, period in enumerate(line.cycle.periods[:13], 1)}
        services.set_cells(line.cycle_id, [services.LineEdit(line.pk, line.revision, cells)], by=line.owner)
    row = row_of(page_of(line.owner, line), line)
    # Sold: 30 + 60 + 100 in the last three months of twelve; planned: 1 + 2 + ... + 12.
    assert (texts(row, "g-avg"), texts(row, "g-last12"), texts(row, "g-next12")) == ("63", "190", "78")
    assert [text for _, text in cells_of(row)] == [*map(str, range(1, 14)), "", "", ""]
    assert [look.split()[0] for look, _ in cells_of(row)[12:]] == ["entered", "optional", "optional", "optional"]
    assert "yr" not in cells_of(row)[0][0]
    assert "yr" in cells_of(row)[12][0]


def test_blank_mandatory_cell_asks_and_can_be_linked_to():
    line = factories.make_line(quantity=None)
    row = row_of(page_of(line.owner, line), line)
    assert cells_of(row)[:12] == [(" missing", "?")] * 12
    assert f'id="l{line.pk}-2027-03"' in row


def test_price_and_revenue_views():
    line = factories.make_line(quantity="10", price="52.125")
    prices = cells_of(row_of(page_of(line.owner, line, "?show=price"), line))
    revenue = row_of(page_of(line.owner, line, "?show=revenue"), line)
    assert prices[0] == (" carried", "52.125")
    # 10 x 52.125 = 521.25, shown without cents; twelve of them are 6,255.
    assert cells_of(revenue)[0][1] == "521"
    assert texts(revenue, "g-next12") == "6,255"


@pytest.mark.parametrize("show", ["", "nonsense", "' OR 1=1", "price&page=-1", "quantity&page=99999999999999999999"])
def test_unknown_views_and_pages_fall_back(show):
    line = factories.make_line()
    assert "Quantity" in page_of(line.owner, line, f"?show={show}")


def test_missing_price_is_a_word_beside_the_name():
    line = factories.make_line(quantity=5, price=None)
    assert '<span class="pill pill-bad"' in row_of(page_of(line.owner, line), line)
    prices = cells_of(row_of(page_of(line.owner, line, "?show=price"), line))
    assert prices[0] == (" missing", "?")


def test_rounded_quantity_keeps_its_exact_value_for_the_scripts():
    line = factories.make_line(quantity=None)
    with acting(line.owner, source="excel"):
        edit = services.LineEdit(line.pk, line.revision, {line.cycle.first_period: Decimal("15638.333333")})
        services.set_cells(line.cycle_id, [edit], by=line.owner)
    row = row_of(page_of(line.owner, line), line)
    assert 'data-v="15638.333333">15,638.33</td>' in row


@pytest.mark.parametrize(
    ("quantity", "widths"),
    [("99999", ""), ("1234.5", " w7"), ("15638.3", " w8"), ("15638.33", " w9 long"), ("1234567.89", " w9 long")],
)
def test_columns_have_room_for_the_longest_figure(quantity, widths):
    line = factories.make_line(quantity=None)
    with acting(line.owner, source="web"):
        edit = services.LineEdit(line.pk, line.revision, {line.cycle.first_period: Decimal(quantity)})
        services.set_cells(line.cycle_id, [edit], by=line.owner)
    assert f'<table class="grid{widths}"' in page_of(line.owner, line)


def test_columns_of_what_was_sold_are_left_out_where_nothing_ever_was():
    line = factories.make_line(quantity=None, live=False)
    factories.answer(line, 5)
    assert '<table class="grid no-sold"' in page_of(line.owner, line)


def test_change_compares_with_the_plan_the_cycle_started_from():
    line = factories.make_line(quantity=100)
    fresh = beside(line)
    factories.submit(line)
    cycle = next_cycle(line)
    carried = Line.objects.get(cycle=cycle, product=line.product)
    # Eleven of February 2027 to January 2028 ... all twelve were covered by January 2027 to April 2028.
    with acting(line.owner, source="web"):
        edit = services.LineEdit(carried.pk, carried.revision, {dt.date(2027, 3, 1): Decimal(130)})
        services.set_cells(cycle.pk, [edit], by=line.owner)
    page = page_of(line.owner, carried)
    assert re.search(r'g-vs up">\+30<', row_of(page, carried))
    assert 'data-base="1200"' in row_of(page, carried)
    assert ">new<" in row_of(page, Line.objects.get(cycle=cycle, product=fresh.product))


def feet_of(page):
    """The rows under the lines: (kind, unit) -> (label, average, last 12, next 12, against the last cycle, months)."""
    rows = re.findall(r'<tr class="g-total" data-sum="(\w+)" data-uom="(\w*)">(.*?)</tr>', page, re.S)
    names = ("g-prod", "g-avg", "g-last12", "g-next12", "g-vs")
    return {
        (kind, unit): (*(texts(row, name) for name in names), [text for _, text in cells_of(row)])
        for kind, unit, row in rows
    }


def test_quantities_of_one_unit_are_added():
    line = factories.make_line(quantity=10, product=factories.make_product(uom="CS"))
    beside(line, product=factories.make_product(uom="CS"))
    factories.submit(line)
    cycle = next_cycle(line)
    other = Line.objects.get(cycle=cycle, product__item_code__gt=line.product.item_code)
    factories.answer(other, 7)
    page = page_of(line.owner, other)
    # Each sold 100 in December; 10 a month were carried over for fifteen months, 7 are typed.
    months = [*["17"] * 15, "7"]
    assert feet_of(page) == {("unit", "CS"): (f"{line.customer.name}, CS", "67", "200", "204", "0", months)}
    assert "data-weight=" not in page and "data-weightless" not in page


@pytest.fixture
def units():
    """A customer with 10 cases of 2.5 kg at 10, 7 bags of 20 kg at 4 and 3 pieces without weight at 100 a month."""
    line = factories.make_line(quantity=10, product=factories.make_product(uom="CS", weight="2.5"))
    beside(line, product=factories.make_product(uom="BAG", weight="20"), price="4")
    beside(line, product=factories.make_product(uom="EA", description="Garlic <press>"), price="100")
    factories.submit(line)
    cycle = next_cycle(line)
    for uom, quantity in (("BAG", 7), ("EA", 3)):
        factories.answer(Line.objects.get(cycle=cycle, product__uom=uom), quantity)
    return Line.objects.get(cycle=cycle, product__uom="CS")


def test_quantities_of_several_units_are_added_in_kilograms_and_in_money(units):
    page = page_of(units.owner, units)
    name = units.customer.name
    # 10 x 2.5 + 7 x 20 = 165 kg a month, without the pieces; they sold 100 x 2.5 + 100 x 20 = 2,250 kg.
    # 10 x 10 + 7 x 4 + 3 x 100 = 428 a month; they sold for 1,000 each. The cases were carried over for 15 months.
    assert feet_of(page) == {
        ("weight", "kg"): (f"{name}, kg", "750", "2,250", "1,980", "0", [*["165"] * 15, "140"]),
        ("money", ""): (f"{name}, in money", "1,000", "3,000", "5,136", "0", [*["428"] * 15, "328"]),
    }
    note = re.search(r"<p[^>]*data-weightless>(.*?)</p>", page)[1]
    assert note == "The total in kg is without <span>Garlic &lt;press&gt;</span>, whose weight is not known."
    factories.answer(units, 12)
    after = feet_of(page_of(units.owner, units))
    # Two cases more in each of the twelve months that the last plan covered.
    assert (after["weight", "kg"][3:5], after["money", ""][3:5]) == (("2,040", "+60"), ("5,376", "+240"))


def test_money_is_one_total_and_prices_are_averages_per_unit(units):
    revenue = feet_of(page_of(units.owner, units, "?show=revenue"))
    assert [(key, foot[3]) for key, foot in revenue.items()] == [(("money", ""), "5,136")]
    prices = feet_of(page_of(units.owner, units, "?show=price"))
    assert {unit: (label, months[0]) for (_, unit), (label, *_, months) in prices.items()} == {
        "BAG": ("Average price, BAG", "4.00"), "CS": ("Average price, CS", "10.00"), "EA": ("Average price, EA", "100.00"),
    }  # fmt: skip


def test_nothing_but_products_without_weight_has_no_weight(units):
    type(units.product).objects.untracked().update(weight=None)
    feet = feet_of(page_of(units.owner, units))
    assert feet["weight", "kg"][1:] == ("", "", "", "", [""] * 16)
    assert feet["money", ""][3] == "5,136"


def test_summary_and_list_add_up_several_units_in_kilograms(units):
    client = client_of(units.owner)
    summary = re.sub(r"\s+", " ", client.get(f"/forecast/{units.cycle_id}/submit/").content.decode())
    assert "next 12 months $ 5,136, 1,980 kg, without Garlic &lt;press&gt;, whose weight is not known" in summary
    page = client.get("/forecast/").content.decode()
    assert '1,980 kg<span class="sub" title="No weight is known of Garlic &lt;press&gt;">without' in page
    type(units.product).objects.untracked().filter(uom="EA").update(uom="BAG", weight=1)
    # 1,980 kg and 3 pieces of 1 kg in each of twelve months.
    assert "2,016 kg</td>" in client.get("/forecast/").content.decode()
    type(units.product).objects.untracked().update(uom="CS")
    # 10 + 7 + 3 in each of twelve months.
    assert "240 CS</td>" in client.get("/forecast/").content.decode()


def test_hostile_names_are_text():
    product = factories.make_product(description=HOSTILE, item_code="<b>1")
    customer = factories.make_customer(sales_rep=factories.make_user("sales_rep"), name=HOSTILE)
    line = factories.make_line(owner=customer.sales_rep, customer=customer, product=product)
    for query in ("", "?form=1", "?show=price"):
        page = page_of(line.owner, line, query)
        assert "<script>alert" not in page
        assert "<b>1" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_lines_that_need_something_come_first():
    line = factories.make_line(quantity=1, product=factories.make_product(item_code="1"))
    beside(line, product=factories.make_product(item_code="2"))
    factories.submit(line)
    cycle = next_cycle(line)
    page = page_of(line.owner, Line.objects.filter(cycle=cycle).first())
    assert re.findall(r'class="code">(\d+)<', page) == ["2", "1"]
    assert "1 of 2 ready" in page


# --- Folded lines ---------------------------------------------------------------------------------------------------


@pytest.fixture
def folded():
    """A line with a forecast and two of the same customer without."""
    rep = factories.make_user("sales_rep")
    customer = factories.make_customer(sales_rep=rep)
    for n, name in enumerate(["Black garlic", "Squeeze ginger"]):
        factories.make_entry(customer, factories.make_product(description=name, item_code=f"77{n}"))
    return factories.make_line(owner=rep, customer=customer)


@pytest.mark.parametrize(
    ("query", "found"),
    [("", []), ("?dormant=1", ["770", "771"]), ("?find=GINGER", ["771"]), ("?find=770", ["770"]),
     ("?find=black+gar", ["770"]), ("?find=nothing", []), ("?find=%25", [])],
)  # fmt: skip
def test_products_without_forecast_are_folded_and_found(folded, query, found):
    page = page_of(folded.owner, folded, query)
    assert "2 products without forecast" in page
    assert re.findall(r'is-dormant".*?class="code">(\d+)<', page, re.S) == found


def test_folded_rows_alone_for_the_script(folded):
    page = page_of(folded.owner, folded, "?rows=dormant&find=ginger")
    assert page.startswith('<tr class="g-row is-dormant"')
    assert "Squeeze ginger" in page
    assert "<html" not in page
    assert cells_of(page)[0] == ("", "")


# --- Who sees what --------------------------------------------------------------------------------------------------


def test_another_reps_customer_is_as_missing_as_one_that_is_not_there():
    line = factories.make_line()
    stranger = client_of(factories.make_user("sales_rep"))
    foreign = stranger.get(f"/forecast/{line.cycle_id}/{line.customer_id}/")
    missing = stranger.get(f"/forecast/{line.cycle_id}/999999/")
    assert (foreign.status_code, missing.status_code) == (404, 404)
    plain = [
        re.sub(r"[0-9a-f]{32}|csrf\S+|content=\"\S+\"", "", answer.content.decode()) for answer in (foreign, missing)
    ]
    assert line.customer.name not in plain[0]
    assert len(plain[0]) == pytest.approx(len(plain[1]), abs=200)


@pytest.mark.parametrize("path", ["99999999999999999999/1/", "1/99999999999999999999/", "0/0/", "-1/1/", "a/1/"])
def test_malformed_ids_are_404(path):
    line = factories.make_line()
    assert client_of(line.owner).get(f"/forecast/{path}").status_code == 404


def test_manager_reads_but_types_nothing():
    line = factories.make_line()
    manager = factories.make_user("manager")
    with acting("system", source="command"):
        line.owner.manager = manager
        line.owner.save(update_fields=["manager"])
    page = page_of(manager, line)
    assert "You can read these lines but not change them." in page
    assert "data-ro" in row_of(page, line)
    assert "Review and submit" not in page


def test_closed_cycle_is_read_only_and_says_why():
    line = factories.make_line()
    next_cycle(line)
    page = page_of(line.owner, line)
    assert "S&amp;OP Jan 2027 closed on" in page
    assert "data-ro" in row_of(page, line)
    assert "Edit as a form" not in page


def test_after_the_deadline_the_grid_is_read_only_and_says_until_when(at):
    line = factories.make_line()
    at(factories.FAR)
    page = page_of(line.owner, line)
    assert "took input until 1 Jan 2030" in page or "took input until 31 Dec 2029" in page
    assert "data-ro" in row_of(page, line)


def test_submitted_line_is_read_only_and_can_be_recalled():
    line = factories.submit(factories.make_line())
    page = page_of(line.owner, line)
    row = row_of(page, line)
    assert "data-ro" in row
    assert ">submitted<" in row
    assert "Recall 1 line" in page
    assert f'value="{line.pk}:{line.revision}"' in page


def test_a_folded_line_can_be_added_where_every_other_is_handed_in_or_none_is_live():
    manager = factories.make_user("manager")
    line = factories.make_line(factories.make_user("sales_rep", manager=manager))
    spare = factories.make_entry(customer=line.customer)
    only = factories.make_entry(factories.make_customer(sales_rep=line.owner, name="Only dormant"))
    cycle = next_cycle(line)
    handed_in = Line.objects.get(cycle=cycle, product=line.product)
    factories.answer(handed_in, 5)
    with acting(line.owner, source="web"):
        services.submit_lines(cycle.pk, [factories.ref(handed_in)], by=line.owner)
    for entry in (spare, only):
        folded = Line.objects.get(cycle=cycle, product=entry.product, customer=entry.customer)
        page = page_of(line.owner, folded)
        assert "data-savestate" in page and "type to add one" in page and "Edit as a form" in page
        read = page_of(manager, folded)
        assert "data-savestate" not in read and "find one" in read
        assert "You can read these lines but not change them." in read


def test_rejected_line_comes_first_with_the_managers_words():
    line = factories.submit(factories.make_line())
    manager = factories.make_user("admin", full_name="Manager One")
    with acting(manager, source="web"):
        services.reject_lines(line.cycle_id, [factories.ref(line)], by=manager, comment="Is <b>March</b> right?")
    page = page_of(line.owner, line)
    assert "was rejected by Manager One: “Is &lt;b&gt;March&lt;/b&gt; right?”" in page
    assert "data-ro" not in row_of(page, line)
    assert "One line came back to you" in client_of(line.owner).get("/forecast/").content.decode()


# --- The list -------------------------------------------------------------------------------------------------------


def test_list_without_an_open_cycle_says_what_to_wait_for():
    page = client_of(factories.make_user("sales_rep")).get("/forecast/").content.decode()
    assert "No cycle is open" in page


def test_list_of_a_rep_without_customers():
    factories.make_line()
    page = client_of(factories.make_user("sales_rep")).get("/forecast/").content.decode()
    assert "No customers in this cycle" in page


def test_list_counts_and_adds_up_each_customer(folded):
    page = client_of(folded.owner).get("/forecast/").content.decode()
    row = re.search(r"<tbody>\s*<tr>.*?</tr>", page, re.S)[0]
    # One line of 100 a month at 10: 1,200 cases and $ 12,000 over the mandatory twelve.
    assert re.findall(r'class="num">([^<]*)<', row) == ["1", "1", "0", "1,200 CS", "$ 12,000"]
    assert "2 products without forecast" in row


def test_list_says_how_much_is_left_to_submit():
    line = factories.make_line()
    for name in ("Birch", "Cedar"):
        entry = factories.make_entry(factories.make_customer(sales_rep=line.owner, name=name))
        factories.make_actual(entry, dt.date(2026, 12, 1))
    cycle = next_cycle(line)
    client, lines = client_of(line.owner), list(Line.objects.filter(cycle=cycle))
    assert "Three customers to forecast" in client.get("/forecast/").content.decode()
    for each in lines:
        factories.answer(each, 5)
    for heading, handed_in in zip(("Three lines are", "Two lines are", "One line is"), lines, strict=True):
        assert f"{heading} ready to submit" in client.get("/forecast/").content.decode()
        with acting(line.owner, source="web"):
            services.submit_lines(cycle.pk, [factories.ref(handed_in)], by=line.owner)
    assert "Everything is submitted" in client.get("/forecast/").content.decode()


def test_admin_narrows_the_list_to_a_rep():
    line = factories.make_line()
    admin = client_of(factories.make_user("admin"))
    assert line.customer.name in admin.get(f"/forecast/?rep={line.owner_id}").content.decode()
    assert "No customer fits" in admin.get("/forecast/?rep=999999").content.decode()
    for query in ("rep=x", "rep=99999999999999999999", "page=-1", "page=99999999"):
        assert admin.get(f"/forecast/?{query}").status_code == 200


def test_previous_and_next_customer_of_the_rep():
    rep = factories.make_user("sales_rep")
    customers = [factories.make_customer(sales_rep=rep, name=name) for name in ("Ash", "Elm", "Oak")]
    for customer in customers:
        factories.make_entry(customer)
    cycle = factories.open_cycle()
    page = client_of(rep).get(f"/forecast/{cycle.pk}/{customers[1].pk}/").content.decode()
    assert "Previous customer, Ash" in page
    assert "Next customer, Oak" in page


# --- What it costs --------------------------------------------------------------------------------------------------


def queries_of(client, url):
    client.get(url)
    with CaptureQueriesContext(connection) as queries:
        answer = client.get(url)
    assert answer.status_code == 200
    return len(queries), answer


def test_pages_cost_the_same_queries_at_one_and_at_fifty_lines():
    line = factories.make_line()
    for _ in range(49):
        beside(line)
    urls = [
        "/forecast/",
        "/forecast/{}/{}/",
        "/forecast/{}/{}/?show=revenue",
        "/forecast/{}/{}/?form=1",
        "/forecast/{}/submit/",
    ]
    client = client_of(line.owner)
    few = [queries_of(client, url.format(line.cycle_id, line.customer_id))[0] for url in urls]
    cycle = next_cycle(line)
    assert Line.objects.filter(cycle=cycle, live=True).count() == 50
    many = [queries_of(client, url.format(cycle.pk, line.customer_id))[0] for url in urls]
    assert few == many


def test_large_grid_is_small_on_the_wire():
    line = factories.make_line()
    for _ in range(60):
        beside(line)
    cycle = next_cycle(line)
    client = client_of(User.objects.get(pk=line.owner_id))
    answer = client.get(f"/forecast/{cycle.pk}/{line.customer_id}/", headers={"accept-encoding": "gzip"})
    assert answer["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(answer.content)) > 40_000
    # 333 lines may take 60 kB: 180 bytes a line, frame of the page included.
    assert len(answer.content) < 61 * 180
