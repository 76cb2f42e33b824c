"""An old planning workbook as a whole: what each sheet is, what was taken from it, and what was not.

The parsing is pure: no database, no file. `sop_portal.lib.workbook.read_workbook` reads the file before it.
"""

import re
from collections import Counter

from forecasts.excel.legacy_customer import common_first_period, parse_customer
from forecasts.excel.legacy_headings import Header, find_header
from forecasts.excel.legacy_model import BookKind, CustomerSheet, LegacyBook, SheetReport, Warning
from forecasts.excel.legacy_risk import OFFICIAL
from forecasts.excel.legacy_values import clean, item_code
from sop_portal.lib import periods
from sop_portal.lib.numbers import DecimalMark
from sop_portal.lib.workbook import Sheet, Workbook

_SUMMARY = re.compile(r"summary\b.*|summary[ _-]?[a-z0-9]{1,4}|(r[eé]sum[eé]n?)\b.*")
_HELPER = re.compile(r"lists?|averages?|avg|instructions?|read ?me|notes?")
_BUDGET = re.compile(r"budgets?([ _-]*(fy)?[ _-]*[0-9]{2,4})?|(fy)?[0-9]{2,4}[ _-]*budgets?")
_PROSPECT = re.compile(r"(new (business|biz|customer|account|client)e?s?|prospects?)\s*($|[^a-z\s].*)")
_PIVOT = re.compile(r"row labels|column labels|(sum|count|average|max|min) of .+|etiquetas de fila|suma de .+")
_REP = re.compile(
    r"(sales ?rep(resentative)?|salesperson|rep)( name)?\s*[:：-]\s*(.*)|sales ?rep(resentative)?( name)?"
)
LEGEND_CELLS = 40


def parse_book(workbook: Workbook, *, decimal_mark: DecimalMark = ".") -> LegacyBook:
    """Everything a planning workbook of the old kind says. `decimal_mark` decides numbers that stand there as text."""
    reports: list[SheetReport] = []
    sheets: list[CustomerSheet] = []
    warnings: list[Warning] = []
    for sheet in workbook.sheets:
        customer, report = _parse_sheet(sheet, workbook.date1904, decimal_mark)
        reports.append(report)
        if customer is not None:
            sheets.append(customer)
        if report.kind in ("unread", "unknown"):
            warnings.append(Warning(f"{report.kind}_sheet", sheet.name, "", report.sentence))
    first = common_first_period(sheets)
    for customer in sheets:
        if first is not None and customer.first_period != first:
            warnings.append(Warning(
                "first_month_differs", customer.name, "",
                f"This sheet begins with {periods.long_label(customer.first_period)}, most others with "
                f"{periods.long_label(first)}; its volumes were read from its own first month on.",
            ))  # fmt: skip
    warnings += _same_customers(sheets)
    kind = _book_kind(reports)
    return LegacyBook(
        kind=kind,
        sentence=_book_sentence(kind, reports, sheets),
        reports=reports,
        sheets=sheets,
        rep_name=_rep_name(workbook, reports),
        first_period=first,
        warnings=warnings,
    )


def _parse_sheet(sheet: Sheet, date1904: bool, decimal_mark: DecimalMark) -> tuple[CustomerSheet | None, SheetReport]:
    name = clean(sheet.name)
    word = name.casefold()
    if sheet.unread:
        return None, SheetReport(sheet.name, "unread", "Not read", f"The sheet was not read. {sheet.unread}")
    filled = sum(1 for row in sheet.rows for cell in row if cell is not None)
    if not filled:
        return None, SheetReport(sheet.name, "empty", "Empty", "The sheet is empty.")
    if _SUMMARY.fullmatch(word):
        return None, SheetReport(
            sheet.name, "summary", "Summary", "Its sums repeat the customers' sheets, so nothing is taken from it."
        )
    if _HELPER.fullmatch(word):
        return None, SheetReport(sheet.name, "helper", "Helper", "It holds helper figures; nothing is taken from it.")
    if _BUDGET.fullmatch(word):
        return None, SheetReport(sheet.name, "budget", "Budget", "Budget figures are not taken yet.")
    if any(sum(1 for cell in row if _PIVOT.fullmatch(clean(cell).casefold())) >= 2 for row in sheet.rows[:15]):
        return None, SheetReport(
            sheet.name, "pivot", "Pivot table", "Its sums repeat other sheets; nothing is taken from it."
        )
    header = find_header(sheet, date1904)
    if header is not None:
        return _planned(sheet, header, date1904, decimal_mark)
    return None, _headless(sheet, filled)


