"""Facts of mail."""

from django.dispatch import Signal

# Mails were queued that wait to be sent; in the transaction that queues them.
mail_queued = Signal()

# A run of the outbox begins: the time to queue what waited for it.
about_to_send = Signal()
