"""Turns measured curves into fitted laws: weighted least squares, errors from replicates, lack of fit, AICc, prediction."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from orchestrator.fitting import profiles, shares
from orchestrator.fitting.intervals import Array, Interval, deviation, student
from orchestrator.fitting.laws import TINY, Law, Space
from orchestrator.fitting.series import Series

PRIOR = 30.0
"""Degrees of freedom that the pooled variance counts for where an x's own variance is estimated from few seeds."""
MISFIT = 0.05
"""Lack of fit below this probability is told as a law that is rejected."""
DRAWN = 0.6
"""Lack of fit below which the scatter about the law is drawn into an interval, in full below half of it."""
EXACT = 1e-9
"""Relative size of a residual that counts as rounding."""
DRAWS = 200
ENDLESS = 1e6
"""Degrees of freedom of an error that is known, not estimated."""


@dataclass(frozen=True, kw_only=True)
class FittedLaw:
    """A law fitted to a curve, in the internal parameters `theta` `(p,)`.

    `influence` `(p, k)` is what a parameter moves by with each value of the curve, `variances` `(k,)` are those of the values,
    None where neither replicates nor brackets tell of them. `replicas` `(B, p)` are the same fit with each unit left out (or
    resampled, for a median); `factor` times their standard deviation is the standard error. `scatter` `(p,)` is the standard
    error that the residuals show, `unscaled` `(p,)` the one of residuals of size 1. `lack` is the probability of residuals as
    large under the law and the noise of replicates or brackets, None where there is neither. `blur` `(p,)` is what rounding of
    the values can do to each parameter.
    """

    law: Law
    space: Space
    series: Series
    theta: Array
    weights: Array
    residuals: Array
    influence: Array
    variances: Array | None
    scatter: Array
    unscaled: Array
    replicas: Array | None
    factor: float
    lack: float | None
    blur: Array

    @property
    def freedom(self) -> int:
        """Points of the curve less parameters of the law."""
        return len(self.series.x) - self.law.size

    @property
    def rounding(self) -> Array:
        """Residuals `(k,)` that rounding leaves: relative to each value, and in logarithms to one."""
        return rounding(project(self.series.y, self.space), self.space)

    @property
    def least_squares(self) -> float:
        """Weighted sum of squared residuals that rounding leaves."""
        return max(float(self.weights @ self.rounding**2), TINY)

    @property
    def squares(self) -> float:
        """Weighted sum of squared residuals, not below what rounding leaves."""
        return max(float(self.weights @ self.residuals**2), self.least_squares)

    def estimate(self, name: str) -> float:
        """The fitted value of a parameter by its name."""
        parameter = self.law.parameter(name)
        return parameter.outer(float(self.theta[parameter.index]))

    def values(self, x: Array) -> Array:
        """The law's y at x."""
        return self.law.value(self.theta, x)

    @property
    def rejected(self) -> bool:
        """Whether the law misses its points by more than their noise, so that its parameters are those of this x range.

        Brackets say nothing of that: positions on steps lie farther from any smooth law than their search left open.
        """
        return self.replicas is not None and self.lack is not None and self.lack < MISFIT

    def interval(self, name: str, level: float = 0.95) -> Interval:
        """The parameter with its interval: t over units, with the scatter about the law drawn in.

        A law without a closed form has the profile of its squares at that width; a constant share has the exact interval.
        """
        if self.series.trials and self.law.name == "constant":
            return shares.pooled(self.series.values, self.series.trials, level)
        parameter = self.law.parameter(name)
        inner, n = float(self.theta[parameter.index]), len(self.series.units)
        half, freedom, method = self.half(parameter.index, level)
        half = max(half, float(self.blur[parameter.index]))
        ends, method_text = (inner - half, inner + half), f"{method}, {freedom:.3g} df" if freedom < ENDLESS else method
        if self.law.design is None and np.isfinite(half):
            error = float(self.unscaled[parameter.index])
            ends, method_text = profiles.ends(self._misses, self.theta, parameter.index, half, error), f"profile, {method_text}"
        low, high = parameter.span(*ends)
        return Interval(estimate=parameter.outer(inner), low=low, high=high, units=n, method=method_text)

    def _misses(self, theta: Array) -> Array:
        z = project(self.series.y, self.space)
        return np.asarray(np.sqrt(self.weights) * (self.law.fitted(theta, self.series.x, self.space) - z))

    @property
    def scatter_weight(self) -> float:
        """How much of the scatter about the law counts where it exceeds the noise, from 0 to 1.

        Testing for a misfit first finds one of the noise's size too seldom, and always taking the larger of both costs width
        where there is none: so it is drawn in as the misfit grows from what chance leaves in half of all laws.
        """
        if self.freedom < 1 or self.lack is None:
            return 0.0
        return min(max((DRAWN - self.lack) / (DRAWN / 2), 0.0), 1.0)

    def half(self, index: int, level: float) -> tuple[float, float, str]:
        """Half the interval of an internal parameter, its degrees of freedom and its method."""
        scatter = student(level, self.freedom) * float(self.scatter[index]) if self.freedom > 0 else float("inf")
        if self.replicas is None:
            return self._unrepeated(index, level, scatter)
        error, freedom = self.noise(index)
        noise, weight, method = student(level, freedom) * error, self.scatter_weight, f"t over {len(self.series.units)} units"
        if scatter <= noise or not weight:
            return noise, freedom, method
        if weight == 1:
            return scatter, self.freedom, "scatter about the law, which exceeds the noise"
        return noise + weight * (scatter - noise), freedom, f"{method}, drawn to the scatter about the law"

    def noise(self, index: int) -> tuple[float, float]:
        """Standard error of an internal parameter over units, and its degrees of freedom.

        Where some x have fewer units than others, each has its own variance over its own count (Welch 1947, Satterthwaite
        1946), one with a single unit that of all; what units do to the whole curve is in the replicas.
        """
        assert self.replicas is not None and self.variances is not None
        error = self.factor * deviation(self.replicas[:, index])
        if not self.series.uneven:
            return error, len(self.series.units) - 1
        parts, counts = self.influence[index] ** 2 * self.variances, self.series.counts
        own = np.where(counts > 1, counts - 1.0, (counts - 1.0).sum())
        apart = float(np.sqrt(parts.sum()))
        # Seeds that bend whole curves are the same few at all x of one count: there these x do not add degrees of freedom.
        bent = min(max((error / max(apart, TINY)) ** 2 - 1, 0.0), 1.0)
        groups = [parts[counts == count].sum() ** 2 / max(count - 1, 1) for count in np.unique(counts)]
        inverse = ((1 - bent) * float((parts**2 / own).sum()) + bent * sum(groups)) / max(apart**4, TINY)
        return max(error, apart), max(1 / max(inverse, TINY), 1.0)

    def _unrepeated(self, index: int, level: float, scatter: float) -> tuple[float, float, str]:
        """Half the interval without replicates: the scatter, or the brackets of a search where they leave more."""
        error = 0.0 if self.variances is None else float(np.sqrt(self.influence[index] ** 2 @ self.variances))
        rounding = student(level, ENDLESS) * error
        if rounding > scatter:
            return rounding, ENDLESS, "brackets of the search"
        return scatter, self.freedom, "scatter about the law"


