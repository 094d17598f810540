"""Turns a measured curve into internal parameters from which the search for a law without a closed form starts.

Each law is linear once its shape is fixed, so a grid of shapes is tried at once and the best one taken.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
EXPONENTS = np.concatenate([np.linspace(-4, -0.05, 80), np.linspace(0.05, 4, 80)])


def lines(shapes: Array, y: Array) -> tuple[Array, Array, Array]:
    """Intercept, slope and squares of the rest `(m,)` of y `(k,)` against each of the shapes `(m, k)`."""
    middle, mean = shapes.mean(axis=1, keepdims=True), float(y.mean())
    off = shapes - middle
    spread = np.maximum((off**2).sum(axis=1), 1e-300)
    slope = off @ (y - mean) / spread
    residue = float(((y - mean) ** 2).sum()) - slope**2 * spread
    return mean - slope * middle[:, 0], slope, residue


def floor(x: Array, y: Array) -> Array:
    """Start of `floor + a x^e`: the best exponent of a grid with a positive `a`."""
    low, factor, residue = lines(x ** EXPONENTS[:, None], y)
    allowed = factor > 0
    if not allowed.any():
        return np.array([0.0, -1.0, float(np.min(y))])
    best = int(np.argmin(np.where(allowed, residue, np.inf)))
    return np.array([np.log(factor[best]), EXPONENTS[best], low[best]])


def logistic(x: Array, y: Array) -> Array:
    """Start of `low + (high - low) / (1 + exp(-(x - centre) / width))`: the best centre and width of a grid."""
    span = float(x[-1] - x[0]) or 1.0
    centres, widths = np.linspace(x[0], x[-1], 33), span * np.geomspace(0.01, 1.0, 13)
    centre, width = (grid.ravel() for grid in np.meshgrid(centres, widths))
    low, rise, residue = lines(1 / (1 + np.exp(-np.clip((x - centre[:, None]) / width[:, None], -500, 500))), y)
    best = int(np.argmin(residue))
    return np.array([low[best], low[best] + rise[best], centre[best], np.log(width[best])])


def saturating(x: Array, y: Array) -> Array:
    """Start of `ceiling (1 - exp(-rate x))`: the best rate of a grid."""
    rates = np.geomspace(0.01, 100, 161) / (float(np.max(np.abs(x))) or 1.0)
    shapes = -np.expm1(-rates[:, None] * x)
    ceilings = shapes @ y / np.maximum((shapes**2).sum(axis=1), 1e-300)
    best = int(np.argmin(((ceilings[:, None] * shapes - y) ** 2).sum(axis=1)))
    return np.array([ceilings[best], np.log(rates[best])])


def piecewise(x: Array, y: Array) -> Array:
    """Start of a line with a knot: the best of knots between the second x and the last but one, each piece then linear."""
    knots = np.unique(np.concatenate([np.linspace(a, b, 9) for a, b in pairwise(x[1:-1])] or [x[1:2]]))
    fits = [(np.linalg.lstsq(bend(x, knot), y, rcond=None)[0], knot) for knot in knots]
    (intercept, before, after), knot = min(
        fits, key=lambda candidate: float(((bend(x, candidate[1]) @ candidate[0] - y) ** 2).sum())
    )
    return np.array([intercept, knot, before, after])


def corrected(x: Array, y: Array) -> Array:
    """Start of `a x^b (1 + c x^-d)`: the best correction and decay of a grid, the power law beneath each then linear."""
    u, z = np.log(x), np.log(np.maximum(y, 1e-300))
    sizes = np.concatenate([np.linspace(-0.9, -0.1, 9), np.geomspace(0.05, 50, 21)])  # of the correction at the smallest x
    decays, sizes = (grid.ravel() for grid in np.meshgrid(np.geomspace(0.1, 3.0, 15), sizes))
    bent = z - np.log1p(sizes[:, None] * (x / x[0]) ** -decays[:, None])  # (m, k)
    off = u - u.mean()
    slopes = bent @ off / (off @ off)
    remaining = ((bent - bent.mean(axis=1, keepdims=True)) ** 2).sum(axis=1) - slopes**2 * (off @ off)
    best = int(np.argmin(remaining))
    factor = bent[best].mean() - slopes[best] * u.mean()
    return np.array([factor, slopes[best], sizes[best] * x[0] ** decays[best], np.log(decays[best])])


def broken(x: Array, y: Array) -> Array:
    """Start of a power law that turns into another: the best knot and width of a grid, both exponents then linear."""
    u, z = np.log(x), np.log(np.maximum(y, 1e-300))
    places = [(knot, np.log(width)) for knot in np.linspace(u[1], u[-2], 17) for width in (0.1, 0.3, 1.0)]
    shapes = [np.column_stack([np.ones_like(u), u, elbow(x, *position)]) for position in places]
    fits = [np.linalg.lstsq(shape, z, rcond=None)[0] for shape in shapes]
    remaining = [float(((shape @ line - z) ** 2).sum()) for shape, line in zip(shapes, fits, strict=True)]
    best = int(np.argmin(remaining))
    factor, before, turn = fits[best]
    return np.array([factor, before, before + turn, *places[best]])


def elbow(x: Array, knot: float, width: float) -> Array:
    """`width ln(1 + (x / knot)^(1 / width))` `(k,)` of the logarithms of both: 0 before the knot, ln(x / knot) behind it."""
    broad = np.exp(np.clip(width, -20.0, 20.0))
    return np.asarray(broad * np.logaddexp(0.0, (np.log(x) - knot) / broad))


def bend(x: Array, knot: float) -> Array:
    """The matrix `(k, 3)` of intercept, slope before and slope after a knot."""
    return np.column_stack([np.ones_like(x), np.minimum(x, knot), np.maximum(x - knot, 0.0)])
