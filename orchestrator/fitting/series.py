"""Turns rows of x, y and seed into a curve: replicates of y along x, its brackets, its steps and the floor it runs into."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from orchestrator.fitting import shares
from orchestrator.fitting.aggregates import combine, named
from orchestrator.fitting.intervals import Array, without_each
from orchestrator.fitting.laws import TINY

FAR = 1e300
"""The x of a floor: so large that a law that decays has nothing left above it."""
SAME = 1e-9
"""Relative distance below which neighbouring values are one step of a staircase."""


@dataclass(frozen=True, kw_only=True)
class Series:
    """Replicates of y along x: `x` is `(k,)` and rising, `values` is `(k, n)`, a column a unit, NaN where it has none.

    `halves` `(k,)` are half the brackets that a search left around values without replicates. A series with a `floor` ends in
    one more x, FAR, where the replicates of what remains in the end stand. `step` is what values are whole multiples of, 1 for
    counts; 0 where nothing says that they were rounded.
    """

    x: Array
    values: Array
    units: tuple[object, ...]
    aggregate: str = "mean"
    halves: Array | None = None
    floor: bool = False
    step: float = 0.0
    seedless: bool = False
    """Whether the workload says that units change nothing of y."""

    @cached_property
    def y(self) -> Array:
        """The combined values `(k,)`."""
        return combine(self.values, self.aggregate)

    @cached_property
    def left_out(self) -> Array:
        """The combined values `(n, k)` with each unit left out."""
        return without_each(self.values, self.aggregate)

    @cached_property
    def counts(self) -> Array:
        """How many units `(k,)` have a value at each x."""
        return np.asarray((~np.isnan(self.values)).sum(axis=1))

    @property
    def uneven(self) -> bool:
        """Whether some x have fewer units than others."""
        return bool((self.counts != len(self.units)).any())

    @cached_property
    def trials(self) -> int:
        """How many trials each value is the share of successes of; 0 where values are no shares."""
        return shares.trials(self.values, self.aggregate, self.seedless)

    @cached_property
    def noisy(self) -> bool:
        """Whether units differ anywhere by more than rounding; the best of n is one number, whatever the units."""
        if named(self.aggregate).extreme or len(self.units) < 2:
            return False
        spread = np.nanmax(self.values, axis=1) - np.nanmin(self.values, axis=1)
        return bool((spread > 1e-12 * np.maximum(np.abs(self.y), TINY)).any())

    @property
    def near(self) -> Series:
        """The curve without the floor it runs into."""
        return self.at(slice(0, len(self.x) - 1), floor=False) if self.floor else self

    @property
    def decades(self) -> float:
        """Powers of ten that x spans, the floor left out; 0 where x is not positive."""
        x = self.near.x
        return float(np.log10(x[-1] / x[0])) if len(x) and x[0] > 0 else 0.0

    def at(self, part: slice | Any, floor: bool) -> Series:
        """The curve at some of its x."""
        halves = None if self.halves is None else self.halves[part]
        return replace(self, x=self.x[part], values=self.values[part], halves=halves, floor=floor)

    def window(self, dropped: int, held_out: int = 0) -> Series:
        """The curve without its smallest and its largest x."""
        return self.at(slice(dropped, len(self.x) - held_out), self.floor)

    @cached_property
    def steps(self) -> Array:
        """The number of the step `(k,)` that each x stands on: neighbours whose values agree within rounding and brackets."""
        step_numbers = np.zeros(len(self.x), dtype=int)
        halves = np.zeros(len(self.x)) if self.halves is None else self.halves
        first = 0
        for i in range(1, len(self.x)):
            room = max(halves[i] + halves[first], SAME * max(abs(self.y[i]), abs(self.y[first])))
            same = abs(self.y[i] - self.y[first]) <= room
            first = first if same else i
            step_numbers[i] = step_numbers[i - 1] + (not same)
        return step_numbers

    @property
    def stepped(self) -> bool:
        """Whether it is a staircase: no noise, and values of a known step, on a lattice, or the same at neighbouring x."""
        return not self.noisy and (self.step > 0 or self.shared)

    @cached_property
    def shared(self) -> bool:
        """Whether its own values show steps: neighbouring x that share one, or found positions on a lattice."""
        return bool((np.diff(self.steps) == 0).any()) or self._latticed

    @property
    def _latticed(self) -> bool:
        """Whether what a search found rises by multiples of one step, within its brackets."""
        if self.halves is None or len(self.x) < 4:
            return False
        rises, room = np.abs(np.diff(self.y)), self.halves[1:] + self.halves[:-1]
        step = float(rises.min())
        return bool((np.abs(rises - step * np.round(rises / max(step, TINY))) <= room).all()) and step > 4 * float(room.max())

    @property
    def rise(self) -> Array:
        """The height `(k,)` of a step at each x: the smaller of the rises beside the step it stands on."""
        rises = np.abs(np.diff(self.y[np.append(np.flatnonzero(np.diff(self.steps)), len(self.x) - 1)]))
        beside = np.minimum(np.append(rises[:1], rises), np.append(rises, rises[-1:]))
        return np.asarray(beside[self.steps])

    def above(self, floor: Series) -> Series:
        """The curve with the replicates of a floor (a series of one x) as its last x; units of one name are one unit."""
        names = np.unique([*self.units, *floor.units])
        values = np.full((len(self.x) + 1, len(names)), np.nan)
        values[np.ix_(np.arange(len(self.x)), np.searchsorted(names, np.asarray(self.units)))] = self.values
        values[-1, np.searchsorted(names, np.asarray(floor.units))] = floor.values[0]
        x = np.append(self.x, FAR)
        return Series(
            x=x,
            values=values,
            units=tuple(names.tolist()),
            aggregate=self.aggregate,
            floor=True,
            step=self.step,
            seedless=self.seedless,
        )


def series(x: Array, y: Array, units: Array, aggregate: str = "mean", halves: Array | None = None) -> Series:
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
        sizes = np.diff(starts, append=len(keys))
        for size in np.unique(sizes):  # all groups of one size at once
            first = starts[sizes == size]
            values.flat[keys[first]] = combine(y[order[first[:, None] + np.arange(size)]], aggregate)
    widest = None
    if halves is not None and bool((halves > 0).any()):
        widest = np.zeros(len(xs))
        np.maximum.at(widest, at, halves)
    return Series(x=xs.astype(float), values=values, units=tuple(names.tolist()), aggregate=aggregate, halves=widest)
