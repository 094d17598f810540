"""Turns a grid of prompt tokens into the function that attention over them computes: kernel regression on the unit cube.

A token is (c, f(c)) on a grid of n points an axis, its score at a query x is -|x - c|²/(2 h²) up to what all tokens share, and
the context's own keys are masked out: Gaussian weights, so those of a product grid are products, one axis after another.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import optimize
from torch import Tensor


def centres(n: int) -> Tensor:
    """The middles (n,) of n equal cells of [0, 1]."""
    return (torch.arange(n, dtype=torch.float64) + 0.5) / n


def query_grid(n: int, cells: int) -> Tensor:
    """Queries (q,) on one axis: eighths of every bump, tokens, and the borders of their cells, where the error is largest."""
    fine = torch.arange(8 * cells + 1, dtype=torch.float64) / (8 * cells)
    own = torch.arange(2 * n + 1, dtype=torch.float64) / (2 * n)
    return torch.cat([fine, own]).unique()


def scores(x: Tensor, c: Tensor, h: float) -> Tensor:
    """Scores (q, n) of queries and tokens on one axis."""
    return -(x[:, None] - c).square() / (2 * h * h)


def bump(axes: list[Tensor], signs: Tensor) -> Tensor:
    """Values (q_1, .., q_D) of a 1-Lipschitz function (max norm): in each of (cells, .., cells) a tent up or down, by `signs`.

    A tent of width w is w/2 - |x - centre| high.
    """
    cells = signs.shape[0]
    places = [(x * cells).long().clamp_max(cells - 1) for x in axes]
    away = [(x - (cell + 0.5) / cells).abs() for x, cell in zip(axes, places, strict=True)]
    farthest = torch.stack(torch.meshgrid(*away, indexing="ij")).amax(0)
    return signs[tuple(torch.meshgrid(*places, indexing="ij"))] * (0.5 / cells - farthest)


def smoothed(weights: Tensor, values: Tensor) -> Tensor:
    """The same weights (q, n) applied along every axis of values (n, .., n): (q, .., q)."""
    for _ in range(values.dim()):
        # The last axis is averaged and comes first, so that after D turns all stand where they stood.
        values = (values @ weights.mT).movedim(-1, 0)
    return values


def span(x: Tensor, c: Tensor, dim: int) -> float:
    """Largest spread of -|x - c|²/2 over the tokens at one query of [0,1]^D: over h², that of the scores."""
    along = (x[:, None] - c).square() / 2
    return dim * float((along.amax(1) - along.amin(1)).amax())


def fitted(weights: Tensor, wanted: Tensor, bound: float) -> Tensor:
    """Values (n,) of size at most `bound` whose average by weights (q, n) has the least largest error from wanted (q,).

    A linear program, so no other values of that size do better.
    """
    rows, (q, n) = weights.cpu().numpy(), weights.shape
    slack = np.full((q, 1), -1.0)
    solution = optimize.linprog(
        np.append(np.zeros(n), 1.0),
        A_ub=np.block([[rows, slack], [-rows, slack]]),
        b_ub=np.concatenate([wanted.cpu().numpy(), -wanted.cpu().numpy()]),
        bounds=[(-bound, bound)] * n + [(0, None)],
        method="highs",
    )
    if solution.status != 0:
        raise ArithmeticError(f"the linear program for {n} values must be solved, but {solution.message}; take fewer tokens.")
    return torch.from_numpy(solution.x[:-1]).to(weights)
