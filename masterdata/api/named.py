"""What the codes and names in a body stand for, among what the person may see."""

from typing import Any

from masterdata.imports.references import People, unknown_code, unknown_person
from masterdata.models import Customer, Product, ProductGroup
from sop_portal.lib.errors import Refused

_CODES: dict[str, tuple[Any, str, str, str]] = {
    "customer_id": (Customer, "customer_id", "customer", "customer"),
    "item_code": (Product, "item_code", "product", "product"),
    "group_code": (ProductGroup, "code", "group", "product group"),
}
_PEOPLE = ("sales_rep", "proposed_by")


def look_up(values: dict[str, Any], user: Any, *names: str) -> dict[str, Any]:
    """`values` with the rows that those of `names` mean, under the fields of the model.

    Raises Refused with a sentence for each that means nothing.
    """
    found, refused = dict(values), {}
    for name in names:
        if name not in found:
            continue
        text = found.pop(name)
        if name in _PEOPLE:
            person = People([text]).find(text) if text else None
            if text and person is None:
                refused[name] = unknown_person(text)
            found[name] = person
            continue
        model, code, field, words = _CODES[name]
        row = model.objects.visible_to(user).filter(**{code: text}).first() if text else None
        if row is None and text:
            refused[name] = unknown_code(words, text, None)
        found[field] = row
    if refused:
        raise Refused(refused)
    return found
