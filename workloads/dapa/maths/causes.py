"""Turns a kind of cause and a seed into an oracle: which subsets of n units pass, drawn once and answered alike for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

Units = frozenset[int]
Kind = Literal["contiguous", "scattered", "all", "count", "either", "additive"]
ENUMERATED = 12  # units of which all subsets are looked through
SLACK = 1e-9  # relative; so that a sum of weights in another order passes too


@dataclass(frozen=True, kw_only=True)
class Cause:
    """What makes a subset of `units` units pass: all of one of `conjunctions`, or `count` of any, or weights that reach a sum.

    `flip` is the probability that a subset's answer is wrong; no unit and all units are always answered rightly.
    """

    units: int
    conjunctions: tuple[Units, ...] = ()
    count: int | None = None
    weights: tuple[float, ...] = ()
    reached: float = 0.0
    flip: float = 0.0
    seed: int = 0

    @property
    def only(self) -> Units | None:
        """The one least set that every passing subset holds; None where several sets pass that share no core."""
        if self.count is not None or self.weights or len(self.conjunctions) > 1:
            return None
        return self.conjunctions[0]

    def passes(self, subset: Units) -> bool:
        """Whether a subset passes."""
        if self.weights:
            return sum(self.weights[unit] for unit in sorted(subset)) >= self.reached * (1 - SLACK)
        if self.count is not None:
            return len(subset) >= self.count
        return any(conjunction <= subset for conjunction in self.conjunctions)

    def answers(self, subset: Units) -> bool:
        """What the oracle says of a subset: the same whenever it is asked, and wrong with probability `flip`."""
        truth = self.passes(subset)
        if not self.flip or len(subset) in (0, self.units):
            return truth
        digest = hashlib.blake2b(f"{self.seed}/{letters(subset, self.units)}".encode(), digest_size=8).digest()
        return truth != (int.from_bytes(digest, "big") / 2**64 < self.flip)

    def least(self) -> int | None:
        """Units of the least set that passes, by looking through all; None above ENUMERATED units."""
        if self.units > ENUMERATED:
            return None
        sizes = (size for size in range(self.units + 1) if any(map(self.passes, _of_size(self.units, size))))
        return next(sizes, None)


def cause(kind: Kind, units: int, need: int, start: int, flip: float, ctx: Context) -> Cause:
    """The cause of a kind: `need` units of `units`, the first of them at `start`, or drawn where that is -1.

    Of `either` the second way to pass is a single drawn unit beside the block; of `additive` the weights are drawn
    exponentials, and the `need` largest reach what passes. Raises ValueError where the units are too few.
    """
    _check(kind, units, need, start)
    generator, sure = ctx.generator("cause"), Cause(units=units, flip=flip, seed=ctx.seed)
    if kind == "all":
        return replace(sure, conjunctions=(frozenset(range(units)),))
    if kind == "count":
        return replace(sure, count=need)
    if kind == "additive":
        weights = torch.empty(units, dtype=torch.float64).exponential_(generator=generator)
        return replace(sure, weights=tuple(weights.tolist()), reached=float(weights.topk(need).values.sum()))
    if kind == "scattered":
        return replace(sure, conjunctions=(_scattered(units, need, start, generator),))
    first = start if start >= 0 else int(torch.randint(units - need + 1, (), generator=generator))
    block = frozenset(range(first, first + need))
    if kind == "contiguous":
        return replace(sure, conjunctions=(block,))
    beside = [unit for unit in range(units) if unit not in block]
    lone = beside[int(torch.randint(len(beside), (), generator=generator))]
    return replace(sure, conjunctions=(block, frozenset({lone})))


def letters(subset: Units, units: int) -> str:
    """A subset as text: a letter for each unit, 1 where it is in."""
    return "".join("1" if unit in subset else "0" for unit in range(units))


def subset_of(text: str, units: int) -> Units:
    """The subset that letters say; ValueError for another length and other letters."""
    if len(text) != units or set(text) - {"0", "1"}:
        raise ValueError(f"subset must have {units} letters 0 and 1, a letter a unit, but got '{text}'; mend it.")
    return frozenset(unit for unit, letter in enumerate(text) if letter == "1")


def _scattered(units: int, need: int, start: int, generator: torch.Generator) -> Units:
    """Drawn units; where `start` is given it is the first of them."""
    if start < 0:
        return frozenset(torch.randperm(units, generator=generator)[:need].tolist())
    after = torch.randperm(units - start - 1, generator=generator)[: need - 1] + start + 1
    return frozenset({start, *after.tolist()})


def _check(kind: Kind, units: int, need: int, start: int) -> None:
    if not 1 <= need <= units:
        raise ValueError(f"need must be in 1 to {units}, the number of units, but got {need}; write fewer.")
    if start < -1 or start + need > units:
        raise ValueError(
            f"start must be -1 (drawn) or leave room for need, at most {units - need} of {units} units, but got {start}; "
            "lower it."
        )
    if kind == "either" and need == units:
        raise ValueError(f"either must leave a unit beside the block, but need = units = {units}; write a smaller need.")


def _of_size(units: int, size: int) -> Iterator[Units]:
    return map(frozenset, combinations(range(units), size))
