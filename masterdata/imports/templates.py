"""The template of a kind: its headings, ready to be filled, and a sheet that explains each column."""

from typing import IO

from openpyxl import Workbook
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from masterdata.imports.exports import WIDTHS
from masterdata.imports.kinds import NUMBERS, Column, Kind

INSTRUCTIONS = "Instructions"
# Rows that are prepared; the import takes more.
PREPARED = 5_000
_ACCENT, _SOFT, _LINE, _MUTED = "FF0B6157", "FF4E857D", "FFC9D0CB", "FF5B6661"
_FONT = "Calibri"
_FORMATS = {
    "quantity": "#,##0.######", "money": "#,##0.00##", "price": "#,##0.00##", "whole": "0",
    "period": "mmm yyyy", "date": "yyyy-mm-dd", "yes_no": "General",
}  # fmt: skip
# Widths of the columns of the instructions, and how many characters fit into a line of the two that wrap.
_EXPLAINED = (26, 16, 62, 22, 46)
_FITTING = {2: 60, 4: 44}
_WORDS = {
    "code": "A code, letter by letter as it is known.",
    "text": "One line of text.",
    "note": "Text, several lines if you like.",
    "quantity": "A number.",
    "money": "A number.",
    "price": "A number.",
    "whole": "A whole number.",
    "period": "A month.",
    "date": "A day.",
    "yes_no": "Yes or No.",
    "choice": "One of: {}.",
    "choices": "One or more, with ; between them.",
    "email": "An e-mail address.",
    "person": "A user, by e-mail address, username or employee ID.",
}


def write_template(target: IO[bytes], kind: Kind) -> None:
    """Write the template of `kind` into `target`.

    Required columns are marked with `*` and a darker heading; yes and no, choices and numbers are checked by the
    spreadsheet while they are typed. The import takes the template as it is, and finds no rows in it.
    """
    book = Workbook()
    sheet: Worksheet = book.active  # type: ignore[assignment]
    sheet.title = kind.title
    _fill_table(sheet, kind)
    _explain(book.create_sheet(INSTRUCTIONS), kind)
    for page in book.worksheets:
        page.page_setup.orientation, page.page_setup.fitToHeight = "landscape", 0
        page.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)
    book.properties.title = f"{kind.title}: template"
    book.properties.creator = "S&OP portal"
    book.save(target)


def marked(column: Column) -> str:
    """The heading as the template shows it; the import ignores the mark."""
    return f"{column.heading} *" if column.required else column.heading


def _fill_table(sheet: Worksheet, kind: Kind) -> None:
    for number, column in enumerate(kind.columns, 1):
        letter = get_column_letter(number)
        cell = sheet.cell(1, number, marked(column))
        cell.data_type = "s"
        cell.font = Font(name=_FONT, size=11, bold=True, color="FFFFFFFF")
        cell.fill = PatternFill("solid", fgColor=_ACCENT if column.required else _SOFT)
        cell.alignment = Alignment(vertical="center", wrap_text=True)
        shape = sheet.column_dimensions[letter]
        shape.width = max(WIDTHS.get(column.type, 14.0), len(marked(column)) * 0.7 + 4)
        # Text, so that codes such as 007 keep their zeros.
        shape.number_format = _FORMATS.get(column.type, "@")
        rule = _rule(column)
        if rule:
            rule.add(f"{letter}2:{letter}{PREPARED + 1}")
            sheet.add_data_validation(rule)
    sheet.row_dimensions[1].height = 32
    sheet.freeze_panes = "A2"
    sheet.auto_filter.ref = f"A1:{get_column_letter(len(kind.columns))}1"


def _rule(column: Column) -> DataValidation | None:
    """What the spreadsheet refuses while it is typed, and the help it shows beside the cell."""
    words = ["Yes", "No"] if column.type == "yes_no" else [text for _, text in column.choices]
    if words:
        rule = DataValidation(type="list", formula1=f'"{",".join(words)}"', allow_blank=True)
        rule.error = f"Choose one of {', '.join(words)}."
    elif column.type in NUMBERS:
        # Below zero is refused by the import, too, where nothing can be.
        rule = DataValidation(
            type="whole" if column.type == "whole" else "decimal",
            operator="between" if column.signed else "greaterThanOrEqual",
            formula1="-999999999999" if column.signed else "0",
            formula2="999999999999" if column.signed else None,
            allow_blank=True,
        )
        rule.error = f"{column.heading} is a number{'' if column.signed else ', 0 or more'}."
    else:
        rule = DataValidation(allow_blank=True)
    rule.showErrorMessage, rule.showInputMessage = True, True
    rule.errorTitle = rule.promptTitle = column.heading[:32]
    rule.prompt = column.help[:255]
    return rule


def _explain(sheet: Worksheet, kind: Kind) -> None:
    bold = Font(name=_FONT, size=11, bold=True)
    plain = Font(name=_FONT, size=11)
    lines = [
        (f"{kind.title}: how to fill the template", Font(name=_FONT, size=16, bold=True, color=_ACCENT)),
        (f"Write one row for each of the {kind.row_words} on the sheet “{kind.title}”, below the headings.", plain),
        ("Columns marked * must be there. Other columns may be deleted or left empty; their order does not matter.", plain),
        (f"A row whose {_listed([kind.column(name).heading for name in kind.key_columns])} the portal knows changes what "
         "is stored; every other row is new. Empty cells change nothing.", plain),
        (f"A workbook may hold {kind.rows:,} rows"
         + (", a CSV file any number." if kind.csv_rows is None else "."), plain),
        ("Nothing is written before you have seen what would change and have said so.", plain),
    ]  # fmt: skip
    for row, (text, font) in enumerate(lines, 1):
        cell = sheet.cell(row, 1, text)
        cell.data_type, cell.font = "s", font
    top = len(lines) + 2
    edge = Border(bottom=Side(style="thin", color=_LINE))
    for place, text in enumerate(("Column", "Must be filled", "What it holds", "Example", "Also understood as"), 1):
        cell = sheet.cell(top, place, text)
        cell.font = Font(name=_FONT, size=11, bold=True, color="FFFFFFFF")
        cell.fill = PatternFill("solid", fgColor=_ACCENT)
    for row, column in enumerate(kind.columns, top + 1):
        told = _told(column)
        lines_needed = max(-(-len(told[place]) // _FITTING[place]) for place in (2, 4))
        sheet.row_dimensions[row].height = 15.5 * max(1, lines_needed)
        for place, text in enumerate(told, 1):
            cell = sheet.cell(row, place, text)
            cell.data_type, cell.border = "s", edge
            cell.font = bold if place == 1 else plain
            cell.alignment = Alignment(wrap_text=place in (3, 5), vertical="top")
    for letter, width in zip("ABCDE", _EXPLAINED, strict=True):
        sheet.column_dimensions[letter].width = width
    sheet.sheet_view.showGridLines = False
    sheet.freeze_panes = sheet.cell(top + 1, 1)


def _told(column: Column) -> tuple[str, str, str, str, str]:
    """A column in words: its heading, whether it must be filled, what it holds, an example, other headings."""
    holds = _WORDS[column.type].format(", ".join(words for _, words in column.choices))
    if column.help != holds:
        holds = f"{column.help} {holds}" if column.type in ("choice", "choices") else column.help
    if column.max_length:
        longest = f"At most {column.max_length:,} characters."
        holds = holds if longest in holds else f"{holds} {longest}"
    filled = "Yes" if column.must_be_filled else "The heading only" if column.required else "No"
    return marked(column), filled, holds, column.example, ", ".join(column.aliases)


def _listed(texts: list[str]) -> str:
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
