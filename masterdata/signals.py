"""Facts that master data announces. Receivers run in the same transaction (`send`, never `send_robust`)."""

from django.dispatch import Signal

# Arguments: customer_ids (those whose rep changed), rep (the new one, or None), by.
customers_assigned = Signal()
