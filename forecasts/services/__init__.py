"""All writes of lines: editing, moving, opening, closing. Each takes a list; one line is a list of one."""

from forecasts.services.edits import set_cells
from forecasts.services.moves import (
    Adjustment,
    LineRef,
    adjust_lines,
    approve_lines,
    recall_lines,
    reject_lines,
    return_lines,
    submit_lines,
)
from forecasts.services.problems import problems
from forecasts.services.values import LineEdit

__all__ = [
    "Adjustment",
    "LineEdit",
    "LineRef",
    "adjust_lines",
    "approve_lines",
    "problems",
    "recall_lines",
    "reject_lines",
    "return_lines",
    "set_cells",
    "submit_lines",
]
