"""An old planning workbook as a whole: what each sheet is, what was taken from it, and what was not.

The parsing is pure: no database, no file. `sop_portal.lib.workbook.read_workbook` reads the file before it.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from forecasts.excel.legacy_budget import parse_budget
from forecasts.excel.legacy_consol import (
    Consolidated,
    Who,
    compare_copy,
    count_copy,
    parse_consolidated,
    repeats,
    who_columns,
)
from forecasts.excel.legacy_customer import common_first_period, parse_customer
from forecasts.excel.legacy_headings import Header, find_header
from forecasts.excel.legacy_model import BookKind, BudgetSheet, CustomerSheet, LegacyBook, SheetReport, Warning
from forecasts.excel.legacy_portal import portal_export
from forecasts.excel.legacy_risk import OFFICIAL
from forecasts.excel.legacy_values import clean
from sop_portal.lib import periods
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.workbook import Sheet, Workbook

_SUMMARY = re.compile(r"summary\b.*|summary[ _-]?[a-z0-9]{1,4}|(r[eé]sum[eé]n?)\b.*")
_HELPER = re.compile(r"lists?|averages?|avg|instructions?|read ?me|notes?")
_BUDGET = re.compile(
    r"(fy)?[ _-]*([0-9]{2,4})?[ _-]*(budgets?|presupuestos?)([ _-]*(fy)?[ _-]*[0-9]{2,4})?([ _-]*(v[0-9]+|final|rev[0-9]*))?"
)
_PROSPECT = re.compile(r"(new (?:business|biz|customer|account|client)e?s?|prospects?)\s*($|[^a-z\s].*)")
_PIVOT = re.compile(r"row labels|column labels|(sum|count|average|max|min) of .+|etiquetas de fila|suma de .+")
_REP = re.compile(
    r"(sales ?rep(resentative)?|salesperson|rep)( name)?\s*[:：-]\s*(.*)|sales ?rep(resentative)?( name)?"
)
_NAMED = re.compile(r"(?:customer|client|account|prospect|new business)(?: name)?\s*[:：]\s*(.*)", re.IGNORECASE)
# Names that Excel or an admin gives a sheet that is nobody's.
_NOBODYS = re.compile(r"sheet ?[0-9]*|hoja ?[0-9]*|consol.*|total.*|all|data|plan|master")
LEGEND_CELLS = 40


def parse_book(workbook: Workbook, *, decimal_mark: DecimalMark = ".") -> LegacyBook:
    """Everything a planning workbook of the old kind says. `decimal_mark` decides numbers that stand there as text."""
    export = portal_export(workbook)
    if export is not None:
        return LegacyBook("portal", export.sentence, export.reports, [], None, None, [])
    return _Parser(workbook, decimal_mark).book()


@dataclass(slots=True)
class _Parser:
    """Reads what may count twice last: customers' sheets, then consolidated plans, then sheets of single reps."""

    workbook: Workbook
    decimal_mark: DecimalMark
    reports: dict[int, SheetReport] = field(default_factory=dict)
    sheets: list[CustomerSheet] = field(default_factory=list)
    budgets: list[BudgetSheet] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    consolidated: Consolidated | None = None

    def book(self) -> LegacyBook:
        """The book."""
        budgets: list[tuple[int, Sheet]] = []
        headless: list[tuple[int, Sheet]] = []
        of_many: list[tuple[bool, bool, int, Sheet, Header, Who]] = []
        for number, sheet in enumerate(self.workbook.sheets):
            report = self._by_name(sheet)
            if report is not None:
                self.reports[number] = report
                if report.kind == "budget":
                    budgets.append((number, sheet))
                continue
            header = find_header(sheet, self.workbook.date1904)
            if header is None:
                headless.append((number, sheet))
            elif (who := who_columns(sheet, header)) is not None:
                of_many.append((who.rep is None, not sheet.visible, number, sheet, header, who))
            else:
                self.reports[number] = self._plan(sheet, header)
        for _, _, number, sheet, header, who in sorted(of_many, key=lambda one: one[:3]):
            self.reports[number] = self._of_many(sheet, header, who)
        for number, sheet in headless:
            self.reports[number] = self._headless(sheet)
        first = common_first_period(self.sheets)
        for number, sheet in budgets:
            budget, sentence = parse_budget(
                sheet, first=first, date1904=self.workbook.date1904, decimal_mark=self.decimal_mark
            )
            self.budgets.append(budget)
            self.reports[number] = SheetReport(sheet.name, "budget", "Budget", sentence, taken=bool(budget.cells))
        reports = [self.reports[number] for number in sorted(self.reports)]
        for report in reports:
            if report.kind in ("unread", "unknown"):
                self.warnings.append(Warning(f"{report.kind}_sheet", report.name, "", report.sentence))
        self.warnings += _other_months(self.sheets, first)
        self.warnings += _same_customers(self.sheets)
        kind = _book_kind(report.kind for report in reports)
        return LegacyBook(
            kind=kind,
            sentence=_book_sentence(kind, reports, self.sheets),
            reports=reports,
            sheets=self.sheets,
            rep_name=_rep_name(self.workbook, reports),
            first_period=first,
            warnings=self.warnings,
            budgets=self.budgets,
        )

    def _by_name(self, sheet: Sheet) -> SheetReport | None:
        """A sheet told by its name, or by what makes it no plan at all."""
        word = clean(sheet.name).casefold()
        if sheet.unread:
            return SheetReport(sheet.name, "unread", "Not read", f"The sheet was not read. {sheet.unread}")
        if not any(cell is not None for row in sheet.rows for cell in row):
            return SheetReport(sheet.name, "empty", "Empty", "The sheet is empty.")
        if _SUMMARY.fullmatch(word):
            return SheetReport(
                sheet.name, "summary", "Summary", "Its sums repeat the customers' sheets, so nothing is taken from it."
            )
        if _HELPER.fullmatch(word):
            return SheetReport(sheet.name, "helper", "Helper", "It holds helper figures; nothing is taken from it.")
        if _BUDGET.fullmatch(word):
            return SheetReport(sheet.name, "budget", "Budget", "")
        if any(sum(1 for cell in row if _PIVOT.fullmatch(clean(cell).casefold())) >= 2 for row in sheet.rows[:15]):
            return SheetReport(
                sheet.name, "pivot", "Pivot table", "Its sums repeat other sheets; nothing is taken from it."
            )
        return None

    def _of_many(self, sheet: Sheet, header: Header, who: Who) -> SheetReport:
        """A sheet of many customers: all reps' together, or one rep's; one that repeats what was taken is left."""
        name = clean(sheet.name)
        rep = None if who.rep is not None or _NOBODYS.fullmatch(name.casefold()) else name
        plan = parse_consolidated(sheet, header, who, rep=rep, decimal_mark=self.decimal_mark)
        if plan is None:
            return _undated(sheet)
        title = "Consolidated plan" if who.rep is not None else "Plan of one rep"
        if repeats(plan, self.sheets):
            return SheetReport(
                sheet.name, "rep_rows", title,
                f"{plan.rows:,} rows, most of which repeat other sheets of the book; nothing is taken from it.",
            )  # fmt: skip
        self.sheets += plan.sheets
        self.warnings += plan.warnings
        if who.rep is not None and self.consolidated is None and plan.sheets:
            self.consolidated = plan
        reps = f" of {len(plan.reps)} {'rep' if len(plan.reps) == 1 else 'reps'}" if plan.reps else ""
        return SheetReport(
            sheet.name, "consolidated", title,
            f"{plan.rows:,} rows{reps} and {len({sheet.customer_name.casefold() for sheet in plan.sheets}):,} customers: "
            f"{_figures(plan.sheets)}.",
            taken=bool(plan.sheets),
        )  # fmt: skip

    def _plan(self, sheet: Sheet, header: Header) -> SheetReport:
        customer = parse_customer(sheet, header, date1904=self.workbook.date1904, decimal_mark=self.decimal_mark)
        if customer is None:
            return _undated(sheet)
        figures = f"{_figures([customer])}, {customer.months} months from {periods.label(customer.first_period)}"
        prospect = _PROSPECT.fullmatch(clean(sheet.name).casefold())
        if prospect is None:
            self.sheets.append(customer)
            return SheetReport(sheet.name, "customer", customer.customer_name, f"{figures}.", taken=True)
        if customer.idle:
            self.warnings += customer.warnings
            return SheetReport(
                sheet.name, "prospect", "Prospect",
                "A plan for new business without any volume or price: no prospect was made of it.",
            )  # fmt: skip
        name = _prospect_name(sheet, header, prospect.start(2))
        customer.role, customer.customer_name = ("prospect", name) if name else ("nameless", customer.customer_name)
        self.sheets.append(customer)
        whose = f"The plan of the prospect {name}" if name else "A plan for a customer without a name"
        return SheetReport(sheet.name, "prospect", "Prospect", f"{whose}: {figures}.", taken=True)

    def _headless(self, sheet: Sheet) -> SheetReport:
        """A sheet without a plan's header, told by what it holds."""
        filled = sum(1 for row in sheet.rows for cell in row if cell is not None)
        texts = [clean(cell).casefold() for row in sheet.rows[:60] for cell in row if isinstance(cell, str)]
        if filled <= LEGEND_CELLS and sum(1 for text in texts if text in OFFICIAL) >= 2:
            return SheetReport(
                sheet.name, "legend", "Legend", "The list of probability texts; nothing is taken from it."
            )
        rows = count_copy(sheet)
        if not rows:
            return SheetReport(
                sheet.name, "unknown", "Not recognised",
                "No row among its first 15 has the heading ITEM CODE and months, so nothing was taken. "
                "If it is a customer's plan, give it such a header row and import the file again.",
            )  # fmt: skip
        if self.consolidated is None:
            sentence = (
                f"{rows:,} rows of several customers without a header row, so that their months are not known. "
                "Give it the header row of a consolidated plan and import the file again."
            )
            self.warnings.append(Warning("rep_rows_sheet", sheet.name, "", sentence))
            return SheetReport(sheet.name, "rep_rows", "Plan of one rep", sentence)
        differences = compare_copy(sheet, self.consolidated, self.decimal_mark)
        self.warnings += differences
        rep = self.consolidated.rep(clean(sheet.name))
        told = "they differ, and the consolidated plan counts" if differences else "they say the same"
        return SheetReport(
            sheet.name, "rep_rows", "Plan of one rep",
            f"{rows:,} rows of {rep or 'several customers'}, a copy of the consolidated plan: {told}. "
            "Nothing is taken from it.",
        )  # fmt: skip


