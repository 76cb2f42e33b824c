"""Facts that lines announce. Receivers run in the same transaction (`send`, never `send_robust`)."""

from django.dispatch import Signal

# Arguments: verb ("submit", "recall", "approve", "reject", "return", "adjust"), cycle, lines (as they stand after it,
# at least one), by, comment.
lines_moved = Signal()
