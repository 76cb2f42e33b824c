"""Importing actuals: a workbook of 100,000 rows against reading and merging it bare, and a million rows of CSV."""

import csv
import datetime as dt
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from xlsxwriter import Workbook

from audit.context import acting
from bench.floors import merge_actuals
from bench.grown import growth, size
from bench.meter import report, take_turns
from bench.scratch import World, owner, scratch
from masterdata.imports.engine import run_file
from masterdata.imports.progress import Watch
from masterdata.imports.runs import import_path
from sop_portal.lib import periods

CUSTOMERS, PRODUCTS, MONTHS = 500, 10, 20
# The long file has ten times the rows.
LONG_CUSTOMERS, LONG_PRODUCTS = 2_000, 25
FIRST = dt.date(2025, 1, 1)
HEADINGS = ("Customer ID", "Item Code", "Period", "Quantity", "Amount", "Cost")
# Where processes that are measured for their memory find the file.
FILE = "BENCH_FILE"
# A point of the curve of memory for so many rows.
EVERY = 100_000

# The floor merges into a table of the same columns, keys, indexes and foreign keys.
_BARE = """
CREATE TABLE bench_actual (LIKE masterdata_actual INCLUDING ALL);
ALTER TABLE bench_actual
  ADD FOREIGN KEY (customer_id) REFERENCES masterdata_customer DEFERRABLE INITIALLY DEFERRED,
  ADD FOREIGN KEY (product_id) REFERENCES masterdata_product DEFERRABLE INITIALLY DEFERRED;
GRANT ALL ON bench_actual TO PUBLIC;
"""
# Half of what the files hold is there already, with other values. No trigger keeps what is only made ready.
_HALF = """
ALTER TABLE {0} DISABLE TRIGGER USER;
TRUNCATE {0};
INSERT INTO {0} (customer_id, product_id, period, quantity, amount, cost)
SELECT customer.id, product.id, month::date, 1, 50, 30
  FROM masterdata_customer AS customer, masterdata_product AS product,
       generate_series('2025-01-01'::timestamp, '2025-10-01', '1 month') AS month
 ORDER BY month, customer.id, product.id;
SET CONSTRAINTS ALL IMMEDIATE;
ALTER TABLE {0} ENABLE TRIGGER USER;
"""


def actuals(customers: int, products: int) -> Iterator[tuple[str, str, dt.date, int, float, float]]:
    """Rows of a file: every month, customer and product once."""
    number = 0
    for month in periods.span(FIRST, MONTHS):
        for customer in range(customers):
            for product in range(products):
                number += 1
                quantity = 100 + number * 7919 % 977
                yield (
                    f"C{customer:05d}", str(110001 + product), month, quantity, round(quantity * 52.25, 2),
                    round(quantity * 31.4, 2),
                )  # fmt: skip


def write_workbook(path: Path) -> None:
    book = Workbook(str(path), {"constant_memory": True})
    sheet, month = book.add_worksheet("Actuals"), book.add_format({"num_format": "mmm yyyy"})
    sheet.write_row(0, 0, HEADINGS)
    for row, (customer, item, period, *values) in enumerate(actuals(CUSTOMERS, PRODUCTS), 1):
        sheet.write_string(row, 0, customer)
        sheet.write_string(row, 1, item)
        sheet.write_datetime(row, 2, period, month)
        for column, value in enumerate(values, 3):
            sheet.write_number(row, column, value)
    book.close()


def write_csv(path: Path) -> None:
    with path.open("w", newline="") as target:
        writer = csv.writer(target)
        writer.writerow(HEADINGS)
        for customer, item, period, *values in actuals(LONG_CUSTOMERS, LONG_PRODUCTS):
            writer.writerow((customer, item, periods.key(period), *values))


def make_ready(database: str) -> None:
    """Half of the rows in both tables, as they are after a while in a database that lives."""
    with owner(database) as server:
        for table in ("masterdata_actual", "bench_actual"):
            server.execute(_HALF.format(table))  # type: ignore[call-overload]
        server.execute("VACUUM ANALYZE")


