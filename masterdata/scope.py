"""Which histories of master data a person may read, and what they may not see in them."""

from collections.abc import Collection
from typing import Any

from masterdata.models import Customer, Product

# Names of the fields and columns that tell a cost.
COSTS = frozenset({"cost_price", "cost"})
# The successor may be somebody else's customer, and the trail tells it by name.
_OTHERS = frozenset({"replaced_by"})


def customer_history(user: Any, entity_id: str) -> bool | Collection[str]:
    """The history of a customer in scope, without who took its place for those who do not see every customer."""
    if not _is_visible(Customer, user, entity_id):
        return False
    return () if user.has_perm("masterdata.view_all_customers") else _OTHERS


def product_history(user: Any, entity_id: str) -> bool | Collection[str]:
    """The history of a product in scope, without its cost for those who may not see costs."""
    if not _is_visible(Product, user, entity_id):
        return False
    return () if user.has_perm("masterdata.view_cost") else COSTS


def _is_visible(model: Any, user: Any, entity_id: str) -> bool:
    digits = entity_id.isascii() and entity_id.isdigit()
    return bool(digits and model.objects.visible_to(user).filter(pk=entity_id).exists())
