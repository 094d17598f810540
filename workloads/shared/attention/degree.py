"""Turns a range of scores and a precision into polynomial degrees, and shapes into the degrees that they can afford.

The error of p at a score x is relative, |p(x) e^-x - 1|. For the Taylor polynomial T_g it is the integral of u^g e^u / g! over
[0, |x|] below zero and of u^g e^-u / g! above, so it grows with |x| on each side and is largest at the ends of a range; both
integrals are defined for any real g. R = largest |x| · ε = error allowed · g = degree · d = dimension · L = sequence length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from scipy import optimize, special

Array = np.ndarray[Any, np.dtype[np.float64]]
HIGHEST = 400
"""The largest degree that is looked at."""
TINY = 1e-300
POLICIES = ("rank_le_l", "rank_le_sqrt_l", "flops_le_exact", "rank_eq_l")


def taylor_error(x: Array | float, degree: float) -> Array:
    """Relative error of the Taylor polynomial at each score x; the degree may be real (the same integral)."""
    size = np.abs(np.asarray(x, dtype=np.float64))
    power = (degree + 1) * np.log(np.maximum(size, TINY)) - special.gammaln(degree + 2)
    below = np.exp(power) * special.hyp1f1(degree + 1, degree + 2, size)
    return np.where(np.asarray(x) < 0, below, special.gammainc(degree + 1, size))


def least_degree(radius: float, eps: float) -> int:
    """The smallest degree whose Taylor polynomial has relative error at most eps on [-radius, radius]."""
    for degree in range(HIGHEST):
        if taylor_error(-radius, degree) <= eps:
            return degree
    raise ValueError(f"a degree below {HIGHEST} must reach eps = {eps} at R = {radius}, but none does; lower b.")


def reach(degree: float, eps: float) -> float:
    """R*: the largest R on which the Taylor polynomial of that degree has relative error at most eps."""
    high = 1.0
    while taylor_error(-high, degree) < eps:
        high *= 2
    return float(optimize.brentq(lambda r: float(taylor_error(-r, degree)) / eps - 1, 0.0, high, xtol=1e-15))


def printed_degree(radius: float, eps: float) -> float | None:
    """ln(1/ε) / ln(ln(1/ε)/R), the leading term of Aggarwal and Alman 2022; null where R reaches ln(1/ε)."""
    need = math.log(1 / eps)
    return need / math.log(need / radius) if radius < need else None


def features(dim: int, degree: float) -> float:
    """C(d+g, g), for a real degree by Gamma functions."""
    if degree == int(degree):
        return float(math.comb(dim + int(degree), int(degree)))
    return math.exp(math.lgamma(dim + degree + 1) - math.lgamma(dim + 1) - math.lgamma(degree + 1))


def printed_features(dim: int, degree: int) -> float:
    """C(2(g+d), 2g), the count of monomials that Alman and Song 2023 bound the rank with."""
    return float(math.comb(2 * (degree + dim), 2 * degree))


def allowed(policy: str, seq_len: int, dim: int) -> float:
    """The most features that a policy lets the polynomial have."""
    if policy not in POLICIES:
        raise ValueError(f"policy must be one of {', '.join(POLICIES)}, but got '{policy}'; write one of them.")
    if policy == "rank_le_sqrt_l":
        return math.sqrt(seq_len)
    # 4 L k (d+1) + 2 L k against 4 L² d operations.
    return 2 * seq_len * dim / (2 * dim + 3) if policy == "flops_le_exact" else float(seq_len)


def affordable(policy: str, seq_len: int, dim: int) -> float:
    """The largest degree with that many features, whole but for `rank_eq_l`, which meets the number with a real degree."""
    most = allowed(policy, seq_len, dim)
    degree = 0
    while features(dim, degree + 1) <= most:
        degree += 1
    if policy != "rank_eq_l" or features(dim, degree) == most:
        return degree
    return float(optimize.brentq(lambda g: math.log(features(dim, g) / most), degree, degree + 1, xtol=1e-13))


def law(c: float, gamma: float, a: float = 0.0) -> tuple[float, float]:
    """(t, b) of the law B*² = b ln L for d = c ln L, at most L^γ features and ε = L^-a, as L grows.

    The degree is t ln L with (c+t) ln(c+t) - c ln c - t ln t = γ, and b + t (1 + ln(b/t)) = -a.
    """

    def entropy(t: float) -> float:
        """The rate at which features of degree t ln L grow, less the allowed γ."""
        return (c + t) * math.log(c + t) - c * math.log(c) - t * math.log(t) - gamma

    t = float(optimize.brentq(entropy, 1e-12, 1e3))
    b = float(optimize.brentq(lambda b: b + t * (1 + math.log(b / t)) + a, t * 1e-12, t))
    return t, b