def project(y: Array, space: Space) -> Array:
    """y in the space of a fit."""
    return np.log(np.maximum(y, TINY)) if space == "log" else y


def rounding(z: Array, space: Space) -> Array:
    """What rounding of the values can do to each in the space of a fit: `(k,)`."""
    return np.asarray(EXACT * (np.maximum(np.abs(z), 1.0) if space == "log" else np.abs(z)))


def space_of(laws: tuple[Law, ...], data: Series) -> Space:
    """The space to fit in: logarithms where one of the laws is a straight line there and every y has one."""
    return "log" if any(law.space == "log" for law in laws) and bool((data.y > 0).all()) else "linear"


def fit(law: Law, data: Series, space: Space | None = None) -> FittedLaw:
    """The law fitted to the curve; weights `(k,)` are the replicates' precision, with the misfit added.

    The misfit is a variance common to all x (DerSimonian and Laird 1986): without replicates all x weigh the same.
    """
    space = space or space_of((law,), data)
    z = project(data.y, space)
    resampled, factor = replicas(data, space)
    variances, freedom = _variances(law, resampled, factor, data, space)
    w = _precision(variances, 0.0, len(data.x))
    theta = _solve(law, data, z, space, w)
    misfit, lack = _lack(law, data, z - law.fitted(theta, data.x, space), space, theta, variances, freedom)
    if misfit > 0:
        w = _precision(variances, misfit, len(data.x))
        theta = _solve(law, data, z, space, w, theta)
    residuals = z - law.fitted(theta, data.x, space)
    slopes = slope(law, data.x, space, theta)
    inverse = np.linalg.pinv(slopes.T @ (w[:, None] * slopes))
    step = inverse @ (slopes.T * w)  # (p, k)
    moved = None if resampled is None else theta + (resampled - z) @ step.T
    unscaled = np.sqrt(np.diag(inverse))
    scatter = unscaled * np.sqrt(float(w @ residuals**2) / max(len(data.x) - law.size, 1))
    return FittedLaw(
        law=law, space=space, series=data, theta=theta, weights=w, residuals=residuals, influence=step, variances=variances,
        scatter=scatter, unscaled=unscaled, replicas=moved, factor=factor, lack=lack, blur=np.abs(step) @ rounding(z, space),
    )  # fmt: skip


