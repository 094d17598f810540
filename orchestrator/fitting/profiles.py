"""Finds how far a parameter of a law without a closed form can move before the law, fitted anew, misses its points too much.

Near the end of the data such a parameter is known on one side only: half a logistic curve says how early its centre can be and
hardly how late. An interval of one width on both sides covers three times in four there; a profile of the squares covers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from orchestrator.fitting.intervals import Array

GROWTH = 1.6
FARTHEST = 1e4
"""Half-widths from the estimate beyond which an end counts as open."""
CLOSE = 1e-3
"""Part of the half-width to which an end is found."""
TURNS = 30
HALVINGS = 24
HUGE = 1e150
COLLAPSED = 0.2
"""Part of the half-width that an end must be away: nearer the search was stuck on a ridge, and that side is not known."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The least squares of a law with entry `index` of its parameters `theta` `(p,)` held a distance from its estimate.

    `misses(theta)` are the weighted residuals `(k,)`; distances are in units of `half`.
    """

    misses: Callable[[Array], Array]
    theta: Array
    index: int
    half: float

    def at(self, distance: float) -> float:
        """The parameter at that distance."""
        return float(self.theta[self.index]) + distance * self.half

    def excess(self, distance: float, free_params: Array) -> tuple[float, Array]:
        """Squares above those of the fit, and the other parameters, sought from `others`."""
        from scipy.optimize import leastsq

        value = self.at(distance)
        free_params = np.atleast_1d(leastsq(self._bounded, free_params, args=(value,), full_output=True)[0])
        least = np.sum(self._bounded(np.delete(self.theta, self.index), self.at(0.0)) ** 2)
        return float(np.sum(self._bounded(free_params, value) ** 2) - least), free_params

    def _bounded(self, free_params: Array, value: float) -> Array:
        with np.errstate(over="ignore", invalid="ignore"):
            missed = self.misses(np.insert(free_params, self.index, value))
        return np.asarray(np.clip(np.nan_to_num(missed, nan=HUGE), -HUGE, HUGE))


def ends(misses: Callable[[Array], Array], theta: Array, index: int, half: float, error: float) -> tuple[float, float]:
    """Both ends of entry `index` of `theta` `(p,)`, infinite where that side is open.

    `misses(theta)` are the weighted residuals `(k,)`. Squares may exceed their least by (half / error)^2, `error` being the
    standard error that those weights give: for a law that is a straight line in its parameters the ends are theta -+ half.
    """
    profile = Profile(misses=misses, theta=theta, index=index, half=half)
    low, high = (_end(profile, sign, half / error) for sign in (-1.0, 1.0))
    value = profile.at(0.0)
    return low if value - low >= COLLAPSED * half else -float("inf"), high if high - value >= COLLAPSED * half else float("inf")


def _end(profile: Profile, sign: float, room: float) -> float:
    """Where the root of the excess, nearly a straight line in the distance, reaches `room`: outward first, then between."""
    inside, below, free_params = 0.0, -room, np.delete(profile.theta, profile.index)
    for outside in _outward(profile, sign):
        above, free_params = _rise(profile, sign * outside, room, free_params)
        if above >= 0:
            break
        inside, below = outside, above
    else:
        return sign * float("inf")
    for _ in range(TURNS):
        part = min(max(-below / (above - below), 0.03), 0.97)
        middle = inside + part * (outside - inside)
        value, free_params = _rise(profile, sign * middle, room, free_params)
        if abs(value) <= CLOSE * room:
            return profile.at(sign * middle)
        if value < 0:
            inside, below = middle, value
        else:
            outside, above = middle, value
    return profile.at(sign * outside)


def _outward(profile: Profile, sign: float) -> Iterator[float]:
    """Distances at which an end is looked for, ever farther; towards zero those that halve the parameter are among them.

    On the other side of zero many a law is the same straight line again, and a step across would miss what lies between.
    """
    value = float(profile.theta[profile.index])
    zero = abs(value) / profile.half if sign * value < 0 else 0.0
    outside = 1.0
    while outside < zero / 2:
        yield outside
        outside *= GROWTH
    yield from (zero * (1 - 0.5**k) for k in range(1, HALVINGS) if zero)
    outside = max(outside, zero)
    while outside <= FARTHEST:
        yield outside
        outside *= GROWTH


def _rise(profile: Profile, distance: float, room: float, free_params: Array) -> tuple[float, Array]:
    excess, free_params = profile.excess(distance, free_params)
    return float(np.sqrt(max(excess, 0.0))) - room, free_params
