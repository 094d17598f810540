"""Error of a Hamming distance that is released privately: sketches with flipped bits, and the baselines that they must beat.

Source: On Differentially Private String Distances, arXiv:2411.05750; sketch after Porat and Lipsky 2007; constants recalled.
Symbols: k = promised distance · z = true distance · M1, M2, M3 = rows, buckets, cells · q = flip probability · N = M2 M3.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.dp_strings.maths import closed, flips, simulate
from workloads.dp_strings.maths.methods import MAXIMA, Method, method
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A method, its sizes and budget, and the distance that it is asked for."""

    variant: Annotated[str, "paper | practical | literal (negative control) | mean | parity | flat | trivial | laplace"]
    k: Annotated[int, "distance that no string is promised to exceed; answers of mean and parity are clipped to [0, k]"]
    eps: Annotated[float, "budget for one bit of one string; a whole string is protected by n times as much only"]
    m1: Annotated[int | None, "rows; none means the method's own: 10 log k (paper), floor(log k) (practical), 1"] = None
    m2: Annotated[int | None, "buckets of a row; none means 2k, 1 for parity"] = None
    m3: Annotated[int | None, "cells of a bucket; none means 400 log^2 k (paper), 64 (practical), 2 (mean), 4k (parity)"] = None
    n: Annotated[int, "bits of a string; matters to flat alone"] = 4096
    z: Annotated[int | None, "true distance; none means k / 2; beyond k the promise is broken"] = None
    trials: Annotated[int, "independent releases, each with hashes of its own"] = 200
    log: Annotated[str, "base of the paper's log: 2 | e"] = "2"
    copies: Annotated[int, "releases whose median is taken; each gets its share of the budget"] = 1
    queries: Annotated[int, "answers that laplace shares its budget among; the others answer any number"] = 1


@dataclass(frozen=True)
class Result:
    """How far answers are from z, what theory says, and what the release costs."""

    bias: Annotated[float, "mean of answer - z over the trials"]
    rmse: Annotated[float, "root of the mean squared error", {"aggregate": "rms", "finite": True}]
    mean_abs_error: Annotated[float, "mean distance of the answer from z"]
    p99_error: Annotated[float, "99 % of the trials have an error of at most this"]
    max_error: Annotated[float, "largest error of a trial", {"aggregate": "max"}]
    within: Annotated[float, "share of trials whose error is at most k / 2", {"aggregate": "proportion"}]
    bias_se: Annotated[float, "standard error of bias, from the trials"]
    rmse_raw: Annotated[float, "rmse of the answers before any clipping", {"aggregate": "rms"}]
    rmse_clipped: Annotated[float, "rmse of the answers clipped to [0, k]", {"aggregate": "rms"}]
    rmse_corrected: Annotated[
        float | None,
        "rmse less the bias at z = 0, clipped; ours, not the paper's; null where the answer is none of a maximum",
        {"aggregate": "rms"},
    ]
    statistic: Annotated[float, "mean of the linear statistic: half the sum of maxima, or the odd cells of a row, de-biased"]
    statistic_exact: Annotated[
        float | None, "its mean in closed form; null for a maximum at z > 0", {"formula": "closed.moments"}
    ]
    statistic_sd: Annotated[float, "standard deviation of the statistic over the trials"]
    statistic_sd_exact: Annotated[float | None, "its standard deviation in closed form; null for a maximum at z > 0"]
    statistic_se: Annotated[float | None, "exact standard error of statistic"]
    trivial_error: Annotated[float, "worst error of the constant answer k / 2"]
    flat_error: Annotated[float, "rmse of flat randomised response on n bits at the same budget, closed form"]
    displayed_bound: Annotated[
        float,
        "k log^3 k / (1 + e^(eps / log k)), the error bound as displayed, its constant as 1",
        {"formula": "closed.displayed_bound"},
    ]
    bytes_per_string: Annotated[float, "what is kept of one string", {"unit": "bytes"}]
    flip: Annotated[float, "q, the probability with which a bit is flipped", {"range": [0, 1]}]
    flip_resolved: Annotated[bool, "whether a uniform double can fall below q; below 2^-53 bits would go out as they are"]
    eps_bit: Annotated[float, "exact privacy loss for one bit of one string: moved bits times ln((1 - q) / q)"]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]
    beats_trivial: Annotated[bool, "whether rmse is below k / 2, what a constant answer is never worse than"]
    beats_flat: Annotated[bool, "whether rmse is below that of flat randomised response"]


