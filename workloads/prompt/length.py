"""How many prompt tokens it takes to bring a query to given outputs, found by a solver that knows no formula.

Source: derived; the unreachable pair is in the spirit of Wang et al. 2023, arXiv:2305.18787, theorem 1 (1-layer datasets).
Symbols: n = tokens · S = sum of exp(score) over the prompt · u = attention over the prompt alone · q = the query, e_1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.prompt.maths import levenberg, token_counts
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
PROBLEMS = ("sums", "pair", "swapped")
SOLVED = 1e-16
"""Sum of squares up to which equations count as solved; below it there is rounding and nothing else."""
TOLERANCE = 1e-6  # sums are taken in another order in a larger pack, and moves add that up


@dataclass(frozen=True)
class Params:
    """What the prompt has to do, and how many tokens it may have."""

    tokens: Annotated[int, "prompt tokens n", {"shape": True}]
    ln_s: Annotated[float, "ln S that is asked for; swapped has no use for it"] = 1.0
    uq: Annotated[float, "score u.q of the prompt's mean that is asked for; swapped has no use for it"] = 0.0
    across: Annotated[float, "coordinate of u across the query; swapped has no use for it"] = 0.5
    dim: Annotated[int, "dimension of a token, at least 2", {"shape": True}] = 2
    problem: Annotated[
        str,
        "sums (S and u) | pair (outputs in two contexts that ask for these) | swapped (outputs no prompt reaches)",
        {"shape": True},
    ] = "sums"
    restarts: Annotated[int, "random prompts from which the solver starts; the best end counts", {"shape": True}] = 8
    steps: Annotated[int, "moves of the solver from each", {"shape": True}] = 120


@dataclass(frozen=True)
class Result:
    """How near the solver came, beside what the closed form says."""

    solved: Annotated[bool, "whether the sum of squares fell below 1e-16", {"aggregate": "proportion"}]
    squared_residual: Annotated[
        float, "sum of squares of the equations at the best prompt; 0 where solved", {"finite": True, "bound": "upper"}
    ]
    log_residual: Annotated[float, "its log10; -16 where solved"]
    max_error: Annotated[float | None, "largest entry of output less target, 0 where solved; null for sums", {"bound": "upper"}]
    possible: Annotated[bool, "closed form: whether a prompt of n tokens exists"]
    tokens_least: Annotated[int | None, "closed form: the fewest tokens that do, ceil(S exp(-u.q)); null where none do"]
    error_floor: Annotated[float | None, "closed form: the least max_error of n tokens; null but for swapped"]


EXAMPLES = (
    Params(5, 1.0812525, -0.4697312, 0.5652812),
    Params(4, 1.0812525, -0.4697312, 0.5652812, problem="pair"),
    Params(6, 2.0, 0.5, dim=3, problem="pair", restarts=4),
    Params(3, 0.5, 0.9),
    Params(2, problem="swapped", restarts=2, steps=100),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points of one shape are solved together, with all their restarts."""
    for p in params:
        _check(p)
    for _, indices in packs.groups(params, lambda p: dataclasses.replace(p, ln_s=0.0, uq=0.0, across=0.0)):
        rows = _measure([params[i] for i in indices], [ctxs[i] for i in indices])
        columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
        yield {"index": indices, "step": [0] * len(indices), **columns}


def _check(p: Params) -> None:
    if p.problem not in PROBLEMS:
        raise ValueError(f"problem must be one of {', '.join(PROBLEMS)}, but got '{p.problem}'; write one of them.")
    if p.tokens < 1 or p.dim < 2 or p.restarts < 1 or p.steps < 1:
        raise ValueError(
            f"tokens, restarts and steps must be at least 1 and dim at least 2, but got tokens = {p.tokens}, "
            f"restarts = {p.restarts}, steps = {p.steps}, dim = {p.dim}; in one dimension u and u.q are one number."
        )


def _measure(params: list[Params], ctxs: list[Context]) -> list[dict[str, Any]]:
    p, device = params[0], ctxs[0].device
    start = torch.stack([_start(q, ctx) for q, ctx in zip(params, ctxs, strict=True)]).to(device)  # (points, restarts, n d)
    wanted = torch.stack([_wanted(q) for q in params]).to(device)
    each = wanted.repeat_interleave(p.restarts, 0)
    if p.problem == "sums":
        _, cost = levenberg.solve(token_counts.sums, start.flatten(0, 1), (each,), p.steps)
        worst = [None] * len(params)
        return _rows(params, cost.reshape(-1, p.restarts).amin(1), worst)
    if p.problem == "pair":
        solution, _ = levenberg.solve(token_counts.misses, start.flatten(0, 1), (each,), p.steps)
    else:  # all points ask for the same, and differ in where they start
        solution = token_counts.smallest_largest(start.flatten(0, 1), wanted[0], p.steps)
    missed = torch.func.vmap(token_counts.misses)(solution, each).reshape(len(params), p.restarts, -1)
    least = missed.abs().amax(-1).amin(1)
    return _rows(params, missed.square().sum(-1).amin(1), least.tolist())


def _start(p: Params, ctx: Context) -> Tensor:
    """Standard normal prompts (restarts, n d)."""
    return torch.randn(p.restarts, p.tokens * p.dim, dtype=torch.float64, generator=ctx.generator("prompts"))


def _wanted(p: Params) -> Tensor:
    """(u, S) for sums, (d+1,); for the others the targets (2, d) of the query in the two contexts."""
    if p.problem == "swapped":
        targets = torch.zeros(2, p.dim, dtype=torch.float64)
        targets[0, 1], targets[1, 1] = -1.0, 1.0
        return targets
    u = torch.zeros(p.dim, dtype=torch.float64)
    u[0], u[1] = p.uq, p.across
    if p.problem == "sums":
        return torch.cat([u, torch.tensor([math.exp(p.ln_s)], dtype=torch.float64)])
    gate = 1 / (1 + token_counts.SHARE * math.exp(-p.ln_s))
    return gate * u + (1 - gate) * token_counts.contexts(p.dim)


def _rows(params: list[Params], squared: Tensor, worst: Sequence[float | None]) -> list[dict[str, Any]]:
    rows = []
    for p, residual, error in zip(params, squared.tolist(), worst, strict=True):
        swapped, solved = p.problem == "swapped", residual <= SOLVED
        rows.append(
            {
                "solved": solved,
                "squared_residual": 0.0 if solved else residual,
                "log_residual": math.log10(max(residual, SOLVED)),
                "max_error": 0.0 if solved and error is not None else error,
                "possible": not swapped and token_counts.possible(p.ln_s, p.uq, p.tokens),
                "tokens_least": None if swapped else token_counts.least_tokens(p.ln_s, p.uq),
                "error_floor": token_counts.floor(p.tokens) if swapped else None,
            }
        )
    return rows
