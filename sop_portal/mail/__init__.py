"""Mail and notices: the outbox that is filled in the transaction of the fact, and what people find in the portal."""
