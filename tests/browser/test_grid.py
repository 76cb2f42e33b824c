"""The grid in Chromium: typed, pasted, undone, refused, in conflict, and everything saved on the way."""

import datetime as dt
import json
import re
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from audit.context import acting
from cycles.services import close_cycle
from forecasts.models import Line
from forecasts.services import LineEdit, set_cells
from tests import factories
from tests.browser.conftest import axe

pytestmark = pytest.mark.browser

VECTORS = json.loads((Path(__file__).parents[1] / "data" / "numbers.json").read_text("utf-8"))
SAVED = '[data-savestate][data-state="saved"]'


class Book:
    """A rep with one customer: three live lines answered with 100, 200 and 300, and four dormant ones."""

    def __init__(self):
        self.rep = factories.make_user("sales_rep")
        self.customer = factories.make_customer(sales_rep=self.rep, name="Elm Supply, Inc.")
        self.entries = []
        for n, name in enumerate(["Peeled garlic", "Black garlic", "Fresh ginger"]):
            product = factories.make_product(item_code=f"11000{n}", description=name)
            entry = factories.make_entry(self.customer, product)
            factories.make_actual(entry, dt.date(2026, 12, 1), 120)
            self.entries.append(entry)
        for n in range(4):
            product = factories.make_product(item_code=f"99000{n}", description=f"Squeeze shallot {n}")
            factories.make_entry(self.customer, product)
        self.cycle = factories.open_cycle()
        for entry, quantity in zip(self.entries, (100, 200, 300), strict=True):
            factories.answer(self.line(entry), quantity)
        self.url = f"/forecast/{self.cycle.pk}/{self.customer.pk}/"

    def line(self, entry):
        return Line.objects.get(cycle=self.cycle, customer=self.customer, product=entry.product)

    def quantity(self, n, months=16):
        return [None if q is None else float(q) for q in self.line(self.entries[n]).quantity[:months]]


@pytest.fixture
def book(portal):
    return Book()


@pytest.fixture
def page(portal, book):
    page = portal.page(book.rep)
    page.goto(book.url)
    page.locator("td.cur").click()
    return page


def cell(page, line, month):
    """The cell of a line and a month, both counted from 0."""
    return page.locator("tr.g-row").nth(line).locator("td.c").nth(month)


def paste(page, text):
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.keyboard.press("Control+v")


def test_numbers_are_read_as_the_server_reads_them(page):
    answers = page.evaluate(
        """async vectors => {
            const { parseNumber } = await import("/static/js/grid/numbers.js");
            return vectors.map(vector => parseNumber(vector.text, vector.decimal_mark));
        }""",
        VECTORS,
    )
    for vector, answer in zip(VECTORS, answers, strict=True):
        if vector.get("error"):
            assert "is not a number from 0 to 9,999,999.99" in answer["error"], vector
        elif vector["value"] is None:
            assert answer["digits"] is None, vector
        else:
            assert Decimal(answer["digits"]) == Decimal(vector["value"]), vector
            assert answer["ambiguous"] is vector["ambiguous"], vector


def test_typing_is_saved_by_itself_and_survives_a_reload(page, book):
    # Nothing has the focus: what is typed goes to the cell that carries the frame.
    page.reload()
    page.wait_for_selector("td.cur")
    page.keyboard.type("1234.5")
    page.keyboard.press("Enter")
    page.keyboard.type("7")
    page.keyboard.press("Tab")
    expect(cell(page, 0, 0)).to_have_text("1,234.5")
    expect(page.locator("tfoot td.c").first).to_have_text("1,541.5")
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 2) == [1234.5, 100]
    assert book.quantity(1, 2) == [7, 200]
    page.reload()
    page.wait_for_selector("td.cur")
    expect(cell(page, 0, 0)).to_have_text("1,234.5")
    assert "entered" in cell(page, 0, 0).get_attribute("class")


