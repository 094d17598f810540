"""Turns a method and a number of mismatches into estimates of it, of many trials; no string is built.

Matching positions cancel in the difference of two sketches, so only the mismatches' elements and the flips are drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor

from workloads.dp_strings.maths import flips
from workloads.dp_strings.maths.methods import MAXIMA, Method

# Buckets of all rows and trials held at once.
ELEMENTS = 1 << 21


def odd_cells(method: Method, z: int, trials: int, generator: torch.Generator) -> Tensor:
    """How many cells of each bucket hold an odd number of z mismatches' elements; int64 (trials, rows, buckets)."""
    balls = method.elements * z
    if balls == 0:
        return torch.zeros(trials, method.rows, method.buckets, dtype=torch.int64)
    bucket = torch.randint(method.buckets, (trials, 1, balls), generator=generator)
    cell = torch.randint(method.cells, (trials, method.rows, balls), generator=generator)
    key = (bucket * method.cells + cell).sort(-1).values
    ball = torch.arange(balls).expand_as(key)
    fresh = torch.ones_like(key, dtype=torch.bool)
    fresh[..., 1:] = key[..., 1:] != key[..., :-1]
    first = torch.where(fresh, ball, 0).cummax(-1).values  # where the run of this key begins
    last = torch.ones_like(fresh)
    last[..., :-1] = fresh[..., 1:]
    odd = last & ((ball - first) % 2 == 0)
    counts = torch.zeros(trials, method.rows, method.buckets, dtype=torch.int64)
    return counts.scatter_add(-1, key // method.cells, odd.to(torch.int64))


def share(method: Method) -> int:
    """Trials whose buckets are held at once; a function of the sizes alone, so that a point's draws are its own."""
    return max(1, ELEMENTS // (method.rows * max(method.buckets, 1)))


def statistic(counted: Tensor, method: Method) -> Tensor:
    """The linear statistic (…,) of differing bits (…, rows, buckets): what has a closed form.

    Half the sum of the rows' maxima for the paper's estimator, the de-biased odd cells of a row for mean and parity.
    """
    if method.variant in MAXIMA:
        return counted.amax(-2).sum(-1) / 2
    return (counted.sum(-1).mean(-1) - method.flip * method.span) / (1 - 2 * method.flip)


def estimate(value: Tensor, method: Method) -> Tensor:
    """The number of mismatches that a statistic stands for, not clipped.

    Mean and parity invert E[odd] = N/2 (1 - (1 - 2/N)^elements); a row more than half odd counts as half a cell below half.
    """
    if method.variant not in ("mean", "parity"):
        return value
    even_share = (1 - 2 * value / method.span).clamp_min(1 / method.span)
    return even_share.log() / (method.elements * torch.log1p(torch.tensor(-2.0 / method.span, dtype=torch.float64)))


def direct(method: Method, z: int, trials: int, generator: torch.Generator) -> Tensor:
    """The statistic (trials,) of a method without a sketch: flat, trivial, laplace."""
    if method.variant == "flat":
        ones = flips.counts(torch.full((trials,), z, dtype=torch.float64), method.n, method.flip, generator)
        return (ones - method.flip * method.n) / (1 - 2 * method.flip)
    if method.variant == "trivial":
        return torch.full((trials,), method.k / 2, dtype=torch.float64)
    sides = flips.exponentials((2, trials), generator)
    return z + (sides[0] - sides[1]) / method.eps_each


def statistics(method: Method, odd: Tensor, z: int, trials: int, generator: torch.Generator) -> Tensor:
    """The statistic (trials,) of every trial; `odd` (trials, rows, buckets) is that of `odd_cells`, unused without a sketch."""
    if method.variant in ("flat", "trivial", "laplace"):
        return direct(method, z, trials, generator)
    parts = odd.split(share(method))
    return torch.cat([statistic(flips.counts(part, method.cells, method.flip, generator), method) for part in parts])