EXAMPLES = (
    Params("paper", 16, 1000.0, trials=5),
    Params("practical", 16, 16.0, 4, None, 16, trials=20),
    Params("practical", 16, 64.0, 4, None, 16, trials=20),
    Params("literal", 8, 64.0, 3, None, 16, trials=20, copies=3),
    Params("mean", 16, 2.0, trials=20),
    Params("parity", 16, 2.0, z=16, trials=20),
    Params("flat", 16, 2.0, trials=20),
    Params("trivial", 16, 2.0, trials=20),
    Params("laplace", 16, 2.0, trials=20, queries=10),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[tuple[int, int, Result]]:
    """Every point of a pack; those that differ in eps alone share the cells of their mismatches: (index, 0, result)."""
    methods = [_method(p) for p in params]
    seeds = [ctx.seed for ctx in ctxs]
    for (_, _), indices in packs.groups(
        list(zip(params, seeds, strict=True)), lambda pair: (dataclasses.replace(pair[0], eps=1.0), pair[1])
    ):
        first, draws = params[indices[0]], params[indices[0]].trials * params[indices[0]].copies
        z = distance(first)
        odd = simulate.odd_cells(methods[indices[0]], z, draws, ctxs[indices[0]].generator("hashes"))
        for i in indices:
            value = simulate.statistics(methods[i], odd, z, draws, ctxs[i].generator("flips"))
            yield i, 0, _result(params[i], methods[i], value)


def distance(p: Params) -> int:
    """The true distance z of a point."""
    return p.k // 2 if p.z is None else p.z


def _method(p: Params) -> Method:
    z = distance(p)
    if not 0 <= z <= p.n or p.trials < 2:
        raise ValueError(f"z must lie in [0, n] and trials be at least 2, but got z = {z}, n = {p.n}, trials = {p.trials}.")
    return method(p.variant, p.k, p.n, p.eps, (p.m1, p.m2, p.m3), p.log, p.copies, p.queries)


def _result(p: Params, m: Method, value: Tensor) -> Result:
    z, moments = distance(p), closed.moments(m, distance(p))
    raw = simulate.estimate(value, m).unflatten(0, (p.copies, -1)).quantile(0.5, dim=0)
    clipped = raw.clamp(0, p.k)
    error = (clipped if p.variant in ("mean", "parity") else raw) - z
    rmse, flat = _root(error), closed.flat_sd(p.n, p.eps)
    return Result(
        **_errors(p, error),
        rmse=rmse,
        rmse_raw=_root(raw - z),
        rmse_clipped=_root(clipped - z),
        rmse_corrected=_corrected(p, m, raw, z),
        statistic=value.mean().item(),
        statistic_exact=moments[0] if moments else None,
        statistic_sd=value.std().item(),
        statistic_sd_exact=moments[1] if moments else None,
        statistic_se=moments[1] / math.sqrt(len(value)) if moments else None,
        trivial_error=p.k / 2,
        flat_error=flat,
        displayed_bound=closed.displayed_bound(p.k, p.eps, p.log),
        bytes_per_string=m.bits / 8,
        flip=m.flip,
        flip_resolved=m.flip >= flips.RESOLUTION,
        eps_bit=m.ledger,
        private=False,
        beats_trivial=rmse < p.k / 2,
        beats_flat=rmse < flat,
    )


def _errors(p: Params, error: Tensor) -> dict[str, Any]:
    size = error.abs()
    return {
        "bias": error.mean().item(),
        "mean_abs_error": size.mean().item(),
        "p99_error": size.quantile(0.99).item(),
        "max_error": size.max().item(),
        "within": (size <= p.k / 2).double().mean().item(),
        "bias_se": error.std().item() / math.sqrt(len(error)),
    }


def _root(error: Tensor) -> float:
    return torch.linalg.vector_norm(error).item() / math.sqrt(len(error))


def _corrected(p: Params, m: Method, raw: Tensor, z: int) -> float | None:
    """What is left when the known bias of equal strings is taken off the paper's answer."""
    at_zero = closed.moments(m, 0)
    if p.variant not in MAXIMA or at_zero is None:
        return None
    return _root((raw - at_zero[0]).clamp(0, p.k) - z)
