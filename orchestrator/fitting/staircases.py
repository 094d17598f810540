"""Turns a law fitted to a staircase into the parameters that a smooth law could have had before it was rounded to steps.

A value that was rounded down says that the law lies between it and the next step up, one that was rounded up the opposite;
which of the two is not known. All laws that keep within those ranges at every x are asked for their smallest and largest
parameter (two linear programs, of the law linearised at the fit where it is not a straight line).
"""

from __future__ import annotations

import numpy as np

from orchestrator.fitting.fits import FittedLaw, project, slope
from orchestrator.fitting.intervals import Array
from orchestrator.fitting.series import Series

SLACK = 1.001
SPEEDS = 2 * np.pi**2
"""How fast noise blurs steps: the bias of a rounded mean is at most half a step times exp(-2 pi^2 variance / step^2)."""


def ends(fitted: FittedLaw, name: str, low: float, high: float) -> tuple[float, ...] | None:
    """What rounding to steps adds to an interval of a parameter: ends that it has to hold too, none where nothing was rounded.

    None where a staircase has too few steps to tell how its corners lie.
    """
    if stepped(fitted):
        return unrounded(fitted, name)
    near = fitted.series.near
    # The mean of rounded values is a number of its own; a law's other parameters are those of what was rounded.
    if not near.noisy or not near.step or fitted.law.name == "constant":
        return ()
    parameter = fitted.law.parameter(name)
    below, above = _blurred(fitted, parameter.index)
    inner = sorted(parameter.inner(end) for end in (low, high))
    return tuple(parameter.outer(end) for end in (inner[0] + below, inner[1] + above))


def stepped(fitted: FittedLaw) -> bool:
    """Whether a staircase was fitted that the law does not go through."""
    return fitted.series.near.stepped and fitted.squares > 2 * fitted.least_squares


def unrounded(fitted: FittedLaw, name: str) -> tuple[float, ...] | None:
    """Ends of a parameter over all laws that could have been rounded to the staircase; None where it has too few steps."""
    near = fitted.series.near
    if int(near.steps[-1]) < fitted.law.size:
        return None
    index = fitted.law.parameter(name).index
    reached = (
        [_range(fitted, low, high, index) for low, high in _rooms(near, np.full(len(near.x), near.step))] if near.step else []
    )
    if near.shared and not any(room == 0 for room, _ in reached):  # its steps are higher than a whole number
        pairs = _rooms(near, near.rise)[:2]
        pairs = [(low, high) for low, high in pairs if fitted.space == "linear" or bool((low > 0).all())]
        reached += [_range(fitted, low, high, index) for low, high in pairs]
    outer = fitted.law.parameter(name).outer
    return tuple(outer(end) for _, low_high in reached for end in low_high)


def _rooms(near: Series, rise: Array) -> list[tuple[Array, Array]]:
    """Between what a law lies before values are rounded down, up or to the nearest; a search's bracket may be wider."""
    y, wide = near.y, np.zeros(len(near.x)) if near.halves is None else np.where(near.halves > rise, near.halves, 0.0)
    pairs = ((y, y + rise), (y - rise, y), (y - rise / 2, y + rise / 2))
    return [(np.minimum(low, y - wide), np.maximum(high, y + wide)) for low, high in pairs]


def _blurred(fitted: FittedLaw, index: int) -> tuple[float, float]:
    """How far an internal parameter moves where means of noisy values were rounded down, up or to the nearest.

    Noise wider than a step makes that a shift by half a step or none, the same at each x; narrower noise leaves it open there.
    """
    series, move = fitted.series, fitted.influence[index]
    step, y = series.step, series.y
    spread = np.nan_to_num(np.nanvar(series.values, axis=1) * series.counts / np.maximum(series.counts - 1, 1))
    room = step / 2 * np.exp(-SPEEDS * np.maximum(spread / step**2 - 1 / 12, 0.0))
    z = project(y, fitted.space)
    shifts = [project(y + by, fitted.space) - z for by in (-step / 2, 0.0, step / 2)]
    free = [np.abs(move) @ np.maximum(project(y + room, fitted.space) - z, z - project(y - room, fitted.space))]
    moved = [float(move @ shift) for shift in shifts]
    return min(moved) - float(free[0]), max(moved) + float(free[0])


def _range(data_fit: FittedLaw, low: Array, high: Array, index: int) -> tuple[float, list[float]]:
    """The smallest and the largest entry of the internal parameters for which the law lies between `low` and `high` `(k,)`.

    Where no law does, the ranges are widened until one does; how far comes first.
    """
    from scipy.optimize import linprog

    near = data_fit.series.near
    if data_fit.space == "log" and not bool((low > 0).all()):
        low = np.where(low > 0, low, np.minimum(1e-3, high / 1e3))  # a law that is positive everywhere comes as near to 0
    low, high = project(low, data_fit.space), project(high, data_fit.space)
    matrix = slope(data_fit.law, near.x, data_fit.space, data_fit.theta)  # (k, p)
    fitted = data_fit.law.fitted(data_fit.theta, near.x, data_fit.space)
    size = matrix.shape[1]
    rows, ends = np.vstack([matrix, -matrix]), np.concatenate([high - fitted, fitted - low])
    free = [(None, None)] * size
    least = linprog([0.0] * size + [1.0], np.column_stack([rows, -np.ones(len(rows))]), ends, bounds=[*free, (0, None)])
    if least.status != 0:
        return float("inf"), []
    widened = float(least.x[-1])
    room = ends + SLACK * widened + 1e-12
    aim = np.eye(size)[index]
    solved = [(sign, linprog(sign * aim, rows, room, bounds=free)) for sign in (1.0, -1.0)]
    extremes = [
        float(data_fit.theta[index] + solution.x[index]) if solution.status == 0 else -sign * float("inf")
        for sign, solution in solved
    ]
    return (0.0 if widened < 1e-9 else widened), extremes
