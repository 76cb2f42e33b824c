"""Tables that come from outside as a workbook or as CSV: previews of their first rows, then all rows for COPY."""

from sop_portal.lib.tables.model import FIELDS, FORMULA, MARK, Layout, OpenTables, Preview, fault
from sop_portal.lib.tables.opening import open_tables
from sop_portal.lib.workbook import Limits
from sop_portal.lib.workbook.copytext import read_lines

__all__ = [
    "FIELDS",
    "FORMULA",
    "MARK",
    "Layout",
    "Limits",
    "OpenTables",
    "Preview",
    "fault",
    "open_tables",
    "read_lines",
]
