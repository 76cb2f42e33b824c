"""Products from a file, with the groups they name."""

from dataclasses import replace
from decimal import Decimal

import pytest

from masterdata.imports import kinds
from masterdata.models import Product, ProductGroup
from tests.factories import make_group, make_product
from tests.imports import commit, counts, csv_bytes, imported, last_entry, sentences, told, upload

pytestmark = pytest.mark.django_db
HEAD = ["Item Code", "Description", "Group Code", "Group Name", "Parent Group Code", "UoM", "Weight", "List Price",
        "Cost Price", "Replaced By", "Active"]  # fmt: skip


def row(code, description="Garlic", group="G1", name="", parent="", uom="CS", **more):
    return (code, description, group, name, parent, uom, more.get("weight", ""), more.get("price", ""),
            more.get("cost", ""), more.get("by", ""), more.get("active", ""))  # fmt: skip


def test_a_file_creates_products_and_the_groups_it_names(admin):
    old = make_group(code="G0", name="Old name")
    make_product(item_code="110001", description="Garlic", group=old)
    commit()
    entry = last_entry()
    rows = [
        row("110001", group="G1", name="Peeled", parent="G9", weight="9.07", price="52.5", cost="31.25"),
        row("110002", group="G0", name="New name", by="110003"),
        row("110003", group="G1", active="No"),
    ]
    run = imported("products", csv_bytes(HEAD, rows), admin)
    assert counts(run) == (2, 1, 0, 0)
    assert run.control_totals["tallies"] == {"product_group": [2, 1, 0], "product": [2, 1, 0]}
    groups = {group.code: group for group in ProductGroup.objects.select_related("parent")}
    assert (groups["G1"].name, groups["G1"].parent, groups["G9"].name) == ("Peeled", groups["G9"], "G9")
    assert groups["G0"].name == "New name"
    one, two, three = Product.objects.order_by("item_code")
    assert (one.group, one.weight, one.list_price, one.cost_price) == (
        groups["G1"], Decimal("9.07"), Decimal("52.5"), Decimal("31.25"),
    )  # fmt: skip
    assert (two.replaced_by, three.is_active) == (three, False)
    assert told(entry) == [
        ("product_created", "110002 Garlic"),
        ("product_created", "110003 Garlic"),
        ("product_group_created", "G1 Peeled"),
        ("product_group_created", "G9 G9"),
        ("product_group_updated", "G0 New name"),
        ("product_updated", "110001 Garlic"),
    ]
    entry = last_entry()
    assert counts(imported("products", csv_bytes(HEAD, rows), admin)) == (0, 0, 3, 0)
    assert told(entry) == []


def test_what_rows_say_about_groups_must_agree(admin):
    make_group(code="G5", name="Leaf", parent=make_group(code="G4", name="Stem"))
    rows = [
        row("1", group="G1", name="Peeled"),
        row("2", group="G1", name="Whole"),
        row("3", group="G2", parent="G2"),
        row("4", group="G3", parent="G5"),
        row("5", group="G4", parent="G6"),
        row("6", group=""),
    ]
    run = upload("products", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == [
        "D3: Group G1 has 'Peeled' here in row 2 and 'Whole' in row 3; write the same in both.",
        "E4: A group cannot be its own parent.",
        "E5: Groups have two levels; choose a group that has no parent itself.",
        "E6: This group has groups below it, so it must stay on the upper level.",
        "C7: Group Code is missing; write one such as G01, or delete the row.",
    ]


def test_units_of_a_product_and_its_successor(admin):
    rows = [row("1", uom="CS", by="2"), row("2", uom="KG"), row("3", uom="CS", by="4"), row("4", uom="CS")]
    run = upload("products", csv_bytes(HEAD, rows), admin)
    (said,) = sentences(run)
    assert said.startswith("J2: 1 Garlic is counted in CS and 2 Garlic in KG; what was sold cannot follow")


def test_groups_of_refused_rows_are_not_made(admin):
    rows = [row("1", group="G1", price="-5"), row("2", group="G2")]
    run = upload("products", csv_bytes(HEAD, rows), admin)
    assert sentences(run) == ["H2: '-5' is below 0; a price must be 0 or more."]
    assert run.control_totals["tallies"]["product_group"] == [1, 0, 0]


def test_too_many_rows(admin, monkeypatch):
    monkeypatch.setitem(kinds.KINDS, "products", replace(kinds.PRODUCTS, csv_rows=10))
    run = upload("products", csv_bytes(HEAD, [row(str(n)) for n in range(11)]), admin)
    assert (run.state, run.reason) == (
        "refused", "The file has more than 10 rows of products; split it into several files.",
    )  # fmt: skip
