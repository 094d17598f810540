"""Whether a private structure loses no more than it claims: by its exact ledger, and by looking at releases of neighbours.

Source: arXiv:2409.01688 and arXiv:2403.08917 (mechanisms); audit with Clopper-Pearson bounds as in Jagielski et al. 2020.
Symbols: ε = privacy loss · L = levels of the tree · N = runs on each of two neighbouring databases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from workloads.dp_kde import error
from workloads.dp_kde.maths import budget, data, losses, noise
from workloads.shared.privacy import audit

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
VARIANTS = (*budget.ONE_DIMENSIONAL, "per_query")
# Runs that are drawn at once.
RUNS = 1 << 15


@dataclass(frozen=True)
class Params:
    """A mechanism, what it claims, a mistake to plant and the runs to look at."""

    variant: Annotated[str, "a variant of dp_kde.error", {"shape": True}] = "anchored"
    levels: Annotated[int, "levels of the tree below its root; a histogram has 2^levels cells", {"shape": True}] = 10
    eps: Annotated[float, "privacy loss that is claimed"] = 1.0
    d: Annotated[int, "coordinates", {"shape": True}] = 1
    adjacency: Annotated[str, "what one person may change: add_remove | replace_one", {"shape": True}] = "add_remove"
    bug: Annotated[
        str, "none | halved_noise | doubled_budget | ignored_replacement (scales of add_remove)", {"shape": True}
    ] = "none"
    runs: Annotated[int, "releases of each database; 0 for the ledger alone", {"shape": True}] = 100000
    confidence: Annotated[float, "of the lower bound on epsilon"] = 0.95


@dataclass(frozen=True)
class Result:
    """What the ledger says, what was seen, and what could be seen."""

    ledger_eps: Annotated[float, "exact privacy loss of the worst change under ideal noise of the scales used"]
    ledger_built: Annotated[float, "the same from two structures that were built with and without that change"]
    ledger_ok: Annotated[bool, "whether the ledger, in rational numbers, stays within eps"]
    ledger_agrees: Annotated[bool, "whether both ledgers are the same rational number"]
    eps_lower: Annotated[
        float | None, "epsilon that the runs prove, by likelihood ratios with a held-out threshold; null without runs"
    ]
    caught: Annotated[bool | None, "whether eps_lower exceeds eps, so that the claim is refuted; null without runs"]
    eps_reachable: Annotated[float | None, "epsilon that such an audit finds where counts are as expected; null without runs"]
    power: Annotated[float | None, "probability that such an audit finds more than eps; null without runs", {"range": [0, 1]}]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]


EXAMPLES = (
    Params(levels=4, runs=2000),
    Params("counts", levels=5, bug="halved_noise", runs=3000),
    Params("per_query", runs=1000, adjacency="replace_one"),
    Params("histogram", levels=3, runs=0, d=2),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    error.check(error.Params(p.variant, levels=p.levels, d=p.d, adjacency=p.adjacency), VARIANTS)
    if p.bug not in budget.BUGS or p.runs < 0 or 0 < p.runs < 100 or not 0.5 <= p.confidence < 1:
        raise ValueError(
            f"bug must be one of {', '.join(budget.BUGS)}, runs 0 or at least 100 and confidence in [0.5, 1), but got "
            f"bug = '{p.bug}', runs = {p.runs}, confidence = {p.confidence}; mend the one that is not."
        )
    moves, built = changed(p)
    ledger = sum((abs(move) / Fraction(scale) for move, scale in moves), Fraction(0))
    audited = _audited(p, [(abs(move), scale) for move, scale in moves], ctx) if p.runs else dict.fromkeys(_AUDITED)
    yield (
        0,
        Result(
            ledger_eps=float(ledger),
            ledger_built=float(built),
            ledger_ok=ledger <= budget.rational(p.eps),
            ledger_agrees=ledger == built,
            private=False,
            **audited,
        ),
    )


_AUDITED = ("eps_lower", "caught", "eps_reachable", "power")


def changed(p: Params) -> tuple[list[tuple[int, float]], Fraction]:
    """How far each number moves in the worst change, beside its scale, and the loss from structures built on both sides."""
    if p.variant == "per_query":
        # An answer on the fine grid moves by at most dR however a point changes; the planted mistakes scale its noise.
        reach = 2 * data.FINE * p.d
        less = Fraction(1, 2) if p.bug in ("halved_noise", "doubled_budget") else Fraction(1)
        moves = [(reach, budget.upward(less * reach / budget.rational(p.eps)))]
        return moves, reach / Fraction(moves[0][1])
    scales = budget.scales(p.variant, p.levels, budget.rational(p.eps) / p.d, p.adjacency, bug=p.bug)
    _, leaf, other = budget.worst(scales, p.adjacency)
    return budget.changes(scales, leaf, other) * p.d, p.d * _built(scales, leaf, other)


def _built(scales: budget.Scales, leaf: int, other: int | None) -> Fraction:
    """The loss from the exact statistics of two small databases that differ in one point, every node compared."""
    rest = torch.arange(0, 1 << scales.levels, max(1, (1 << scales.levels) // 7))
    changed = torch.cat([rest, torch.tensor([leaf])])
    two = rest if other is None else torch.cat([rest, torch.tensor([other])])
    sides = [data.statistics(leaves, scales.levels, scales.variant) for leaves in (changed, two)]
    apart = {key: int((sides[0][key[0]][key[1]] - sides[1][key[0]][key[1]]).abs().sum()) for key in scales.noise}
    return sum((apart[key] / Fraction(scale) for key, scale in scales.noise.items()), Fraction(0))


def _audited(p: Params, moves: list[tuple[int, float]], ctx: Context) -> dict[str, Any]:
    """The black-box audit of the numbers that move; those that do not tell nothing apart."""
    moves = [(move, scale) for move, scale in moves if move]
    shift, scale = (np.array(values, dtype=np.float64) for values in zip(*moves, strict=True))
    null, alternative = (
        _scores(shift, scale, p.runs, noise.key(ctx, stream), side) for side, stream in enumerate(("one", "two"))
    )
    bound = audit.epsilon_lower(null, alternative, p.confidence)
    could = losses.reach(moves, p.runs, p.confidence)
    return {
        "eps_lower": bound.epsilon,
        "caught": bound.epsilon > p.eps,
        "eps_reachable": could.epsilon,
        "power": audit.power(could, p.runs, p.eps, p.confidence),
    }


def _scores(shift: Any, scale: Any, runs: int, key: int, side: int) -> Any:
    """Likelihood ratios (runs,) of releases: the noise alone, or the noise about the moved numbers."""
    parts = []
    for first in range(0, runs, RUNS):
        counters = torch.arange(first, min(first + RUNS, runs))[:, None] * len(scale) + torch.arange(len(scale)) + key
        drawn = noise.signed(counters)
        noisy = torch.stack([noise.whole(drawn[:, i], float(b)) for i, b in enumerate(scale)], 1).numpy()
        parts.append(audit.laplace_score(noisy + side * shift, shift, scale))
    return np.concatenate(parts)
