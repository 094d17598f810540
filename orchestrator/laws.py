"""Turns the name of a law into its formula: parameters, values, a linear form where there is one, and where to start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from orchestrator.errors import SpecError, nearest

Array = np.ndarray[Any, np.dtype[np.float64]]
Space = Literal["log", "linear"]
TINY = 1e-300


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """A number that a law is reported by: entry `index` of the internal vector, as it is, its exponential, or its negative."""

    name: str
    index: int
    scale: Literal["plain", "exp", "negative"] = "plain"

    def outer(self, inner: float) -> float:
        """The reported number of an internal one."""
        if self.scale == "exp":
            return float(np.exp(min(inner, 700.0)))
        return -inner if self.scale == "negative" else inner

    def span(self, low: float, high: float) -> tuple[float, float]:
        """The reported interval of an internal one; a negative turns it round."""
        ends = self.outer(low), self.outer(high)
        return min(ends), max(ends)


@dataclass(frozen=True, kw_only=True)
class Law:
    """A family of curves y(x); `value(theta, x)` takes internal parameters `(p,)` and x `(k,)`, and gives y `(k,)`.

    `design(x)` is the matrix `(k, p)` of the law in its own `space`, None where no space makes it linear. `growth` orders
    laws by how fast they grow in the end, `domain` is the smallest x that they take (exclusive).
    """

    name: str
    formula: str
    space: Space
    size: int
    parameters: tuple[Parameter, ...]
    value: Callable[[Array, Array], Array]
    design: Callable[[Array], Array] | None
    growth: int
    domain: float = -np.inf

    def parameter(self, name: str) -> Parameter:
        """The parameter of that name; SpecError where the law has none."""
        for parameter in self.parameters:
            if parameter.name == name:
                return parameter
        known = [p.name for p in self.parameters]
        raise SpecError(f"law {self.name}: it has no parameter '{name}'{nearest(name, known)} It has {', '.join(known)}.")

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
            return _scan_floor(x, y)
        z = np.log(np.maximum(y, TINY)) if self.space == "log" else y
        return np.asarray(np.linalg.lstsq(self.design(x), z, rcond=None)[0])


def _ones(*columns: Array) -> Array:
    return np.column_stack([np.ones_like(columns[0]), *columns])


def _scan_floor(x: Array, y: Array) -> Array:
    """Start of `floor + a x^e`: for each exponent of a grid the rest is linear; the best one with a positive `a` wins."""
    best, found = np.inf, np.array([0.0, -1.0, float(np.min(y))])
    for exponent in np.concatenate([np.linspace(-4, -0.05, 80), np.linspace(0.05, 4, 80)]):
        matrix = _ones(x**exponent)
        (floor, factor), *_ = np.linalg.lstsq(matrix, y, rcond=None)
        rest = matrix @ np.array([floor, factor]) - y
        if factor > 0 and rest @ rest < best:
            best, found = float(rest @ rest), np.array([np.log(factor), exponent, floor])
    return found


_PREFACTOR = Parameter(name="prefactor", index=0, scale="exp")

LAWS: dict[str, Law] = {
    law.name: law
    for law in (
        Law(
            name="power",
            formula="prefactor · x^exponent",
            space="log",
            size=2,
            parameters=(
                Parameter(name="exponent", index=1),
                Parameter(name="decay", index=1, scale="negative"),
                _PREFACTOR,
            ),
            value=lambda t, x: np.exp(t[0] + t[1] * np.log(x)),
            design=lambda x: _ones(np.log(x)),
            growth=2,
            domain=0.0,
        ),
        Law(
            name="exponential",
            formula="prefactor · exp(rate · x)",
            space="log",
            size=2,
            parameters=(Parameter(name="rate", index=1), Parameter(name="decay", index=1, scale="negative"), _PREFACTOR),
            value=lambda t, x: np.exp(t[0] + t[1] * x),
            design=lambda x: _ones(x),
            growth=3,
        ),
        Law(
            name="linear",
            formula="intercept + slope · x",
            space="linear",
            size=2,
            parameters=(Parameter(name="slope", index=1), Parameter(name="intercept", index=0)),
            value=lambda t, x: t[0] + t[1] * x,
            design=lambda x: _ones(x),
            growth=2,
        ),
        Law(
            name="constant",
            formula="intercept",
            space="linear",
            size=1,
            parameters=(Parameter(name="intercept", index=0),),
            value=lambda t, x: np.full_like(x, t[0]),
            design=lambda x: np.ones((len(x), 1)),
            growth=0,
        ),
        Law(
            name="sqrt_log",
            formula="intercept + slope · √(ln x)",
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
            formula="floor + prefactor · x^exponent",
            space="log",
            size=3,
            parameters=(
                Parameter(name="exponent", index=1),
                Parameter(name="decay", index=1, scale="negative"),
                _PREFACTOR,
                Parameter(name="floor", index=2),
            ),
            value=lambda t, x: t[2] + np.exp(t[0] + t[1] * np.log(x)),
            design=None,
            growth=2,
            domain=0.0,
        ),
    )
}


def law(name: str) -> Law:
    """The law of that name; SpecError with the nearest one where there is none."""
    if name not in LAWS:
        raise SpecError(f"a law must be one of {', '.join(LAWS)}, but got '{name}'{nearest(name, LAWS)}")
    return LAWS[name]