def test_a_long_figure_stays_inside_its_cell(page):
    overflowing = """() => [...document.querySelectorAll('td.c, td.g-next12')]
        .filter(td => td.scrollWidth > td.offsetWidth).map(td => td.textContent)"""
    page.keyboard.type("15638.33")
    page.keyboard.press("Enter")
    expect(page.locator("tfoot td.c").first).to_have_text("16,138.33")
    assert page.evaluate(overflowing) == []
    page.wait_for_selector(SAVED)
    page.reload()
    page.wait_for_selector("td.cur")
    assert page.evaluate(overflowing) == []


def test_the_current_cell_never_hides_behind_the_frozen_columns(page, book):
    covered = """() => {
        const cell = document.querySelector('td.cur').getBoundingClientRect();
        return document.querySelector('tr.is-focus .g-vs').getBoundingClientRect().right - cell.left;
    }"""
    page.set_viewport_size({"width": 1000, "height": 700})
    page.keyboard.press("End")
    for _ in range(15):
        page.keyboard.press("ArrowLeft")
        assert page.evaluate(covered) < 1
    expect(cell(page, 0, 0)).to_be_focused()


def test_the_current_cell_never_hides_behind_the_totals(portal, book):
    # Two units of measure, so that a total in kg and one in money stand at the foot.
    book.entries[2].product.uom = "BAG"
    with acting(factories.make_user("admin"), source="admin"):
        book.entries[2].product.save()
    page = portal.page(book.rep)
    page.goto(f"{book.url}?dormant=1")
    expect(page.locator("tfoot tr")).to_have_count(2)
    # Lower than its rows, as that of a large customer is.
    page.evaluate("() => { document.querySelector('[data-grid]').style.maxHeight = '190px'; }")
    covered = """() => {
        const cell = document.querySelector('td.cur').getBoundingClientRect();
        return Math.max(cell.bottom - document.querySelector('tfoot').getBoundingClientRect().top,
            document.querySelector('thead th').getBoundingClientRect().bottom - cell.top);
    }"""
    page.locator("td.cur").click()
    for key in ["ArrowDown"] * 6 + ["ArrowUp"] * 6:
        page.keyboard.press(key)
        assert page.evaluate(covered) < 1


@pytest.mark.parametrize("width", [360, 720, 900])
def test_names_of_lines_that_are_handed_in_have_room_in_a_narrow_window(portal, book, width):
    factories.submit(book.line(book.entries[0]))
    page = portal.page(book.rep, width=width)
    page.goto(book.url)
    expect(page.locator("tr[data-status=submitted] .name")).to_have_text("Peeled garlic")
    for box in page.locator("tr.g-row .name").all():
        assert box.evaluate("name => name.clientWidth > 0 && name.scrollWidth <= name.clientWidth")


def test_on_paper_stands_the_table_without_what_serves_the_screen(page, book):
    page.emulate_media(media="print")
    for gone in (".grid-panel", ".grid-foot", ".gridbar > a", ".g-fold"):
        for part in page.locator(gone).all():
            expect(part).to_be_hidden()
    expect(page.locator("td.cur")).to_have_css("outline-style", "none")
    expect(cell(page, 2, 15)).to_be_visible()


def test_a_click_beside_the_table_leaves_the_keys_to_its_current_cell(page, book):
    page.get_by_role("heading", level=1).click()
    assert page.evaluate("() => document.activeElement.tagName") == "MAIN"
    page.keyboard.type("55")
    page.keyboard.press("Enter")
    expect(cell(page, 0, 0)).to_have_text("55")
    page.get_by_role("heading", level=1).click()
    paste(page, "56")
    expect(cell(page, 1, 0)).to_have_text("56")
    page.wait_for_selector(SAVED)
    assert (book.quantity(0, 1), book.quantity(1, 1)) == ([55], [56])


def test_line_totals_follow_the_typing(page, book):
    first = page.locator("tr.g-row").first
    expect(first.locator(".g-next12")).to_have_text("1,200")
    page.keyboard.type("150")
    page.keyboard.press("Enter")
    expect(page.locator(".g-row .g-next12").first).to_have_text("1,250")


