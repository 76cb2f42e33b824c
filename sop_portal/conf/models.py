"""The table of what differs from the defaults in `registry.py`."""

from django.core.exceptions import ValidationError
from django.db import models

from sop_portal.conf.registry import find


class Setting(models.Model):
    """One setting whose value is not its default; written by `services.set_value` and `services.reset` only."""

    key = models.CharField(max_length=100, primary_key=True)
    value = models.JSONField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]
        default_permissions = ("change", "view")

    def __str__(self) -> str:
        return self.key

    def clean(self) -> None:
        super().clean()
        try:
            self.value = find(self.key).clean(self.value)
        except KeyError as unknown:
            raise ValidationError({"key": f"There is no setting '{self.key}'."}) from unknown
        except ValueError as problem:
            raise ValidationError({"value": str(problem)}) from problem
