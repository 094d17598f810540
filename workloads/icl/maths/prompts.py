"""Turns params and seeds into what trainings share and are tested on: batches of prompts, contexts with queries, a real table.

Source: arXiv:2411.16549, section on experiments as reported. Each prompt has a network of its own; a test prompt has several
queries, and a share of its inputs may come from N(-mean, I) instead of N(mean, I).
Symbols: M = models · R = prompts · Q = queries of a prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import torch
from sklearn.datasets import load_diabetes
from torch import Tensor

from workloads.icl.maths import teachers
from workloads.icl.maths.transformer import Shape
from workloads.shared.training import ensemble

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
QUERIES = 8
"""Queries of a test prompt."""
DIABETES_DIM = 10
"""Inputs of the table of diabetes."""


class Training(Shape, Protocol):
    """What the params of a training say of its prompts."""

    @property
    def depth(self) -> int:
        """Layers of the targets' networks."""

    @property
    def hidden(self) -> int:
        """Units of their hidden layers."""

    @property
    def context(self) -> int:
        """Examples of the longest context that is trained on."""

    @property
    def mean(self) -> float:
        """Every entry of the inputs' mean."""

    @property
    def steps(self) -> int:
        """Steps of training."""

    @property
    def batch(self) -> int:
        """Prompts of a training step."""

    @property
    def prompts(self) -> int:
        """Test prompts."""

    @property
    def precision(self) -> str:
        """Floating type."""


@dataclass(frozen=True)
class Task:
    """Trainings of one shape, on one device."""

    params: Sequence[Training]
    ctxs: Sequence[Context]

    @property
    def first(self) -> Training:
        """The params of one of them, for what they share."""
        return self.params[0]

    @property
    def like(self) -> Tensor:
        """A tensor of the type and on the device of all of them."""
        return torch.empty(0, dtype=PRECISIONS[self.first.precision], device=self.ctxs[0].device)

    @property
    def layer_sizes(self) -> list[int]:
        """Units of the targets' layers, inputs first."""
        return teachers.sizes(self.first.dim, self.first.hidden, self.first.depth)

    def column(self, name: str) -> Tensor:
        """A param of each model, (M,)."""
        return torch.tensor([getattr(p, name) for p in self.params], dtype=self.like.dtype, device=self.like.device)

    def probes(self) -> Tensor:
        """Inputs (M, 1, PROBES, d) over which targets have a standard deviation of 1."""
        normal = torch.randn(teachers.PROBES, self.first.dim, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return normal.to(self.like) + self.column("mean")[:, None, None, None]


@dataclass(frozen=True)
class Tests:
    """Contexts (M, R, n, d) with targets (M, R, n), and queries (M, R, Q, d) with theirs."""

    x: Tensor
    y: Tensor
    queries: Tensor
    answers: Tensor


def longest(p: Training) -> int:
    """Examples of the longest context that is tested, one and a half of those that are trained on."""
    return p.context + p.context // 2


def batches(p: Training, like: Tensor, generator: torch.Generator, steps: int) -> dict[str, Tensor]:
    """Standard normal inputs and weights of one model's next steps, (steps, batch, …)."""
    kind = {"generator": generator, "dtype": like.dtype, "device": like.device}
    weights = teachers.count(teachers.sizes(p.dim, p.hidden, p.depth))
    return {
        "x": torch.randn(steps, p.batch, p.context + 1, p.dim, **kind),  # type: ignore[call-overload]
        "weights": torch.randn(steps, p.batch, weights, **kind),  # type: ignore[call-overload]
    }


def tests(task: Task, *, far: float = 0.0, shift: float = 0.0) -> Tests:
    """Test prompts; of each model the same normal numbers whatever is shifted, a share `far` of inputs and all weights."""
    p, draws = task.first, []
    points = longest(p) + QUERIES
    for ctx in task.ctxs:
        generator = ensemble.generator(ctx, "tests")
        kind = {"generator": generator, "dtype": torch.float64, "device": task.like.device}
        x = torch.randn(p.prompts, points, p.dim, **kind)  # type: ignore[call-overload]
        weights = torch.randn(p.prompts, teachers.count(task.layer_sizes), **kind)  # type: ignore[call-overload]
        draws.append((x, weights, torch.rand(p.prompts, points, **kind)))  # type: ignore[call-overload]
    normal, weights, chance = (torch.stack(parts).to(task.like) for parts in zip(*draws, strict=True))
    x = normal + task.column("mean")[:, None, None, None] * torch.where(chance < far, -1.0, 1.0).unsqueeze(-1)
    y = teachers.targets(weights + shift, task.layer_sizes, x, task.probes())
    cut = longest(p)
    return Tests(x[:, :, :cut], y[:, :, :cut], x[:, :, cut:], y[:, :, cut:])


@cache
def table() -> tuple[Tensor, Tensor]:
    """Inputs (442, 10) and targets (442,) of the diabetes table, each column with mean 0 and standard deviation 1."""
    x, y = (torch.as_tensor(part, dtype=torch.float64) for part in load_diabetes(return_X_y=True, scaled=True))
    return (x - x.mean(0)) / x.std(0), (y - y.mean()) / y.std()


def diabetes(task: Task) -> Tests:
    """Contexts and queries that are patients of the table, without one twice in a prompt; inputs get the trained mean."""
    p, (x, y) = task.first, table()
    draws = []
    for ctx in task.ctxs:
        chance = torch.rand(p.prompts, len(y), generator=ctx.generator("diabetes"), dtype=torch.float64)
        draws.append(chance.argsort(1)[:, : p.context + QUERIES])
    places = torch.stack(draws)
    inputs = x[places].to(task.like) + task.column("mean")[:, None, None, None]
    values = y[places].to(task.like)
    return Tests(inputs[:, :, : p.context], values[:, :, : p.context], inputs[:, :, p.context :], values[:, :, p.context :])
