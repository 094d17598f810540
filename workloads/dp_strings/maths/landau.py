"""Turns an oracle of longest common prefixes into edit distances, by the recurrence of Landau and Vishkin, for many pairs."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
# Length of the common prefix from positions (pairs, diagonals) of A, on its diagonal of B; asked where the mask is true.
Oracle = Callable[[Ints, Bools], Ints]
NOWHERE = -(1 << 40)


def distances(oracle: Oracle, lengths: tuple[Ints, Ints], cap: int) -> Ints:
    """Edit distances (pairs,) up to cap, and -1 for those above it, which are censored.

    `lengths` are those of A and B, (pairs,). F[e][d] is the furthest position of A on diagonal d = j - i that e edits reach.
    """
    na, nb = lengths[0][:, None], lengths[1][:, None]
    diagonal = np.arange(-cap, cap + 1)[None]
    goal = np.where(np.abs(nb - na) <= cap, nb - na + cap, 0)
    reached = np.full(len(na), -1)
    open_ = np.abs(nb - na)[:, 0] <= cap
    reach = np.full((len(na), 2 * cap + 1), NOWHERE)
    for e in range(cap + 1):
        start = _started(reach, diagonal, e)
        start = np.minimum(start, np.minimum(na, nb - diagonal))
        valid = (start >= 0) & (start + diagonal >= 0) & (np.abs(diagonal) <= e) & open_[:, None]
        reach = np.where(valid, start, NOWHERE)
        reach = np.where(valid, reach + oracle(np.where(valid, start, 0), valid), NOWHERE)
        done = open_ & (np.take_along_axis(reach, goal, 1) >= na)[:, 0]
        reached[done] = e
        open_ &= ~done
        if not open_.any():
            break
    return reached


def _started(reach: Ints, diagonal: Ints, e: int) -> Ints:
    """Where e edits stand before they slide: the best of a substitution, an insertion and a deletion after e - 1."""
    if e == 0:
        return np.where(diagonal == 0, 0, NOWHERE) + np.zeros_like(reach)
    start = reach + 1
    start[:, 1:] = np.maximum(start[:, 1:], reach[:, :-1])
    start[:, :-1] = np.maximum(start[:, :-1], reach[:, 1:] + 1)
    return start


def equal(a: NDArray[np.uint8], b: NDArray[np.uint8], lengths: tuple[Ints, Ints], cap: int) -> Bools:
    """Whether A's bit at each position is B's on each diagonal; (pairs, diagonals, positions of a), false outside either."""
    pairs, n = a.shape
    column = np.arange(n)[None] + np.arange(-cap, cap + 1)[:, None]  # (diagonals, n)
    inside = (column >= 0) & (column < lengths[1][:, None, None]) & (np.arange(n) < lengths[0][:, None, None])
    other = b[:, np.clip(column, 0, b.shape[1] - 1)] if b.shape[1] else np.zeros((pairs, *column.shape), dtype=np.uint8)
    return inside & (a[:, None, :] == other)


def exact(same: Bools) -> Oracle:
    """The oracle that knows where strings are equal; `same` is that of `equal`."""
    n = same.shape[2]
    stop = np.where(same, n, np.arange(n))
    stop = np.concatenate([stop, np.full((*same.shape[:2], 1), n)], axis=2)
    stop = np.minimum.accumulate(stop[..., ::-1], axis=2)[..., ::-1]

    def prefix(position: Ints, _: Bools) -> Ints:
        """How many characters agree from the position on."""
        at = np.minimum(position, n)
        return np.take_along_axis(stop, at[..., None], 2)[..., 0] - at

    return prefix
