"""Mails about cycles and lines: whom a fact concerns, and what they are told. Queued in the transaction of the fact."""

from forecasts.mails.cycles import (
    tell_of_declined_request,
    tell_of_move,
    tell_of_refused_opening,
    tell_of_request,
)
from forecasts.mails.lines import tell_of_act

__all__ = [
    "tell_of_act",
    "tell_of_declined_request",
    "tell_of_move",
    "tell_of_refused_opening",
    "tell_of_request",
]
