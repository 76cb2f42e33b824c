"""The table of what differs from the defaults in `registry.py`."""

from django.core.exceptions import ValidationError
from django.db import models

from sop_portal.conf import own
from sop_portal.conf.registry import REGISTRY, Spec


class Setting(models.Model):
    """One setting whose value is not its default, or one that an admin added; written by `services` only."""

    key = models.CharField(max_length=100, primary_key=True)
    value = models.JSONField()
    declaration = models.JSONField(null=True, help_text="Of a key that an admin added: its kind, words and default.")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["key"]
        default_permissions = ("change", "view")

    def __str__(self) -> str:
        return self.key

    def clean(self) -> None:
        super().clean()
        spec = self.spec
        if spec is None:
            raise ValidationError({"key": f"There is no setting '{self.key}'."})
        try:
            self.value = spec.clean(self.value)
        except ValueError as problem:
            raise ValidationError({"value": str(problem)}) from problem

    @property
    def spec(self) -> Spec | None:
        """What is declared about it: the registry first, since a later version may declare what an admin added."""
        if self.key in REGISTRY:
            return REGISTRY[self.key]
        return own.spec(self.key, self.declaration) if self.declaration else None
