"""Turns a degree and a radius into the polynomial with the least relative error to exp on [-R, R], by Remez exchange.

The relative error e(x) = p(x) e^-x - 1 of the best p of degree g takes its largest size g + 2 times with signs in turn, at both
ends among them. On g + 2 nodes x_i with barycentric weights λ_i the level is E = -Σ λ_i e^x_i / Σ ±λ_i e^x_i, in which nothing
cancels below the line, so E is good to rounding, and to second order in where the nodes lie.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from workloads.shared.attention.degree import HIGHEST

Array = np.ndarray[Any, np.dtype[np.float64]]
GRID = 40
"""Points between two nodes on which the largest error is looked for."""
ROUNDS = 30


@functools.lru_cache(maxsize=8192)
def error(degree: int, radius: float) -> float:
    """The least relative error of a polynomial of that degree on [-radius, radius]."""
    return _remez(degree, radius)[2]


def least_degree(radius: float, eps: float) -> int:
    """The smallest degree that reaches relative error eps on [-radius, radius]."""
    for degree in range(HIGHEST):
        if error(degree, radius) <= eps:
            return degree
    raise ValueError(f"a degree below {HIGHEST} must reach eps = {eps} at R = {radius}, but none does; lower b.")


def reach(degree: int, eps: float) -> float:
    """The largest R on which some polynomial of that degree has relative error at most eps."""
    low, high = 1e-9, 1.0
    while error(degree, high) < eps:
        low, high = high, high * 2
    while high - low > 1e-12 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if error(degree, middle) <= eps else (low, middle)
    return (low + high) / 2


def coefficients(degree: int, radius: float) -> tuple[float, ...]:
    """Coefficients of that polynomial, constant first."""
    nodes, values, _ = _remez(degree, radius)
    unit = np.cos(np.pi * (2 * np.arange(degree + 1) + 1) / (2 * degree + 2))
    at = np.array([_relative(nodes, values, np.array([radius * u]))[0] * math.exp(radius * u) for u in unit])
    series = np.polynomial.chebyshev.Chebyshev.fit(unit, at, degree, domain=[-1, 1])
    powers = [float(c) for c in series.convert(kind=np.polynomial.Polynomial).coef]
    return tuple(c / radius**m for m, c in enumerate(powers)) + (0.0,) * (degree + 1 - len(powers))


def _remez(degree: int, radius: float) -> tuple[Array, Array, float]:
    """Nodes (g+2,), p(x) e^-x at them, and the level."""
    nodes = -radius * np.cos(np.pi * np.arange(degree + 2) / (degree + 1))
    for _ in range(ROUNDS):
        values, level = _levelled(nodes)
        moved = _extrema(nodes, values, radius)
        if len(moved) != len(nodes) or np.max(np.abs(moved - nodes)) < 1e-9 * radius or level < 1e-14:
            break
        nodes = moved
    values, level = _levelled(nodes)
    return nodes, values, level


def _barycentric(nodes: Array) -> Array:
    gaps = nodes[:, None] - nodes[None, :]
    np.fill_diagonal(gaps, 1.0)
    return 1 / (gaps / np.ptp(nodes)).prod(1)


def _levelled(nodes: Array) -> tuple[Array, float]:
    """p(x) e^-x at the nodes, 1 ± E with signs in turn, and |E|."""
    signs = (-1.0) ** np.arange(len(nodes))
    terms = _barycentric(nodes) * np.exp(nodes)
    level = -terms.sum() / (signs * terms).sum()
    return 1 + signs * level, float(abs(level))


def _relative(nodes: Array, values: Array, x: Array) -> Array:
    """p(x) e^-x between the nodes, by the barycentric formula."""
    gaps = x[:, None] - nodes[None, :]
    hit = gaps == 0
    share = _barycentric(nodes) / np.where(hit, 1.0, gaps)
    between = (share * values * np.exp(nodes[None, :] - x[:, None])).sum(1) / share.sum(1)
    return np.where(hit.any(1), values[hit.argmax(1)], between)


def _extrema(nodes: Array, values: Array, radius: float) -> Array:
    """Where the error is largest on each stretch of one sign, each by the parabola through three points."""
    steps = np.linspace(0, 1, GRID, endpoint=False)
    x = np.append((nodes[:-1, None] + np.diff(nodes)[:, None] * steps).ravel(), nodes[-1])
    e = _relative(nodes, values, x) - 1
    starts = np.flatnonzero(np.diff(np.sign(e), prepend=0.0))
    places = []
    for start, stop in zip(starts, [*starts[1:], len(x)], strict=True):
        i = start + int(np.argmax(np.abs(e[start:stop])))
        inside = start < i < stop - 1
        places.append(_top(x[i - 1 : i + 2], e[i - 1 : i + 2]) if inside else x[i])
    return np.array(places)


def _top(x: Array, e: Array) -> float:
    """Where the parabola through three points is flat."""
    (a, b, c), (p, q, r) = x, e
    over = (b - a) ** 2 * (q - r) - (b - c) ** 2 * (q - p)
    under = (b - a) * (q - r) - (b - c) * (q - p)
    return float(b - over / (2 * under)) if under else float(b)
