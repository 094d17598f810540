"""Turns the name of a law into its formula: parameters, values, a linear form where there is one, and where to start."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from orchestrator.errors import SpecError, nearest
from orchestrator.fitting import starting_points
from orchestrator.fitting.law_names import LAWS as TEXTS

Array = np.ndarray[Any, np.dtype[np.float64]]
Space = Literal["log", "linear"]
TINY = 1e-300
LARGEST = 700.0
"""Exponent above which a reported number stays as it is."""


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number that a law is reported by: entry `index` of the internal vector, as it is, its exponential, or its negative.

    A `place` lies along x: larger y do not make it larger.
    """

    name: str
    index: int
    scale: Literal["plain", "exp", "negative"] = "plain"
    place: bool = False

    def outer(self, inner: float) -> float:
        """The reported number of an internal one."""
        if self.scale == "exp":
            return float(np.exp(min(inner, LARGEST)))
        return -inner if self.scale == "negative" else inner

    def inner(self, outer: float) -> float:
        """The internal number of a reported one; NaN where its exponential was too small or too large for a number."""
        if self.scale == "exp":
            return float(np.log(outer)) if 0 < outer < np.exp(LARGEST) else float("nan")
        return -outer if self.scale == "negative" else outer

    def span(self, low: float, high: float) -> tuple[float, float]:
        """The reported interval of an internal one; a negative turns it round."""
        ends = self.outer(low), self.outer(high)
        return min(ends), max(ends)


@dataclass(frozen=True, kw_only=True)
class Law:
    """A family of curves y(x), whose formula `law_names.py` gives.

    `value(theta, x)` takes internal parameters `(p,)` and x `(k,)`, and gives y `(k,)`.

    `design(x)` is the matrix `(k, p)` of the law in its own `space`, None where no space makes it linear; then `scan(x, y)`
    gives where to start. `growth` orders laws by how fast they grow in the end, `domain` is the smallest x that they take
    (exclusive).
    """

    name: str
    space: Space
    size: int
    parameters: tuple[Parameter, ...]
    value: Callable[[Array, Array], Array]
    design: Callable[[Array], Array] | None
    growth: int
    domain: float = -np.inf
    scan: Callable[[Array, Array], Array] | None = None

    @property
    def formula(self) -> str:
        """The law as text, in its reported parameters."""
        return TEXTS[self.name].formula

    @property
    def floored(self) -> bool:
        """Whether the law runs into a floor of its own."""
        return any(parameter.name == "floor" for parameter in self.parameters)

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; SpecError where the law has none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        names = [p.name for p in self.parameters]
        raise SpecError(f"law {self.name}: it has no parameter '{name}'{nearest(name, names)} It has {', '.join(names)}.")

    def internal(self, reported: Mapping[str, float | None]) -> Array:
        """The internal parameters `(p,)` of reported ones; NaN where one is no number."""
        theta = np.full(self.size, np.nan)
        for parameter in self.parameters:
            value = reported[parameter.name]
            theta[parameter.index] = np.nan if value is None else parameter.inner(value)
        return theta

    def linear(self, space: Space) -> bool:
        """Whether least squares in that space has a closed form."""
        return self.design is not None and space == self.space

    def fitted(self, theta: Array, x: Array, space: Space) -> Array:
        """The law's values `(k,)` in the space of the fit; a value that has no logarithm becomes very small."""
        with np.errstate(over="ignore", invalid="ignore"):
            y = self.value(theta, x)
        return np.log(np.maximum(y, TINY)) if space == "log" else y

    def start(self, x: Array, y: Array) -> Array:
        """Internal parameters `(p,)` to start a search from: the law's own closed form, or a scan where it has none."""
        if self.design is None:
            assert self.scan is not None
            return self.scan(x, y)
        z = np.log(np.maximum(y, TINY)) if self.space == "log" else y
        return np.asarray(np.linalg.lstsq(self.design(x), z, rcond=None)[0])

    def above(self, x: Array, y: Array, floor: float) -> Array:
        """Internal parameters `(p,)` to start from where the floor was measured; a fit that starts below zero stays there."""
        excess = np.maximum(y - floor, 0.05 * np.abs(y))
        factor, exponent = np.linalg.lstsq(_ones(np.log(x)), np.log(np.maximum(excess, TINY)), rcond=None)[0]
        return np.array([factor, min(exponent, -0.05), floor])


def _ones(*columns: Array) -> Array:
    return np.column_stack([np.ones_like(columns[0]), *columns])


def _logistic(t: Array, x: Array) -> Array:
    return np.asarray(t[0] + (t[1] - t[0]) / (1 + np.exp(-np.clip((x - t[2]) / np.exp(t[3]), -500, 500))))


def _saturating(t: Array, x: Array) -> Array:
    return np.asarray(-t[0] * np.expm1(-np.exp(min(t[1], 500.0)) * x))


def _corrected(t: Array, x: Array) -> Array:
    return np.asarray(np.exp(t[0] + t[1] * np.log(x)) * (1 + t[2] * x ** -np.exp(min(t[3], 50.0))))


