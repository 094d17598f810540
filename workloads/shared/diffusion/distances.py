"""Turns two samples, or a sample and a density, into how far apart they are; all for (models, points, d)."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

# Pairs of points whose distances are held at once: as a CPU's cache holds, and as a GPU has work for.
PAIRS, PAIRS_GPU = 1 << 16, 1 << 25


def binned_tv(points: Tensor, log_density: Callable[[Tensor], Tensor], reach: float, bins: int) -> tuple[Tensor, Tensor]:
    """Total variation of samples (models, points, d) from a density, d of 1 or 2, seen through `bins`^d cells and the rest.

    Also what a sample of the density itself gives more than zero at most (probability 1 - 1e-9): binning can only lower the
    total variation, chance raises it. Cells fill [-reach, reach]^d; `log_density` takes (k, d).
    """
    models, count, d = points.shape
    mass = cell_masses(log_density, reach, bins, d, points.device)  # (bins^d + 1,)
    cell = ((points + reach) * (bins / (2.0 * reach))).floor().long()
    inside = ((cell >= 0) & (cell < bins)).all(-1)
    index = cell[..., 0] if d == 1 else cell[..., 0] * bins + cell[..., 1]
    index = torch.where(inside, index, bins**d)
    counts = torch.zeros(models, len(mass), dtype=mass.dtype, device=points.device)
    counts.scatter_add_(1, index, torch.full_like(index, 1, dtype=mass.dtype))
    tv = 0.5 * (counts / count - mass).abs().sum(1)
    # The mean of |p - q| is at most its root mean square; one point moves the sum by 1/count (McDiarmid).
    noise = 0.5 * (mass * (1.0 - mass) / count).sqrt().sum() + math.sqrt(math.log(1e9) / (2.0 * count))
    return tv, noise.expand(models)


@functools.lru_cache(maxsize=64)
def cell_masses(log_density: Callable[[Tensor], Tensor], reach: float, bins: int, d: int, device: torch.device) -> Tensor:
    """The density's mass in each cell, last what lies outside; by the midpoint rule on 16 (d = 1: 64) parts an axis."""
    parts = 64 if d == 1 else 16
    side = 2.0 * reach / (bins * parts)
    axis = (torch.arange(bins * parts, dtype=torch.float64, device=device) + 0.5) * side - reach
    if d == 1:
        mass = log_density(axis[:, None]).exp().view(bins, parts).sum(1) * side
    else:
        grid = torch.cartesian_prod(axis, axis)
        mass = log_density(grid).exp().view(bins, parts, bins, parts).sum((1, 3)).flatten() * side**2
    return torch.cat([mass, (1.0 - mass.sum()).clamp_min(0.0)[None]])


def energy(x: Tensor, y: Tensor) -> Tensor:
    """Energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'|, unbiased, so it may fall below zero; (models,)."""
    return energy_and_mmd(x, y)[0]


def energy_and_mmd(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """`energy`, and the squared maximum mean discrepancy, unbiased too; both (models,), out of the same distances.

    Its kernel is exp(-|x - y|^2 / 2 s^2), s^2 the mean square of the distances among y.
    """
    n, m = x.shape[1], y.shape[1]
    spread = 2.0 * y.double().var(1).sum(1)  # (models,): E|Y - Y'|^2
    across, ahead, behind = (_sums(a, b, spread) for a, b in ((x, y), (x, None), (y, None)))
    energy = 2.0 * across[0] / (n * m) - ahead[0] / (n * (n - 1)) - behind[0] / (m * (m - 1))
    # A point's kernel with itself is 1, and no pair.
    mmd = (ahead[1] - n) / (n * (n - 1)) + (behind[1] - m) / (m * (m - 1)) - 2.0 * across[1] / (n * m)
    return energy, mmd


def _sums(x: Tensor, y: Tensor | None, spread: Tensor) -> Tensor:
    """Sums over all pairs of distance and of kernel, (2, models); without y those of x with itself."""
    sums = x.new_zeros(2, len(x), dtype=torch.float64)
    for i, (points, sharpness) in enumerate(zip(x, -0.5 / spread, strict=True)):
        for squares, count in _squares(points, None if y is None else y[i]):
            kernels = (squares * sharpness).exp_().sum()
            sums[:, i] += count * torch.stack([squares.sqrt_().sum(), kernels])
    return sums


def _squares(x: Tensor, y: Tensor | None) -> Iterator[tuple[Tensor, float]]:
    """Squared distances of one model's points, block by block, and how often each counts; float64, for the next to overwrite.

    They are products of (x, |x|^2, 1) with (-2y, 1, |y|^2): in float64 what cancels there is below any rounding of float32.
    """
    other = x if y is None else y
    centre = other.double().mean(0)
    first, second = x.double() - centre, other.double() - centre
    lengths = [part.square().sum(1, keepdim=True) for part in (first, second)]
    first = torch.cat([first, lengths[0], torch.ones_like(lengths[0])], 1)
    second = torch.cat([-2.0 * second, torch.ones_like(lengths[1]), lengths[1]], 1).mT
    rows = max(1, (PAIRS_GPU if x.is_cuda else PAIRS) // second.shape[1])
    for i in range(0, len(first), rows):
        part = first[i : i + rows]
        if y is not None:
            yield (part @ second).clamp_min_(0.0), 1.0
            continue
        # A pair counts twice, a point's own distance is zero.
        yield (part @ second[:, i : i + rows]).clamp_min_(0.0).fill_diagonal_(0.0), 1.0
        yield (part @ second[:, i + rows :]).clamp_min_(0.0), 2.0


def sliced_wasserstein(x: Tensor, y: Tensor, directions: Tensor) -> Tensor:
    """Sliced 2-Wasserstein distance of samples of one size, over unit directions (d, k); (models,)."""
    ahead, behind = ((part @ directions).sort(dim=1).values for part in (x, y))
    return (ahead - behind).double().square().mean((1, 2)).sqrt()


def directions(d: int, count: int, generator: torch.Generator) -> Tensor:
    """Random unit vectors (d, count), float64."""
    normal = torch.randn(d, count, generator=generator, dtype=torch.float64)
    return normal / normal.norm(dim=0)
