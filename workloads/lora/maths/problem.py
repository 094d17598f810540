"""Turns a shape and a bound into a LoRA problem: one sequence, adapted matrices, and its gradients by three ways.

Queries Q = X_Q W_Q and keys K = X_K W_K have largest entry b; W = I + B A for the adapted ones, else I. `partial` adapts
queries and values, `full` keys too. Tensors have leading dimensions (...), a problem each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workloads.lora.maths import adaptation_gradient, data
from workloads.lora.maths.adaptation_gradient import Adapter, Bound, largest
from workloads.shared.attention.operators import Attention

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

ADAPTED = {"partial": ("queries", "values"), "full": ("queries", "keys", "values")}
Gradients = dict[str, tuple[Tensor, Tensor]]  # dL/dA and dL/dB of each adapted matrix


@dataclass(frozen=True)
class Problem:
    """Inputs (..., L, d) and factors of each of queries, keys and values, the target, and what q.k is multiplied by."""

    adapters: dict[str, Adapter]
    target: Tensor
    scale: float
    adapted: tuple[str, ...]

    def adapted_rows(self, name: str) -> Tensor:
        """Queries, keys or values (..., L, d), as their matrix makes them now."""
        adapter = self.adapters[name]
        return adapter.inputs + adapter.inputs @ adapter.down @ adapter.up

    @property
    def norm(self) -> Tensor:
        """The largest entry that the theorem bounds (...): of Q and K; in the full case also of X_K and of X_Q W_Q W_K^T."""
        queries, keys, keyed = self.adapted_rows("queries"), self.adapted_rows("keys"), self.adapters["keys"]
        rows = [queries, keys]
        if "keys" in self.adapted:
            rows += [keyed.inputs, queries + queries @ keyed.up.mT @ keyed.down.mT]
        return torch.stack([largest(x) for x in rows]).amax(0)


def draw(ctx: Context, kind: str, values: str, seq_len: int, dim: int, lora_rank: int, adapt: str) -> Problem:
    """The problem of a seed whose queries and keys have largest entry 1."""
    if adapt not in ADAPTED:
        raise ValueError(f"adapt must be partial or full, but got '{adapt}'; partial adapts queries and values.")
    queries, keys = data.pair(ctx, kind, seq_len, dim)
    inputs = {"queries": queries, "keys": keys, "values": data.values(ctx, values, keys)}
    adapters = {}
    for name, rows in inputs.items():
        stream = ctx.generator(f"factors of {name}")
        down = torch.randn(dim, lora_rank, dtype=torch.float64, generator=stream).to(rows) / math.sqrt(dim)
        up = torch.randn(lora_rank, dim, dtype=torch.float64, generator=stream).to(rows) / math.sqrt(lora_rank)
        down = down if name in ADAPTED[adapt] else torch.zeros_like(down)
        size = 1.0 if name == "values" else largest(rows + rows @ down @ up)
        adapters[name] = Adapter(rows / size, down, up)
    target = torch.randn(queries.shape, dtype=torch.float64, generator=ctx.generator("target")).to(queries)
    return Problem(adapters, target, 1.0, ADAPTED[adapt])


def stack(problems: list[Problem], bounds: list[float], scale: float) -> Problem:
    """One batch of problems of a shape, with their queries and keys scaled to those bounds."""
    first = problems[0]
    size = torch.tensor(bounds, dtype=first.target.dtype, device=first.target.device)[:, None, None]
    adapters = {}
    for name in first.adapters:
        rows, down, up = (torch.stack([getattr(p.adapters[name], part) for p in problems]) for part in ("inputs", "down", "up"))
        adapters[name] = Adapter(rows if name == "values" else size * rows, down, up)
    return Problem(adapters, torch.stack([p.target for p in problems]), scale, first.adapted)


def gradients(problem: Problem, attention: Attention) -> tuple[Gradients, Tensor]:
    """Gradients at the weights of that operator, and the residual (..., L, d)."""
    queries, keys = problem.adapted_rows("queries"), problem.adapted_rows("keys")
    slope = adaptation_gradient.slope(attention, problem.adapted_rows("values"), problem.target)
    of = problem.adapters
    by_name = {"queries": adaptation_gradient.of_queries(slope, of["queries"], keys, problem.scale)}
    if "keys" in problem.adapted:
        by_name["keys"] = adaptation_gradient.of_keys(slope, of["keys"], queries, problem.scale)
    by_name["values"] = adaptation_gradient.of_values(slope, of["values"])
    return by_name, slope.residual


def autograd(problem: Problem) -> Gradients:
    """The same gradients by automatic differentiation of the loss, L² numbers at once."""
    factors = {n: (a.down.detach().requires_grad_(), a.up.detach().requires_grad_()) for n, a in problem.adapters.items()}
    matrices = {n: a.inputs + a.inputs @ factors[n][0] @ factors[n][1] for n, a in problem.adapters.items()}
    weights = torch.softmax(problem.scale * matrices["queries"] @ matrices["keys"].mT, dim=-1)
    loss = (weights @ matrices["values"] - problem.target).square().sum() / 2
    wanted = [factor for n in problem.adapted for factor in factors[n]]
    slopes = torch.autograd.grad(loss, wanted)
    return {n: (slopes[2 * i + 1], slopes[2 * i]) for i, n in enumerate(problem.adapted)}


def bounds(problem: Problem, bound: Bound) -> Gradients:
    """What no entry of the errors of `gradients` exceeds, (...) for dL/dA and dL/dB of each adapted matrix."""
    other = {"queries": problem.adapted_rows("keys"), "keys": problem.adapted_rows("queries")}
    limits = {}
    for name in problem.adapted:
        rows, down, up = (getattr(problem.adapters[name], part) for part in ("inputs", "down", "up"))
        if name == "values":
            limits[name] = bound.values(rows @ down), bound.values(rows, up.abs().sum(-1).amax(-1))
        else:
            limits[name] = (
                bound.scores(rows @ down, other[name], problem.scale),
                bound.scores(rows, other[name] @ up.mT, problem.scale),
            )
    return limits