def import_once() -> None:
    """The whole of it, committed: checks, entries of the trail, and a run that can be undone."""
    with acting("system", source="command"):
        _, run = import_path(Path(os.environ[FILE]), kind="actuals", apply=True)
    assert run is not None
    assert (run.rows_created, run.rows_updated) == (run.rows_read // 2, run.rows_read // 2)


def floor_once() -> None:
    merge_actuals(Path(os.environ[FILE]))


class _Curve(Watch):
    """Prints how large the importing process is while it works."""

    def __init__(self) -> None:
        self._before, self._step, self._next = size(), "", 0

    def step(self, words: str, rows_all: int | None = None) -> None:
        self._step, self._next = words, 0
        self._print(0)

    def rows(self, done: int) -> None:
        if done >= self._next:
            self._print(done)

    def _print(self, done: int) -> None:
        print(f"    {self._step:<20} {done:>9,} rows  {size() - self._before:+6.1f} MB", flush=True)
        self._next = done - done % EVERY + EVERY


def curve_once() -> None:
    """The same, printing what memory it takes on the way."""
    with acting("system", source="command"):
        run_file(Path(os.environ[FILE]), "actuals", {}, write=True, watch=_Curve())


def run(*, rounds: int, lines: int) -> None:
    """Print both costs, the memory they take, and those of a row of a long CSV file beside a row of the workbook."""
    with tempfile.TemporaryDirectory() as folder:
        _per_row = _workbook(Path(folder), min(rounds, 5))
        _long_csv(Path(folder), _per_row)


def _workbook(folder: Path, rounds: int) -> float:
    """Measure the workbook; the cost of one of its rows in seconds."""
    with scratch() as name:
        os.environ[FILE] = str(folder / "actuals.xlsx")
        write_workbook(folder / "actuals.xlsx")
        prepare(name, CUSTOMERS, PRODUCTS)
        meters = take_turns(
            rounds,
            {"floor": lambda number: floor_once(), "ours": lambda number: import_once()},
            before=lambda: make_ready(name),
        )
        rows = CUSTOMERS * PRODUCTS * MONTHS
        print(f"  xlsx, {rows:,} rows, half of them updates")
        report(meters["ours"], meters["floor"], 2.0)
        grown = {}
        for what, function in (("floor", "floor_once"), ("ours", "import_once")):
            make_ready(name)
            own, child = growth(name, "bench.imports", function)
            grown[what] = own + child
            print(f"  memory {what}: grows by {own:.0f} MB, its reading process has {child:.0f} MB")
        print(f"  ratio  {grown['ours'] / grown['floor']:.2f} of memory (goal at most 1.3)", flush=True)
        return meters["ours"].cpu / rows


def _long_csv(folder: Path, per_row: float) -> None:
    with scratch() as name:
        os.environ[FILE] = str(folder / "actuals.csv")
        write_csv(folder / "actuals.csv")
        prepare(name, LONG_CUSTOMERS, LONG_PRODUCTS)
        make_ready(name)
        rows = LONG_CUSTOMERS * LONG_PRODUCTS * MONTHS
        print(f"  csv, {rows:,} rows, half of them updates")
        meters = take_turns(1, {"ours": lambda number: import_once()}, warm=0)
        print(f"  ours   {meters['ours']}")
        print(
            f"  ratio  {meters['ours'].cpu / rows / per_row:.2f} of the CPU of a row of the workbook (goal at most 0.9)"
        )
        make_ready(name)
        own, _ = growth(name, "bench.imports", "curve_once")
        print(f"  memory grows by {own:.0f} MB (goal at most 30)", flush=True)


def prepare(name: str, customers: int, products: int) -> None:
    """People, customers and products, and the table of the floor."""
    World(reps=5, customers=customers, products=products)
    with owner(name) as server:
        server.execute(_BARE)
