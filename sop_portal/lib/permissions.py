"""Granting permissions to the seeded roles from inside migrations.

Django creates permissions after all migrations have run, so a migration that grants them creates its own first.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any


def grants(app_label: str, table: Mapping[str, Iterable[tuple[str, str, str]]]) -> Callable[..., None]:
    """A RunPython function that gives each role its permissions.

    table: role -> (model name, codename, human name) of `app_label`.
    """

    def forwards(apps: Any, schema_editor: Any) -> None:
        group_model = apps.get_model("auth", "Group")
        permission = apps.get_model("auth", "Permission")
        content_type = apps.get_model("contenttypes", "ContentType")
        for role, wanted in table.items():
            group, _ = group_model.objects.get_or_create(name=role)
            for model, codename, name in wanted:
                kind, _ = content_type.objects.get_or_create(app_label=app_label, model=model)
                granted, _ = permission.objects.get_or_create(
                    content_type=kind, codename=codename, defaults={"name": name}
                )
                group.permissions.add(granted)

    return forwards


def model_permissions(model: str, *verbs: str) -> list[tuple[str, str, str]]:
    """Django's own permissions of a model: `model_permissions("customer", "add", "view")`."""
    return [(model, f"{verb}_{model}", f"Can {verb} {model}") for verb in verbs or ("add", "change", "delete", "view")]
