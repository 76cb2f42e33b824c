"""Master data and facts as files that the import takes back without a change."""

from collections.abc import Collection, Mapping, Sequence
from typing import IO, Any, Literal

from django.contrib.postgres.aggregates import StringAgg
from django.db.models import Case, CharField, OuterRef, QuerySet, Subquery, TextField, Value, When
from django.db.models.expressions import Combinable

from masterdata.imports.kinds import Column, Kind
from masterdata.models.imports import ImportRun
from sop_portal.accounts.models import User
from sop_portal.lib import flat

Form = Literal["xlsx", "csv"]
TYPES: Mapping[str, flat.Type] = {
    "quantity": "number", "money": "number", "price": "number", "whole": "number",
    "period": "month", "date": "date", "yes_no": "flag",
}  # fmt: skip
WIDTHS = {"text": 24.0, "note": 40.0, "person": 26.0, "email": 26.0, "code": 14.0}

_PAIR = {"customer_id": "customer__customer_id", "item_code": "product__item_code"}
# Where a column of a kind stands, seen from the rows of its export, when it is no field of theirs.
_PATHS: Mapping[str, Mapping[str, str]] = {
    ImportRun.Kind.CUSTOMERS: {"sales_rep": "sales_rep__email", "replaced_by": "replaced_by__customer_id"},
    ImportRun.Kind.PRODUCTS: {
        "group_code": "group__code",
        "group_name": "group__name",
        "parent_group_code": "group__parent__code",
        "parent_group_name": "group__parent__name",
        "replaced_by": "replaced_by__item_code",
    },
    ImportRun.Kind.MATRIX: {
        **_PAIR,
        "unit_price": "prices__unit_price",
        "valid_from": "prices__valid_from",
        "proposed_by": "proposed_by__email",
    },
    ImportRun.Kind.ACTUALS: _PAIR,
    ImportRun.Kind.BUDGET: _PAIR,
    ImportRun.Kind.USERS: {"manager": "manager__email"},
}
# The rows of a matrix entry are its prices; one without any has a row of its own.
_ORDER: Mapping[str, tuple[str, ...]] = {
    ImportRun.Kind.CUSTOMERS: ("customer_id",),
    ImportRun.Kind.PRODUCTS: ("item_code",),
    ImportRun.Kind.MATRIX: ("customer__customer_id", "product__item_code", "prices__valid_from"),
    ImportRun.Kind.ACTUALS: ("customer__customer_id", "product__item_code", "period"),
    ImportRun.Kind.BUDGET: ("version", "customer__customer_id", "product__item_code", "period"),
    ImportRun.Kind.USERS: ("email",),
}


def write_export(
    target: IO[bytes],
    kind: Kind,
    rows: QuerySet[Any],
    *,
    form: Form,
    leave_out: Collection[str] = (),
    order: Sequence[str] = (),
) -> None:
    """Write `rows` into `target` in the columns of `kind`.

    rows: customers, products, matrix entries, actuals, budgets or users, as filtered and as far as the reader may see
    them. leave_out: names of columns that the reader may not see. order: columns;
    that of their keys when not given. Raises TooLarge when a sheet cannot hold them.
    """
    columns = [
        flat.Column(column.heading, TYPES.get(column.type, "text"), _value(kind, column), WIDTHS.get(column.type, 14.0))
        for column in kind.columns
        if column.name not in leave_out
    ]
    ordered = rows.order_by(*(order or _ORDER[kind.key]))
    if form == "csv":
        flat.write_csv(target, ordered, columns)
    else:
        flat.write_workbook(target, ordered, columns, sheet=kind.title)


def _value(kind: Kind, column: Column) -> str | Combinable:
    if column.choices:
        words = [When(**{column.name: value}, then=Value(text)) for value, text in column.choices]
        return Case(*words, output_field=CharField())
    if column.type == "choices":
        return _roles()
    return _PATHS[kind.key].get(column.name, column.name)


def _roles() -> Subquery:
    """The roles of a user as the import reads them."""
    groups = User.groups.through.objects.filter(user_id=OuterRef("pk")).order_by().values("user_id")
    named = groups.annotate(names=StringAgg("group__name", "; ", order_by="group__name"))
    return Subquery(named.values("names"), output_field=TextField())  # type: ignore[misc]
