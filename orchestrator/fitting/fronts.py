"""Which points of several goals no other beats, and the volume that they dominate: exact in two and three dimensions."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def non_dominated(points: Array) -> Array:
    """Which rows of `(points, goals)`, all minimised, none is as good as in each goal and better in one; equal rows all count.

    A row with what is no number is beaten.
    """
    usable = ~np.isnan(points).any(axis=1)
    distinct, places = np.unique(points[usable], axis=0, return_inverse=True)
    best = np.zeros(len(distinct), dtype=bool)
    front = np.empty((0, points.shape[1]))
    for at, point in enumerate(distinct):  # in the order of the first goal: what beats a row comes before it
        if not (front <= point).all(axis=1).any():
            best[at] = True
            front = np.vstack([front, point])
    whole = np.zeros(len(points), dtype=bool)
    whole[usable] = best[np.ravel(places)]
    return whole


def hypervolume(points: Array, reference: Array) -> float:
    """The volume between `(points, goals)`, all minimised, and the reference that they must be below; 0 where none is.

    A point that is unboundedly good in a goal gives infinity. Raises ValueError for other than two or three goals.
    """
    goals = len(reference)
    if goals not in (2, 3):
        raise ValueError(f"a hypervolume is exact for 2 and 3 goals, but got {goals}")
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    return _area(inside, reference) if goals == 2 else _volume(inside, reference)


def _area(points: Array, reference: Array) -> float:
    """Strips from left to right: each as wide as to the next point of the stairs, as high as its least second goal."""
    order = points[np.lexsort((points[:, 1], points[:, 0]))]
    heights = reference[1] - np.minimum.accumulate(order[:, 1])
    with np.errstate(invalid="ignore"):  # of several that are unboundedly good in the first goal the last has the width
        widths = np.diff(np.append(order[:, 0], reference[0]))
    wide = widths > 0
    return float((widths[wide] * heights[wide]).sum())


def _volume(points: Array, reference: Array) -> float:
    """Slices along the third goal, each of the area that the points below it dominate."""
    levels = [*np.unique(points[:, 2]), reference[2]]
    areas = (_area(points[points[:, 2] <= low][:, :2], reference[:2]) for low in levels[:-1])
    return float(sum(area * (high - low) for area, (low, high) in zip(areas, pairwise(levels), strict=True)))
