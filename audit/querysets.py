"""Writes by queryset that send no signals, recorded all the same."""

from collections.abc import Collection, Iterable
from typing import Any, Self, TypeVar

from django.db import models, transaction

from audit import recording, registry

Model = TypeVar("Model", bound=models.Model, covariant=True)


class TrackedQuerySet(models.QuerySet[Model]):
    """A queryset whose update, bulk_update, bulk_create and delete stand in the audit trail.

    It costs one read before the write and one after it, whatever the number of rows. Set-based services that call
    `record_many` themselves write through `untracked()`.
    """

    _untracked = False

    def untracked(self) -> Self:
        """The same rows, written without entries: the caller records them."""
        clone: Self = self._chain()  # type: ignore[attr-defined]
        clone._untracked = True
        return clone

    def _clone(self) -> Self:
        clone: Self = super()._clone()  # type: ignore[misc]
        clone._untracked = self._untracked
        return clone

    def _spec(self) -> "registry.Tracked | None":
        return None if self._untracked else registry.find(self.model)

    def update(self, **kwargs: Any) -> int:
        """Django's update; entries for the rows whose tracked fields changed. bulk_update passes through here too."""
        spec = self._spec()
        names = spec.among(kwargs) if spec else []
        if spec is None or not names:
            return super().update(**kwargs)
        with transaction.atomic(using=self.db, savepoint=False):
            ids = list(self.order_by().values_list("pk", flat=True))
            before = spec.stored(ids, names, using=self.db, lock=True)
            # Only the rows that are locked, so that what is recorded is what is changed.
            count = super(TrackedQuerySet, self.filter(pk__in=list(before))).update(**kwargs)
            recording.record_updates(spec, before, names, using=self.db)
        return count

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(  # type: ignore[override]
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Django's bulk_create; entries for the rows that were really inserted or changed."""
        spec = self._spec()
        rows = list(objs)
        options = {
            "ignore_conflicts": ignore_conflicts,
            "update_conflicts": update_conflicts,
            "update_fields": update_fields,
            "unique_fields": unique_fields,
        }
        if spec is None or not rows:
            return super().bulk_create(rows, batch_size, **options)  # type: ignore[arg-type]
        with transaction.atomic(using=self.db, savepoint=False):
            names = list(spec.fields)
            before: dict[Any, Any] = {}
            if update_conflicts:
                before = spec.stored(spec.matching(rows, unique_fields, using=self.db), names, using=self.db, lock=True)
            elif ignore_conflicts:
                # The database does not say which rows it took: with ids chosen beforehand one can look.
                before = spec.stored(spec.choose_ids(rows, using=self.db), names, using=self.db)
            made = super().bulk_create(rows, batch_size, **options)  # type: ignore[arg-type]
            ids = [row.pk for row in made]
            recording.record_created(spec, [pk for pk in ids if pk not in before], using=self.db)
            if update_conflicts and before:
                kept = {pk: before[pk] for pk in dict.fromkeys(ids) if pk in before}
                recording.record_updates(spec, kept, spec.among(update_fields or ()), using=self.db)
        return made

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def delete(self) -> tuple[int, dict[str, int]]:
        """Django's delete, whose signals are recorded with one read and one statement instead of two per row."""
        if self._untracked:
            with recording.muted(self.model):
                return super().delete()
        with recording.together(using=self.db):
            spec = registry.find(self.model)
            if spec is not None:
                recording.remember(spec, list(self.order_by().values_list("pk", flat=True)), using=self.db)
            return super().delete()

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]
