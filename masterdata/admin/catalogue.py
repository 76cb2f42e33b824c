"""Products and their groups in the admin."""

from django.contrib import admin

from masterdata.models import Product, ProductGroup


@admin.register(ProductGroup)
class ProductGroupAdmin(admin.ModelAdmin):
    list_display = ("code", "name", "parent")
    list_select_related = ("parent",)
    search_fields = ("code", "name")
    autocomplete_fields = ("parent",)
    ordering = ("code",)


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ("item_code", "description", "group", "uom", "list_price", "replaced_by", "is_active")
    list_filter = ("is_active", "group", "uom", "manufacturing_location", "production_line")
    list_select_related = ("group", "replaced_by")
    search_fields = ("item_code", "description")
    autocomplete_fields = ("group", "replaced_by")
    ordering = ("item_code",)
    fieldsets = (
        (None, {"fields": ("item_code", "description", "group", "is_active", "replaced_by")}),
        ("Unit", {"fields": ("uom", "pack_size", "weight")}),
        ("Money", {"fields": ("list_price", "cost_price")}),
        ("Making", {"fields": ("manufacturing_location", "production_line")}),
    )