def _undated(sheet: Sheet) -> SheetReport:
    return SheetReport(
        sheet.name, "unknown", "Plan without dates",
        "None of its month headings names a year, so nothing was taken. "
        "Write the first month as a date and import the file again.",
    )  # fmt: skip


def _figures(sheets: Iterable[CustomerSheet]) -> str:
    """ "16,870 cases in 205 cells of 22 lines"."""
    live = [item for sheet in sheets for item in sheet.live_items]
    volume, cells = sum(item.volume for item in live), sum(item.cells for item in live)
    return (
        f"{volume:,.0f} cases in {cells:,} {'cell' if cells == 1 else 'cells'} of {len(live):,} "
        f"{'line' if len(live) == 1 else 'lines'}"
    )


def _prospect_name(sheet: Sheet, header: Header, start: int) -> str:
    """What a prospect is called: behind "New Business" in the sheet's name, or by a label above the header."""
    behind = clean(sheet.name)[start:].strip(" -–—_:.,/()[]")
    if re.search(r"[^\W\d_]{2,}", behind):
        return behind
    for row in sheet.rows[: header.row]:
        for column, cell in enumerate(row):
            found = _NAMED.fullmatch(clean(cell)) if isinstance(cell, str) else None
            if found:
                beside = row[column + 1] if column + 1 < len(row) else None
                name = found[1].strip() or (clean(beside) if isinstance(beside, str) else "")
                if name:
                    return name
    return ""


