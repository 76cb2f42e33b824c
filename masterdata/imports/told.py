"""SQL that says what a row is called and what changed in it, in the words of the audit trail.

Rows that are written set by set never come to Python, so what `audit.registry` says about a row at hand is said here
about many: the same labels, the same plain values (a test compares them).
"""

from collections.abc import Iterable, Sequence

from django.db import models

from masterdata.models import Actual, Budget, Customer, MatrixEntry, Price, Product, ProductGroup
from sop_portal.accounts.models import User

CREATED, UPDATED, DELETED = "created", "updated", "deleted"
_PAIR = "customer.name || ' · ' || product.item_code || ' ' || product.description"
# What a row is called, over its table or the joins of `_JOINS`.
NAMES: dict[type[models.Model], str] = {
    Customer: "own.name",
    Product: "own.item_code || ' ' || own.description",
    ProductGroup: "own.code || ' ' || own.name",
    User: "coalesce(nullif(own.full_name, ''), own.email)",
    MatrixEntry: _PAIR,
}
_JOINS: dict[type[models.Model], str] = {
    MatrixEntry: "JOIN masterdata_customer AS customer ON customer.id = own.customer_id "
    "JOIN masterdata_product AS product ON product.id = own.product_id",
}
# What a staged row is called, over its new values `n_…` and the words of its keys.
LABELS: dict[type[models.Model], str] = {
    Customer: "n_name",
    Product: "n_item_code || ' ' || n_description",
    ProductGroup: "n_code || ' ' || n_name",
    MatrixEntry: "words_n_customer_id.words || ' · ' || words_n_product_id.words",
    Price: "words_n_entry_id.words || ' from ' || n_valid_from::text",
    Actual: "words_n_customer_id.words || ' · ' || words_n_product_id.words || ' · ' || to_char(n_period, 'Mon YYYY')",
    Budget: "n_version || ' · ' || words_n_customer_id.words || ' · ' || to_char(n_period, 'Mon YYYY')",
}
# Keys whose words the label needs even where they did not change.
LABEL_KEYS: dict[type[models.Model], tuple[str, ...]] = {
    MatrixEntry: ("customer_id", "product_id"),
    Price: ("entry_id",),
    Actual: ("customer_id", "product_id"),
    Budget: ("customer_id",),
}


def words_join(field: models.Field, alias: str) -> str:
    """The join that gives the words of the row that a staged key `alias` points at."""
    target = field.remote_field.model  # type: ignore[union-attr]
    table = target._meta.db_table
    # Words are put together once for each row pointed at, not once for each row that points.
    return (
        f"LEFT JOIN (SELECT own.id, {NAMES[target]} AS words, "
        f"to_json(({NAMES[target]}) || ' (#' || own.id || ')')::text AS told "
        f"FROM {table} AS own {_JOINS.get(target, '')} OFFSET 0) AS words_{alias} ON words_{alias}.id = {alias}"
    )


def plain(field: models.Field, alias: str) -> list[str]:
    """A staged value that is there as a JSON scalar in pieces of SQL, put one behind the other: `audit.values.plain`."""
    if isinstance(field, models.ForeignKey):
        return [f"words_{alias}.told"]
    if isinstance(field, models.DecimalField):
        return ["'\"'", f"trim_scale({alias})", "'\"'"]
    if isinstance(field, models.DateField):
        return ["'\"'", f"{alias}::text", "'\"'"]
    if isinstance(field, models.BooleanField | models.IntegerField):
        return [f"{alias}::text"]
    return [f"to_json({alias})::text"]


def _joined(pieces: Iterable[str]) -> str:
    """One function puts all of them together, which costs half of what an operator between each two does."""
    merged: list[str] = []
    for piece in pieces:
        if merged and piece.startswith("'") and merged[-1].startswith("'"):
            merged[-1] = merged[-1][:-1] + piece[1:]
        else:
            merged.append(piece)
    return f"concat({', '.join(merged)})"


def _side(field: models.Field, alias: str) -> list[str]:
    """The same of a value that may be missing."""
    if isinstance(field, models.DecimalField | models.DateField) and not field.null:
        return plain(field, alias)
    there = f"words_{alias}.told" if isinstance(field, models.ForeignKey) else alias
    return [f"CASE WHEN {there} IS NULL THEN 'null' ELSE {_joined(plain(field, alias))} END"]


def changes(fields: Iterable[models.Field], verb: str) -> str:
    """The SQL of what changed as jsonb: {field: [old, new]}; of a row that came or went what it says at all."""
    always: list[str] = []
    possible: list[tuple[str, list[str]]] = []
    fields = list(fields)
    for field in fields:
        new, old = f"n_{field.attname}", f"o_{field.attname}"  # type: ignore[attr-defined]
        if verb == UPDATED:
            condition = f"{new} IS DISTINCT FROM {old}"
            pair = [*_side(field, old), "','", *_side(field, new)]
        else:
            condition = (
                f"{new} <> ''" if isinstance(field, models.CharField | models.TextField) else f"{new} IS NOT NULL"
            )
            pair = ["'null,'", *plain(field, new)] if verb == CREATED else [*plain(field, new), "',null'"]
        said = [f"'\"{field.name}\":['", *pair, "']'"]
        if verb != UPDATED and not (field.null or field.empty_strings_allowed):
            always += ["','", *said] if always else said
        else:
            possible.append((condition, said))
    # What is never missing needs no function that skips it.
    comma = ["','"] if always else []
    sometimes = [f"CASE WHEN {condition} THEN {_joined([*comma, *said])} END" for condition, said in possible]
    if always:
        told = _joined(["'{'", *always, *sometimes, "'}'"])
    else:
        told = f"concat('{{', concat_ws(',', {', '.join(sometimes)}), '}}')"
    if verb == UPDATED and all(isinstance(field, models.DecimalField) for field in fields):
        told = _if_all_changed(fields, told)
    return f"{told}::jsonb"


def _if_all_changed(fields: Sequence[models.Field], otherwise: str) -> str:
    """The SQL of numbers that changed, put together at once where each of them did, as those of facts mostly do."""
    condition = " AND ".join(f"n_{field.name} <> o_{field.name}" for field in fields)
    pieces = ["'{'"]
    for field in fields:
        pieces += [
            f"'\"{field.name}\":['",
            *plain(field, f"o_{field.name}"),
            "','",
            *plain(field, f"n_{field.name}"),
            "'],'",
        ]
    pieces[-1] = "']}'"
    return f"CASE WHEN {condition} THEN {_joined(pieces)} ELSE {otherwise} END"


def told(model: type[models.Model], fields: Sequence[models.Field], verb: str) -> tuple[str, str, str]:
    """The SQL of a staged row's label and changes, and the joins that both need.

    A row that goes stands in `n_…` as it was.
    """
    keys: dict[str, models.Field] = {}
    for field in fields:
        if isinstance(field, models.ForeignKey):
            keys[f"n_{field.attname}"] = field
            if verb == UPDATED:
                keys[f"o_{field.attname}"] = field
    for name in LABEL_KEYS.get(model, ()):
        keys[f"n_{name}"] = model._meta.get_field(name.removesuffix("_id"))  # type: ignore[assignment]
    joins = " ".join(words_join(field, alias) for alias, field in keys.items())
    return LABELS[model], changes(fields, verb), joins
