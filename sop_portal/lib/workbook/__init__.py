"""Reading of workbooks that come from outside: bounded, in a child process, with every cell at its true address."""

from sop_portal.lib.workbook.model import Cell, ErrorCell, Limits, Sheet, Workbook, cell_name, column_name
from sop_portal.lib.workbook.reader import read_workbook

__all__ = ["Cell", "ErrorCell", "Limits", "Sheet", "Workbook", "cell_name", "column_name", "read_workbook"]