def test_keys_move_select_and_empty(page, book):
    page.keyboard.press("Control+End")
    page.keyboard.press("Control+ArrowLeft")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowUp")
    expect(page.locator("td.sel")).to_have_count(4)
    page.keyboard.press("Delete")
    page.wait_for_selector(SAVED)
    assert book.quantity(2, 4) == [300, None, None, 300]
    assert book.quantity(1, 4) == [200, None, None, 200]
    expect(cell(page, 2, 1)).to_have_text("?")
    expect(page.locator("[data-ready]")).to_have_text("1 of 3 ready")


def test_block_from_a_spreadsheet_is_one_step_of_undo_after_saving_too(page, book):
    paste(page, '1,000\t"$ 2,000.50"\r\n3\t\r\n')
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 3) == [1000, 2000.5, 100]
    assert book.quantity(1, 3) == [3, None, 200]
    page.keyboard.press("Control+z")
    expect(page.locator("td.c").first).to_have_text("100")
    page.keyboard.press("Control+s")
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 3) == [100, 100, 100]
    assert book.quantity(1, 3) == [200, 200, 200]


def test_pasting_beyond_the_edge_says_what_was_cut(page, book):
    page.keyboard.press("Control+End")
    paste(page, "1\t2\n3\t4\n")
    note = page.locator(".toast").inner_text()
    assert "1 line did not fit below" in note
    assert "1 column did not fit to the right" in note
    page.wait_for_selector(SAVED)
    assert book.quantity(2)[15] == 1


def test_a_browser_that_asks_first_hears_that_cells_can_be_copied_and_pasted_into(page, book):
    asked = """which => ["beforecopy", "beforecut", "beforepaste"].map(kind => {
        const event = new ClipboardEvent(kind, { bubbles: true, cancelable: true });
        return !document.querySelector(which).dispatchEvent(event);
    })"""
    assert page.evaluate(asked, "td.cur") == [True] * 3
    page.get_by_role("heading", level=1).click()
    assert page.evaluate(asked, "body") == [True] * 3
    page.locator("[data-find]").focus()
    assert page.evaluate(asked, "[data-find]") == [False] * 3


def test_one_value_fills_the_selection_and_copies_out_again(page, book):
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowDown")
    paste(page, "42")
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 3) == [42, 42, 100]
    assert book.quantity(1, 3) == [42, 42, 200]
    page.keyboard.press("Control+c")
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied.replace("\r\n", "\n") == "42\t42\n42\t42\n"


def test_refused_text_stays_with_its_sentence_and_the_rest_is_saved(page, book):
    page.keyboard.type("1e3")
    page.keyboard.press("Tab")
    page.keyboard.type("55")
    page.keyboard.press("Tab")
    page.wait_for_selector(SAVED)
    bad = cell(page, 0, 0)
    expect(bad).to_have_text("1e3")
    expect(bad).to_have_attribute("title", "Peeled garlic, January 2027: '1e3' is not a number from 0 to 9,999,999.99")
    expect(page.get_by_role("button", name="1 cell not accepted")).to_be_visible()
    assert book.quantity(0, 2) == [100, 55]


def test_what_only_the_server_refuses_turns_red_too(page, book):
    # As with a page whose script is older than the server's rule.
    def alter(route):
        route.continue_(post_data=route.request.post_data.replace('"61"', '"6x1"'))

    page.route("**/save/", alter)
    page.keyboard.type("61")
    page.keyboard.press("Tab")
    page.keyboard.type("62")
    page.keyboard.press("Enter")
    page.wait_for_selector("td.bad")
    page.wait_for_selector(SAVED)
    expect(cell(page, 0, 0)).to_have_attribute("title", re.compile(re.escape("'6x1' is not a number")))
    assert book.quantity(0, 2) == [100, 62]


def test_conflict_shows_theirs_keeps_mine_and_sends_the_rest(page, book):
    line = book.line(book.entries[0])
    with acting(book.rep, source="web"):
        set_cells(
            book.cycle.pk, [LineEdit(line.pk, line.revision, {book.cycle.first_period: Decimal(777)})], by=book.rep
        )
    paste(page, "111\n222\n")
    note = page.locator("[data-grid-notes] .note")
    note.wait_for()
    expect(note).to_contain_text("Yours: January 2027 111")
    expect(cell(page, 0, 0)).to_have_text("777")
    page.wait_for_selector(SAVED)
    assert book.quantity(1, 1) == [222]
    assert book.quantity(0, 1) == [777]
    page.get_by_role("button", name="Use mine").click()
    expect(page.locator("td.c").first).to_have_text("111")
    page.keyboard.press("Control+s")
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 1) == [111]


