"""How rows of one model are read, found and written over the API."""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from rest_framework import serializers

from sop_portal.lib.api.shapes import read


def nothing(user: Any) -> Collection[str]:
    """What is hidden from nobody."""
    return ()


def all_of(rows: Any) -> Any:
    """Rows to which nothing has to be added."""
    return rows


def as_they_are(values: dict[str, Any], user: Any) -> dict[str, Any]:
    """Values of a body whose names are those of the model."""
    return values


@dataclass(frozen=True)
class Resource:
    """One model as rows of JSON.

    shape: what a body holds and a row looks like. paths: name in a row -> where the value stands, seen from the model.
    prepared: adds what paths name beyond the model's own. hidden: the names whose values a person may not see; they are
    null in their rows. turned: name -> how a value is sent. takes: turns the names and codes of a body into fields of
    the model; told: field -> its name in a body. key: the name whose value stands in the address of a row. scope_first:
    whether a list looks up first which customers a person sees, so that the few rows of a rep are found by index.
    """

    model: type[models.Model]
    shape: type[serializers.Serializer]
    paths: Mapping[str, str]
    prepared: Callable[[Any], Any] = all_of
    hidden: Callable[[Any], Collection[str]] = nothing
    turned: Mapping[str, Callable[[Any], Any]] = field(default_factory=dict)
    takes: Callable[[dict[str, Any], Any], dict[str, Any]] = as_they_are
    told: Mapping[str, str] = field(default_factory=dict)
    key: str = "id"
    scope_first: bool = False

    def visible(self, user: Any) -> Any:
        """The rows that `user` may see."""
        return self.model._default_manager.visible_to(user)  # type: ignore[attr-defined]

    def listed(self, user: Any) -> Any:
        """The same, for lists."""
        if self.scope_first:
            return self.model._default_manager.in_scope_of(user)  # type: ignore[attr-defined]
        return self.visible(user)

    def read(self, rows: Any, user: Any) -> list[dict[str, Any]]:
        """`rows` as they are sent to `user`; one query."""
        hidden = self.hidden(user)
        shown = [name for name in self.paths if name not in hidden]
        nothing = dict.fromkeys(name for name in self.paths if name in hidden)
        columns = (self.paths[name] for name in shown)
        found = [dict(zip(shown, row, strict=True)) for row in self.prepared(rows).values_list(*columns)]
        if nothing:
            for each in found:
                each.update(nothing)
        for name, turn in self.turned.items():
            for each in found:
                each[name] = turn(each[name])
        return found

    def one(self, pk: int, user: Any) -> dict[str, Any]:
        """The row of this key as it is sent to `user`. Raises the model's DoesNotExist."""
        found = self.read(self.visible(user).filter(pk=pk), user)
        if not found:
            raise self.model.DoesNotExist  # type: ignore[attr-defined]
        return found[0]

    def values(self, body: Any, user: Any, *, partial: bool = False) -> dict[str, Any]:
        """The fields of the model that a body gives. Raises what a wrong shape raises, and Refused for codes that name
        nothing."""
        return self.takes(read(self.shape, body, partial=partial), user)

    @contextmanager
    def in_its_words(self) -> Iterator[None]:
        """Let what the model refuses be told of the names that bodies have."""
        try:
            yield
        except ValidationError as refusal:
            if not hasattr(refusal, "error_dict"):
                raise
            raise ValidationError(
                {self.told.get(name, name): errors for name, errors in refusal.error_dict.items()}
            ) from refusal
