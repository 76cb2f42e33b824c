"""Writes of master data that are more than saving one row. Each takes a list; one row is a list of one."""

from masterdata.services.assigning import assign_customers, not_a_rep, sales_reps, what_follows
from masterdata.services.copying import Copied, copy_matrix
from masterdata.services.replacing import Replaced, replace, take_back

__all__ = [
    "Copied",
    "Replaced",
    "assign_customers",
    "copy_matrix",
    "not_a_rep",
    "replace",
    "sales_reps",
    "take_back",
    "what_follows",
]
