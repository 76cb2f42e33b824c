"""Budgets of old workbooks with their customers found: which rows are written, and which cannot be placed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from forecasts.excel.legacy_model import BudgetCell, LegacyBook, Warning
from forecasts.excel.legacy_names import Customers, near_names
from masterdata.models import Customer, alias_key
from masterdata.upserts import ProductRow
from sop_portal.lib import periods


@dataclass(frozen=True)
class PlacedBudget:
    """A figure of a budget with its customer."""

    book: LegacyBook
    cell: BudgetCell
    customer: Customer


@dataclass
class BudgetNames:
    """Names in budgets: `like` those that stand for a plan's name (key -> key), `unknown` the others (key -> text)."""

    like: dict[str, str] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)


def budget_names(books: Sequence[LegacyBook], plan_keys: Sequence[str]) -> BudgetNames:
    """The names of customers in all budgets, compared with the names of the plans."""
    names = {
        alias_key(cell.customer_name): cell.customer_name
        for book in books for budget in book.budgets for cell in budget.cells
    }  # fmt: skip
    like = near_names(names, plan_keys)
    return BudgetNames(like, {key: text for key, text in names.items() if key not in like})


def place_budgets(
    books: Sequence[LegacyBook], names: BudgetNames, customers: Customers
) -> tuple[list[PlacedBudget], list[tuple[LegacyBook, Warning]]]:
    """The figures that can be written, each once, and a sentence about every other one and every guess."""
    placed: dict[tuple[str, int, str, object], PlacedBudget] = {}
    said: list[tuple[LegacyBook, Warning]] = []
    for book in books:
        for budget in book.budgets:
            by_name: dict[str, list[BudgetCell]] = {}
            for cell in budget.cells:
                by_name.setdefault(alias_key(cell.customer_name), []).append(cell)
            for name, cells in by_name.items():
                key = names.like.get(name, name)
                customer = customers.by_key.get(key)
                if customer is None:
                    said.append((book, _unplaced(budget.name, cells, key, customers)))
                    continue
                if key != name:
                    sentence = f"'{cells[0].customer_name}' was taken as {customer}."
                    said.append((book, Warning("budget_name", budget.name, cells[0].cell, sentence)))
                for cell in cells:
                    mine = PlacedBudget(book, cell, customer)
                    first = placed.setdefault((cell.version, customer.pk, cell.code, cell.period), mine)
                    if first is not mine and (first.cell.quantity, first.cell.amount) != (cell.quantity, cell.amount):
                        said.append((book, Warning(
                            "budget_twice", budget.name, cell.cell,
                            f"The budget {cell.version} of {customer} in {periods.label(cell.period)} stands otherwise "
                            f"in {_place(first, book)}, which counts; this one was left out.",
                        )))  # fmt: skip
    return list(placed.values()), said


def _place(first: PlacedBudget, book: LegacyBook) -> str:
    return first.cell.cell if first.book is book else f"{first.book.file}, cell {first.cell.cell}"


def _unplaced(sheet: str, cells: Sequence[BudgetCell], key: str, customers: Customers) -> Warning:
    """Why the budget of a name was left out, with the cells that it stands in."""
    name, first = cells[0].customer_name, cells[0].cell
    others = ", ".join(cell.cell for cell in cells[1:])
    where = f" (and {others})" if others else ""
    if key in customers.left_out:
        return Warning("left_out", sheet, first, f"The budget of '{name}'{where} was left out, as you chose.")
    if key in customers.ambiguous:
        return Warning(
            "budget_unplaced", sheet, first, f"'{name}' fits several customers; its budget{where} was left out."
        )
    return Warning(
        "budget_unplaced", sheet, first,
        f"'{name}' is neither a sheet of the book nor a known customer, so its budget{where} was left out. "
        "Say which customer it is, and apply it then.",
    )  # fmt: skip


def budget_products(placed: Sequence[PlacedBudget]) -> Iterator[ProductRow]:
    """The products that budgets name."""
    for budget in placed:
        if budget.cell.code:
            yield ProductRow(budget.cell.code, budget.cell.description, None, None)
