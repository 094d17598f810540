"""Turns the numbers of replicates at which one looks into the level that an interval needs at each.

Sampling stops when the interval is narrow. For normal values the spread alone decides that, and says nothing of the mean;
but a look at which the spread came out too small is likelier to be the last. A higher level makes up for it, exactly, at
the worst true spread: sequential fixed-width intervals (F. Anscombe 1953, Y. Chow and H. Robbins 1965, N. Starr 1966), with
the recursion over looks done on a grid.
"""

from __future__ import annotations

import math
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
GRID = 200
TARGETS = 16  # widths that are tried for the worst one
NEVER = 1e-9


@cache
def level(looks: tuple[int, ...], confidence: float) -> float:
    """The level of each look's t interval at which the last one covers with `confidence`, at the worst true spread."""
    from scipy.optimize import brentq

    if len(looks) == 1:
        return confidence
    cells, moves = _spreads(looks)
    worst = partial(_worst, looks=looks, cells=cells, moves=moves)
    low, high = confidence, 1 - (1 - confidence) / 1000
    return float(brentq(lambda level: worst(level) - confidence, low, high, xtol=1e-5)) if worst(low) < confidence else low


def _spreads(looks: tuple[int, ...]) -> tuple[list[Array], list[Array]]:
    """Sums of squares at each look in units of the true variance, by cells: their middles, and how mass moves to a look.

    The first move is the distribution at the first look. Between looks the sum grows by an independent chi-square.
    """
    from scipy.special import chdtr, chdtri

    edges = [
        np.exp(np.linspace(math.log(max(chdtri(n - 1, 1 - NEVER), 1e-12)), math.log(chdtri(n - 1, NEVER)), GRID + 1))
        for n in looks
    ]
    cells = [np.sqrt(edge[1:] * edge[:-1]) for edge in edges]
    moves = [np.diff(chdtr(looks[0] - 1, edges[0]))[None, :]]
    for (before, after), middles, ends in zip(pairwise(looks), cells, edges[1:], strict=False):
        grown = np.maximum(ends[None, :] - middles[:, None], 0.0)
        moves.append(np.diff(chdtr(after - before, grown), axis=1))
    return cells, moves


def _worst(level: float, looks: tuple[int, ...], cells: list[Array], moves: list[Array]) -> float:
    """The least coverage over target widths, from one met at the first look to one met at the last."""
    sizes = np.geomspace(looks[0] / 3, looks[-1] * 0.9, TARGETS)
    return min(_covers(level, 2 / math.sqrt(size), looks, cells, moves) for size in sizes)


def _covers(level: float, width: float, looks: tuple[int, ...], cells: list[Array], moves: list[Array]) -> float:
    """How often the interval covers at the first look at which half of it is at most `width` true deviations."""
    from scipy.special import ndtr, stdtrit

    masses, covered = np.ones(1), 0.0
    for n, squares, move in zip(looks, cells, moves, strict=True):
        masses = masses @ move
        half = stdtrit(n - 1, 0.5 + level / 2) * np.sqrt(squares / (n - 1) / n)
        ends = (half <= width) | (n == looks[-1])
        covered += float(np.sum(masses[ends] * (2 * ndtr(half[ends] * math.sqrt(n)) - 1)))
        masses = np.where(ends, 0.0, masses)
    return covered
