"""The kinds of claim: each module of this folder is one, and its `KIND` says all that the engine needs to know of it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, Self, TypeVar

from orchestrator.kinds import module_of, names_in
from orchestrator.spec.field_types import Bound

K = TypeVar("K")
Place = tuple[str | int, ...]
"""The keys that lead to a value, from the key of the kind on: `("table", 0, "y")`."""


class Claimed(Protocol):
    """What a kind may read of the claim that it stands in; `Claim` in `spec/claim_model.py` is one."""

    @property
    def id(self) -> str:
        """The name of the claim."""

    @property
    def by(self) -> tuple[str, ...]:
        """Columns whose values are judged apart."""

    @property
    def expect(self) -> dict[str, Bound] | None:
        """Where numbers are expected, by their names."""

    @property
    def se(self) -> object:
        """The column with a standard error, or a section that is printed as one."""

    @property
    def chance(self) -> float | None:
        """How probable it is that a row breaks its condition by chance."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None) -> Self:
        """The claim with other values."""


@dataclass(frozen=True, kw_only=True)
class ClaimKind(Generic[K]):
    """A kind of claim. `K` is what stands behind its key once it is read; what is left out has the default of most kinds."""

    name: str
    """The key in a claim, and the name of the kind's two modules."""
    key: Any
    """The type of the field: a Section, or any type that pydantic reads."""
    says: str
    """What an editor shows beside the key."""
    expected: Callable[[K, Claimed, Mapping[str, str]], str]
    """What the claim expects, in words; the mapping holds the words of each bound of `expect`."""
    columns: Callable[[K], Iterable[tuple[Place, str]]]
    """The columns and formulas that it names, each with the keys that lead to it."""
    axes: Callable[[K, Claimed], tuple[str | None, str | None]]
    """The columns that it calls its x and its y; None where it has none."""
    order: int = 100
    """Its place among the keys of a claim: shipped kinds have their own, others follow by name."""
    quantities: Callable[[K, Claimed], tuple[str, ...]] = lambda value, claim: ()
    """The names that `expect` may use."""
    laws: Callable[[K, Claimed], tuple[str, ...]] = lambda value, claim: ()
    """The laws that it fits to y over x, the claimed one first."""
    groups: Callable[[K, Claimed], tuple[str, ...]] = lambda value, claim: claim.by
    """The columns in which the groups differ that it judges or compares."""
    labels: Callable[[K, Claimed], Iterable[tuple[Place, str, tuple[str, ...]]]] = lambda value, claim: ()
    """The arms and values that it names: the keys that lead to each, its text, and the columns of which it must be a value."""
    check: Callable[[K, Claimed], None] = lambda value, claim: None
    """Raises what `wrong` makes where the claim contradicts itself."""
    model: Callable[[K, Any, Sequence[Any]], Any] = lambda value, claim, before: None
    """The claim on whose rows and fit it is judged, made of an earlier one; None where it is judged on its own.

    Raises `Wrong` where it needs an earlier one that is not there.
    """
    condition: Callable[[K], str | None] = lambda value: None
    """An SQL condition on each row, which the query that a report prints shows as a column."""
    rowwise: bool = False
    """Whether rows are judged one by one, not as a curve: it has no floor, and that a search found nothing can be claimed."""
    beside: tuple[str, ...] = ()
    """Other kinds that may stand in the same claim, which is then one of this kind."""
    owns: tuple[tuple[str, ...], ...] = ()
    """Keys of the claim, outside its own, that only this kind takes."""

    def get(self, claim: object) -> K | None:
        """What a claim says under this kind's key; None where it does not have the key."""
        value: K | None = getattr(claim, self.name)
        return value

    def of(self, claim: object) -> K:
        """What a claim of this kind says under its key."""
        value = self.get(claim)
        assert value is not None
        return value


@functools.cache
def kinds() -> dict[str, ClaimKind[Any]]:
    """All kinds of claim by name, in the order of their keys."""
    every = [module_of(__name__, name).KIND for name in names_in(__name__)]
    return {kind.name: kind for kind in sorted(every, key=lambda kind: (kind.order, kind.name))}


def each(*keys: str, names: Iterable[str]) -> Iterable[tuple[Place, str]]:
    """The names of a list behind those keys, each with its place."""
    return (((*keys, index), name) for index, name in enumerate(names))