def _broken(t: Array, x: Array) -> Array:
    return np.asarray(np.exp(t[0] + t[1] * np.log(x) + (t[2] - t[1]) * starting_points.elbow(x, t[3], t[4])))


_LIMIT = (Parameter(name="exponent", index=1), Parameter(name="decay", index=1, scale="negative"))
_PREFACTOR = Parameter(name="prefactor", index=0, scale="exp")
LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            name="power",
            space="log",
            size=2,
            parameters=(
                *_LIMIT,
                _PREFACTOR,
            ),
            value=lambda t, x: np.exp(t[0] + t[1] * np.log(x)),
            design=lambda x: _ones(np.log(x)),
            growth=2,
            domain=0.0,
        ),
        Law(
            name="exponential",
            space="log",
            size=2,
            parameters=(Parameter(name="rate", index=1), Parameter(name="decay", index=1, scale="negative"), _PREFACTOR),
            value=lambda t, x: np.exp(t[0] + t[1] * x),
            design=lambda x: _ones(x),
            growth=3,
        ),
        Law(
            name="linear",
            space="linear",
            size=2,
            parameters=(Parameter(name="slope", index=1), Parameter(name="intercept", index=0)),
            value=lambda t, x: t[0] + t[1] * x,
            design=lambda x: _ones(x),
            growth=2,
        ),
        Law(
            name="constant",
            space="linear",
            size=1,
            parameters=(Parameter(name="intercept", index=0),),
            value=lambda t, x: np.full_like(x, t[0]),
            design=lambda x: np.ones((len(x), 1)),
            growth=0,
        ),
        Law(
            name="sqrt_log",
            space="linear",
            size=2,
            parameters=(Parameter(name="slope", index=1), Parameter(name="intercept", index=0)),
            value=lambda t, x: t[0] + t[1] * np.sqrt(np.log(np.maximum(x, 1.0))),
            design=lambda x: _ones(np.sqrt(np.log(np.maximum(x, 1.0)))),
            growth=1,
            domain=1.0 - 1e-12,
        ),
        Law(
            name="power_with_floor",
            space="log",
            size=3,
            parameters=(
                *_LIMIT,
                _PREFACTOR,
                Parameter(name="floor", index=2),
            ),
            value=lambda t, x: t[2] + np.exp(t[0] + t[1] * np.log(x)),
            design=None,
            growth=2,
            domain=0.0,
            scan=starting_points.floor,
        ),
        Law(
            name="power_log",
            space="log",
            size=3,
            parameters=(*_LIMIT, Parameter(name="log_exponent", index=2), _PREFACTOR),
            value=lambda t, x: np.exp(t[0] + t[1] * np.log(x) + t[2] * np.log(np.log(x))),
            design=lambda x: _ones(np.log(x), np.log(np.log(x))),
            growth=2,
            domain=1.0,
        ),
        Law(
            name="power_corrected",
            space="log",
            size=4,
            parameters=(
                *_LIMIT,
                _PREFACTOR,
                Parameter(name="correction", index=2),
                Parameter(name="correction_decay", index=3, scale="exp"),
            ),
            value=_corrected,
            design=None,
            growth=2,
            domain=0.0,
            scan=starting_points.corrected,
        ),
        Law(
            name="broken_power",
            space="log",
            size=5,
            parameters=(
                Parameter(name="exponent", index=2),
                Parameter(name="decay", index=2, scale="negative"),
                Parameter(name="exponent_before", index=1),
                Parameter(name="knot", index=3, scale="exp", place=True),
                Parameter(name="width", index=4, scale="exp", place=True),
                _PREFACTOR,
            ),
            value=_broken,
            design=None,
            growth=2,
            domain=0.0,
            scan=starting_points.broken,
        ),
        Law(
            name="logistic",
            space="linear",
            size=4,
            parameters=(
                Parameter(name="low", index=0),
                Parameter(name="high", index=1),
                Parameter(name="centre", index=2, place=True),
                Parameter(name="width", index=3, scale="exp", place=True),
            ),
            value=_logistic,
            design=None,
            growth=0,
            scan=starting_points.logistic,
        ),
        Law(
            name="saturating",
            space="linear",
            size=2,
            parameters=(Parameter(name="ceiling", index=0), Parameter(name="rate", index=1, scale="exp", place=True)),
            value=_saturating,
            design=None,
            growth=0,
            scan=starting_points.saturating,
        ),
        Law(
            name="piecewise",
            space="linear",
            size=4,
            parameters=(
                Parameter(name="intercept", index=0),
                Parameter(name="knot", index=1, place=True),
                Parameter(name="slope_before", index=2),
                Parameter(name="slope_after", index=3),
            ),
            value=lambda t, x: starting_points.bend(x, t[1]) @ t[[0, 2, 3]],
            design=None,
            growth=2,
            scan=starting_points.piecewise,
        ),
    )
}


def law(name: str) -> Law:
    """The law of that name; SpecError with the nearest one where there is none."""
    if name not in LAWS:
        raise SpecError(f"a law must be one of {', '.join(LAWS)}, but got '{name}'{nearest(name, LAWS)}")
    return LAWS[name]
