"""Facts of mail."""

from django.dispatch import Signal

# Mails were queued that wait to be sent; in the transaction that queues them.
mail_queued = Signal()
