"""Which method answers Hamming queries best at a budget and a length: the paper's sketches, baselines, or a constant.

Source: On Differentially Private String Distances, arXiv:2411.05750; contest and baselines are ours.
Symbols: n = bits of a string · k = promised distance · rmse = worst over z in {0, k/2, k}, answers clipped to [0, k].
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch

from workloads.dp_strings.maths import simulate
from workloads.dp_strings.maths.methods import Method, logarithm, method
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
# The paper's constants make so many buckets that fewer trials are drawn; their spread is small beside their bias.
SHARE = 10


@dataclass(frozen=True)
class Params:
    """A budget and sizes."""

    k: Annotated[int, "promised distance", {"shape": True}]
    n: Annotated[int, "bits of a string"]
    eps: Annotated[float, "budget for one bit of one string"]
    trials: Annotated[int, "independent releases of each method", {"shape": True}] = 100
    queries: Annotated[int, "answers asked for; 0 for any number, which laplace cannot give"] = 0


@dataclass(frozen=True)
class Result:
    """The worst error of each method, and who has the least."""

    winner: Annotated[str, "method of least rmse; several where they are equal, as exact ones are"]
    rmse_least: Annotated[float, "its rmse", {"aggregate": "rms", "finite": True}]
    rmse_paper: Annotated[float, "the paper's sketch with its own constants", {"aggregate": "rms"}]
    rmse_tuned: Annotated[float, "the paper's sketch, best of (M1, M3) = (1, 4), (2, 16), (4, 64)", {"aggregate": "rms"}]
    rmse_mean: Annotated[float, "mean of de-biased rows, inverted, one row", {"aggregate": "rms"}]
    rmse_parity: Annotated[float, "parity sketch of 4k cells", {"aggregate": "rms"}]
    rmse_parity_wide: Annotated[float, "parity sketch of 64k cells", {"aggregate": "rms"}]
    rmse_flat: Annotated[float, "randomised response on all n bits", {"aggregate": "rms"}]
    rmse_laplace: Annotated[
        float | None, "Laplace noise on each of the asked answers; null for any number", {"aggregate": "rms"}
    ]
    rmse_trivial: Annotated[float, "the constant answer k / 2", {"aggregate": "rms"}]
    tuned_loses: Annotated[float, "rmse_tuned over that of the best method that is not the paper's"]
    eps_generous: Annotated[
        float, "budget at which k e^(-eps / log k) and n e^(-eps) meet: the bound with every constant dropped"
    ]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]


EXAMPLES = (Params(8, 256, 1.0, 20), Params(8, 4096, 1.0, 20), Params(8, 256, 16.0, 20), Params(16, 256, 1.0, 20, 10))


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[tuple[int, int, Result]]:
    """Every point of a pack; those that differ in n alone share the errors of all sketches: (index, 0, result)."""
    for p in params:
        if p.k > p.n or p.trials < 2 or p.queries < 0:
            raise ValueError(
                f"k must be at most n, trials at least 2 and queries at least 0, but got k = {p.k}, n = {p.n}, "
                f"trials = {p.trials}, queries = {p.queries}."
            )
    keys = [(p.k, p.eps, p.trials, ctx.seed) for p, ctx in zip(params, ctxs, strict=True)]
    for (k, eps, trials, _), indices in packs.groups(keys, lambda key: key):
        shared = _sketches(k, eps, trials, ctxs[indices[0]])
        for i in indices:
            yield i, 0, _result(params[i], shared, ctxs[i])


def _sketches(k: int, eps: float, trials: int, ctx: Context) -> dict[str, float]:
    """Worst errors of the methods that do not depend on n."""

    def worst(variant: str, sizes: tuple[int | None, int | None, int | None], count: int) -> float:
        """The largest rmse of a variant, with those sizes, over no, half and all of the promised mismatches."""
        return _worst(method(variant, k, k, eps, sizes), count, ctx)

    tuned = (worst("practical", (m1, 2 * k, m3), trials) for m1, m3 in ((1, 4), (2, 16), (4, 64)))
    return {
        "paper": worst("paper", (None, None, None), max(2, trials // SHARE)),
        "tuned": min(tuned),
        "mean": worst("mean", (None, None, None), trials),
        "parity": worst("parity", (None, None, None), trials),
        "parity_wide": worst("parity", (None, None, 64 * k), trials),
        "trivial": k / 2,
    }


def _worst(own: Method, trials: int, ctx: Context) -> float:
    """The largest rmse over no, half and all of the promised mismatches."""
    errors = []
    for z in (0, own.k // 2, own.k):
        odd = simulate.odd_cells(own, z, trials, ctx.generator(f"hashes {own.variant}"))
        value = simulate.statistics(own, odd, z, trials, ctx.generator(f"flips {own.variant}"))
        error = simulate.estimate(value, own).clamp(0, own.k) - z
        errors.append(torch.linalg.vector_norm(error).item() / math.sqrt(trials))
    return max(errors)


def _result(p: Params, shared: dict[str, float], ctx: Context) -> Result:
    errors = shared | {"flat": _worst(method("flat", p.k, p.n, p.eps), p.trials, ctx)}
    if p.queries:
        errors["laplace"] = _worst(method("laplace", p.k, p.n, p.eps, queries=p.queries), p.trials, ctx)
    least = min(errors.values())
    best = [name for name, error in errors.items() if error == least]
    rivals = min(error for name, error in errors.items() if name not in ("paper", "tuned"))
    return Result(
        winner=best[0] if len(best) == 1 else "several",
        rmse_least=least,
        rmse_paper=errors["paper"],
        rmse_tuned=errors["tuned"],
        rmse_mean=errors["mean"],
        rmse_parity=errors["parity"],
        rmse_parity_wide=errors["parity_wide"],
        rmse_flat=errors["flat"],
        rmse_laplace=errors.get("laplace"),
        rmse_trivial=errors["trivial"],
        tuned_loses=math.inf if not rivals and errors["tuned"] else errors["tuned"] / rivals if rivals else 1.0,
        eps_generous=math.log(p.n / p.k) / (1 - 1 / logarithm(p.k, "2")),
        private=False,
    )
