"""Turns measured curves into fitted laws: weighted least squares, errors from replicates, lack of fit, AICc, prediction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from orchestrator.intervals import Array, Interval, combine, student, without_each
from orchestrator.laws import TINY, Law, Space

PRIOR = 30.0
"""Degrees of freedom that the pooled variance counts for where an x's own variance is estimated from few seeds."""
MISFIT = 0.05
"""Lack of fit below this probability widens an interval to the scatter about the law."""
EXACT = 1e-9
"""Relative size of a residual that counts as rounding."""
DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Series:
    """Replicates of y along x: `x` is `(k,)` and rising, `values` is `(k, n)`, a column a unit, NaN where it has none."""

    x: Array
    values: Array
    units: tuple[object, ...]
    aggregate: str = "mean"

    @cached_property
    def y(self) -> Array:
        """The combined values `(k,)`."""
        return combine(self.values, self.aggregate)

    @cached_property
    def noisy(self) -> bool:
        """Whether units differ anywhere by more than rounding; the best of n is one number, whatever the units."""
        if self.aggregate == "max" or len(self.units) < 2:
            return False
        spread = np.nanmax(self.values, axis=1) - np.nanmin(self.values, axis=1)
        return bool((spread > 1e-12 * np.maximum(np.abs(self.y), TINY)).any())

    @property
    def decades(self) -> float:
        """Powers of ten that x spans; 0 where x is not positive."""
        return float(np.log10(self.x[-1] / self.x[0])) if len(self.x) and self.x[0] > 0 else 0.0

    def window(self, dropped: int, held_out: int = 0) -> Series:
        """The curve without its smallest and its largest x."""
        part = slice(dropped, len(self.x) - held_out)
        return Series(x=self.x[part], values=self.values[part], units=self.units, aggregate=self.aggregate)


