"""Flat exports of 100,000 rows of 20 columns, straight from the database, as a workbook and as CSV."""

import tempfile
from collections.abc import Callable
from typing import IO, Any

from django.db import connection

from bench.floors import bare_copy, bare_table
from bench.grown import growth
from bench.meter import report, take_turns
from bench.scratch import analyze, scratch, sized_world
from masterdata.models import Actual
from sop_portal.lib.flat import Column, write_csv, write_workbook

ROWS = 100_000
COLUMNS = [
    Column("Customer ID", "text", "customer__customer_id"),
    Column("Customer Name", "text", "customer__name"),
    Column("Sales Rep", "text", "customer__sales_rep__email"),
    Column("Rep Name", "text", "customer__sales_rep__full_name"),
    Column("Region", "text", "customer__region"),
    Column("Country", "text", "customer__country"),
    Column("Customer Active", "flag", "customer__is_active"),
    Column("Item Code", "text", "product__item_code"),
    Column("Description", "text", "product__description"),
    Column("Group Code", "text", "product__group__code"),
    Column("Group Name", "text", "product__group__name"),
    Column("Unit of Measure", "text", "product__uom"),
    Column("Weight", "number", "product__weight"),
    Column("List Price", "number", "product__list_price"),
    Column("Cost Price", "number", "product__cost_price"),
    Column("Product Active", "flag", "product__is_active"),
    Column("Period", "month", "period"),
    Column("Quantity", "number", "quantity"),
    Column("Amount", "number", "amount"),
    Column("Cost", "number", "cost"),
]


def _fill() -> None:
    """Every cell that the world leaves blank gets a value: a blank costs nothing."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE masterdata_customer SET region = 'Region ' || id % 9, country = 'Country ' || id % 7")
        cursor.execute("UPDATE masterdata_product SET cost_price = list_price * 0.6")
        cursor.execute(
            "UPDATE masterdata_actual SET quantity = (id * 7919 % 100000) / 4.0, amount = (id * 104729 % 9999999) / 100.0, "
            "cost = (id * 15485863 % 6999999) / 100.0"
        )


def _into(write: Callable[[IO[bytes]], None]) -> Callable[[int], None]:
    def work(number: int) -> None:
        with tempfile.TemporaryFile() as target:
            write(target)

    return work


def workbook_once() -> None:
    with tempfile.TemporaryFile() as target:
        write_workbook(target, Actual.objects.order_by("pk"), COLUMNS, sheet="Actuals")


def csv_once() -> None:
    with tempfile.TemporaryFile() as target:
        write_csv(target, Actual.objects.order_by("pk"), COLUMNS)


def run(*, rounds: int, lines: int) -> None:
    """Print the costs of both forms beside their floors, and the memory that the workbook takes."""
    with scratch() as name:
        sized_world(ROWS)
        _fill()
        analyze(name)
        rows = Actual.objects.order_by("pk")
        for what, write in (("workbook", "workbook_once"), ("CSV", "csv_once")):
            print(f"  memory grows by {growth(name, 'bench.exports', write)[0]:.0f} MB while the {what} is written")
        values = rows.values_list(*(column.value for column in COLUMNS))
        inner = str(values.query)
        print(f"  csv, {ROWS:,} rows of {len(COLUMNS)} columns")
        meters = take_turns(
            rounds,
            {
                "floor": _into(lambda target: bare_copy(target, inner)),
                "ours": _into(lambda target: write_csv(target, rows, COLUMNS)),
            },
        )
        report(meters["ours"], meters["floor"], 1.5)
        ready: list[tuple[Any, ...]] = [
            tuple(
                float(value) if column.type == "number" else value for value, column in zip(row, COLUMNS, strict=True)
            )
            for row in values
        ]
        print(f"  xlsx, {ROWS:,} rows of {len(COLUMNS)} columns; the floor has them in memory")
        meters = take_turns(
            min(rounds, 3),
            {
                "floor": _into(lambda target: bare_table(target, COLUMNS, ready)),
                "ours": _into(lambda target: write_workbook(target, rows, COLUMNS, sheet="Actuals")),
            },
            warm=0,
        )
        report(meters["ours"], meters["floor"], 1.3)
