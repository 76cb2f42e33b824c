"""Indexes for the orders of the lists; those that repeat the beginning of a unique key go."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# Django's indexes for case-sensitive prefixes, which nobody looks for: table, column, index.
PREFIXES = (
    ("masterdata_customer", "customer_id", "masterdata_customer_customer_id_8b081538_like"),
    ("masterdata_product", "item_code", "masterdata_product_item_code_0630f432_like"),
    ("masterdata_productgroup", "code", "masterdata_productgroup_code_ead6f820_like"),
    ("masterdata_customeralias", "key", "masterdata_customeralias_key_6c9f7104_like"),
)


class Migration(migrations.Migration):
    dependencies = [
        ("masterdata", "0007_numbers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="actual",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="actuals",
                to="masterdata.customer",
            ),
        ),
        migrations.AlterField(
            model_name="delegation",
            name="to_user",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="delegations_received",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AlterField(
            model_name="matrixentry",
            name="customer",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="matrix",
                to="masterdata.customer",
            ),
        ),
        migrations.AlterField(
            model_name="price",
            name="entry",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="prices",
                to="masterdata.matrixentry",
            ),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["name", "id"], name="customer_name"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["region", "name", "id"], name="customer_region"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["territory", "name", "id"], name="customer_territory"),
        ),
        migrations.AddIndex(
            model_name="customer",
            index=models.Index(fields=["corporate_group", "name", "id"], name="customer_corporate_group"),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["description", "id"], name="product_description"),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["manufacturing_location", "item_code"], name="product_location"),
        ),
        migrations.AddIndex(
            model_name="product",
            index=models.Index(fields=["production_line", "item_code"], name="product_line"),
        ),
        *(
            migrations.RunSQL(
                f"DROP INDEX IF EXISTS {index}", f"CREATE INDEX {index} ON {table} ({column} varchar_pattern_ops)"
            )
            for table, column, index in PREFIXES
        ),
    ]
