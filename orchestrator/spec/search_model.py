"""Turns `search` and `stop` of a sweep file into models: one key for each kind that stands in search_kinds and stop_kinds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self, cast

from pydantic import create_model, model_validator

from orchestrator import kinds
from orchestrator.spec.field_types import SearchRange, Section, wrong
from orchestrator.spec.yaml_tree import Keys

SEARCHES = "orchestrator.spec.search_kinds"
STOPS = "orchestrator.spec.stop_kinds"


class SearchModel(Protocol):
    """What the engine asks of every kind of search; a module in search_kinds has one as its MODEL."""

    @property
    def finds(self) -> tuple[str, ...]:
        """Columns of the table of boundaries that say what it found, each with its bracket; none where claims cannot rest."""

    @property
    def names(self) -> tuple[str, ...]:
        """Params that it sets, so that no axis may; none where the arm's own axes are its space."""

    @property
    def place_columns(self) -> tuple[str, ...]:
        """Columns of its table of boundaries beside the params that it sets: ends of brackets, counts; none without a table."""

    def looks_at(self) -> Iterator[tuple[Keys, str]]:
        """Columns that it reads, with the keys that lead to each."""

    def intervals(self) -> Iterator[tuple[Keys, SearchRange]]:
        """Intervals that must have a value on every curve, with the keys that lead to each."""


class StopModel(Protocol):
    """What the engine asks of every kind of stop; a module in stop_kinds has one as its MODEL."""

    @property
    def of(self) -> str:
        """The column that points are compared in."""


class _OneKind(Section):
    """A mapping with one key: the kind that the file chose."""

    SAYS: ClassVar[str] = ""

    @property
    def kind(self) -> str:
        """The kind's name, as the file says it."""
        return self._kinds()[0]

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        kinds_here = self._kinds()
        if len(kinds_here) != 1:
            names = ", ".join(type(self).model_fields)
            raise wrong(f"'{self.SAYS}' must hold one of {names}, but holds {kinds_here or 'none'}; keep one.")
        return self

    def _kinds(self) -> list[str]:
        return [name for name in type(self).model_fields if getattr(self, name) is not None]


class _Search(_OneKind):
    SAYS: ClassVar[str] = "search"

    @property
    def model(self) -> SearchModel:
        """What the file says of the kind."""
        return cast(SearchModel, getattr(self, self.kind))

    @property
    def names(self) -> tuple[str, ...]:
        """Params that the search sets, so that no axis may."""
        return self.model.names


class _Stop(_OneKind):
    SAYS: ClassVar[str] = "stop"

    @property
    def model(self) -> StopModel:
        """What the file says of the kind."""
        return cast(StopModel, getattr(self, self.kind))


def _with_kinds(base: type[_OneKind], package: str, says: str) -> Any:
    """The model with an optional key for each kind in the package."""
    fields: dict[str, Any] = {name: (kinds.module_of(package, name).MODEL | None, None) for name in kinds.names_in(package)}
    name = base.__name__.removeprefix("_")
    return create_model(name, __base__=base, __module__=__name__, __doc__=f"{says}: one of {_as_list(list(fields))}.", **fields)


def _as_list(names: list[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


if TYPE_CHECKING:  # which keys there are is known at run time alone
    Search = _Search
    Stop = _Stop
else:
    Search = _with_kinds(_Search, SEARCHES, "How points are proposed")
    Stop = _with_kinds(_Stop, STOPS, "When a point ends early")
