"""Turns sides at measured places into a belief about where a measure crosses its level: probabilistic bisection.

The belief is a density that is constant between neighbouring places. Without doubt it is flat on one bracket, and its
quantiles are the places of an m-section. R. Waeber, P. Frazier, S. Henderson (2013), with the seeds' own confidence in
the place of a known probability of a right answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from orchestrator.search.proposers.boundary_sides import SURE, unsure

CREDIBLE = 0.95
TRUST = 0.75


@dataclass(frozen=True, kw_only=True)
class Belief:
    """A density over a line: `places`, sorted, and the probability of each gap between two neighbours."""

    places: tuple[float, ...]
    masses: tuple[float, ...]

    def quantile(self, share: float) -> float:
        """The place below which that share of the belief lies."""
        remaining = share
        for low, high, mass in zip(self.places, self.places[1:], self.masses, strict=False):
            if mass > 0 and remaining <= mass:
                return low + (high - low) * remaining / mass
            remaining -= mass
        return self.places[-1]


def believe(places: Sequence[float], sides: Sequence[float]) -> Belief:
    """The belief after measuring `sides` at sorted `places`, whichever way the measure runs; two places at least."""
    doubted = [_tempered(side) for side in sides]
    rising, falling = (_logs(doubted, up) for up in (True, False))
    # Rising and falling crossings are summed; a direction that the data contradict gets negligible weight.
    most = max(*rising, *falling)
    gaps = [high - low for low, high in pairwise(places)]
    weights = [g * (math.exp(r - most) + math.exp(f - most)) for g, r, f in zip(gaps, rising, falling, strict=True)]
    total = math.fsum(weights)
    return Belief(places=tuple(places), masses=tuple(w / total for w in weights))


def _tempered(side: float) -> float:
    """A doubted side counts as an answer that is right three times in four; near a boundary its own confidence is chance."""
    limit = TRUST if unsure(side) else SURE
    return min(max(side, 1 - limit), limit)


def _logs(sides: Sequence[float], rising: bool) -> list[float]:
    """Log-likelihood of a crossing in each gap: all before it on one side, all after it on the other."""
    after = [math.log(side if rising else 1 - side) for side in sides]
    before = [math.log(1 - side if rising else side) for side in sides]
    ahead = list(accumulate(before))
    behind = list(accumulate(reversed(after)))[::-1]
    return [ahead[k] + behind[k + 1] for k in range(len(sides) - 1)]
