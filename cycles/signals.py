"""Facts that cycles announce, and what they ask of the app that keeps the lines.

Receivers run in the same transaction (`send`, never `send_robust`).
"""

from django.dispatch import Signal

# Arguments: cycle (already in its new state, locked exclusively), move ("open", "close", "publish"), by, now.
cycle_moved = Signal()

# Asked by `cycles.standing`. Arguments: cycle_ids, user; answers {cycle id: {rep id: standing.Counts}}.
standing_asked = Signal()

# Asked by `cycles.standing`. Arguments: cycle, user, limit; answers (how many, [standing.Undecided, ...]).
undecided_asked = Signal()
