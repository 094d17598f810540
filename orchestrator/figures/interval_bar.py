"""Places an interval and the region that is expected on a small bar, as reports and pages draw it beside a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.wording import shown


@dataclass(frozen=True, kw_only=True)
class Geometry:
    """How a bar lies in its drawing: from `indent` on, `width` wide, a share of the interval as `margin`, bands no thinner."""

    width: float
    indent: float = 0.0
    margin: float
    thinnest: float


@dataclass(frozen=True, kw_only=True)
class Tick:
    """An end of the expected region: where it is, and its number."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class IntervalBar:
    """Places in the drawing: the interval, its estimate, the band of what is expected; `says` is the same in words."""

    low: float
    high: float
    estimate: float
    start: float
    width: float
    ticks: tuple[Tick, ...]
    says: str


def interval_bar(numbers: Mapping[str, Any], geometry: Geometry) -> IntervalBar | None:
    """The bar of `low, estimate, high` and `expected_low, expected_high`; None where the interval is open or not there.

    An expected end that is missing or infinite lies at the edge.
    """
    low, estimate, high = (_finite(numbers.get(key)) for key in ("low", "estimate", "high"))
    if low is None or high is None or estimate is None:
        return None
    expected = [_finite(numbers.get(f"expected_{end}")) for end in ("low", "high")]
    ends = [low, high, *(end for end in expected if end is not None)]
    margin = geometry.margin * ((max(ends) - min(ends)) or abs(high) or 1.0)
    first, last = min(ends) - margin, max(ends) + margin

    def at(value: float) -> float:
        return round(geometry.indent + geometry.width * (min(max(value, first), last) - first) / (last - first), 1)

    start, stop = (at(edge if end is None else end) for end, edge in zip(expected, (first, last), strict=True))
    return IntervalBar(
        low=at(low),
        high=at(high),
        estimate=at(estimate),
        start=start,
        width=max(round(stop - start, 1), geometry.thinnest),
        ticks=tuple(Tick(at=at(end), text=shown(end)) for end in expected if end is not None),
        says=f"interval from {shown(low)} to {shown(high)}, expected {' and '.join(_ends(*expected)) or 'anything'}",
    )


def _ends(low: float | None, high: float | None) -> Iterator[str]:
    if low is not None:
        yield f"at least {shown(low)}"
    if high is not None:
        yield f"at most {shown(high)}"


def _finite(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