def replicas(data: Series, space: Space) -> tuple[Array | None, float]:
    """The curve `(B, k)` with each unit left out, and what turns its spread into a standard error.

    Leaving one out misjudges a median (Efron 1979), so units are resampled there, always in the same way. An x with fewer units
    than others moves as much as its own count says.
    """
    n = len(data.units)
    if not data.noisy:
        return None, 0.0
    if data.aggregate == "median":
        return project(_resampled(data), space), float(np.sqrt(n / (n - 1)))
    moved = project(data.left_out, space)
    if data.uneven:
        whole = project(data.y, space)
        moved = whole + (moved - whole) * np.sqrt((1 - 1 / data.counts) / (1 - 1 / n))
    return moved, (n - 1) / np.sqrt(n)


def _resampled(data: Series) -> Array:
    """Medians `(DRAWS, k)` of units drawn again, the same ones at each x where all have them."""
    n, rng = len(data.units), np.random.default_rng(0)
    picks = rng.integers(0, n, (DRAWS, n))
    if not data.uneven:
        return np.asarray(np.median(data.values[:, picks], axis=2).T)
    medians_by_x = []
    for values, middle in zip(data.values, data.y, strict=True):
        own = values[~np.isnan(values)]
        medians = np.median(own[rng.integers(0, len(own), (DRAWS, len(own)))], axis=1)
        medians_by_x.append(middle + (medians - middle) * np.sqrt((1 - 1 / n) / max(1 - 1 / len(own), 1 / n)))
    return np.column_stack(medians_by_x)


def _variances(law: Law, replicas: Array | None, factor: float, data: Series, space: Space) -> tuple[Array | None, float]:
    """Squared standard errors `(k,)` of the curve and their degrees of freedom; None where nothing tells of them.

    Those of replicates are drawn towards what all units show where there are few units; one unit has nothing of its own. A
    share that is one for all x is weighed by its trials. A value lies anywhere in a search's bracket.
    """
    if data.trials and law.name == "constant":
        trials = data.trials * data.counts
        share = (float(np.nansum(data.values)) * data.trials + 1) / (float(trials.sum()) + 2)
        return np.asarray(share * (1 - share) / trials), ENDLESS
    if replicas is not None:
        own, units = factor**2 * np.var(replicas, axis=0, ddof=1), data.counts
        freedoms = units - 1.0
        pool = float((freedoms * units) @ own / freedoms.sum())
        shrunk = (PRIOR * pool + freedoms * units * own) / (PRIOR + freedoms) / units
        return np.asarray(shrunk), float(freedoms.sum())
    if data.halves is None:
        return None, 0.0
    halves = data.halves / np.maximum(np.abs(data.y), TINY) if space == "log" else data.halves
    bracketed = halves**2 / 3
    return np.asarray(np.maximum(bracketed, 1e-6 * bracketed.max())), ENDLESS


