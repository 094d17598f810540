"""Turns a searched interval into a line on which even steps make sense, and places on it into values of the param."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from orchestrator.spec.expressions import Expression
from orchestrator.spec.field_types import SearchRange

DIGITS = 12  # a point's id holds as many, so a value is the same when it comes back from the store


@dataclass(frozen=True, kw_only=True)
class SearchAxis:
    """How one param is searched: evenly, or by equal factors (`geom`); `integer` params take whole values."""

    geom: bool = False
    integer: bool = False

    def place(self, value: float) -> float:
        """Where a value lies: itself, or its logarithm."""
        return math.log(value) if self.geom else float(value)

    def value(self, position: float) -> float | int:
        """The value at a place, rounded as the store keeps it."""
        raw = math.exp(position) if self.geom else position
        return settled(raw, self.integer)

    def even(self, low: float, high: float, count: int, taken: Collection[float] = ()) -> list[float | int]:
        """At most `count` new values strictly between two, evenly; where one of them is taken, a finer division."""
        a, b = self.place(low), self.place(high)
        if self.integer and high - low <= count + 1:
            return [k for k in range(int(low) + 1, int(high)) if k not in taken]
        for parts in range(count + 1, count + 4 + len(taken)):
            values = {self.value(a + (b - a) * k / parts) for k in range(1, parts)} - {low, high, *taken}
            if len(values) >= count:
                return _spread(sorted(values), count)
        return []

    def closed(self, low: float, high: float, tolerance: float) -> bool:
        """Whether a bracket is narrow enough: `tolerance` is absolute, on a geom line relative; neighbouring integers are."""
        return (self.integer and high - low <= 1) or self.parts(low, high, tolerance) <= 1

    def parts(self, low: float, high: float, tolerance: float) -> int:
        """Into how many equal parts a bracket must fall for each to be narrow enough."""
        step = math.log1p(tolerance) if self.geom else tolerance
        steps = (self.place(high) - self.place(low)) / step if step else math.inf
        return math.ceil(round(min(steps, high - low) if self.integer else steps, 9))


@dataclass(frozen=True, kw_only=True)
class Span:
    """Numbers from `low` to `high`, evenly or by equal factors (`geom`), perhaps whole ones."""

    low: float
    high: float
    scale: str = "lin"
    integer: bool = False

    @property
    def line(self) -> SearchAxis:
        """How it is searched."""
        return SearchAxis(geom=self.scale == "geom", integer=self.integer)

    def part(self, value: float) -> float:
        """At which part of the span a value lies: 0 at its low end, 1 at its high one."""
        low, high = self.line.place(self.low), self.line.place(self.high)
        return (self.line.place(value) - low) / (high - low)

    def value(self, part: float) -> float | int:
        """The value at a part of the span, as the store keeps it."""
        low, high = self.line.place(self.low), self.line.place(self.high)
        return self.line.value(low + float(part) * (high - low))


def spans(region: Mapping[str, SearchRange], value: Callable[[float | Expression], float]) -> dict[str, Span]:
    """The spans of a spec's region on a curve, where `value` evaluates its expressions."""
    return {
        name: Span(low=value(ends.low), high=value(ends.high), scale=ends.scale, integer=ends.integer)
        for name, ends in region.items()
    }


def settled(value: float, integer: bool = False) -> float | int:
    """A value as a point holds it."""
    return round(value) if integer else float(f"{value:.{DIGITS}g}")


def _spread(values: list[float | int], count: int) -> list[float | int]:
    """`count` of sorted values, evenly chosen, both halves alike."""
    if len(values) <= count:
        return values
    return [values[(2 * k + 1) * len(values) // (2 * count)] for k in range(count)]