def test_failed_request_is_repeated_and_nothing_is_lost(page, book):
    page.route("**/save/", lambda route: route.abort())
    page.keyboard.type("31")
    page.keyboard.press("Tab")
    page.wait_for_selector('[data-savestate][data-state="offline"]')
    assert book.quantity(0, 1) == [100]
    page.unroute("**/save/")
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 1) == [31]


def test_lost_answer_is_no_conflict_with_oneself(page, book):
    def lose(route):
        # The server saves, the answer never arrives.
        route.fetch()
        route.abort()

    page.route("**/save/", lose, times=1)
    page.keyboard.type("31")
    page.keyboard.press("Tab")
    page.wait_for_selector('[data-savestate][data-state="offline"]')
    page.keyboard.type("32")
    page.keyboard.press("Tab")
    page.wait_for_selector(SAVED)
    expect(page.locator("[data-grid-notes] .note")).to_have_count(0)
    assert book.quantity(0, 3) == [31, 32, 100]


def test_signed_out_keeps_the_edits_until_one_is_signed_in_again(page, portal, book):
    page.context.clear_cookies()
    page.keyboard.type("32")
    page.keyboard.press("Tab")
    page.locator("[data-savestate]", has_text="you are signed out").wait_for()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Sign in again in another tab").press("Enter")
    opened.value.get_by_label("Password").wait_for()
    portal.sign_in(page, book.rep)
    page.wait_for_selector(SAVED)
    assert book.quantity(0, 1) == [32]


def test_closing_in_between_says_so_and_offers_the_values_back(page, book):
    from cycles.services import close_cycle

    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        close_cycle(book.cycle.pk, by=admin)
    page.keyboard.type("33")
    page.keyboard.press("Tab")
    note = page.locator("[data-grid-notes] .note")
    note.wait_for()
    expect(note).to_contain_text("S&OP Jan 2027 closed on")
    expect(note).to_contain_text("Peeled garlic: January 2027 33")


def test_dormant_product_is_found_typed_in_and_joins_the_live_ones(page, book):
    expect(page.locator(".g-fold")).to_contain_text("4 products without forecast")
    page.locator("[data-find]").fill("shallot 2")
    page.wait_for_selector("tr.is-dormant")
    expect(page.locator("tr.is-dormant")).to_have_count(1)
    page.keyboard.press("Enter")
    page.keyboard.type("12")
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    line = Line.objects.get(cycle=book.cycle, product__item_code="990002")
    assert line.live
    assert line.quantity[0] == 12
    expect(page.locator("tr.is-dormant")).to_have_count(0)
    expect(page.locator("tr.g-row")).to_have_count(4)
    expect(page.locator(".g-fold")).to_contain_text("3 products without forecast")
    expect(page.locator("[data-ready]")).to_have_text("3 of 4 ready")


def test_risk_class_by_key(page, book):
    page.keyboard.press("ArrowLeft")
    page.keyboard.type("1")
    page.wait_for_selector(SAVED)
    line = book.line(book.entries[0])
    assert (line.risk_class, line.risk_is_default) == (1, False)
    expect(page.locator("tr.g-row .g-risk").first).to_have_text("Plan")


def risk(page, line):
    return page.locator("tr.g-row .g-risk").nth(line)


def test_risk_class_chosen_from_the_open_list_is_taken_at_once(page, book):
    # An open list keeps its keys to itself: the page hears of the choice alone, without a key before it.
    risk(page, 0).click()
    page.keyboard.press("F2")
    page.locator(".g-risk select").select_option("Plan")
    expect(page.locator(".g-risk select")).to_have_count(0)
    expect(risk(page, 0)).to_have_text("Plan")
    expect(risk(page, 0)).to_be_focused()
    page.wait_for_selector(SAVED)
    assert book.line(book.entries[0]).risk_class == 1


