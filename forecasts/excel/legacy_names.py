"""Who is who in a set of old workbooks: reps by their names, customers by the names of sheets, rows and budgets."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import PurePath
from typing import Any

from forecasts.excel.legacy_choices import NEW, Choices
from forecasts.excel.legacy_model import CustomerSheet, LegacyBook
from masterdata import upserts
from masterdata.models import Customer, alias_key
from masterdata.services import sales_reps
from masterdata.upserts import Tally
from sop_portal.lib.errors import Refused

# Names of sheets are cut there.
SHEET_NAME = 31


@dataclass(frozen=True)
class Name:
    """A name that stands for a customer, under the first of its keys; a prospect without a name has several.

    `file` and `sheet` say where it stands, `rep` whose plan it is. `fallback` is a key that counts only while the
    prospect it leads to is nobody else's.
    """

    keys: tuple[str, ...]
    text: str
    role: str
    rep: Any
    file: str
    sheet: str
    volume: Decimal = Decimal(0)
    fallback: str = ""

    @property
    def key(self) -> str:
        return self.keys[0]


class Reps:
    """Whose books and rows these are. Raises Refused when somebody chosen is no active rep any more."""

    def __init__(self, books: Sequence[LegacyBook], chosen: Any, choices: Choices) -> None:
        self.chosen = chosen
        everybody = {rep.pk: rep for rep in sales_reps()}
        names = {alias_key(name): name for book in books for name in rep_names(book)}
        self.by_key: dict[str, Any] = upserts.reps_by_key(names, everybody.values())
        self.by_file: dict[str, Any] = {}
        self.mapped: dict[str, tuple[str, Any]] = {}
        for target, decided in ((self.by_key, choices.reps), (self.by_file, choices.files)):
            for key, pk in decided.items():
                if pk not in everybody:
                    raise Refused("Somebody who was chosen as a rep is no active sales rep any more; choose again.")
                target[key] = everybody[pk]
        self.mapped = {key: (names[key], self.by_key[key]) for key in choices.reps if key in names}
        self.unknown = [name for key, name in names.items() if key not in self.by_key]

    def of_book(self, book: LegacyBook) -> Any:
        """The rep whose book it is: the one chosen for all, the one chosen for this book, else whom it names."""
        named = self.by_key.get(alias_key(book.rep_name)) if book.rep_name else None
        return self.chosen or self.by_file.get(book.file) or named

    def of_sheet(self, book: LegacyBook, sheet: CustomerSheet) -> Any:
        """The rep of a plan; in a consolidated book whom the rows name."""
        if sheet.rep_name:
            return self.by_key.get(alias_key(sheet.rep_name))
        return self.of_book(book)


def rep_names(book: LegacyBook) -> list[str]:
    """The reps that a book names, in their order."""
    rows = dict.fromkeys(sheet.rep_name for sheet in book.sheets if sheet.rep_name)
    return list(rows) if rows else [book.rep_name] if book.rep_name else []


def sheet_name(book: LegacyBook, sheet: CustomerSheet, reps: Reps) -> Name:
    """The name under which the customer of a plan is looked for.

    A prospect that nothing names is that of its rep; without one, that of its file.
    """
    rep = reps.of_sheet(book, sheet)
    if sheet.role != "nameless":
        return Name(
            (alias_key(sheet.customer_name),), sheet.customer_name, sheet.role, rep, book.file, sheet.name, sheet.volume
        )
    whose = [str(rep)] if rep is not None else []
    whose += [book.rep_name] if book.rep_name else []
    of_file = PurePath(book.file).stem or "workbook"
    texts = [f"{sheet.customer_name} ({name})" for name in whose or [of_file]]
    return Name(
        tuple(dict.fromkeys(map(alias_key, texts))), texts[0], sheet.role, rep, book.file, sheet.name, sheet.volume,
        fallback=alias_key(f"{sheet.customer_name} ({of_file})"),
    )  # fmt: skip


@dataclass
class Customers:
    """The customers of all names: `by_key` those found or made; the others by what stands in the way."""

    by_key: dict[str, Customer] = field(default_factory=dict)
    made: list[Customer] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    ambiguous: dict[str, list[Customer]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)


def find_customers(names: Sequence[Name], budget_names: dict[str, str], choices: Choices) -> Customers:
    """The customer of each name; unknown ones of plans are made, those of budgets only where somebody said so.

    budget_names: names in budgets by key. Raises Refused when a chosen customer does not exist any more.
    """
    result = Customers()
    found = upserts.customers_by_key({*(key for name in names for key in (*name.keys, name.fallback)), *budget_names})
    chosen = _chosen(choices)
    by_key: dict[str, Name] = {}
    for name in names:
        by_key.setdefault(name.key, name)
    fresh: dict[str, Name] = {}
    for key, name in by_key.items():
        known = next((found[one] for one in name.keys if one in found), None) or [
            customer for customer in found.get(name.fallback, [])
            if customer.is_prospect and (customer.sales_rep_id is None or customer.sales_rep == name.rep)
        ]  # fmt: skip
        if choices.left_out(key):
            result.left_out.add(key)
        elif key in chosen:
            result.by_key[key] = chosen[key]
        elif len(known) == 1:
            result.by_key[key] = known[0]
        elif known and choices.customers.get(key, ("", ""))[0] != NEW:
            result.ambiguous[key] = known
        else:
            fresh[key] = name
    for key, text in budget_names.items():
        if key in by_key:
            continue
        if choices.left_out(key):
            result.left_out.add(key)
        elif key in chosen:
            result.by_key[key] = chosen[key]
        elif choices.customers.get(key, ("", ""))[0] == NEW:
            fresh[key] = Name((key,), text, "customer", None, "", "")
        elif len(found.get(key, [])) == 1:
            result.by_key[key] = found[key][0]
        else:
            result.unknown.add(key)
    _make(result, fresh)
    texts = {key: (name.text, name.keys) for key, name in by_key.items()}
    texts |= {key: (text, (key,)) for key, text in budget_names.items() if key in choices.customers}
    result.tallies["names"] = Tally(created=upserts.remember_names({
        one: (text, result.by_key[key]) for key, (text, keys) in texts.items() if key in result.by_key for one in keys
    }))  # fmt: skip
    return result


def _chosen(choices: Choices) -> dict[str, Customer]:
    """The customers chosen by hand, by key."""
    codes = {key: code for key, (what, code) in choices.customers.items() if what == "customer"}
    customers = {
        customer.customer_id: customer
        for customer in Customer.objects.filter(customer_id__in=codes.values()).select_related("sales_rep")
    }
    gone = sorted(set(codes.values()) - customers.keys())
    if gone:
        raise Refused(f"No customer has the ID {gone[0]} any more; choose another one.")
    return {key: customers[code] for key, code in codes.items()}


def _make(result: Customers, fresh: dict[str, Name]) -> None:
    """Create customers and prospects for names that stand for nobody yet."""
    known = {customer.pk: customer for customer in result.by_key.values()}
    prospects = sum(1 for customer in known.values() if customer.is_prospect)
    made: dict[str, Customer] = {}
    for create, is_prospect in ((upserts.create_customers, False), (upserts.create_prospects, True)):
        wanted = {key: name for key, name in fresh.items() if (name.role != "customer") is is_prospect}
        texts, reps = {key: name.text for key, name in wanted.items()}, {key: name.rep for key, name in wanted.items()}
        made |= create(texts, reps=reps)
    result.made = list(made.values())
    result.by_key |= made
    new = sum(1 for customer in made.values() if customer.is_prospect)
    result.tallies["customers"] = Tally(created=len(made) - new, unchanged=len(known) - prospects)
    if new or prospects:
        result.tallies["prospects"] = Tally(created=new, unchanged=prospects)


def assign(result: Customers, names: Iterable[Name]) -> Iterator[tuple[Name, Customer]]:
    """Give customers that nobody serves to the rep of their plan; those of another rep are told."""
    wanted: dict[int, tuple[Customer, Any]] = {}
    others: dict[int, tuple[Name, Customer]] = {}
    for name in names:
        customer = result.by_key.get(name.key)
        if customer is None or name.rep is None:
            continue
        if customer.sales_rep_id is None:
            wanted.setdefault(customer.pk, (customer, name.rep))
        elif customer.sales_rep_id != name.rep.pk:
            others.setdefault(customer.pk, (name, customer))
    for pk in upserts.assign_unserved(wanted):
        tally = result.tallies["prospects" if wanted[pk][0].is_prospect else "customers"]
        tally.updated, tally.unchanged = tally.updated + 1, tally.unchanged - 1
    yield from others.values()


def near_names(budget: dict[str, str], sheets: Iterable[str]) -> dict[str, str]:
    """Budget names (by key) that are cut off or punctuated otherwise in a sheet's name; key -> the sheet's key.

    Excel cuts names of sheets at 31 characters and takes no ":", "/" and the like; only a single fit counts.
    """
    known = list(dict.fromkeys(sheets))
    found = {}
    for key, text in budget.items():
        if key in known:
            continue
        cut = alias_key(text[:SHEET_NAME])
        fits = [sheet for sheet in known if sheet == cut or _letters(sheet) == _letters(key)]
        if len(fits) == 1 and _letters(key):
            found[key] = fits[0]
    return found


def _letters(key: str) -> str:
    return re.sub(r"[\W_]+", "", key)
