"""What the plan of a cycle uses for lines that were missed."""

from cycles.models import Cycle
from sop_portal.conf.registry import find

CARRY_OVER, ZERO = "carry_over", "zero"


def missed_policy(cycle: Cycle) -> str:
    """The policy that `cycle` copied from the settings when it opened."""
    return str(cycle.settings.get("missing_forecast_policy", CARRY_OVER))


def missed_words(cycle: Cycle) -> str:
    """The same in words, for "The plan uses ...": "what the line started with", "what was saved last", "zero"."""
    return find("missing_forecast_policy").words(missed_policy(cycle))