def test_no_sign_typed_at_a_risk_class_is_left_to_the_browser(page, book):
    risk(page, 0).click()
    typed = """key => {
        const event = new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true });
        return !document.activeElement.dispatchEvent(event);
    }"""
    assert [page.evaluate(typed, key) for key in ("/", "'", "7", "F5", "Shift")] == [True, True, True, False, False]
    expect(risk(page, 0)).to_have_text("Estimate")


def test_the_cell_of_the_risk_class_stays_in_its_column(page, book):
    page.keyboard.press("ArrowLeft")
    expect(risk(page, 0)).to_be_focused()
    column = page.locator("thead .g-risk").bounding_box()
    for _ in ("as it is", "with its list open"):
        here = risk(page, 0).bounding_box()
        assert (here["x"], here["width"]) == (column["x"], column["width"])
        page.keyboard.press("F2")


def test_risk_class_passed_by_arrows_is_taken_when_one_goes_on(page, book):
    risk(page, 0).click()
    # Without a picker, as where none may open.
    page.evaluate("() => { HTMLSelectElement.prototype.showPicker = () => { throw new Error(); }; }")
    page.keyboard.press("F2")
    page.keyboard.press("ArrowUp")
    expect(page.locator(".g-risk select")).to_have_value("2")
    # Another cell: the list closes and what it showed counts.
    cell(page, 1, 2).click()
    expect(page.locator(".g-risk select")).to_have_count(0)
    expect(risk(page, 0)).to_have_text("Customer")
    expect(cell(page, 1, 2)).to_be_focused()
    page.wait_for_selector(SAVED)
    line = book.line(book.entries[0])
    assert (line.risk_class, line.risk_is_default) == (2, False)


def test_a_whole_customer_is_submitted_and_recalled_by_keyboard(page, book):
    page.get_by_role("link", name="Review and submit").press("Enter")
    page.get_by_role("button", name="Submit 3 lines").press("Enter")
    page.get_by_text("3 lines were submitted.").wait_for()
    expect(page.locator("tr.g-row .pill")).to_have_text(["submitted"] * 3)
    page.wait_for_selector("td.cur")
    page.keyboard.type("9")
    expect(page.locator(".g-edit")).to_have_count(0)
    expect(page.locator(".toast")).to_have_text("Peeled garlic is submitted. Recall it to change it.")
    assert "btn-primary" not in page.get_by_role("link", name="Review and submit").get_attribute("class")
    page.get_by_role("button", name="Recall 3 lines").press("Enter")
    page.get_by_text("3 lines were recalled.").wait_for()
    assert book.line(book.entries[0]).status == Line.Status.DRAFT


def test_prices_are_typed_in_their_own_view(page, book):
    page.get_by_role("link", name="Price").click()
    page.wait_for_selector("td.cur")
    page.keyboard.type("52.125")
    page.keyboard.press("Enter")
    page.wait_for_selector(SAVED)
    assert book.line(book.entries[0]).unit_price[0] == Decimal("52.1250")
    page.keyboard.press("Delete")
    problem = "There is no price for January 2027; enter one"
    page.locator(".grid-panel", has_text=f"{problem}.").wait_for()
    page.wait_for_selector(SAVED)
    page.get_by_role("link", name="Quantity").click()
    page.wait_for_selector("td.cur")
    # What needs something comes first.
    cell(page, 0, 0).click()
    page.locator(".grid-panel", has_text=f"{problem} in the price view.").wait_for()


def test_link_to_a_cell_puts_the_cursor_there(page, book):
    line = book.line(book.entries[2])
    page.goto(f"{book.url}#l{line.pk}-2027-05")
    page.reload()
    page.wait_for_selector("td.cur")
    assert page.evaluate(
        "() => document.activeElement === document.querySelectorAll('tr.g-row')[2].querySelectorAll('td.c')[4]"
    )