def _planned(
    sheet: Sheet, header: Header, date1904: bool, decimal_mark: DecimalMark
) -> tuple[CustomerSheet | None, SheetReport]:
    """A sheet with item codes and months: a customer's plan, a prospect's, or a consolidation of many."""
    words = [clean(cell).casefold() for cell in sheet.rows[header.row]]
    if any("customer" in word for word in words) and any(re.match(r"(sales ?)?rep\b", word) for word in words):
        rows = sum(1 for row in sheet.rows[header.row + 1 :] if any(cell is not None for cell in row))
        return None, SheetReport(
            sheet.name, "consolidated", "Consolidated plan",
            f"{rows:,} rows of all reps and customers. Consolidated plans are not taken yet: import the reps' own books.",
        )  # fmt: skip
    customer = parse_customer(sheet, header, date1904=date1904, decimal_mark=decimal_mark)
    if customer is None:
        return None, SheetReport(
            sheet.name, "unknown", "Plan without dates",
            "None of its month headings names a year, so nothing was taken. "
            "Write the first month as a date and import the file again.",
        )  # fmt: skip
    figures = (
        f"{customer.volume.normalize():,f} cases in {customer.cells:,} cells of {len(customer.live_items):,} "
        f"{'line' if len(customer.live_items) == 1 else 'lines'}, {customer.months} months from "
        f"{periods.label(customer.first_period)}"
    )
    if _PROSPECT.fullmatch(clean(sheet.name).casefold()):
        return None, SheetReport(
            sheet.name, "prospect", "Prospect",
            f"A plan for a customer without a code ({figures}). Prospects are not taken yet.",
        )  # fmt: skip
    return customer, SheetReport(sheet.name, "customer", customer.customer_name, f"{figures}.", taken=True)


def _headless(sheet: Sheet, filled: int) -> SheetReport:
    """A sheet without a plan's header, told by what it holds."""
    texts = [clean(cell).casefold() for row in sheet.rows[:60] for cell in row if isinstance(cell, str)]
    if filled <= LEGEND_CELLS and sum(1 for text in texts if text in OFFICIAL) >= 2:
        return SheetReport(sheet.name, "legend", "Legend", "The list of probability texts; nothing is taken from it.")
    rows = _plan_rows(sheet)
    if rows:
        return SheetReport(
            sheet.name, "rep_rows", "Plan of one rep",
            f"{rows:,} rows of several customers without a header row. Consolidated plans are not taken yet: "
            "import the rep's own book.",
        )  # fmt: skip
    return SheetReport(
        sheet.name, "unknown", "Not recognised",
        "No row among its first 15 has the heading ITEM CODE and months, so nothing was taken. "
        "If it is a customer's plan, give it such a header row and import the file again.",
    )  # fmt: skip


def _plan_rows(sheet: Sheet) -> int:
    """How many rows there are, when most look like customer, item code, description and a year of numbers; else 0."""
    filled = [row for row in sheet.rows if any(cell is not None for cell in row)]
    columns: Counter[int] = Counter()
    for row in filled:
        numbers = sum(1 for cell in row if isinstance(cell, int | float) and not isinstance(cell, bool))
        for column in range(1, min(8, len(row) - 1)):
            if numbers >= 12 and item_code(row[column]) and isinstance(row[column + 1], str):
                left = [cell for cell in row[:column] if isinstance(cell, str) and cell.strip()]
                if left:
                    columns[column] += 1
                    break
    matching = columns.most_common(1)[0][1] if columns else 0
    return len(filled) if matching * 10 >= len(filled) * 7 else 0


def _same_customers(sheets: list[CustomerSheet]) -> list[Warning]:
    seen: dict[str, CustomerSheet] = {}
    warnings = []
    for sheet in sheets:
        first = seen.setdefault(sheet.customer_name.casefold(), sheet)
        if first is not sheet:
            warnings.append(Warning(
                "same_customer", sheet.name, "",
                f"The sheets '{first.name}' and '{sheet.name}' have the same name but for blanks and letter case: "
                "both are plans of one customer.",
            ))  # fmt: skip
    return warnings


def _book_kind(reports: list[SheetReport]) -> BookKind:
    kinds = {report.kind for report in reports}
    if kinds & {"customer", "prospect"}:
        return "rep_workbook"
    return "consolidated" if kinds & {"consolidated", "rep_rows"} else "unknown"


def _book_sentence(kind: BookKind, reports: list[SheetReport], sheets: list[CustomerSheet]) -> str:
    if kind == "consolidated":
        return (
            "This is a consolidated workbook of several reps. Consolidated plans are not taken yet: "
            "import the workbooks of the reps instead."
        )
    if kind == "unknown":
        return (
            "This is not a rep's planning workbook: none of its sheets has a header row with ITEM CODE and months "
            "among its first 15 rows. Nothing was taken."
        )
    if not sheets:
        return "This is a rep's workbook without customers' sheets, so nothing was taken from it."
    cells = sum(sheet.cells for sheet in sheets)
    volume = sum(sheet.volume for sheet in sheets)
    count = len(sheets)
    return (
        f"This is a rep's workbook with {count} customer {'sheet' if count == 1 else 'sheets'}: "
        f"{volume:,.0f} cases in {cells:,} cells. {len(reports) - count} other sheets were recognised or left."
    )


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
