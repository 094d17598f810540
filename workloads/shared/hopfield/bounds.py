"""Turns a dimension and a number of memories into what is proved of the separation of spherical codes.

Sources: Rankin 1955 (small codes, converse); Fejes Toth 1943 (d = 3); Kabatiansky and Levenshtein 1978 (rate);
arXiv:2410.23126, Prop. 3.1 (printed pair). The separation is `delta = 1 - cos(angle)`; angles are in radians.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, betaln, gammaln, hyp2f1

Array = NDArray[np.float64]
HALF_PI = 0.5 * math.pi
# Below this angle (62.9974 degrees) the straight line of Kabatiansky and Levenshtein is the sharper bound on the rate.
LINE_ENDS = math.radians(62.9974)


def check(d: int, m: int, least: int = 2) -> None:
    """Nothing; ValueError where a dimension or a number of memories can hold no code with a separation."""
    if d < least:
        raise ValueError(f"d must be at least {least}, but got {d}; a sphere needs a dimension.")
    if m < 2:
        raise ValueError(f"m must be at least 2, but got {m}; a separation needs two memories.")


def delta_of(angle: float) -> float:
    """The separation of an angle, without cancellation at small ones."""
    return 2.0 * math.sin(0.5 * angle) ** 2


def angle_of(delta: float) -> float:
    """The angle of a separation in [0, 2], in radians."""
    return 2.0 * math.asin(math.sqrt(min(max(0.5 * delta, 0.0), 1.0)))


def cap(d: int, angle: ArrayLike) -> Array:
    """The share of the sphere in R^d inside a cap of angular radius `angle` in [0, pi]; any shape."""
    angle = np.asarray(angle, dtype=np.float64)
    half = 0.5 * betainc(0.5 * (d - 1), 0.5, np.sin(angle) ** 2)
    return np.where(angle <= HALF_PI, half, 1.0 - half)


def cap_angle(d: int, share: ArrayLike) -> Array:
    """The angular radius in [0, pi] of the cap that holds `share` of the sphere in R^d; the inverse of `cap`."""
    share = np.asarray(share, dtype=np.float64)
    small = np.minimum(share, 1.0 - share)
    sine = np.sqrt(betaincinv(0.5 * (d - 1), 0.5, 2.0 * small))
    # Near a hemisphere the sine is flat, so the cosine gives the angle there.
    cosine = np.sqrt(betaincinv(0.5, 0.5 * (d - 1), 1.0 - 2.0 * small))
    angle = np.where(small < 0.25, np.arcsin(sine), np.arccos(cosine))
    return np.where(share <= 0.5, angle, math.pi - angle)


def greedy_count(d: int, angle: ArrayLike) -> Array:
    """A number of memories with that least angle that exists (Gilbert-Varshamov): 1 / cap(angle)."""
    with np.errstate(divide="ignore"):
        return 1.0 / cap(d, angle)


def hamming_count(d: int, angle: ArrayLike) -> Array:
    """No code of that least angle has more memories (Hamming): caps of half the angle are disjoint."""
    return greedy_count(d, 0.5 * np.asarray(angle, dtype=np.float64))


def rankin_count(d: int, angle: ArrayLike) -> Array:
    """No code of that least angle has more memories (Rankin 1955); infinite from 90 degrees on, where it says nothing."""
    with np.errstate(over="ignore"):
        return np.exp(ln_rankin_count(d, angle))


def ln_rankin_count(d: int, angle: ArrayLike) -> Array:
    """The natural logarithm of Rankin's number, for dimensions at which the number leaves double precision."""
    angle = np.asarray(angle, dtype=np.float64)
    sine = np.minimum(math.sqrt(2.0) * np.sin(0.5 * angle), 1.0)
    alpha = np.arcsin(sine)
    # The integral of sin^(d-2) t (cos t - cos alpha) over [0, alpha] is sin^(d+1)(alpha) F / (d^2 - 1), F without cancellation.
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        series = hyp2f1(0.5 * d, 1.0, 0.5 * (d + 3), sine**2)
        logs = 0.5 * math.log(math.pi) + gammaln(0.5 * (d - 1)) - gammaln(0.5 * d) + math.log(0.5 * (d * d - 1.0))
        count = logs + np.log(np.tan(alpha)) - d * np.log(sine) - np.log(series)
    return np.where((angle < HALF_PI) & (sine < 1.0), count, np.inf)


def ln_greedy_count(d: int, angle: ArrayLike) -> Array:
    """The natural logarithm of Gilbert-Varshamov's number, -ln cap(angle), for angles in (0, 90) degrees and any d."""
    x, a = np.sin(np.asarray(angle, dtype=np.float64)) ** 2, 0.5 * (d - 1)
    # cap is half of the regularised I_x(a, 1/2) = x^a (1 - x)^(1/2) F / (a B(a, 1/2)).
    series = np.log(hyp2f1(a + 0.5, 1.0, a + 1.0, x))
    return math.log(2.0 * a) + betaln(a, 0.5) - a * np.log(x) - 0.5 * np.log1p(-x) - series


def converse_count(d: int, angle: ArrayLike) -> Array:
    """No code of that least angle has more memories: the smaller of Hamming's and Rankin's numbers."""
    return np.minimum(hamming_count(d, angle), rankin_count(d, angle))


def greedy_rate(angle: float) -> float:
    """ln(memories) per dimension that exists at a fixed angle below 90 degrees: -ln sin(angle)."""
    return -math.log(math.sin(angle))


def rankin_rate(angle: float) -> float:
    """Rankin's limit on ln(memories) per dimension at a fixed angle below 90 degrees."""
    return -math.log(math.sqrt(2.0) * math.sin(0.5 * angle))


