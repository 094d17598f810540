"""Turns a law fitted to a staircase into the parameters that a smooth law could have had before it was rounded to steps.

A value that was rounded down says that the law lies between it and the next step up, one that was rounded up the opposite;
which of the two is not known. All laws that keep within those ranges at every x are asked for their smallest and largest
parameter (two linear programs, of the law linearised at the fit where it is not a straight line).
"""

from __future__ import annotations

import numpy as np

from orchestrator.fitting.fits import FittedLaw, project, slope
from orchestrator.fitting.intervals import Array

SLACK = 1.001


def stepped(fitted: FittedLaw) -> bool:
    """Whether a staircase was fitted that the law does not go through."""
    return fitted.series.near.stepped and fitted.squares > 2 * fitted.least_squares


def unrounded(fitted: FittedLaw, name: str) -> tuple[float, ...] | None:
    """Ends of a parameter over all laws that could have been rounded to the staircase; None where it has too few steps."""
    near = fitted.series.near
    if int(near.steps[-1]) < fitted.law.size:
        return None
    parameter = fitted.law.parameter(name)
    ends = []
    for low, high in ((near.y, near.y + near.rise), (near.y - near.rise, near.y)):
        if fitted.space == "linear" or bool((low > 0).all()):
            ends += _range(fitted, project(low, fitted.space), project(high, fitted.space), parameter.index)
    return tuple(parameter.outer(end) for end in ends)


def _range(data_fit: FittedLaw, low: Array, high: Array, index: int) -> list[float]:
    """The smallest and the largest entry of the internal parameters for which the law lies between `low` and `high` `(k,)`.

    Where no law does, the ranges are widened until one does.
    """
    from scipy.optimize import linprog

    near = data_fit.series.near
    matrix = slope(data_fit.law, near.x, data_fit.space, data_fit.theta)  # (k, p)
    fitted = data_fit.law.fitted(data_fit.theta, near.x, data_fit.space)
    size = matrix.shape[1]
    rows, ends = np.vstack([matrix, -matrix]), np.concatenate([high - fitted, fitted - low])
    free = [(None, None)] * size
    least = linprog([0.0] * size + [1.0], np.column_stack([rows, -np.ones(len(rows))]), ends, bounds=[*free, (0, None)])
    if least.status != 0:
        return []
    room = ends + SLACK * float(least.x[-1]) + 1e-12
    aim = np.eye(size)[index]
    solved = [(sign, linprog(sign * aim, rows, room, bounds=free)) for sign in (1.0, -1.0)]
    return [
        float(data_fit.theta[index] + solution.x[index]) if solution.status == 0 else -sign * float("inf")
        for sign, solution in solved
    ]
