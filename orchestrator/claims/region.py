"""Turns what a claim expects of a number into a region, and an interval into supported, refuted or undecided."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.wording import shown

TOLERANCE = 1e-8
"""Relative distance below which a number counts as lying on a region's edge, and so inside."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """The numbers from `low` to `high`, both inside; infinite where that side is free."""

    low: float = -math.inf
    high: float = math.inf

    def holds(self, number: float) -> bool:
        """Whether a number lies inside."""
        return self._above(number) and self._below(number)

    def place(self, low: float, high: float) -> str:
        """The verdict of an equivalence test: supported for an interval inside, refuted outside, undecided between."""
        if self.holds(low) and self.holds(high):
            return "supported"
        if not self._above(high) or not self._below(low):
            return "refuted"
        return "undecided"

    def _above(self, number: float) -> bool:
        return number >= self.low - TOLERANCE * max(1.0, abs(self.low)) if math.isfinite(self.low) else True

    def _below(self, number: float) -> bool:
        return number <= self.high + TOLERANCE * max(1.0, abs(self.high)) if math.isfinite(self.high) else True

    def __str__(self) -> str:
        if math.isfinite(self.low) and math.isfinite(self.high):
            return f"in [{shown(self.low)}, {shown(self.high)}]"
        return f"at least {shown(self.low)}" if math.isfinite(self.low) else f"at most {shown(self.high)}"
