"""Turns strings into a tree of noisy sketches of segments, and its tests of equality into common prefixes.

Height h has a node for each aligned segment of 2^h positions of A; B's segment starts d further on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workloads.dp_strings.maths.codes import Words
from workloads.dp_strings.maths.landau import Bools, Ints, Oracle

# Whether segments are called equal, for lanes of (pair, diagonal's column, height of the node, its first position).
Test = Callable[[Ints, Ints, Ints, Ints], Bools]


@dataclass(frozen=True)
class Shape:
    """A complete binary tree over n positions; heights 0 to `top`, one after another in one axis of `nodes`."""

    n: int

    @property
    def top(self) -> int:
        """The height whose node would hold all positions, H = ceil(log2 n)."""
        return max(0, (self.n - 1).bit_length())

    @property
    def starts(self) -> Ints:
        """Where each height's nodes begin, and their number in all; (top + 2,)."""
        return np.concatenate([[0], np.cumsum([self.n >> h for h in range(self.top + 1)])])

    @property
    def nodes(self) -> int:
        """Segments that lie inside the string, of all heights."""
        return int(self.starts[-1])


def differences(mismatch: Bools, code: Words, shape: Shape) -> Words:
    """Clean differences (words, pairs, diagonals, nodes) of the sketches of A's nodes and of B's segments.

    `mismatch` (pairs, diagonals, n); `code` (words, pairs, n) are the words of each pair's public hashes, by offset.
    """
    nodes = np.zeros((code.shape[0], *mismatch.shape[:2], shape.nodes), dtype=np.uint64)
    for h in range(shape.top + 1):
        size, count = 1 << h, shape.n >> h
        if count == 0:
            break
        inside = mismatch[..., : count * size].reshape(*mismatch.shape[:2], count, size)
        for word in range(code.shape[0]):
            added = inside * code[word, :, None, None, :size]
            nodes[word, ..., shape.starts[h] : shape.starts[h + 1]] = (
                np.bitwise_xor.reduce(added, axis=-1) if size > 1 else added[..., 0]
            )
    return nodes


def outcomes(difference: Words, noise: Words, threshold: float) -> Bools:
    """Whether each test says equal, (pairs, diagonals, nodes); `noise` (words, pairs, nodes) is that of A's sketches."""
    total = np.zeros(difference.shape[1:], dtype=np.int16)
    for word in range(len(difference)):
        total += np.bitwise_count(difference[word] ^ noise[word][:, None, :])
    return total <= threshold


def tabulated(says: Bools, shape: Shape, visited: Bools | None = None) -> Test:
    """Tests read from a table (pairs, diagonals, nodes); `asked`, of the same shape, notes which were."""

    def test(lane: Ints, column: Ints, height: Ints, position: Ints) -> Bools:
        """Look an outcome up, and mark its node as visited."""
        spot = lane, column, shape.starts[height] + (position >> height)
        if visited is not None:
            visited[spot] = True
        return says[spot]

    return test


def oracle(test: Test, lengths: tuple[Ints, Ints], shape: Shape, diagonals: int) -> Oracle:
    """Common prefixes by climbing to the first node that differs and descending in it.

    Positions where a segment would leave a string are never asked.
    """
    diagonal = np.arange(diagonals) - (diagonals - 1) // 2
    room = np.minimum(lengths[0][:, None], lengths[1][:, None] - diagonal[None])  # (pairs, diagonals)

    def prefix(position: Ints, mask: Bools) -> Ints:
        """How many characters agree from the position on, as the noisy tests say."""
        lane, column = np.nonzero(mask & (position < room))
        grown = np.zeros_like(position)
        grown[lane, column] = _climb(test, shape.top, (lane, column), position[lane, column], room[lane, column])
        return grown

    return prefix


def _climb(test: Test, top: int, lanes: tuple[Ints, Ints], first: Ints, room: Ints) -> Ints:
    """How far each of the lanes gets, (lanes,); lanes that have ended are dropped."""
    position, height = first.copy(), np.full(len(first), top)
    climbing = np.ones(len(first), dtype=bool)
    live = np.arange(len(first))
    while len(live):
        p, up = position[live], climbing[live]
        tested = np.minimum(np.where(up, top, height[live]), _fits(p, room[live], top))
        same = test(lanes[0][live], lanes[1][live], tested, p)
        position[live] = p + np.where(same, 1 << tested, 0)
        climbing[live] = up & same
        # Climbing goes on as high as alignment allows; after a difference every step is half of the one before.
        height[live] = tested - ~(up & same)
        live = live[(height[live] >= 0) & (position[live] < room[live])]
    return position - first


def _fits(position: Ints, room: Ints, top: int) -> Ints:
    """Height of the largest aligned node that starts at each position and ends within its room."""
    aligned = np.where(position == 0, top, _floor_log2(position & -position))
    return np.minimum(aligned, _floor_log2(room - position))


def _floor_log2(value: NDArray[np.int64]) -> Ints:
    """Floor of the logarithm of positive whole numbers below 2^53, exactly; for 0 something."""
    return np.frexp(value.astype(np.float64))[1].astype(np.int64) - 1
