"""The reasons that moves of cycles are given."""

from cycles.models import REASON_LIMIT
from sop_portal.lib.errors import Refused
from sop_portal.lib.text import bad_character, normal


def reason_text(text: str, *, field: str = "reason", required: str = "") -> str:
    """A reason as it is kept: one line. Raises Refused with `field`, and with the sentence `required` for an empty one."""
    text = normal(text)
    if required and not text:
        raise Refused({field: required})
    if len(text) > REASON_LIMIT:
        raise Refused({field: f"The reason has {len(text):,} characters; at most {REASON_LIMIT} are kept."})
    bad = bad_character(text)
    if bad is not None:
        raise Refused({field: f"The reason holds the invisible character U+{ord(bad):04X}; type it again without."})
    return text
