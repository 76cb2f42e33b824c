"""Exports come in again without a change, in both forms, whatever stands in them."""

import datetime as dt
import io
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group

from audit.context import acting
from masterdata.imports.engine import LOADERS
from masterdata.imports.exports import write_export
from masterdata.imports.kinds import KINDS
from masterdata.models import Actual, Budget, Customer, MatrixEntry, Product
from sop_portal.accounts.models import User
from tests.factories import make_actual, make_customer, make_entry, make_group, make_product, make_user
from tests.imports import counts, sentences, upload
from tests.lib.test_sheets import HOSTILE

pytestmark = pytest.mark.django_db
FORM = pytest.mark.parametrize("form", ["xlsx", "csv"])
MODELS = {"customers": Customer, "products": Product, "matrix": MatrixEntry, "actuals": Actual, "budget": Budget}


def exported(kind: str, rows, form: str, **more) -> bytes:
    target = io.BytesIO()
    write_export(target, KINDS[kind], rows, form=form, **more)
    return target.getvalue()


def lines(content: bytes) -> list[str]:
    return content.decode("utf-8-sig").splitlines()


@pytest.fixture
def world(admin):
    with acting(admin, source="web"):
        return _filled(admin)


def _filled(admin):
    rep = make_user("sales_rep", email="rep@example.com", full_name="Robin Elm", employee_id="0042", manager=admin)
    parent = make_group(code="P0", name="All")
    group = make_group(code="G01", name="Garlic", parent=parent)
    old = make_product(item_code="007", description="=cmd", group=group, weight=Decimal("9.0725"), is_active=False)
    new = make_product(
        item_code="110001", description="Knoblauch, geschält; 4x5", group=group, cost_price=Decimal("1.234")
    )
    old.replaced_by = new
    old.save()
    buyer = make_customer(
        customer_id="C-1", name="-Elm & Söhne", sales_rep=rep, notes="Two\nlines", default_risk_class=1,
        credit_limit=Decimal("50000.5"), postal_code="01234",
    )  # fmt: skip
    for number, text in enumerate(HOSTILE):
        if name := text.strip().replace("\t", " ").replace("\r", " ").replace("\n", " ").strip():
            make_customer(customer_id=f"H{number:03}", name=name, replaced_by=buyer if number == 3 else None)
    entry = make_entry(buyer, new, None, minimum_order_quantity=Decimal("2.5"), lead_time_days=14, proposed_by=rep)
    entry.prices.create(valid_from=dt.date(2026, 1, 1), unit_price=Decimal("52.5"))
    entry.prices.create(valid_from=dt.date(2027, 1, 1), unit_price=Decimal("53.1234"))
    make_entry(buyer, old, None, is_active=False)
    make_actual(entry, dt.date(2026, 12, 1), Decimal("-1.234"), amount=Decimal("123456789012.1234"))
    make_actual(entry, dt.date(2026, 11, 1), Decimal("0.000001"), amount=Decimal("0"), cost=Decimal("-3.5"))
    Budget.objects.create(
        version="2027",
        customer=buyer,
        product=None,
        period=dt.date(2027, 1, 1),
        quantity=Decimal(10),
        amount=Decimal(5),
    )
    return rep


@FORM
@pytest.mark.parametrize("kind", sorted(LOADERS))
def test_what_goes_out_comes_in_without_a_change(world, admin, kind, form):
    rows = (MODELS.get(kind) or User).objects.all()
    run = upload(kind, exported(kind, rows, form), admin, f"export.{form}")
    assert run.state == "checked", run.reason
    assert sentences(run) == []
    assert counts(run) == (0, 0, run.rows_read, 0) and run.rows_read > 0


@FORM
def test_only_the_rows_asked_for_go_out(world, form):
    content = exported("customers", Customer.objects.filter(customer_id="C-1"), form)
    if form == "csv":
        assert len(lines(content.replace(b"Two\nlines", b"Two lines"))) == 2


def test_columns_and_values_of_each_kind(world):
    products = lines(exported("products", Product.objects.all(), "csv", leave_out={"cost_price"}))
    assert "Cost Price" not in products[0] and products[0].startswith(
        "Item Code,Description,Group Code,Group Name,Parent"
    )
    assert products[1].startswith("007,'=cmd,G01,Garlic,P0,All,") and products[1].endswith(",110001,No")
    matrix = lines(exported("matrix", MatrixEntry.objects.all(), "csv"))
    assert matrix[1:] == [
        "C-1,007,,,No,,,,,", "C-1,110001,52.5,2026-01-01,Yes,2.5,,14,rep@example.com,",
        "C-1,110001,53.1234,2027-01-01,Yes,2.5,,14,rep@example.com,",
    ]  # fmt: skip
    actuals = lines(exported("actuals", Actual.objects.all(), "csv"))
    assert actuals[1:] == ["C-1,110001,2026-11-01,0.000001,0,-3.5", "C-1,110001,2026-12-01,-1.2340,123456789012.1234,"]
    assert lines(exported("budget", Budget.objects.all(), "csv"))[1:] == ["2027,C-1,,2027-01-01,10,5"]
    customer = lines(
        exported("customers", Customer.objects.filter(pk=Customer.objects.get(customer_id="C-1").pk), "csv")
    )
    assert customer[1].startswith("C-1,'-Elm & Söhne,") and "rep@example.com" in customer[1] and ",Plan," in customer[1]


def test_users_carry_all_their_roles(world):
    with acting("system", source="command"):
        world.groups.add(Group.objects.get(name="viewer"))
    row = lines(exported("users", User.objects.filter(pk=world.pk), "csv"))[1]
    assert row.startswith("rep@example.com,Robin Elm,") and "sales_rep; viewer" in row and "0042" in row
