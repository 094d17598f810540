"""What classifier-free guidance samples, beside the tilted density that it is often taken to sample, in closed form.

Source: arXiv:2411.17522, (2.6); arXiv:2408.09000. Conditional law N(0, 1), marginal law N(0, u).
Symbols: gamma = 1 + eta = guidance strength · u = variance of the marginal law.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.dit_conditional.maths import guided
from workloads.shared import packs
from workloads.shared.diffusion import process

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A guidance strength and a sampler."""

    gamma: Annotated[float, "guidance strength 1 + eta; 1 is no guidance"]
    sampler: Annotated[str, "ode | sde", {"shape": True}] = "ode"
    marginal: Annotated[float, "variance u of the law without a condition"] = 2.0
    steps: Annotated[int, "Euler steps of equal length", {"shape": True}] = 10_000
    horizon: Annotated[float, "diffusion time at which sampling starts"] = 20.0
    samples: Annotated[int, "points that are sampled as well, in 200 steps; 0 for none", {"shape": True}] = 0


@dataclass(frozen=True)
class Result:
    """Variances of what is sampled."""

    variance: Annotated[float, "variance that the sampler's recursion comes to"]
    variance_exact: Annotated[float, "its limit for short steps and a late start"]
    variance_tilted: Annotated[float, "that of the tilted density"]
    relative_error: Annotated[float, "variance over variance_exact, less 1"]
    away_from_tilted: Annotated[float, "variance over variance_tilted"]
    sampled: Annotated[float | None, "mean square of sampled points; null where none are"]
    sampled_exact: Annotated[float | None, "its expectation, by the recursion on the same steps"]
    sampled_se: Annotated[float | None, "standard error of sampled"]
    posterior_gap: Annotated[
        float, "largest difference of a 3-class mixture's score and its class scores weighed by the posterior"
    ]


EXAMPLES = (
    Params(gamma=3.0, steps=100),
    Params(gamma=2.0, sampler="sde", steps=100, samples=32),
    Params(gamma=1.0, sampler="sde", marginal=3.0, steps=50),
)
NAMES = tuple(field.name for field in dataclasses.fields(Result))
SAMPLED = 200  # steps of sampled points: few, for each needs noise


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for all points; those of one sampler and one grid of times go together."""
    for p in params:
        _check(p)
    keys = [(p.sampler, p.steps, p.horizon, p.samples) for p in params]
    for _, indices in packs.groups(list(range(len(params))), lambda i: keys[i]):
        values = _measure([params[i] for i in indices], [ctxs[i] for i in indices])
        yield {"index": indices, "step": [0] * len(indices), **{name: _column(values[name], len(indices)) for name in NAMES}}


def _column(values: Tensor | None, n: int) -> list[Any]:
    return [None] * n if values is None else values.tolist()


def _check(p: Params) -> None:
    if p.sampler not in guided.SAMPLERS:
        raise ValueError(f"sampler must be one of {', '.join(guided.SAMPLERS)}, but got '{p.sampler}'; write one of them.")
    if p.gamma < 1 or p.marginal <= 1 or p.steps < 1 or p.samples < 0:
        raise ValueError(
            f"gamma must be at least 1, marginal above 1, steps at least 1 and samples at least 0, but got {p.gamma}, "
            f"{p.marginal}, {p.steps} and {p.samples}; mend them."
        )


def _measure(params: list[Params], ctxs: Sequence[Context]) -> dict[str, Tensor | None]:
    p = params[0]
    gamma, marginal = (torch.tensor([getattr(q, name) for q in params], dtype=torch.float64) for name in ("gamma", "marginal"))
    variance = guided.recursion(gamma, marginal, p.sampler, _grid(p, p.steps))
    exact, tilted = guided.limit(gamma, marginal, p.sampler), guided.tilted(gamma, marginal)
    return {
        "variance": variance,
        "variance_exact": exact,
        "variance_tilted": tilted,
        "relative_error": variance / exact - 1.0,
        "away_from_tilted": variance / tilted,
        **_sampled(params, ctxs, gamma, marginal),
        "posterior_gap": torch.stack([_gap(ctx) for ctx in ctxs]),
    }


def _grid(p: Params, steps: int) -> Tensor:
    return torch.linspace(p.horizon, 0.0, steps + 1, dtype=torch.float64)


def _sampled(params: list[Params], ctxs: Sequence[Context], gamma: Tensor, marginal: Tensor) -> dict[str, Tensor | None]:
    """Mean squares of real paths, and what they must be on average."""
    p = params[0]
    if p.samples == 0:
        return {"sampled": None, "sampled_exact": None, "sampled_se": None}
    grid = _grid(p, SAMPLED)
    draws = [ctx.generator("paths") for ctx in ctxs]
    gamma, marginal, grid = (part.to(ctxs[0].device) for part in (gamma, marginal, grid))

    def noise() -> Tensor:
        """Standard normal draws of every point, one column a path."""
        return torch.stack([torch.randn(p.samples, generator=g, dtype=torch.float64) for g in draws]).to(gamma)

    x = guided.paths(gamma, marginal, p.sampler, grid, noise(), noise)
    exact = guided.recursion(gamma, marginal, p.sampler, grid)
    # Points are Gaussian: their mean square has relative variance 2/n.
    return {"sampled": x.square().mean(1), "sampled_exact": exact, "sampled_se": exact * (2.0 / p.samples) ** 0.5}


def _gap(ctx: Context) -> Tensor:
    """The identity of scores at a time and places of this seed."""
    draws = ctx.generator("mixture")
    means = 2 * torch.randn(3, generator=draws, dtype=torch.float64)
    deviations = 0.2 + torch.rand(3, generator=draws, dtype=torch.float64)
    t = 3 * torch.rand((), generator=draws, dtype=torch.float64)
    noise = torch.randn(64, 1, generator=draws, dtype=torch.float64)
    x = process.noisy(means[:1].expand(64, 1), t.expand(64), noise)[:, 0]
    return guided.posterior_gap(means, deviations, t, x)
