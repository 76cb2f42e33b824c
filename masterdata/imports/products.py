"""Products from a file, with the groups it names: they are made, renamed and put below one another on the way."""

from collections.abc import Callable, Iterable, Mapping

from django.core.exceptions import ValidationError

from masterdata.imports import merge
from masterdata.imports.job import Job
from masterdata.imports.merge import Target
from masterdata.imports.objects import (
    Row,
    check,
    fill,
    link,
    new_ids,
    read_rows,
    refuse_dangling,
    refuse_near_keys,
    refuse_rows,
    stage,
)
from masterdata.imports.outcome import Outcome
from masterdata.imports.references import unknown_code
from masterdata.imports.staging import Staging
from masterdata.models import Product, ProductGroup

GROUPS = Target(ProductGroup, ("code",), ("name", "parent_id"), rows="import_more")
TARGET = Target(
    Product,
    ("item_code",),
    (
        "description", "group_id", "manufacturing_location", "production_line", "pack_size", "weight", "uom",
        "list_price", "cost_price", "replaced_by_id", "is_active",
    ),
)  # fmt: skip
# Columns that say something about the group, not about the product.
OF_GROUPS = ("group_code", "group_name", "parent_group_code", "parent_group_name")


def load(staging: Staging, job: Job) -> Outcome:
    """Check the staged rows and write the good ones, and their groups before them."""
    job.watch.step("Checking", staging.rows)
    rows = read_rows(staging)
    if job.alone:
        merge.lock(GROUPS, TARGET)
    groups = _Groups(rows)
    products = _products(rows)
    fields = {column.name: column.name for column in staging.columns if column.name not in OF_GROUPS}
    by_line = {row.line: products[row.values["item_code"]] for row in rows if "item_code" in row.values}
    _name_successors(rows, products)
    for row in rows:
        product = by_line.get(row.line)
        if product is not None:
            fill(product, row, fields, clears=job.clears)
            if "group_code" in row.values:
                product.group = groups.of(row)
    link(products.values(), "replaced_by", {each.pk: each for each in products.values()})
    for row in rows:
        if row.line in by_line:
            check(by_line[row.line], row, fields, skip=("replaced_by",))
    refuse_dangling(rows, "replaced_by", by_line)
    refused = refuse_rows(rows)
    good = [row for row in rows if not row.refused]
    stage(GROUPS, groups.used(good))
    stage(TARGET, ((row.line, by_line[row.line]) for row in good))
    outcome = Outcome(rows_read=staging.rows, refused=refused, totals={"rows": len(good)})
    outcome.created, outcome.updated, outcome.unchanged = merge.count(TARGET)
    outcome.tallies = {target.entity: merge.count(target) for target in (GROUPS, TARGET)}
    job.watch.step("Writing", staging.rows)
    for target in (GROUPS, TARGET):
        merge.write(target, job.watch, run_id=job.run_id)
    if job.shows:
        outcome.sample = merge.sample(TARGET)
    return outcome


def _products(rows: Iterable[Row]) -> dict[str, Product]:
    """The products that the file is about or names, by item code; new ones have their key already."""
    codes = {row.values[name] for row in rows for name in ("item_code", "replaced_by") if name in row.values}
    found = {each.item_code: each for each in Product.objects.filter(item_code__in=codes)}
    found.update((each.item_code, each) for each in Product.objects.filter(replaced_by__isnull=False))
    fresh = [row for row in rows if "item_code" in row.values and row.values["item_code"] not in found]
    refuse_near_keys(fresh, "item_code", TARGET)
    wanted = {row.values["item_code"]: None for row in fresh}
    for code, pk in zip(wanted, new_ids(TARGET, len(wanted)), strict=True):
        found[code] = Product(pk=pk, item_code=code)
    return found


def _name_successors(rows: Iterable[Row], products: Mapping[str, Product]) -> None:
    """Turn the codes of successors into products, also those that the file creates."""
    for row in rows:
        if "replaced_by" in row.values:
            code = row.values.pop("replaced_by")
            if code in products:
                row.values["replaced_by"] = products[code]
            else:
                row.refuse("replaced_by", unknown_code("product", code, None))


class _Groups:
    """The groups that the rows name, with what the rows say about them; rows that disagree refuse each other."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows = list(rows)
        self._moved: list[ProductGroup] = []
        codes = {
            row.values[name] for row in self._rows for name in ("group_code", "parent_group_code") if name in row.values
        }
        stored = ProductGroup.objects.filter(code__in=codes).select_related("parent")
        self._by_code: dict[str, ProductGroup] = {group.code: group for group in stored}
        # A parent is the same object wherever it is named.
        link(self._by_code.values(), "parent", {group.pk: group for group in self._by_code.values()})
        fresh = [code for code in dict.fromkeys(self._named()) if code not in self._by_code]
        for code, pk in zip(fresh, new_ids(GROUPS, len(fresh)), strict=True):
            self._by_code[code] = ProductGroup(pk=pk, code=code, name=code)
        self._tell("group_name", "group_code", self._rename)
        self._tell("parent_group_name", "parent_group_code", self._rename)
        self._tell("parent_group_code", "group_code", self._put_below)
        self._check()

    def of(self, row: Row) -> ProductGroup:
        """The group of a row's product."""
        return self._by_code[row.values["group_code"]]

    def used(self, rows: Iterable[Row]) -> list[tuple[int, ProductGroup]]:
        """The groups of these rows and those above them, each once, with the line that names it first."""
        found: dict[int, tuple[int, ProductGroup]] = {}
        for row in rows:
            group = self.of(row)
            for each in (group.parent, group):
                if each is not None:
                    found.setdefault(each.pk, (row.line, each))
        return list(found.values())

    def _named(self) -> Iterable[str]:
        for name in ("parent_group_code", "group_code"):
            yield from (row.values[name] for row in self._rows if name in row.values)

    def _tell(self, said: str, about: str, act: Callable[[ProductGroup, str], None]) -> None:
        """Take over what rows say about a group; a row that says something else than one before it is refused."""
        first: dict[str, Row] = {}
        for row in self._rows:
            if said not in row.values or about not in row.values:
                continue
            code, value = row.values[about], row.values[said]
            before = first.setdefault(code, row)
            if before is row:
                act(self._by_code[code], value)
            elif before.values[said] != value:
                row.refuse(
                    said,
                    f"Group {code} has '{before.values[said]}' here in row {before.line} and '{value}' in row "
                    f"{row.line}; write the same in both.",
                )

    def _rename(self, group: ProductGroup, name: str) -> None:
        group.name = name

    def _put_below(self, group: ProductGroup, parent_code: str) -> None:
        parent = self._by_code[parent_code]
        if group.parent_id != parent.pk:
            group.parent = parent
            self._moved.append(group)

    def _check(self) -> None:
        """Let the rules of groups speak about those that get another parent; they are few."""
        for group in self._moved:
            try:
                group.clean()
            except ValidationError as refusal:
                for row in self._rows:
                    if row.values.get("group_code") == group.code:
                        row.refuse("parent_group_code", " ".join(refusal.messages))
