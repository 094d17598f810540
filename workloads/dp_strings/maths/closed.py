"""Turns a method into what theory says of it: means, standard deviations, bounds and where they cross a constant answer."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from workloads.dp_strings.maths import methods
from workloads.dp_strings.maths.methods import MAXIMA, Method


def largest_of(rows: int, cells: int, q: float) -> tuple[float, float]:
    """Mean and variance of the largest of `rows` independent Bin(cells, q)."""
    at = np.arange(cells)
    with np.errstate(divide="ignore"):
        over = -np.expm1(rows * np.log1p(-stats.binom.sf(at, cells, q)))  # P(max > at)
    mean = float(over.sum())
    return mean, max(0.0, float(((2 * at + 1) * over).sum()) - mean**2)


def moments(method: Method, z: int) -> tuple[float, float] | None:
    """Mean and standard deviation of the method's statistic with z mismatches; None where no closed form is known."""
    if method.variant in MAXIMA:
        if z:
            return None
        mean, variance = largest_of(method.rows, method.cells, method.flip)
        return method.buckets * mean / 2, math.sqrt(method.buckets * variance) / 2
    if method.variant == "flat":
        return float(z), flat_sd(method.n, method.eps_each)
    if method.variant == "laplace":
        return float(z), math.sqrt(2) / method.eps_each
    if method.variant == "trivial":
        return method.k / 2, 0.0
    return odd_mean(method, z), math.sqrt(_odd_variance(method, z) + _flip_variance(method))


def odd_mean(method: Method, z: int) -> float:
    """Cells of a row that are odd on average, N/2 (1 - (1 - 2/N)^balls)."""
    return method.span / 2 * -math.expm1(method.elements * z * math.log1p(-2 / method.span))


def _flip_variance(method: Method) -> float:
    """Variance that flips add to the de-biased odd cells, the mean of the rows."""
    return flat_sd(method.span, method.eps_each) ** 2 / method.rows


def _odd_variance(method: Method, z: int) -> float:
    """Variance of the odd cells of a row, mean of the rows, which share buckets and not cells.

    With s = ±1 for even and odd: E[s s'] is a power of a ball's chance to turn just one of two cells.
    """
    n, m3, balls = method.span, method.cells, method.elements * z
    mean = (1 - 2 / n) ** balls
    within = n + n * (n - 1) * (1 - 4 / n) ** balls - n**2 * mean**2
    beside = n * m3 * (1 - 4 / n + 4 / (n * m3)) ** balls + n * (n - m3) * (1 - 4 / n) ** balls - n**2 * mean**2
    return max(0.0, within + (method.rows - 1) * beside) / (4 * method.rows)


def flat_sd(n: int, eps: float) -> float:
    """Standard deviation of randomised response on n bits, de-biased: √n / (2 sinh(eps/2))."""
    small = math.exp(-eps / 2)
    return math.sqrt(n) * small / -math.expm1(-eps) if eps > 0 else math.inf


def displayed_bound(k: int, eps: float, log: str = "2") -> float:
    """The error bound k log³ k / (1 + e^(eps / log k)) as the submission displays it, its constant taken as 1."""
    size = methods.logarithm(k, log)
    return k * size**3 / (1 + math.exp(min(eps / size, 700.0)))


def bias_at_zero(k: int, eps: float, log: str = "2") -> float:
    """Bias of the paper's estimator with its own constants where strings are equal."""
    at_zero = moments(methods.method("paper", k, 1, eps, log=log), 0)
    assert at_zero is not None
    return at_zero[0]


def eps_where(bias: Callable[[float], float], target: float, high: float = 65536.0) -> float:
    """The budget at which a falling error first reaches the target."""
    return float(optimize.brentq(lambda eps: bias(eps) - target, 1e-6, high, xtol=1e-6))
