"""Facts that master data announces, and what it asks of the apps above it.

Receivers run in the same transaction (`send`, never `send_robust`).
"""

from django.dispatch import Signal

# Arguments: customer_ids (those whose rep changed), rep (the new one, or None), by.
customers_assigned = Signal()

# Arguments: customer_ids. Answers a sentence that tells what else would move to another rep, or "".
assignment_asked = Signal()

# Asked by master data, answered by the app of lines with an `ahead.Plan` or None. Arguments: user, customer, product
# (one of them may be None).
plan_asked = Signal()

# Arguments: run_id. A run waits for the worker; sent in the transaction that leaves it there.
import_queued = Signal()

# Asked by `masterdata.notices`. Arguments: user, lately (an answer of the last minute will do). Answers a list of
# `notices.Notice`.
notices_asked = Signal()
