"""Turns replicates into how far a t interval of their mean can be trusted: skew makes one end of it too short at few seeds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from orchestrator.fitting.aggregates import Array, units

STRETCH = 3.0
"""A verdict that holds with the short end so many times as far off does not rest on it: a sample hides part of its skew."""
SURE = 1.28
"""Standard errors by which a sample's skewness must lie off zero: one sample in ten of a symmetric law does, to either side."""


@dataclass(frozen=True, kw_only=True)
class Skew:
    """The skewness of replicates, and the replicates that an interval of their mean needs to keep its level under it.

    `side` is 1 where the upper end is too short, -1 for the lower one. `error` is the share of true means beyond that end by
    Edgeworth's expansion of Student's t.
    """

    skewness: float
    side: int
    error: float
    needs: int

    def __str__(self) -> str:
        share = f"{100 * self.error:.2g} %"
        return (
            f"skewed values (skewness {self.skewness:.2g}): the {'upper' if self.side > 0 else 'lower'} end would be passed in "
            f"about {share}; it needs {self.needs} seeds, or judge ln y or the median"
        )


def skewness(values: Array) -> float:
    """The sample skewness of `(n,)` values, corrected for few (Fisher's G1); 0 where they do not differ or are below three."""
    n = len(values)
    if n < 3:
        return 0.0
    off = values - np.mean(values)
    off = off / units(off, 0)
    spread = float(np.mean(off**2))
    if spread <= 0:
        return 0.0
    return float(np.mean(off**3) / spread**1.5 * np.sqrt(n * (n - 1)) / (n - 2))


def skew(values: Array, level: float) -> Skew | None:
    """What skew does to the t interval of `(n,)` replicates' mean at that level; None where it does no more than is allowed.

    P(T < -z) is a/2 + g (2 z^2 + 1) phi(z) / (6 sqrt n) with g the skewness (Hall 1992). Two sided that exceeds `a` where the
    second term exceeds a/2; told only where the sample's skewness is more than chance gives a symmetric law.
    """
    n, g = len(values), skewness(values)
    if n < 3 or abs(g) <= SURE * math.sqrt(6 * n * (n - 1) / ((n - 2) * (n + 1) * (n + 3))):
        return None
    from scipy.special import ndtri

    tail = (1 - level) / 2
    z = float(-ndtri(tail))
    excess = abs(g) * (2 * z**2 + 1) * math.exp(-(z**2) / 2) / math.sqrt(2 * math.pi * n) / 6
    if excess <= tail:
        return None
    return Skew(skewness=g, side=1 if g > 0 else -1, error=tail + excess, needs=math.ceil(n * (excess / tail) ** 2))