def kl_rate(angle: float) -> float:
    """Kabatiansky and Levenshtein's limit on ln(memories) per dimension at a fixed angle in (0, 90) degrees."""
    sine = math.sin(angle)
    above, below = 0.5 * (1.0 + sine) / sine, 0.5 * (1.0 - sine) / sine
    general = above * math.log(above) - (below * math.log(below) if below > 0 else 0.0)
    line = rankin_rate(angle) - 0.099 * math.log(2.0)
    return min(general, line) if angle <= LINE_ENDS else general


def lower_printed(d: int, m: int) -> float:
    """The printed lower bound on the best separation, (1/2) A^(2/(d-1)) (arXiv:2410.23126, Prop. 3.1); d at least 2."""
    check(d, m)
    a = 0.5 * math.log(math.pi) - math.log(m) + gammaln(0.5 * (d + 1)) - gammaln(0.5 * d + 1.0)
    return 0.5 * math.exp(2.0 * a / (d - 1))


def upper_printed(d: int, m: int) -> float:
    """The printed upper bound, 2 B^(1/(d-1)): one of the chord length, loose by a square root for 1 - cos; d at least 2."""
    check(d, m)
    return 2.0 * math.exp(_log_b(d, m) / (d - 1))


def upper_sharp(d: int, m: int) -> float:
    """The derived upper bound 2 B^(2/(d-1)), with the lower bound's exponent: caps of half the angle are disjoint."""
    check(d, m)
    return 2.0 * math.exp(2.0 * _log_b(d, m) / (d - 1))


def _log_b(d: int, m: int) -> float:
    return math.log(2.0 / m) + 0.5 * math.log(math.pi) + float(gammaln(0.5 * (d + 1)) - gammaln(0.5 * d))


def fejes_toth(m: int) -> float:
    """The upper bound on the separation in d = 3 (Fejes Toth 1943), attained at m = 3, 4, 6 and 12; m at least 3."""
    check(3, m - 1)
    return 0.5 * (4.0 - 1.0 / math.sin(math.pi * m / (6.0 * (m - 2))) ** 2)


def exact(d: int, m: int) -> float | None:
    """The best separation where it is known for every dimension (Rankin 1955): m at most 2d, or d at most 2; else None."""
    check(d, m, least=1)
    if m <= d + 1:
        return m / (m - 1)
    if d == 1:
        return 0.0
    if d == 2:
        return delta_of(2.0 * math.pi / m)
    return 1.0 if m <= 2 * d else None


def delta_greedy(d: int, m: int) -> float:
    """A separation that m memories in R^d can have (Gilbert-Varshamov, or the exact one)."""
    best = exact(d, m)
    return best if best is not None else delta_of(float(cap_angle(d, 1.0 / m)))


def angle_converse(d: int, m: int) -> float:
    """No m memories in R^d have a larger least angle, by Hamming's and Rankin's counts; for m above 2d, d at least 2."""
    hamming = 2.0 * float(cap_angle(d, 1.0 / m))
    grid = np.linspace(0.0, HALF_PI, 257)[1:-1]
    short = np.flatnonzero(rankin_count(d, grid) < m)
    if not len(short):
        return min(hamming, HALF_PI)
    # Rankin's count falls and then rises again, so its first crossing is what binds.
    rankin = _bisect(lambda angle: float(rankin_count(d, angle)) >= m, float(grid[short[0]] - grid[0]), float(grid[short[0]]))
    return min(hamming, rankin, HALF_PI)


def delta_upper(d: int, m: int) -> float:
    """The least proved upper bound on the separation of m memories in R^d: exact, caps, Rankin, and Fejes Toth in d = 3."""
    best = exact(d, m)
    if best is not None:
        return best
    bounds = [upper_sharp(d, m), delta_of(angle_converse(d, m))]
    return min([*bounds, fejes_toth(m)] if d == 3 else bounds)


def median_random(d: int, m: int) -> float:
    """The median separation of m random memories in R^d, by Poisson: cap(angle) = ln 2 / (m over 2); d at least 2."""
    check(d, m)
    return delta_of(float(cap_angle(d, min(2.0 * math.log(2.0) / (m * (m - 1)), 1.0))))


def dimension_sufficient(m: int, delta: float) -> int | None:
    """The smallest d of 2 or more for which m memories of that separation are shown to exist; None where none can be.

    Simplex, orthoplex and polygon count as shown, beside the greedy code; delta in (0, 2].
    """
    return _smallest(m, delta, lambda d: delta_greedy(d, m) >= delta * (1.0 - 1e-12))


def dimension_necessary(m: int, delta: float) -> int | None:
    """The smallest d of 2 or more that no proved bound forbids to m memories of that separation; None where all do."""
    # Beyond the orthoplex's 2d memories the separation is below 1, strictly (Rankin), and the bound itself reaches 1.
    return _smallest(m, delta, lambda d: delta_upper(d, m) >= delta * (1.0 - 1e-12) and (delta < 1.0 or m <= 2 * d))


def _smallest(m: int, delta: float, holds: Callable[[int], bool]) -> int | None:
    """The least d that holds, for a property that stays once it holds; at d = m - 1 the simplex settles the rest."""
    check(2, m)
    last = max(m - 1, 2)
    if not 0.0 < delta <= 2.0:
        raise ValueError(f"delta must lie in (0, 2], but got {delta}; it is 1 - cos of an angle.")
    if not holds(last):
        return None
    low, high = 1, 2
    while not holds(high):
        low, high = high, min(2 * high, last)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def _bisect(holds: Callable[[float], bool], low: float, high: float) -> float:
    """Where a property that holds at `low` and fails at `high` ends, to the last bits, rounded up."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if holds(middle) else (low, middle)
    return high
