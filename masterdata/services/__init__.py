"""Writes of master data that are more than saving one row. Each takes a list; one row is a list of one."""

from masterdata.services.activation import set_active
from masterdata.services.assigning import assign_customers, not_a_rep, sales_reps, what_follows
from masterdata.services.copying import Copied, copy_matrix
from masterdata.services.matrix import Saved, Terms, Wanted, set_matrix, terms_of
from masterdata.services.pricing import Change, Repriced, change_prices, preview
from masterdata.services.removal import Removed, remove
from masterdata.services.replacing import Replaced, replace, take_back
from masterdata.services.saving import change, create, delete, require_to, set_price

__all__ = [
    "Change",
    "Copied",
    "Removed",
    "Replaced",
    "Repriced",
    "Saved",
    "Terms",
    "Wanted",
    "assign_customers",
    "change",
    "change_prices",
    "copy_matrix",
    "create",
    "delete",
    "not_a_rep",
    "preview",
    "remove",
    "replace",
    "require_to",
    "sales_reps",
    "set_active",
    "set_matrix",
    "set_price",
    "take_back",
    "terms_of",
    "what_follows",
]
