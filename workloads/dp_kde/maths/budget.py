"""Turns a variant, its levels and an epsilon into noise scales, and scales into the exact privacy loss of any change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

TREES = ("absolute", "wide", "anchored", "anchored_geometric", "counts", "counts_geometric", "counts_consistent")
SUMS = ("absolute", "wide", "anchored", "anchored_geometric")
"""Variants whose nodes hold a sum of positions beside the count."""
ONE_DIMENSIONAL = (*TREES, "backurs", "histogram")
ADJACENCIES = ("add_remove", "replace_one")
BUGS = ("none", "halved_noise", "doubled_budget", "ignored_replacement")
# The statistics of a node.
COUNT, SUM = 0, 1
# Shares that are irrational are rounded to this grid, then made to sum to one exactly.
GRID = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Scales:
    """Scales of the discrete Laplace noise of one coordinate, by statistic (COUNT, SUM or a higher moment) and level.

    Positions are whole half-leaves: leaf u of 2^levels has its centre at 2u + 1, the range is 2^(levels + 1).
    """

    variant: str
    levels: int
    noise: dict[tuple[int, int], float]


def rational(eps: float) -> Fraction:
    """The decimal number that a float was written as: 0.1 is 1/10."""
    if not (eps > 0 and math.isfinite(eps)):
        raise ValueError(f"eps must be positive and finite, but got {eps}; write the privacy loss that is allowed.")
    return Fraction(repr(eps))


def shares(variant: str, levels: int) -> dict[int, Fraction]:
    """The part of the budget that each level gets; they sum to one exactly.

    Geometric ones minimise the error: in proportion to the third root of the variance that a level adds at equal noise.
    """
    if variant == "histogram":
        return {levels: Fraction(1)}
    wanted = {level: _wanted(variant, level) for level in range(1, levels + 1)}
    whole = {level: max(1, round(GRID * x / sum(wanted.values()))) for level, x in wanted.items()}
    return {level: Fraction(x, sum(whole.values())) for level, x in whole.items()}


def _wanted(variant: str, level: int) -> float:
    if variant == "anchored_geometric":
        return 4.0 ** (-level / 3)
    if variant == "counts_geometric":
        return float((7 / 12 * 4.0**-level + 2.0**-level / 4) ** (1 / 3))
    return 1.0


def scales(
    variant: str, levels: int, eps: Fraction, adjacency: str = "add_remove", count_share: float = 0.5, bug: str = "none"
) -> Scales:
    """Noise scales that spend `eps` on one coordinate; a float scale is never below the rational one it stands for.

    `count_share` is the part of a level's budget that its counts get where there are sums too; `bug` plants a known mistake.
    """
    touched = 2 if adjacency == "replace_one" and bug != "ignored_replacement" else 1
    spent = 2 * eps if bug == "doubled_budget" else eps
    part = rational(count_share) if variant in SUMS else Fraction(1)
    noise = Fraction(1, 2) if bug == "halved_noise" else Fraction(1)
    noise_scales: dict[tuple[int, int], float] = {}
    for level, share in shares(variant, levels).items():
        budget = spent * share
        noise_scales[COUNT, level] = upward(noise * touched / (budget * part))
        if variant in SUMS:
            noise_scales[SUM, level] = upward(noise * touched * sensitivity(variant, levels, level) / (budget * (1 - part)))
    return Scales(variant=variant, levels=levels, noise=noise_scales)


def sensitivity(variant: str, levels: int, level: int) -> int:
    """How far one point can move a node's sum, as the variant accounts for it, in half-leaves.

    `absolute` sums positions, so the whole range; `wide` sums distances from the node's centre and still pays for the range.
    """
    return 1 << (levels + 1) if variant in ("absolute", "wide") else 1 << (levels - level)


def term(variant: str, levels: int, level: int, leaf: int) -> int:
    """What a point in that leaf adds to the sum of its node: its position, or its distance from the node's centre."""
    if variant == "absolute":
        return 2 * leaf + 1
    width = 1 << (levels - level)
    return 2 * (leaf % width) + 1 - width


def upward(scale: Fraction) -> float:
    """The least float that is not below the number, so that rounding never takes noise away."""
    near = float(scale)
    return near if Fraction(near) >= scale else math.nextafter(near, math.inf)


def loss(scales: Scales, leaf: int, other: int | None = None) -> Fraction:
    """Exact privacy loss of a point in `leaf`: added or removed, or, with `other`, moved there."""
    return sum((moved / Fraction(scale) for moved, scale in changes(scales, leaf, other)), Fraction(0))


def changes(scales: Scales, leaf: int, other: int | None = None) -> list[tuple[int, float]]:
    """How far each statistic moves that a change of one point touches, beside its noise scale."""
    moves = []
    for (statistic, level), scale in scales.noise.items():
        shift = scales.levels - level
        own = _term(scales, statistic, level, leaf)
        if other is None:
            moves.append((abs(own), scale))
            continue
        moved = _term(scales, statistic, level, other)
        apart = leaf >> shift != other >> shift
        moves += [(abs(own), scale), (abs(moved), scale)] if apart else [(abs(own - moved), scale)]
    return moves


def _term(scales: Scales, statistic: int, level: int, leaf: int) -> int:
    return 1 if statistic == COUNT else term(scales.variant, scales.levels, level, leaf)


def worst(scales: Scales, adjacency: str = "add_remove") -> tuple[Fraction, int, int | None]:
    """The largest exact privacy loss of any change, and the leaves that show it.

    The outermost leaves stand at the edge of every node above them, so they have the largest term on every level at once; a
    move between the two parts the paths at the first level.
    """
    last = (1 << scales.levels) - 1
    if scales.levels == 0 and adjacency == "replace_one":
        return Fraction(0), 0, 0
    if adjacency == "replace_one":
        return max((loss(scales, a, b), a, b) for a in (0, last // 2) for b in (last // 2 + 1, last))
    return max((loss(scales, leaf), leaf, None) for leaf in (0, last))
