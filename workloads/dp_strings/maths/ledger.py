"""Turns public hashes into what a changed bit of a string moves, and that into scores of an audit and what it should find."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from workloads.dp_strings.maths import flips
from workloads.dp_strings.maths.codes import Words
from workloads.dp_strings.maths.landau import Ints
from workloads.dp_strings.maths.sketch import Hashes
from workloads.dp_strings.maths.tree import Shape
from workloads.shared.privacy import audit

# Places of Laplace's threshold, in units of the shift between neighbours, that the expected audit chooses from.
PLACES = np.linspace(-2.0, 3.0, 401)
Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Mechanism:
    """What an audit runs: `moved` differing bits flipped at rate q, or, where q is None, Laplace noise of that scale."""

    moved: int
    flip: float | None
    scale: float = 0.0

    @property
    def spent(self) -> float:
        """The exact loss between these neighbours."""
        return 1.0 / self.scale if self.flip is None else self.moved * flips.loss(self.flip)


def moved_by_sketch(hashed: Hashes) -> Ints:
    """Clean sketch bits that differ when bit p of a string is changed, for every p; (n,)."""
    if hashed.method.variant == "parity":
        return np.full(hashed.method.n, hashed.method.rows)
    pairs = hashed.cell.unflatten(1, (-1, 2))
    return 2 * (pairs[..., 0] != pairs[..., 1]).sum(0).numpy()


def moved_by_tree(words: Words, shape: Shape) -> Ints:
    """Clean bits of all nodes that differ when bit p of a string is changed, for every p; `words` (words, n) by offset."""
    weight = np.bitwise_count(words).sum(0).astype(np.int64)
    position = np.arange(shape.n)
    total = np.zeros(shape.n, dtype=np.int64)
    for h in range(shape.top + 1):
        inside = position < (shape.n >> h) << h
        total += np.where(inside, weight[position % (1 << h)], 0)
    return total


def scores(mechanism: Mechanism, runs: int, generators: tuple[torch.Generator, torch.Generator]) -> tuple[Scores, Scores]:
    """Log-likelihood ratios (runs,) of outputs on a string and on its worst neighbour; only what differs is drawn."""
    if mechanism.flip is None:
        samples = [_laplace(mechanism.scale, runs, g)[:, None] + shift for g, shift in zip(generators, (0.0, 1.0), strict=True)]
        unit = np.ones(1)
        null, alternative = (audit.laplace_score(x, unit, unit * mechanism.scale) for x in samples)
        return null, alternative
    bits, q = mechanism.moved, mechanism.flip
    ones = [torch.full((runs,), start, dtype=torch.float64) for start in (0, bits)]
    drawn = [flips.counts(x, bits, q, g).numpy() for x, g in zip(ones, generators, strict=True)]
    # The score's scale matters to nobody, so that a flip that never comes is no division by zero.
    return drawn[0], drawn[1]


def _laplace(scale: float, runs: int, generator: torch.Generator) -> Scores:
    sides = flips.exponentials((2, runs), generator).numpy()
    return scale * (sides[0] - sides[1])


def expected(mechanism: Mechanism, runs: int, confidence: float) -> audit.Reach:
    """What an audit would prove if the counted half of its runs met its chances exactly."""
    if mechanism.flip is None:
        b = 1 / mechanism.scale
        true, false = stats.laplace.sf((PLACES - 1) * b), stats.laplace.sf(PLACES * b)
    else:
        at = np.arange(-1, mechanism.moved)
        fallen = mechanism.moved - at - 1  # at least at + 1 of the bits look like the neighbour's
        true, false = (
            stats.binom.cdf(fallen, mechanism.moved, mechanism.flip),
            stats.binom.sf(at, mechanism.moved, mechanism.flip),
        )
    return audit.reach(true, false, runs, confidence)
