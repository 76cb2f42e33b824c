"""Many keys in one query."""

from collections.abc import Iterable

from django.db.models.expressions import RawSQL


def among(keys: Iterable[int]) -> RawSQL:
    """The keys, for an `__in`, as one parameter; hundreds of them cost more to read and to plan than the rows.

    They must fit a bigint, as those that pages take are checked to do.
    """
    return RawSQL("SELECT unnest(%s::bigint[])", [list(keys)])