def _other_months(sheets: Iterable[CustomerSheet], first: object) -> list[Warning]:
    return [
        Warning(
            "first_month_differs", sheet.name, "",
            f"This sheet begins with {periods.long_label(sheet.first_period)}, most others with "
            f"{periods.long_label(first)}; its volumes were read from its own first month on.",  # type: ignore[arg-type]
        )
        for sheet in {sheet.name: sheet for sheet in sheets}.values() if first is not None and sheet.first_period != first
    ]  # fmt: skip


def _same_customers(sheets: Iterable[CustomerSheet]) -> list[Warning]:
    seen: dict[str, CustomerSheet] = {}
    warnings = []
    for sheet in sheets:
        first = seen.setdefault(sheet.customer_name.casefold(), sheet)
        if first is sheet:
            continue
        if first.name == sheet.name:
            reps = " and ".join(name or "nobody" for name in (first.rep_name, sheet.rep_name))
            sentence = f"{sheet.customer_name} stands under {reps}: both are plans of one customer."
        else:
            sentence = (
                f"The sheets '{first.name}' and '{sheet.name}' have the same name but for blanks and letter case: "
                "both are plans of one customer."
            )
        warnings.append(Warning("same_customer", sheet.name, "", sentence))
    return warnings


def _book_kind(found: Iterable[str]) -> BookKind:
    kinds = set(found)
    if kinds & {"customer", "prospect"}:
        return "rep_workbook"
    return "consolidated" if kinds & {"consolidated", "rep_rows"} else "unknown"


