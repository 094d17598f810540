"""Turns a measured curve into internal parameters from which the search for a law without a closed form starts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]
Shape = tuple[float, ...]


def best(shapes: Iterable[Shape], design: Callable[[Shape], Array], y: Array, allowed: Callable[[Array], bool]) -> Any:
    """Of shapes that leave a linear law `(k, p)`, the one that fits y `(k,)` best, with its coefficients `(p,)`.

    None where no shape gives coefficients that are allowed.
    """
    least, found = np.inf, None
    for shape in shapes:
        matrix = design(shape)
        coefficients = np.linalg.lstsq(matrix, y, rcond=None)[0]
        rest = matrix @ coefficients - y
        if allowed(coefficients) and rest @ rest < least:
            least, found = float(rest @ rest), (shape, coefficients)
    return found


def floor(x: Array, y: Array) -> Array:
    """Start of `floor + a x^e`: for each exponent of a grid the rest is linear; the best one with a positive `a` wins."""
    grid = np.concatenate([np.linspace(-4, -0.05, 80), np.linspace(0.05, 4, 80)])
    found = best(((e,) for e in grid), lambda s: np.column_stack([np.ones_like(x), x ** s[0]]), y, lambda c: bool(c[1] > 0))
    if found is None:
        return np.array([0.0, -1.0, float(np.min(y))])
    (exponent,), (low, factor) = found
    return np.array([np.log(factor), exponent, low])


def logistic(x: Array, y: Array) -> Array:
    """Start of `low + (high - low) / (1 + exp(-(x - centre) / width))`: for each centre and width the rest is linear."""
    span = float(x[-1] - x[0]) or 1.0
    shapes = [(c, span * w) for c in np.linspace(x[0], x[-1], 33) for w in np.geomspace(0.01, 1.0, 13)]
    found = best(shapes, lambda s: _step(x, s), y, lambda c: True)
    (centre, width), (low, rise) = found
    return np.array([low, low + rise, centre, np.log(width)])


def _step(x: Array, shape: Shape) -> Array:
    centre, width = shape
    return np.column_stack([np.ones_like(x), 1 / (1 + np.exp(-np.clip((x - centre) / width, -500, 500)))])


def saturating(x: Array, y: Array) -> Array:
    """Start of `ceiling (1 - exp(-rate x))`: for each rate the ceiling is linear."""
    scale = float(np.max(np.abs(x))) or 1.0
    found = best(((r / scale,) for r in np.geomspace(0.01, 100, 161)), lambda s: -np.expm1(-s[0] * x)[:, None], y, _anything)
    (rate,), (ceiling,) = found
    return np.array([ceiling, np.log(rate)])


def piecewise(x: Array, y: Array) -> Array:
    """Start of a line with a knot: the best of knots between the second x and the last but one, each piece then linear."""
    knots = np.unique(np.concatenate([np.linspace(a, b, 9) for a, b in pairwise(x[1:-1])] or [x[1:2]]))
    found = best(((k,) for k in knots), lambda s: bend(x, s[0]), y, _anything)
    (knot,), (intercept, before, after) = found
    return np.array([intercept, knot, before, after])


def bend(x: Array, knot: float) -> Array:
    """The matrix `(k, 3)` of intercept, slope before and slope after a knot."""
    return np.column_stack([np.ones_like(x), np.minimum(x, knot), np.maximum(x - knot, 0.0)])


def _anything(coefficients: Array) -> bool:
    return True