def series(x: Array, y: Array, units: Array, aggregate: str = "mean") -> Series:
    """Rows `(r,)` of x, y and their unit as a Series; several rows of one x and unit are combined first."""
    xs, at = np.unique(x, return_inverse=True)
    names, of = np.unique(units, return_inverse=True)
    values = np.full((len(xs), len(names)), np.nan)
    order = np.lexsort((of, at))
    keys = at[order] * len(names) + of[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    if len(starts) == len(keys):
        values[at, of] = y
    else:
        for key, group in zip(keys[starts], np.split(y[order], starts[1:]), strict=True):
            values[divmod(int(key), len(names))] = combine(group, aggregate)
    return Series(x=xs.astype(float), values=values, units=tuple(names.tolist()), aggregate=aggregate)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """A law fitted to a curve, in the internal parameters `theta` `(p,)`.

    `replicas` `(B, p)` are the same fit with each unit left out (or resampled, for a median); `factor` times their standard
    deviation is the standard error. `scatter` `(p,)` is the standard error that the residuals show. `lack` is the
    probability of residuals as large under the law and the replicates' noise, None where there is no noise to compare with.
    """

    law: Law
    space: Space
    series: Series
    theta: Array
    weights: Array
    residuals: Array
    scatter: Array
    replicas: Array | None
    factor: float
    lack: float | None

    @property
    def freedom(self) -> int:
        """Points of the curve less parameters of the law."""
        return len(self.series.x) - self.law.size

    @property
    def squares(self) -> float:
        """Weighted sum of squared residuals, not below what rounding leaves."""
        z = np.abs(project(self.series.y, self.space))
        least = float(self.weights @ (EXACT * np.maximum(z, 1.0)) ** 2)
        return max(float(self.weights @ self.residuals**2), least)

    def estimate(self, name: str) -> float:
        """The fitted value of a parameter by its name."""
        parameter = self.law.parameter(name)
        return parameter.outer(float(self.theta[parameter.index]))

    def values(self, x: Array) -> Array:
        """The law's y at x."""
        return self.law.value(self.theta, x)

    def interval(self, name: str, level: float = 0.95) -> Interval:
        """The parameter with its interval: t over units, and the scatter about the law where that is what limits it."""
        parameter = self.law.parameter(name)
        inner, n = float(self.theta[parameter.index]), len(self.series.units)
        half, freedom, method = self.half(parameter.index, level)
        half = max(half, EXACT * (1 + abs(inner)))
        low, high = parameter.span(inner - half, inner + half)
        return Interval(estimate=parameter.outer(inner), low=low, high=high, units=n, method=f"{method}, {freedom:g} df")

    def half(self, index: int, level: float) -> tuple[float, float, str]:
        """Half the interval of an internal parameter, its degrees of freedom and its method."""
        scatter = student(level, self.freedom) * float(self.scatter[index]) if self.freedom > 0 else float("inf")
        if self.replicas is None:
            return scatter, self.freedom, "scatter about the law"
        n = len(self.series.units)
        noise = student(level, n - 1) * self.factor * float(np.std(self.replicas[:, index], ddof=1))
        if self.freedom > 0 and self.lack is not None and self.lack < MISFIT and scatter > noise:
            return scatter, self.freedom, "scatter about the law, which exceeds the noise"
        return noise, n - 1, f"t over {n} units"


def project(y: Array, space: Space) -> Array:
    """y in the space of a fit."""
    return np.log(np.maximum(y, TINY)) if space == "log" else y


def space_of(laws: tuple[Law, ...], found: Series) -> Space:
    """The space to fit in: logarithms where one of the laws is a straight line there and every y has one."""
    return "log" if any(law.space == "log" for law in laws) and bool((found.y > 0).all()) else "linear"


def fit(law: Law, found: Series, space: Space | None = None, weights: Array | None = None) -> Fit:
    """The law fitted to the curve; weights `(k,)` are the replicates' precision with the misfit added, unless given.

    The misfit is a variance common to all x (DerSimonian and Laird 1986): without replicates all x weigh the same.
    """
    space = space or space_of((law,), found)
    z = project(found.y, space)
    replicas, factor = _replicas(found, space)
    variances = _variances(replicas, factor, len(found.units))
    given = weights is not None
    w = weights if weights is not None else _precision(variances, 0.0, len(found.x))
    theta = _solve(law, found, z, space, w)
    misfit, lack = _lack(law, found, z - law.fitted(theta, found.x, space), space, theta, variances)
    if not given and misfit > 0:
        w = _precision(variances, misfit, len(found.x))
        theta = _solve(law, found, z, space, w)
    residuals = z - law.fitted(theta, found.x, space)
    slope = _slope(law, found.x, space, theta)
    inverse = np.linalg.pinv(slope.T @ (w[:, None] * slope))
    moved = None if replicas is None else theta + (replicas - z) @ (inverse @ (slope.T * w)).T
    freedom = max(len(found.x) - law.size, 1)
    scatter = np.sqrt(np.diag(inverse) * float(w @ residuals**2) / freedom)
    return Fit(
        law=law, space=space, series=found, theta=theta, weights=w, residuals=residuals, scatter=scatter,
        replicas=moved, factor=factor, lack=lack,
    )  # fmt: skip


def _replicas(found: Series, space: Space) -> tuple[Array | None, float]:
    """The curve `(B, k)` with each unit left out, and what turns its spread into a standard error.

    Leaving one out misjudges a median (Efron 1979), so units are resampled there, always in the same way.
    """
    n = len(found.units)
    if not found.noisy:
        return None, 0.0
    if found.aggregate != "median":
        return project(without_each(found.values, found.aggregate), space), (n - 1) / np.sqrt(n)
    picks = np.random.default_rng(0).integers(0, n, (DRAWS, n))
    drawn = np.array(
        [combine(np.where(np.isnan(v), found.y[:, None], v), "median") for v in (found.values[:, p] for p in picks)]
    )
    return project(drawn, space), float(np.sqrt(n / (n - 1)))


def _variances(replicas: Array | None, factor: float, units: int) -> Array | None:
    """Squared standard errors `(k,)` of the curve, drawn towards their mean where there are few units."""
    if replicas is None:
        return None
    own = factor**2 * np.var(replicas, axis=0, ddof=1)
    return np.asarray((PRIOR * float(np.mean(own)) + (units - 1) * own) / (PRIOR + units - 1))


def _precision(variances: Array | None, misfit: float, k: int) -> Array:
    if variances is None:
        return np.ones(k)
    weights = 1 / (variances + misfit)
    return np.asarray(weights / weights.mean())


def _solve(law: Law, found: Series, z: Array, space: Space, w: Array) -> Array:
    root = np.sqrt(w)
    if law.linear(space):
        assert law.design is not None
        return np.asarray(np.linalg.lstsq(root[:, None] * law.design(found.x), root * z, rcond=None)[0])
    from scipy.optimize import least_squares

    start = law.start(found.x, found.y)
    return np.asarray(
        least_squares(
            lambda t: root * (z - law.fitted(t, found.x, space)), start, x_scale="jac", xtol=1e-13, ftol=1e-13, gtol=1e-13
        ).x
    )


def _slope(law: Law, x: Array, space: Space, theta: Array) -> Array:
    """Derivatives `(k, p)` of the fitted values by the internal parameters."""
    if law.linear(space):
        assert law.design is not None
        return law.design(x)
    steps = 1e-6 * np.maximum(np.abs(theta), 1e-3)
    columns = [
        (law.fitted(theta + h * e, x, space) - law.fitted(theta - h * e, x, space)) / (2 * h)
        for h, e in zip(steps, np.eye(len(theta)), strict=True)
    ]
    return np.column_stack(columns)


def _lack(
    law: Law, found: Series, residuals: Array, space: Space, theta: Array, variances: Array | None
) -> tuple[float, float | None]:
    """Variance of the misfit above the noise, and the F test's probability of a misfit as large by noise alone."""
    freedom = len(found.x) - law.size
    if variances is None or freedom < 1:
        return 0.0, None
    from scipy.special import fdtrc

    w = 1 / variances
    excess = float(w @ residuals**2)
    slope = _slope(law, found.x, space, theta)
    leverage = np.trace(np.linalg.pinv(slope.T @ (w[:, None] * slope)) @ (slope.T @ (w[:, None] ** 2 * slope)))
    misfit = max(0.0, (excess - freedom) / max(float(w.sum() - leverage), TINY))
    return misfit, float(fdtrc(freedom, len(found.x) * (len(found.units) - 1), excess / freedom))


def rivals(laws: tuple[Law, ...], found: Series) -> tuple[Fit, ...]:
    """The laws fitted in one space with the weights of the one that fits best, so that their residuals compare."""
    space = space_of(laws, found)
    alone = [fit(law, found, space) for law in laws]
    best = min(alone, key=lambda f: float(np.mean(f.residuals**2)))
    return tuple(fit(law, found, space, best.weights) for law in laws)


def aicc(found: Fit) -> float:
    """Akaike's criterion corrected for few points (Hurvich and Tsai 1989), the error variance counted as a parameter.

    The k combined values are the sample and the scatter about the law its error, with or without replicates.
    Infinite where k is too small for the correction.
    """
    k, p = len(found.series.x), found.law.size + 1
    correction = 2 * p * (p + 1) / (k - p - 1) if k > p + 1 else float("inf")
    return k * float(np.log(found.squares / k)) + 2 * p + correction


def advantage(law: Fit, rival: Fit) -> float:
    """AICc of the rival less that of the law, positive for the law; the corrections of laws of one size cancel at any k."""
    k = len(law.series.x)
    if law.law.size == rival.law.size:
        return k * float(np.log(rival.squares / law.squares))
    return aicc(rival) - aicc(law)


def held_out(law: Law, found: Series, space: Space, weights: Array) -> float:
    """Distance in the fit's space between the largest x's value and what the law predicts of it from the others."""
    part = found.window(0, held_out=1)
    theta = _solve(law, part, project(part.y, space), space, weights[:-1])
    return abs(float(project(found.y[-1:], space)[0] - law.fitted(theta, found.x[-1:], space)[0]))
