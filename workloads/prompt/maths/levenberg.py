"""Turns a batch of small systems of equations into their least-squares solutions, by Levenberg and Marquardt's damping."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

DONE = 1e-28
"""Sum of squares from which a problem is left as it is."""
LOOSEST, TIGHTEST = 1e-12, 1e8
STILL = 1e-12
"""Relative fall of the sum of squares below which a problem has ended where it is."""


def solve(residual: Callable[..., Tensor], start: Tensor, data: tuple[Tensor, ...], steps: int) -> tuple[Tensor, Tensor]:
    """Unknowns (b, n) and squared residuals (b,) after `steps` tried moves from `start` (b, n).

    `residual(x, *own)` gives the equations (m,) of one problem at x (n,), `own` being its rows of `data`. A move that raises
    the sum of squares is not made but damped more; one that is solved or stands still is left there, whatever others do.
    """
    values = torch.func.vmap(residual)
    few = values(start[:1], *(part[:1] for part in data)).shape[-1] <= start.shape[-1]
    slope = torch.func.vmap(torch.func.jacrev(residual) if few else torch.func.jacfwd(residual))
    x, damping = start.clone(), torch.full_like(start[:, 0], 1e-2)
    r = values(x, *data)
    cost = r.square().sum(-1)
    going = cost > DONE
    for _ in range(steps):
        if not going.any():
            break
        tried = x + _move(slope(x, *data), r, damping)
        again = values(tried, *data)
        new = again.square().sum(-1)
        better = (new < cost) & going
        still = better & (new > (1 - STILL) * cost)
        x = torch.where(better[:, None], tried, x)
        r = torch.where(better[:, None], again, r)
        cost = torch.where(better, new, cost)
        damping = torch.where(better, damping / 3, damping * 4).clamp_min(LOOSEST)
        going = going & (cost > DONE) & (damping < TIGHTEST) & ~still
    return x, cost


def _move(gradient: Tensor, r: Tensor, damping: Tensor) -> Tensor:
    """Damped Gauss-Newton moves (b, n) from Jacobians (b, m, n), through the smaller of the two normal matrices."""
    m, n = gradient.shape[-2:]
    turned = gradient.mT
    size = gradient.square().sum((-1, -2)) / min(m, n)  # the mean eigenvalue, so that damping has no unit
    diagonal = (damping * size.clamp_min(1e-30))[:, None, None] * torch.eye(min(m, n), dtype=r.dtype, device=r.device)
    if m <= n:
        step = turned @ torch.linalg.solve_ex(gradient @ turned + diagonal, r[..., None])[0]
    else:
        step = torch.linalg.solve_ex(turned @ gradient + diagonal, turned @ r[..., None])[0]
    return -step[..., 0]
