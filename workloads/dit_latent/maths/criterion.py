"""Turns a bound on queries and keys into the polynomial that stands for their exponential, and counts what it costs.

Source: arXiv:2407.01079, section 4 (almost linear inference and training); arXiv:2302.13214 (features of a polynomial).
Symbols: R = largest score · g = degree · L = sequence length · d = dimension.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.polynomial import chebyshev

HIGHEST = 60
"""The largest degree looked at; monomial coefficients of higher ones lose too many digits."""


@functools.lru_cache(maxsize=512)
def coefficients(radius: float, degree: int) -> tuple[float, ...]:
    """Monomial coefficients, constant first, of the Chebyshev interpolant of exp on [-radius, radius]."""
    interpolant = chebyshev.Chebyshev.interpolate(np.exp, degree, domain=[-radius, radius])
    plain = interpolant.convert(kind=np.polynomial.Polynomial)
    return tuple(float(c) for c in plain.coef) + (0.0,) * (degree + 1 - len(plain.coef))


def error(radius: float, degree: int) -> float:
    """Largest error of that polynomial relative to exp, on 4001 points of [-radius, radius]."""
    x = np.linspace(-radius, radius, 4001)
    return float(np.abs(np.polynomial.polynomial.polyval(x, coefficients(radius, degree)) * np.exp(-x) - 1.0).max())


@functools.lru_cache(maxsize=512)
def least_degree(radius: float, allowed: float) -> int:
    """The smallest degree whose interpolant has at most that relative error; ValueError where none below HIGHEST has."""
    for degree in range(HIGHEST):
        if error(radius, degree) <= allowed:
            return degree
    raise ValueError(
        f"a degree below {HIGHEST} must reach relative error {allowed:g} at scores up to {radius:g}, but none does; lower b."
    )


def operations(seq_len: int, dim: int, rank: int) -> tuple[float, float]:
    """Multiplications and additions of exact attention and of one with that many features, d numbers a value."""
    return 4.0 * seq_len**2 * dim, seq_len * rank * (4.0 * (dim + 1) + 2.0)


def exponent(rank: float, seq_len: int) -> float:
    """The power of L that the features are: below 1 they are fewer than keys."""
    return math.log(rank) / math.log(seq_len)
