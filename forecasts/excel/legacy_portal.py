"""The portal's own consolidated workbook, met as an upload: its plan is in the portal already."""

import re
from dataclasses import dataclass

from forecasts.excel.legacy_headings import HEADER_ROWS
from forecasts.excel.legacy_model import SheetReport
from forecasts.excel.legacy_values import clean
from sop_portal.lib.workbook import Workbook

_ABOUT = re.compile(r".+: consolidated plan, (FINAL|INTERIM)")
# Headings that stand side by side in no other workbook.
_OURS = {"customer", "item", "customer id", "risk", "state"}


@dataclass(frozen=True, slots=True)
class Export:
    """What is said of such a book and of its sheets."""

    sentence: str
    reports: list[SheetReport]


def portal_export(workbook: Workbook) -> Export | None:
    """`workbook` as a consolidated workbook that this portal made, None when it is none.

    It is known by its sheet About, and without that by the headings of its lines.
    """
    title = ""
    lines = set()
    for sheet in workbook.sheets:
        texts = [clean(cell) for row in sheet.rows[:1] for cell in row if isinstance(cell, str)]
        if clean(sheet.name).casefold() == "about":
            title = next((text for text in texts if _ABOUT.fullmatch(text)), title)
        if any({clean(cell).casefold() for cell in row} >= _OURS for row in sheet.rows[:HEADER_ROWS]):
            lines.add(sheet.name)
    if not title and not lines:
        return None
    reports = [
        SheetReport(
            sheet.name, "portal", "Lines of a plan" if sheet.name in lines else "Part of the export",
            "The portal wrote it; nothing is taken from it.",
        )
        for sheet in workbook.sheets
    ]  # fmt: skip
    return Export(
        f"This is the portal's own export{f' ({title})' if title else ''}: what it holds is in the portal already, so "
        "nothing was taken. Plans are changed in the grid of their cycle.",
        reports,
    )