def _precision(variances: Array | None, misfit: float, k: int) -> Array:
    if variances is None:
        return np.ones(k)
    weights = 1 / (variances + misfit)
    return np.asarray(weights / weights.mean())


def _solve(law: Law, data: Series, z: Array, space: Space, w: Array, start: Array | None = None) -> Array:
    root = np.sqrt(w)
    if law.linear(space):
        assert law.design is not None
        return np.asarray(np.linalg.lstsq(root[:, None] * law.design(data.x), root * z, rcond=None)[0])
    from scipy.optimize import least_squares

    near = data.near
    if start is None:
        start = law.above(near.x, near.y, float(data.y[-1])) if data.floor else law.start(near.x, near.y)
    return np.asarray(
        least_squares(
            lambda t: root * (law.fitted(t, data.x, space) - z),
            start,
            jac=lambda t: root[:, None] * slope(law, data.x, space, t),
            method="lm",
            x_scale="jac",
            xtol=1e-13,
            ftol=1e-13,
            gtol=1e-13,
        ).x
    )


def slope(law: Law, x: Array, space: Space, theta: Array) -> Array:
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
    law: Law, data: Series, residuals: Array, space: Space, theta: Array, variances: Array | None, variance_freedom: float
) -> tuple[float, float | None]:
    """Variance of the misfit above the noise, and the F test's probability of a misfit as large by noise alone.

    `variance_freedom` are the degrees of freedom of the variances.
    """
    freedom = len(data.x) - law.size
    if variances is None or freedom < 1:
        return 0.0, None
    from scipy.special import fdtrc

    w = 1 / variances
    excess = float(w @ residuals**2)
    slopes = slope(law, data.x, space, theta)
    leverage = np.trace(np.linalg.pinv(slopes.T @ (w[:, None] * slopes)) @ (slopes.T @ (w[:, None] ** 2 * slopes)))
    misfit = max(0.0, (excess - freedom) / max(float(w.sum() - leverage), TINY))
    return misfit, float(fdtrc(freedom, variance_freedom, excess / freedom))


def rivals(laws: tuple[Law, ...], data: Series) -> tuple[FittedLaw, ...]:
    """The laws fitted in one space with the weights of the one that fits best, so that their residuals compare."""
    space = space_of(laws, data)
    alone = [fit(law, data, space) for law in laws]
    best = min(alone, key=lambda f: float(np.mean(f.residuals**2)))
    return tuple(again(rival, best.weights) for rival in alone)


def again(fitted: FittedLaw, weights: Array) -> FittedLaw:
    """The law with other weights `(k,)`: its parameters and residuals; what they are uncertain by is not asked again."""
    series, z = fitted.series, project(fitted.series.y, fitted.space)
    theta = _solve(fitted.law, series, z, fitted.space, weights, fitted.theta)
    return replace(
        fitted, theta=theta, weights=weights, residuals=z - fitted.law.fitted(theta, series.x, fitted.space), replicas=None
    )


def aicc(fitted: FittedLaw) -> float:
    """Akaike's criterion corrected for few points (Hurvich and Tsai 1989), the error variance counted as a parameter.

    The k combined values are the sample and the scatter about the law its error, with or without replicates.
    Infinite where k is too small for the correction.
    """
    k, p = len(fitted.series.x), fitted.law.size + 1
    correction = 2 * p * (p + 1) / (k - p - 1) if k > p + 1 else float("inf")
    return k * float(np.log(fitted.squares / k)) + 2 * p + correction


def advantage(law: FittedLaw, rival: FittedLaw) -> float:
    """AICc of the rival less that of the law, positive for the law; the corrections of laws of one size cancel at any k."""
    k = len(law.series.x)
    if law.law.size == rival.law.size:
        return k * float(np.log(rival.squares / law.squares))
    return aicc(rival) - aicc(law)


def held_out(law: Law, data: Series, space: Space, weights: Array) -> float:
    """Distance in the fit's space between the largest x's value and what the law predicts of it from the others."""
    part = data.window(0, held_out=1)
    theta = _solve(law, part, project(part.y, space), space, weights[:-1])
    return abs(float(project(data.y[-1:], space)[0] - law.fitted(theta, data.x[-1:], space)[0]))
