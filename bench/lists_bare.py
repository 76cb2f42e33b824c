"""Lines of a cycle as the API sends them, by psycopg and orjson alone: the floor of `bench.lists`, and the SQL that its
rival shares."""

from typing import Any, LiteralString

import orjson
import psycopg

PLAIN = (
    "id", "cycle_id", "customer_id", "customer_name", "item_code", "description", "unit_of_measure", "owner_id",
    "status", "live", "risk_class", "revision", "notes", "change_reason", "decision_comment", "first_period",
    "quantity_source", "price_source", "edited_at", "submitted_at", "submitted_by_id", "decided_at", "decided_by_id",
)  # fmt: skip
NUMBERS = ("quantity", "unit_price")
NAMES = (*PLAIN, *NUMBERS)
ADDRESS = "http://localhost/api/v1/forecasts?cycle_id={}&page_size={}&page={}"

_COLUMNS: LiteralString = """
line.id, line.cycle_id, customer.customer_id, customer.name AS customer_name, product.item_code, product.description,
product.uom AS unit_of_measure, line.owner_id, line.status, line.live, line.risk_class, line.revision, line.notes,
line.change_reason, line.decision_comment, cycle.first_period, line.quantity_source, line.price_source, line.edited_at,
line.submitted_at, line.submitted_by_id, line.decided_at, line.decided_by_id"""
_FROM: LiteralString = """
  FROM forecasts_line AS line
  JOIN masterdata_customer AS customer ON customer.id = line.customer_id
  JOIN masterdata_product AS product ON product.id = line.product_id
  JOIN cycles_cycle AS cycle ON cycle.id = line.cycle_id
 WHERE line.cycle_id = """
_ORDER: LiteralString = " ORDER BY line.customer_id, line.product_id, line.id "


def _trimmed(column: LiteralString, places: LiteralString) -> LiteralString:
    """The numbers of an array without zeros at the end, each behind a quote and before one."""
    text: LiteralString = f"""'"' || array_to_string({column}, '","', '~') || '"'"""
    swaps: tuple[tuple[LiteralString, LiteralString], ...] = (
        (f'.{places}"', '|"'), ('000"', '"'), ('00"', '"'), ('0"', '"'), ('|"', '"'),
    )  # fmt: skip
    for old, new in swaps:
        text = f"replace({text}, '{old}', '{new}')"
    return text


def _as_json(column: LiteralString, places: LiteralString) -> LiteralString:
    return f"""'[' || replace({_trimmed(column, places)}, '"~"', 'null') || ']'"""


def _as_array(column: LiteralString, places: LiteralString, name: LiteralString) -> LiteralString:
    return f"""string_to_array(trim('"' FROM {_trimmed(column, places)}), '","', '~') AS {name}"""


# The numbers as JSON that is ready, and as arrays of texts for those who build their answer from values.
COUNT: LiteralString = "SELECT count(*) FROM forecasts_line WHERE cycle_id = "
READY: LiteralString = (
    f"SELECT {_COLUMNS}, {_as_json('line.quantity', '000000')}, {_as_json('line.unit_price', '0000')}{_FROM}%s{_ORDER}"
    "LIMIT %s OFFSET %s"
)
VALUES: LiteralString = (
    f"SELECT {_COLUMNS}, {_as_array('line.quantity', '000000', 'quantity')}, "
    f"{_as_array('line.unit_price', '0000', 'unit_price')}{_FROM}$1{_ORDER}LIMIT $2 OFFSET $3"
)
_WHO: LiteralString = (
    "SELECT person.id, person.is_active, family.revoked_at, family.expires_at FROM accounts_user AS person "
    "LEFT JOIN accounts_tokenfamily AS family ON family.user_id = person.id WHERE person.id = %s"
)
_MAY: LiteralString = (
    "SELECT app_label, codename FROM accounts_user_groups AS of_group "
    "JOIN auth_group_permissions USING (group_id) JOIN auth_permission ON auth_permission.id = permission_id "
    "JOIN django_content_type ON django_content_type.id = content_type_id WHERE of_group.user_id = %s"
)


class Bare:
    """The floor: a driver, statements written by hand, and a renderer."""

    # Who asks and what they may, how many lines there are, and those of the page.
    QUERIES = 4

    def __init__(self, connection: psycopg.Connection[Any], cycle_id: int, user_id: int) -> None:
        self.connection, self.cycle_id, self.user_id = connection, cycle_id, user_id

    def __call__(self, page: int, size: int) -> bytes:
        """One page."""
        ask = self.connection.execute
        ask(_WHO, [self.user_id]).fetchone()
        ask(_MAY, [self.user_id]).fetchall()
        ((count,),) = ask(f"{COUNT}%s", [self.cycle_id]).fetchall()
        rows = ask(READY, [self.cycle_id, size, (page - 1) * size]).fetchall()
        results = [dict(zip(NAMES, row, strict=True)) for row in rows]
        for row in results:
            for name in NUMBERS:
                row[name] = orjson.Fragment(row[name])
        answer = {**around(self.cycle_id, page, size, count), "results": results}
        return orjson.dumps(answer, option=orjson.OPT_UTC_Z)


def around(cycle_id: int, page: int, size: int, count: int) -> dict[str, Any]:
    """What stands beside the rows of a page."""
    return {
        "count": count,
        "next": ADDRESS.format(cycle_id, size, page + 1) if page * size < count else None,
        "previous": ADDRESS.format(cycle_id, size, page - 1) if page > 1 else None,
    }
