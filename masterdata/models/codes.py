"""Codes by which people and other systems name a row."""

from collections.abc import Collection
from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import connection, models

from sop_portal.lib.text import normal


def differs_by_capitals(code: str, other: str) -> str:
    """What is said of a new code when there is another like it."""
    return f"'{code}' differs from '{other}' by capitals only; write the code exactly like that."


class Coded(models.Model):
    """A row with a code that is unlike all others even where capitals count for nothing, as in most workbooks.

    code_field: the name of the field. Old rows that differ by capitals only can still be changed.
    """

    code_field: ClassVar[str]

    class Meta:
        abstract = True

    def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        super().validate_unique(exclude)
        name, rows = self.code_field, type(self)._default_manager
        code = getattr(self, name)
        if name in (exclude or ()) or rows.filter(**{"pk": self.pk, name: code}).exists():
            return
        with connection.cursor() as cursor:
            # Two who add the same code in other capitals take turns, until the transaction of the first ends.
            cursor.execute(
                "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(upper(%s)))", [self._meta.db_table, normal(code)]
            )
        others = rows.filter(**{f"{name}__iexact": code}).exclude(pk=self.pk).order_by(name)
        other = others.values_list(name, flat=True).first()
        if other is not None:
            raise ValidationError({name: differs_by_capitals(code, other)})
