"""Fits a loss of two sizes by Huber's loss of its logarithm, and tells how well it is known by resampling configurations.

The form and the loss are those of Hoffmann et al. 2022 (approach 3): L = E + A N^-a + B D^-b, Huber with delta = 1e-3 on ln L.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from orchestrator.fitting.intervals import Array, Interval, student

SIZE = 5
DRAWS = 100
"""Samples of configurations that are fitted again."""
ONE = 0.8413447460685429
"""The normal probability of one standard deviation above the middle."""
DECAYS = (0.1, 0.3, 0.6, 1.2)
FLOORS = (1e-3, 0.5, 0.9)
"""Where searches begin: decays of both terms, and floors as shares of the smallest loss."""
BEST = 3
FARTHEST = 50.0
"""Logarithms are kept within this of zero: a term that is not there has none."""


@dataclass(frozen=True, kw_only=True)
class Configurations:
    """Two sizes and the loss at each configuration, `(k,)` each."""

    first: Array
    second: Array
    loss: Array

    def at(self, index: Any) -> Configurations:
        """Some of the configurations, or one of them several times."""
        return Configurations(first=self.first[index], second=self.second[index], loss=self.loss[index])


@dataclass(frozen=True, kw_only=True)
class JointFit:
    """The fit of all configurations, and `replicas` `(B, 5)` of samples of them; both are what `internal` parameters are.

    These are ln floor, ln first_prefactor, first_decay, ln second_prefactor, second_decay.
    """

    data: Configurations
    theta: Array
    replicas: Array

    def interval(self, name: str, level: float) -> Interval:
        """A number with its interval: Student's t, its degrees those of the configurations, over the resampled spread.

        The spread is half of what the middle 68 % of replicas span, to each side its own: a sample without its longest runs may
        lie anywhere, and says nothing of the middle.
        """
        middle, moved = float(quantity(self.theta[None, :], name)[0]), quantity(self.replicas, name)
        below, above = np.quantile(moved, [1 - ONE, ONE])
        k = len(self.data.loss)
        width = student(level, k - SIZE)
        ends = middle - width * max(middle - below, 0.0), middle + width * max(above - middle, 0.0)
        low, high = (outer(float(end), name) for end in ends)
        method = f"bootstrap over {k} configurations, {k - SIZE} df"
        return Interval(estimate=outer(middle, name), low=low, high=high, units=k, method=method)

    def estimate(self, name: str) -> float:
        """A fitted number."""
        return outer(float(quantity(self.theta[None, :], name)[0]), name)

    @property
    def residuals(self) -> Array:
        """What ln loss is above the fit `(k,)`."""
        return np.asarray(np.log(self.data.loss) - log_loss(self.theta, self.data)[0])


def quantity(thetas: Array, name: str) -> Array:
    """A number `(B,)` of internal parameters `(B, 5)`; one that is fitted as its logarithm is that."""
    floor, first, first_decay, second, second_decay = thetas.T
    total = first_decay + second_decay
    share = second_decay / np.where(np.abs(total) < 1e-12, np.nan, total)
    numbers: dict[str, Array] = {
        "floor": floor,
        "first_prefactor": first,
        "first_decay": first_decay,
        "second_prefactor": second,
        "second_decay": second_decay,
        "compute_exponent": share,
    }
    return numbers[name]


def outer(value: float, name: str) -> float:
    """The number as it is reported."""
    return float(np.exp(np.clip(value, -700.0, 700.0))) if name in ("floor", "first_prefactor", "second_prefactor") else value


def fit(data: Configurations, delta: float, seed: int = 0) -> JointFit:
    """The fit, from the best of a grid of starts, and its replicas, each from where the whole ended."""
    theta = _searched(data, delta, _starts(data))
    k, rng = len(data.loss), np.random.default_rng(seed)
    picks = [rng.integers(0, k, k) for _ in range(DRAWS)]
    replicas = [_searched(data.at(pick), delta, [theta]) for pick in picks]
    return JointFit(data=data, theta=theta, replicas=np.array(replicas))


def estimated(data: Configurations, delta: float, name: str) -> float:
    """A fitted number alone."""
    theta = _searched(data, delta, _starts(data))
    return outer(float(quantity(theta[None, :], name)[0]), name)


def log_loss(theta: Array, data: Configurations) -> tuple[Array, Array]:
    """ln of the law `(k,)`, and its derivatives `(k, 5)` by the internal parameters."""
    floor, first, first_decay, second, second_decay = theta
    u, v = np.log(data.first), np.log(data.second)
    terms = np.stack([np.full_like(u, floor), first - first_decay * u, second - second_decay * v])
    total = np.logaddexp.reduce(terms)
    shares = np.exp(terms - total)
    return total, np.column_stack([shares[0], shares[1], -shares[1] * u, shares[2], -shares[2] * v])


def _searched(data: Configurations, delta: float, starts: list[Array]) -> Array:
    """The parameters of the least Huber loss reached from any start."""
    from scipy.optimize import least_squares

    z = np.log(data.loss)
    solved = [
        least_squares(
            lambda theta: log_loss(theta, data)[0] - z,
            start,
            jac=lambda theta: log_loss(theta, data)[1],
            loss="huber",
            f_scale=delta,
            x_scale="jac",
            bounds=(-FARTHEST, FARTHEST),
            max_nfev=200,
        )
        for start in starts
    ]
    return np.asarray(min(solved, key=lambda end: end.cost).x)


def _starts(data: Configurations) -> list[Array]:
    """The best starts of a grid: with floor and decays fixed the loss is linear in both prefactors."""
    from scipy.optimize import nnls

    ranked = []
    for share in FLOORS:
        floor = share * float(data.loss.min())
        for first_decay in DECAYS:
            for second_decay in DECAYS:
                columns = np.column_stack([data.first**-first_decay, data.second**-second_decay]) / data.loss[:, None]
                factors, missed = nnls(columns, 1 - floor / data.loss)
                logs = np.log(np.maximum(factors, 1e-12))
                ranked.append((missed, np.array([np.log(floor), logs[0], first_decay, logs[1], second_decay])))
    return [start for _, start in sorted(ranked, key=lambda pair: pair[0])[:BEST]]
