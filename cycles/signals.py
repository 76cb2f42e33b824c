"""Facts that cycles announce, and what they ask of the app that keeps the lines.

Receivers run in the same transaction (`send`, never `send_robust`).
"""

from django.dispatch import Signal

# Arguments: cycle (already in its new state, locked exclusively), move, by (None for a job), now, and details, a dict
# that the receivers who move lines add to before those who write mails read it:
# open     -
# extend   reps (ids, None for everybody), until, was (the deadline of the cycle before), reason
# refresh  woken and slept: {rep id: number of lines}, filled in by the receiver
# close    reason; missed: {rep id: number of lines} and late: {rep id} of those who missed lines by this close (others did
#          by an earlier one, and it was not opened again for them), filled in by the receiver
# reopen   reps (ids, None for everybody), until, was, reason; reopened: {rep id: number of lines}, filled in
# publish  -
cycle_moved = Signal()

# The job could not open a draft at its planned time; sent once, until the draft changes. Arguments: cycle, sentence, now.
opening_refused = Signal()

# A rep asked for more time, or was told no. Argument: request. A request that is granted is a move "extend".
extension_asked = Signal()
extension_declined = Signal()

# Asked by `cycles.standing`. Arguments: cycle_ids, user; answers {cycle id: {rep id: standing.Counts}}.
standing_asked = Signal()

# Asked by `cycles.standing`. Arguments: cycle, user, limit; answers (how many, [standing.Undecided, ...]).
undecided_asked = Signal()

# Asked by `cycles.standing`. Arguments: cycle; answers {rep id: how many missed lines reopening would give them}.
missed_asked = Signal()
