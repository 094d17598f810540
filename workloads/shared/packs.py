"""Turns the points of a mixed pack into groups that one tensor can hold."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeVar

P = TypeVar("P")
K = TypeVar("K", bound=Hashable)


def groups(params: Sequence[P], key: Callable[[P], K]) -> Iterator[tuple[K, list[int]]]:
    """Each different key with the indices of the points that have it, in order of first appearance."""
    places: dict[K, list[int]] = {}
    for index, point in enumerate(params):
        places.setdefault(key(point), []).append(index)
    yield from places.items()


def chunks(indices: Sequence[int], size: int) -> Iterator[list[int]]:
    """The indices in runs of at most `size`, so that a group fits into memory; `size` counts as at least one."""
    step = max(size, 1)
    for start in range(0, len(indices), step):
        yield list(indices[start : start + step])
