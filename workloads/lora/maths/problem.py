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
    from orchestrator.context import Context

ADAPTED = {"partial": ("queries", "values"), "full": ("queries", "keys", "values")}
Gradients = dict[str, tuple[Tensor, Tensor]]  # dL/dA and dL/dB of each adapted matrix


@dataclass(frozen=True)
class Problem:
    """Inputs (..., L, d) and factors of each of queries, keys and values, the target, and what q.k is multiplied by."""

    adapters: dict[str, Adapter]
    target: Tensor
    scale: float
    adapted: tuple[str, ...]

    def made(self, name: str) -> Tensor:
        """Queries, keys or values (..., L, d), as their matrix makes them now."""
        found = self.adapters[name]
        return found.inputs + found.inputs @ found.left @ found.right

    @property
    def norm(self) -> Tensor:
        """The largest entry that the theorem bounds (...): of Q and K; in the full case also of X_K and of X_Q W_Q W_K^T."""
        queries, keys, keyed = self.made("queries"), self.made("keys"), self.adapters["keys"]
        rows = [queries, keys]
        if "keys" in self.adapted:
            rows += [keyed.inputs, queries + queries @ keyed.right.mT @ keyed.left.mT]
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
        left = torch.randn(dim, lora_rank, dtype=torch.float64, generator=stream).to(rows) / math.sqrt(dim)
        right = torch.randn(lora_rank, dim, dtype=torch.float64, generator=stream).to(rows) / math.sqrt(lora_rank)
        left = left if name in ADAPTED[adapt] else torch.zeros_like(left)
        size = 1.0 if name == "values" else largest(rows + rows @ left @ right)
        adapters[name] = Adapter(rows / size, left, right)
    target = torch.randn(queries.shape, dtype=torch.float64, generator=ctx.generator("target")).to(queries)
    return Problem(adapters, target, 1.0, ADAPTED[adapt])


def stack(problems: list[Problem], bounds: list[float], scale: float) -> Problem:
    """One batch of problems of a shape, with their queries and keys scaled to those bounds."""
    first = problems[0]
    size = torch.tensor(bounds, dtype=first.target.dtype, device=first.target.device)[:, None, None]
    adapters = {}
    for name in first.adapters:
        rows, left, right = (
            torch.stack([getattr(p.adapters[name], part) for p in problems]) for part in ("inputs", "left", "right")
        )
        adapters[name] = Adapter(rows if name == "values" else size * rows, left, right)
    return Problem(adapters, torch.stack([p.target for p in problems]), scale, first.adapted)


def gradients(problem: Problem, attention: Attention) -> tuple[Gradients, Tensor]:
    """Gradients at the weights of that operator, and the residual (..., L, d)."""
    queries, keys = problem.made("queries"), problem.made("keys")
    slope = adaptation_gradient.slope(attention, problem.made("values"), problem.target)
    of = problem.adapters
    found = {"queries": adaptation_gradient.of_queries(slope, of["queries"], keys, problem.scale)}
    if "keys" in problem.adapted:
        found["keys"] = adaptation_gradient.of_keys(slope, of["keys"], queries, problem.scale)
    found["values"] = adaptation_gradient.of_values(slope, of["values"])
    return found, slope.residual


def autograd(problem: Problem) -> Gradients:
    """The same gradients by automatic differentiation of the loss, L² numbers at once."""
    factors = {n: (a.left.detach().requires_grad_(), a.right.detach().requires_grad_()) for n, a in problem.adapters.items()}
    made = {n: a.inputs + a.inputs @ factors[n][0] @ factors[n][1] for n, a in problem.adapters.items()}
    weights = torch.softmax(problem.scale * made["queries"] @ made["keys"].mT, dim=-1)
    loss = (weights @ made["values"] - problem.target).square().sum() / 2
    wanted = [factor for n in problem.adapted for factor in factors[n]]
    found = torch.autograd.grad(loss, wanted)
    return {n: (found[2 * i + 1], found[2 * i]) for i, n in enumerate(problem.adapted)}


def bounds(problem: Problem, bound: Bound) -> Gradients:
    """What no entry of the errors of `gradients` exceeds, (...) for dL/dA and dL/dB of each adapted matrix."""
    other = {"queries": problem.made("keys"), "keys": problem.made("queries")}
    found = {}
    for name in problem.adapted:
        rows, left, right = (getattr(problem.adapters[name], part) for part in ("inputs", "left", "right"))
        if name == "values":
            found[name] = bound.values(rows @ left), bound.values(rows, right.abs().sum(-1).amax(-1))
        else:
            found[name] = (
                bound.scores(rows @ left, other[name], problem.scale),
                bound.scores(rows, other[name] @ right.mT, problem.scale),
            )
    return found
