"""How rows of a customer and a product are searched in the admin."""

PAIR_SEARCH = (
    "customer__name", "customer__short_name", "customer__customer_id", "product__item_code", "product__description",
)  # fmt: skip