def _book_sentence(kind: BookKind, reports: list[SheetReport], sheets: list[CustomerSheet]) -> str:
    if kind == "unknown":
        budgets = [report for report in reports if report.kind == "budget" and report.taken]
        if budgets:
            return f"This book holds no plan but a budget. {budgets[0].sentence}"
        return (
            "This is not a rep's planning workbook: none of its sheets has a header row with ITEM CODE and months "
            "among its first 15 rows. Nothing was taken."
        )
    if kind == "consolidated" and not sheets:
        return (
            "This looks like a consolidated workbook of several reps, but none of its sheets has a header row with "
            "ITEM CODE, the customer and months. Nothing was taken."
        )
    if not sheets:
        return "This is a rep's workbook without any live business: no plan was taken from it."
    taken = sum(1 for report in reports if report.taken and report.kind != "budget")
    figures = f"{sum(sheet.volume for sheet in sheets):,.0f} cases in {sum(sheet.cells for sheet in sheets):,} cells"
    rest = len(reports) - sum(1 for report in reports if report.taken)
    left = f" {rest} other {'sheet was' if rest == 1 else 'sheets were'} recognised or left."
    if kind == "consolidated":
        reps = len({sheet.rep_name.casefold() for sheet in sheets if sheet.rep_name})
        customers = len({sheet.customer_name.casefold() for sheet in sheets})
        return f"This is a consolidated workbook of {reps} reps and {customers:,} customers: {figures}.{left}"
    return f"This is a rep's workbook with {taken} customer {'sheet' if taken == 1 else 'sheets'}: {figures}.{left}"


def _rep_name(workbook: Workbook, reports: list[SheetReport]) -> str | None:
    """The one sales rep that the book names, by a labelled cell or in its budget; None when none or several."""
    names: Counter[str] = Counter()
    for sheet, report in zip(workbook.sheets, reports, strict=True):
        if report.kind in ("budget", "pivot"):
            names.update(_pivot_reps(sheet))
        elif report.kind in ("customer", "summary", "prospect"):
            names.update(_labelled_reps(sheet))
    return next(iter(names)) if len(names) == 1 else None


def _labelled_reps(sheet: Sheet) -> set[str]:
    found = set()
    for row in sheet.rows[:15]:
        for column, cell in enumerate(row):
            match = _REP.fullmatch(clean(cell).casefold()) if isinstance(cell, str) else None
            if match and match[4]:
                found.add(clean(cell)[-len(match[4]) :])
            elif match and column + 1 < len(row) and isinstance(row[column + 1], str):
                found.add(clean(row[column + 1]))
    return found - {""}


def _pivot_reps(sheet: Sheet) -> set[str]:
    """First-level labels of a pivot whose second column holds the customers."""
    for number, row in enumerate(sheet.rows[:15]):
        words = [clean(cell).casefold() for cell in row]
        if (
            len(words) > 1
            and re.fullmatch(r"row labels|etiquetas de fila|sales rep", words[0])
            and "customer" in words[1]
        ):
            labels = {clean(below[0]) for below in sheet.rows[number + 1 :] if below and isinstance(below[0], str)}
            return {label for label in labels if label and "total" not in label.casefold()}
    return set()