def test_escape_then_tab_leaves_the_grid(page, book):
    cell(page, 0, 0).click()
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    assert page.evaluate(
        "() => document.activeElement.closest('table') === null || document.activeElement.matches('a, input')"
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(portal, book, scheme):
    page = portal.page(book.rep, scheme=scheme)
    summary = f"/forecast/{book.cycle.pk}/submit/"
    for url in ("/forecast/", book.url, f"{book.url}?show=price&dormant=1", f"{book.url}?form=1", summary):
        page.goto(url)
        assert axe(page) == [], url


def test_without_javascript_the_form_saves(portal, book):
    page = portal.page(book.rep, javascript=False)
    page.goto(book.url)
    page.locator("noscript").get_by_role("link", name="Edit as a form").click()
    line = book.line(book.entries[0])
    page.fill(f"[name=q-{line.pk}-2027-01]", "1,500")
    page.fill(f"[name=q-{line.pk}-2027-02]", "abc")
    page.get_by_role("button", name="Save this page").click()
    expect(page.locator(f"[name=q-{line.pk}-2027-02]")).to_have_value("abc")
    expect(page.locator("[role=alert]")).to_contain_text("Peeled garlic, February 2027: 'abc' is not a number")
    page.fill(f"[name=q-{line.pk}-2027-02]", "")
    page.get_by_role("button", name="Save this page").click()
    page.get_by_text("1 line saved.").wait_for()
    assert book.quantity(0, 3) == [1500, None, 100]


def feet(page):
    """The rows under the lines as they stand, without what was sold: that does not change by typing."""
    return page.evaluate(
        """() => [...document.querySelectorAll("table.grid tfoot tr")].map((tr) =>
            [tr.dataset.sum, tr.dataset.uom,
             ...[...tr.querySelectorAll(".g-next12, .g-vs, td.c")].map((td) => td.textContent)])"""
    )


def test_sums_that_follow_the_typing_are_those_of_the_server(portal):
    """Different units are never added, neither by the server nor while somebody types."""
    rep = factories.make_user("sales_rep")
    customer = factories.make_customer(sales_rep=rep)
    for n, (uom, weight, price) in enumerate((("CS", "2.5", "10.55"), ("CS", "0.3333", "4"), ("BAG", None, "100"))):
        product = factories.make_product(item_code=f"P{n}", description=f"Garlic {n}", uom=uom, weight=weight)
        entry = factories.make_entry(customer, product, price=price)
        if uom == "CS":
            factories.make_actual(entry, dt.date(2026, 12, 1))
    cycle = factories.open_cycle()
    for line in Line.objects.filter(cycle=cycle, live=True).select_related("cycle", "owner"):
        factories.submit(factories.answer(line, 100))
    admin = factories.make_user("admin")
    with acting(admin, source="web"):
        close_cycle(cycle.pk, by=admin)
    cycle = factories.open_cycle(by=admin, first_period=dt.date(2027, 2, 1))
    page = portal.page(rep)
    page.goto(f"/forecast/{cycle.pk}/{customer.pk}/?dormant=1")

    def kept_as_typed():
        page.wait_for_selector(SAVED)
        typed, note = feet(page), page.locator("[data-weightless]")
        told = note.inner_text() if note.is_visible() else ""
        page.reload()
        assert typed == feet(page)
        note = page.locator("[data-weightless]")
        assert told == (note.inner_text() if note.is_visible() else "")
        return typed, told

    cell(page, 0, 0).click()
    page.keyboard.type("1234.56")
    page.keyboard.press("Enter")
    rows, told = kept_as_typed()
    assert [row[:2] for row in rows] == [["unit", "CS"]] and rows[0][4] == "1,334.56" and told == ""
    page.locator("tr.is-dormant td.c").first.click()
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    rows, told = kept_as_typed()
    # 1,234.56 x 2.5 + 100 x 0.3333 kg; 1,234.56 x 10.55 + 100 x 4 + 7 x 100.
    assert [(*row[:2], row[4]) for row in rows] == [("weight", "kg", "3,120"), ("money", "", "14,125")]
    assert told == "The total in kg is without Garlic 2, whose weight is not known."
    page.locator("tr.g-row", has_text="Garlic 0").locator("td.c").nth(2).click()
    page.keyboard.type("0")
    page.keyboard.press("Enter")
    rows, _ = kept_as_typed()
    # In April only 100 cases of 0.3333 kg are left of what weighs something.
    assert rows[0][6] == "33"
