"""Risk classes: how sure a line is, from a sales order in hand to the rep's own estimate."""

RISK_CLASSES = [
    (0, "Order"),
    (1, "Plan"),
    (2, "Customer"),
    (3, "Estimate"),
]
RISK_LABELS = dict(RISK_CLASSES)
# What a line is as long as nobody said anything else: the least sure.
DEFAULT_RISK_CLASS = 3
