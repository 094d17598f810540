"""Turns pairs of strings and budgets into edit distances read off a private tree of sketches, and tests into rates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from workloads.dp_strings.maths import codes, flips, landau, tree
from workloads.dp_strings.maths.codes import Code
from workloads.dp_strings.maths.landau import Ints
from workloads.dp_strings.maths.pairs import Pairs

# Words and random numbers of one chunk of pairs.
ELEMENTS = 1 << 23


@dataclass(frozen=True)
class Release:
    """A tree over strings of n bits: one code at each of H + 1 heights, every bit flipped on an equal share of eps."""

    code: Code
    shape: tree.Shape

    @property
    def levels(self) -> int:
        """Heights that hold each bit of the string, H + 1."""
        return self.shape.top + 1

    def flip(self, eps: float) -> float:
        """The flip probability q at budget eps: each bit of a string moves `moved` bits on every level."""
        return flips.probability(eps / (self.code.moved * self.levels))

    def ledger(self, eps: float) -> float:
        """Exact loss for one bit of a string."""
        return self.code.moved * self.levels * flips.loss(self.flip(eps))


@dataclass(frozen=True)
class Answers:
    """Distances (budgets, pairs), -1 where above the cap, and how many different tests each pair took on average."""

    distance: Ints
    tests: NDArray[np.float64]


def answer(
    release: Release, pairs: Pairs, eps: list[float], cap: int, generators: tuple[torch.Generator, torch.Generator]
) -> Answers:
    """Private distances of every pair at every budget; `generators` are those of the hashes and of the flips.

    Budgets share hashes and uniform numbers, so that a curve over eps is one release made ever less noisy.
    """
    words = -(-release.code.bits // codes.WORD)
    size = max(1, ELEMENTS // (release.shape.nodes * (release.code.bits + (2 * cap + 1) * words)))
    distances, tests = [], []
    for start in range(0, len(pairs.a), size):
        part = pairs.part(start, start + size)
        distance, visits = _chunk(release, part, eps, cap, generators)
        distances.append(distance)
        tests.append(visits)
    return Answers(np.concatenate(distances, axis=1), np.concatenate(tests, axis=1).mean(1))


def _chunk(
    release: Release, pairs: Pairs, eps: list[float], cap: int, generators: tuple[torch.Generator, torch.Generator]
) -> tuple[Ints, Ints]:
    count, shape, code = len(pairs.a), release.shape, release.code
    hashed = np.stack([codes.words(code, shape.n, generators[0]) for _ in range(count)], axis=1)  # (words, pairs, n)
    uniform = torch.rand(count, shape.nodes, code.bits, generator=generators[1], dtype=torch.float64).numpy()
    same = landau.equal(pairs.a, pairs.b, pairs.lengths, cap)
    clean = tree.differences(~same, hashed, shape)
    says = [tree.outcomes(clean, codes.pack(uniform < q), code.threshold(q)) for q in (release.flip(e) for e in eps)]
    stacked = np.concatenate(says)  # (budgets · pairs, diagonals, nodes)
    visited = np.zeros_like(stacked)
    na, nb = pairs.lengths
    lengths = np.tile(na, len(eps)), np.tile(nb, len(eps))
    distances = landau.distances(
        tree.oracle(tree.tabulated(stacked, shape, visited), lengths, shape, 2 * cap + 1), lengths, cap
    )
    return distances.reshape(len(eps), count), visited.sum((1, 2)).reshape(len(eps), count)


@dataclass(frozen=True)
class Rates:
    """How often a test errs: equal segments called different, and segments with one mismatch called equal."""

    differ: float
    equal: float


def rates(code: Code, q: float) -> Rates:
    """The exact rates of one test, over hashes and flips; a fingerprint's words taken as uniform."""
    at = int(np.floor(code.threshold(q)))
    if code.hashed == "offset":
        moved = 2 * np.arange(code.rows + 1)
        chance = stats.binom.pmf(np.arange(code.rows + 1), code.rows, 1 - 1 / code.cells)
    else:
        moved = np.arange(code.bits + 1)
        chance = stats.binom.pmf(moved, code.bits, 0.5)
    below = [_at_most(code.bits, int(o), q, at) for o in moved]
    return Rates(float(stats.binom.sf(at, code.bits, q)), float(np.dot(chance, below)))


def _at_most(bits: int, odd: int, q: float, at: int) -> float:
    """P(Bin(bits - odd, q) + odd - Bin(odd, q) <= at)."""
    fallen = np.arange(odd + 1)
    return float(np.dot(stats.binom.pmf(fallen, odd, q), stats.binom.cdf(at - odd + fallen, bits - odd, q)))


def measured_rates(code: Code, q: float, probes: int, generators: tuple[torch.Generator, torch.Generator]) -> Rates:
    """Rates among fresh sketches of fresh hashes, made and compared as the tree's are."""
    words = codes.words(code, probes, generators[0])
    noise = codes.pack(flips.noise((probes, code.bits), q, generators[1]).numpy())
    apart = [np.bitwise_count(x).sum(0) > code.threshold(q) for x in (noise, noise ^ words)]
    return Rates(float(apart[0].mean()), float(1 - apart[1].mean()))
