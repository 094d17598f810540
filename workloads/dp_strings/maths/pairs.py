"""Turns random numbers into pairs of strings a few edits apart, and pairs into exact edit distances."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein

from workloads.dp_strings.maths.landau import Ints

Bits = NDArray[np.uint8]


@dataclass(frozen=True)
class Pairs:
    """Private strings `a` (pairs, n) and public ones `b` (pairs, longest), whose ends are filled up, with b's lengths."""

    a: Bits
    b: Bits
    length: Ints

    @property
    def lengths(self) -> tuple[Ints, Ints]:
        """Lengths of A and of B, (pairs,) each."""
        return np.full(len(self.a), self.a.shape[1]), self.length

    def part(self, start: int, stop: int) -> Pairs:
        """The pairs from start to stop."""
        return Pairs(self.a[start:stop], self.b[start:stop], self.length[start:stop])


def planted(pairs: int, n: int, edits: int, generator: torch.Generator) -> Pairs:
    """Random strings of n bits beside copies with that many random substitutions, insertions and deletions.

    Edits may undo one another: their number is an upper bound of the distance.
    """
    a = torch.randint(2, (pairs, n), generator=generator, dtype=torch.uint8).numpy()
    kind, bit = torch.randint(6, (2, pairs, edits), generator=generator).tolist()
    positions = torch.rand(pairs, edits, generator=generator, dtype=torch.float64).tolist()
    copies = [_edited(row.tolist(), *edit) for row, *edit in zip(a, kind, positions, bit, strict=True)]
    length = np.array([len(copy) for copy in copies])
    b = np.zeros((pairs, int(length.max(initial=0))), dtype=np.uint8)
    for row, copy in zip(b, copies, strict=True):
        row[: len(copy)] = copy
    return Pairs(a, b, length)


def _edited(bits: list[int], kinds: list[int], places: list[float], inserted: list[int]) -> list[int]:
    for kind, position, bit in zip(kinds, places, inserted, strict=True):
        at = int(position * len(bits))
        if kind % 3 == 0 and bits:
            bits[at] = 1 - bits[at]
        elif kind % 3 == 1 and bits:
            del bits[at]
        else:
            bits.insert(at, bit % 2)
    return bits


def true_distances(a: Bits, pairs: Pairs) -> Ints:
    """Edit distances (pairs,) of the rows of `a` (pairs, n) from the strings B, exactly."""
    rows = zip(a, pairs.b, pairs.length.tolist(), strict=True)
    return np.array([Levenshtein.distance(x.tobytes(), y[:m].tobytes()) for x, y, m in rows], dtype=np.int64)
