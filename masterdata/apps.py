"""The app of master data."""

from django.apps import AppConfig


class MasterdataConfig(AppConfig):
    name = "masterdata"
    verbose_name = "Master data"

    def ready(self) -> None:
        from audit.history import history_scope, named_by, open_to_readers
        from audit.tracking import exempt, track
        from masterdata import models, receivers, scope  # noqa: F401  receivers connect themselves

        track(models.ProductGroup, fields=["code", "name", "parent"], entity="product_group")
        track(
            models.Product,
            fields=["item_code", "description", "group", "manufacturing_location", "production_line", "pack_size",
                    "weight", "uom", "list_price", "cost_price", "replaced_by", "is_active"],
            entity="product",
        )  # fmt: skip
        track(
            models.Customer,
            fields=["customer_id", "name", "short_name", "sales_rep", "region", "territory", "corporate_group",
                    "contact_person", "contact_email", "contact_phone", "payment_terms", "credit_limit", "address",
                    "city", "state", "postal_code", "country", "default_risk_class", "is_prospect", "replaced_by",
                    "notes", "is_active"],
            entity="customer",
        )  # fmt: skip
        track(
            models.MatrixEntry,
            fields=["customer", "product", "is_active", "minimum_order_quantity", "maximum_order_quantity",
                    "lead_time_days", "proposed_by", "notes"],
            entity="matrix",
            related=["customer", "product"],
        )  # fmt: skip
        track(models.CustomerAlias, fields=["name", "customer"], entity="customer_alias")
        track(models.RepAlias, fields=["name", "rep"], entity="rep_alias")
        track(
            models.Price,
            fields=["entry", "valid_from", "unit_price"],
            entity="price",
            label=lambda price: f"{price.entry} from {price.valid_from}",
            related=["entry__customer", "entry__product"],
        )
        pair = ["customer", "product"]
        track(models.Actual, fields=[*pair, "period", "quantity", "amount", "cost"], entity="actual", related=pair)
        track(models.Budget, fields=["version", *pair, "period", "quantity", "amount"], entity="budget", related=pair)
        track(
            models.Delegation,
            fields=["from_user", "to_user", "all_customers", "valid_from", "valid_to"],
            entity="delegation",
            many=["customers"],
        )
        track(
            models.ImportRun,
            fields=["kind", "state", "file_name", "rows_read", "rows_created", "rows_updated", "rows_unchanged",
                    "rows_refused", "control_totals", "reason"],
            entity="import",
        )  # fmt: skip
        track(models.ImportHeading, fields=["kind", "heading", "column"], entity="import_heading")
        exempt(models.ImportProgress, why="how far the work on an import is")
        exempt(models.ImportProblem, why="what was wrong in a file, kept with its run")
        exempt(models.ImportChange, why="what undoing an import needs; the changes themselves stand in the trail")
        for view in (models.ProductSuccession, models.CustomerSuccession):
            exempt(view, why="a view over who is replaced by whom")
        exempt(models.ActualRevision, why="the append-only history of actuals, written by the database itself")
        # Whoever may see a customer or a product may see what was changed in it.
        history_scope["customer"] = scope.customer_history
        open_to_readers("matrix", models.MatrixEntry)
        history_scope["product"] = scope.product_history
        named_by("customer", models.Customer, "customer_id")
        named_by("product", models.Product, "item_code")
