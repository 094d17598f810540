"""Turns params into what trainings of one shape share: laws, subspaces, data; and checks the choices that every paper has."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import torch
from torch import Tensor

from workloads.shared.diffusion.network import Shape
from workloads.shared.training.ensemble import Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

P = TypeVar("P")
L = TypeVar("L")

SPREADS = ("log", "uniform")
SCHEDULES = ("cosine", "constant")
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
CHOICES: Mapping[str, Collection[str]] = {"spread": SPREADS, "schedule": SCHEDULES, "precision": tuple(PRECISIONS)}
LEAST = {"n": 1, "depth": 1, "heads": 1, "head_dim": 1, "ff": 1, "width": 1, "steps": 1, "batch": 1, "points": 2}
LEAST |= {"every": 0, "sampler_steps": 1}


@dataclass(frozen=True)
class Problem(Generic[P, L]):
    """Trainings of one shape: their params, surroundings and laws, and of each a subspace, clean data and conditions."""

    params: Sequence[P]
    ctxs: Sequence[Context]
    laws: Sequence[L]
    basis: Tensor  # (models, D, d0)
    data: Sequence[Tensor]  # (n, D); without points where they are fresh
    conditions: Sequence[Tensor] = ()  # (n, dy); none where the law has no condition
    fixed: Stack = field(default_factory=dict)  # numbers (models, ...) of the networks that are drawn and never trained
    _columns: Stack = field(default_factory=dict, init=False, repr=False)

    @property
    def first(self) -> P:
        """The params of one of them, for what they share."""
        return self.params[0]

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device of all of them."""
        return self.data[0]

    def part(self, start: int, stop: int) -> Problem[P, L]:
        """The problem of neighbours among them."""
        params, ctxs, laws = self.params[start:stop], self.ctxs[start:stop], self.laws[start:stop]
        fixed = {name: numbers[start:stop] for name, numbers in self.fixed.items()}
        return Problem(
            params, ctxs, laws, self.basis[start:stop], self.data[start:stop], self.conditions[start:stop], fixed
        )  # fmt: skip

    def column(self, name: str) -> Tensor:
        """A param of each model as a tensor (models,)."""
        if name not in self._columns:  # made once: a loss asks at every step, and a copy to a GPU waits for it
            values = [getattr(p, name) for p in self.params]
            self._columns[name] = torch.tensor(values, dtype=self.like.dtype, device=self.like.device)
        return self._columns[name]


AnyProblem = Problem[Any, Any]


def check(p: Any, choices: Mapping[str, Collection[str]], least: Mapping[str, int]) -> None:
    """Refuse params that mean nothing in any training; `choices` and `least` are those that a paper adds."""
    for name, allowed in {**choices, **CHOICES}.items():
        if getattr(p, name) not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}, but got '{getattr(p, name)}'; write one of them.")
    for name, low in {**least, **LEAST}.items():
        if getattr(p, name) < low:
            raise ValueError(f"{name} must be at least {low}, but got {getattr(p, name)}; raise it.")
    if not 0 < p.t0 < p.horizon:
        raise ValueError(f"times must have 0 < t0 < horizon, but got t0 = {p.t0}, horizon = {p.horizon}; mend them.")


def transformer(p: Any) -> Shape:
    """The shape of the network's blocks."""
    return Shape(depth=p.depth, heads=p.heads, head_dim=p.head_dim, ff=p.ff, width=p.width)


def dtype(p: Any) -> torch.dtype:
    """Floating type of the point's arrays."""
    return PRECISIONS[p.precision]
