"""Many keys in one query."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db.models import F, Lookup, Q
from django.db.models.expressions import RawSQL


def among(keys: Iterable[int]) -> RawSQL:
    """The keys, for an `__in`, as one parameter; hundreds of them cost more to read and to plan than the rows.

    They must fit a bigint, as those that pages take are checked to do.
    """
    return RawSQL("SELECT unnest(%s::bigint[])", [list(keys)])


def one_of(field: str, keys: Iterable[int]) -> Q:
    """Rows whose `field`, a foreign key or "pk", is one of the keys, as one parameter.

    Unlike `among` it finds them by index also where it is one of several conditions of which any will do. The keys are
    those of rows, so they fit a bigint.
    """
    return Q(_OneOf(F(field), frozenset(keys)))


class _OneOf(Lookup):
    """`column = ANY(array)`: to the database what a list of values is, but read and written as one text."""

    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Raises EmptyResultSet without keys, as an empty list does: then nothing has to be asked."""
        if not self.rhs:
            raise EmptyResultSet
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s::bigint[])", (*params, f"{{{','.join(map(str, sorted(self.rhs)))}}}")
