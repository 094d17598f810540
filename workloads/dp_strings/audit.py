"""What a release really gives away of one bit: counted exactly from its hashes, and proved from its outputs alone.

Source: On Differentially Private String Distances, arXiv:2411.05750, privacy proof; audit by Clopper-Pearson bounds, held out.
Symbols: eps = stated budget of one bit · q = flip probability · moved = sketch bits that differ when one bit is changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from workloads.dp_strings.maths import codes, ledger, sketch, tree
from workloads.dp_strings.maths.flips import probability
from workloads.dp_strings.maths.methods import SKETCHES, method
from workloads.shared.privacy import audit

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
VARIANTS = (*SKETCHES, "flat", "laplace", "tree")
# How many times its budget a bit is given by a mistake; halving the noise halves q instead.
BUGS = {"none": 1.0, "doubled_budget": 2.0, "halved_noise": 1.0}


@dataclass(frozen=True)
class Params:
    """A release, its stated budget, a mistake that may be in it, and how hard it is looked at."""

    variant: Annotated[str, "paper | practical | literal (negative control) | mean | parity | flat | laplace | tree"]
    k: Annotated[int, "promised distance"]
    eps: Annotated[float, "stated budget for one bit of one string"]
    m1: Annotated[int | None, "rows; none means the method's own, 16 for tree"] = None
    m2: Annotated[int | None, "buckets; none means the method's own"] = None
    m3: Annotated[int | None, "cells of a bucket; none means the method's own, 10 for tree"] = None
    hash: Annotated[str, "how a segment of tree is sketched: offset | rabin"] = "offset"
    n: Annotated[int, "bits of a string; each is changed in turn"] = 256
    bug: Annotated[str, "planted mistake: none | doubled_budget (of every bit) | halved_noise (q, or the scale)"] = "none"
    runs: Annotated[int, "outputs on either neighbour; half choose the event, half are counted"] = 20000
    confidence: Annotated[float, "with which eps_lower is true"] = 0.95


@dataclass(frozen=True)
class Result:
    """The exact loss and the loss that outputs prove."""

    eps_bit: Annotated[float, "exact privacy loss for the worst bit of a string: moved bits times ln((1 - q) / q)"]
    eps_hashes: Annotated[float, "the same over these hashes, some of which meet"]
    moved: Annotated[int, "sketch bits that differ for the worst bit of a string", {"aggregate": "max"}]
    moved_bound: Annotated[int, "sketch bits that the privacy proof allows for"]
    attained: Annotated[bool, "whether some bit moves as many as the proof allows for"]
    eps_lower: Annotated[float, "loss that the outputs prove", {"bound": "lower", "aggregate": "max"}]
    eps_expected: Annotated[float, "loss that they should prove, had events come as often as they should"]
    power: Annotated[float, "probability that such an audit proves more than the stated budget", {"range": [0, 1]}]
    eps_ceiling: Annotated[float, "most that any outputs could prove in as many runs, at a true rate of 1/2"]
    hits: Annotated[int, "outputs of the neighbour in the chosen event"]
    false_hits: Annotated[int, "outputs of the string itself in it"]
    flip: Annotated[float | None, "q, the probability with which a bit is flipped; null for laplace", {"range": [0, 1]}]
    caught: Annotated[bool, "whether the outputs prove that more than the stated budget is spent"]
    overspent: Annotated[bool, "whether the ledger says so"]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]


EXAMPLES = (
    Params("practical", 8, 4.0, m1=4, runs=2000),
    Params("practical", 8, 4.0, m1=4, runs=2000, bug="doubled_budget"),
    Params("literal", 8, 1.0, runs=2000),
    Params("parity", 8, 1.0, runs=2000),
    Params("flat", 8, 1.0, runs=2000, bug="halved_noise"),
    Params("laplace", 8, 1.0, runs=2000),
    Params("tree", 8, 64.0, runs=2000, n=50),
    Params("tree", 8, 64.0, m1=31, hash="rabin", runs=2000, n=50),
)


@dataclass(frozen=True)
class Release:
    """Bits that the proof allows for, bits that these hashes move at most, and the budget of each."""

    bound: int
    moved: int
    eps_each: float


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """One point: (0, result)."""
    _check(params)
    release = _tree(params, ctx) if params.variant == "tree" else _sketch(params, ctx)
    yield 0, _result(params, release, ctx)


def _check(p: Params) -> None:
    if p.variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, but got {p.variant!r}; write one of them.")
    if p.bug not in BUGS:
        raise ValueError(f"bug must be one of {', '.join(BUGS)}, but got {p.bug!r}; write one of them.")
    if p.runs < 4 or not 0 < p.confidence < 1 or p.n < 2:
        raise ValueError(
            f"runs must be at least 4, n at least 2 and confidence in (0, 1), but got runs = {p.runs}, n = {p.n}, "
            f"confidence = {p.confidence}."
        )


def _sketch(p: Params, ctx: Context) -> Release:
    own = method(p.variant, p.k, p.n, p.eps, (p.m1, p.m2, p.m3))
    moved = own.moved
    if p.variant in SKETCHES:
        moved = int(ledger.moved_by_sketch(sketch.hashes(own, ctx.generator("hashes"))).max())
    return Release(own.moved, moved, own.eps_each)


def _tree(p: Params, ctx: Context) -> Release:
    own, shape = codes.code(p.hash, p.m1 or 16, p.m3 or 10), tree.Shape(p.n)
    words = codes.words(own, p.n, ctx.generator("hashes"))
    bound = own.moved * (shape.top + 1)
    return Release(bound, int(ledger.moved_by_tree(words, shape).max()), p.eps / bound)


def _mechanism(p: Params, release: Release, moved: int) -> ledger.Mechanism:
    """What is run, mistake included."""
    each, half = release.eps_each * BUGS[p.bug], p.bug == "halved_noise"
    if p.variant == "laplace":
        return ledger.Mechanism(moved, None, (0.5 if half else 1.0) / each)
    return ledger.Mechanism(moved, probability(each) * (0.5 if half else 1.0))


def _result(p: Params, release: Release, ctx: Context) -> Result:
    worst, met = _mechanism(p, release, release.bound), _mechanism(p, release, release.moved)
    scored = ledger.scores(met, p.runs, (ctx.generator("null"), ctx.generator("alternative")))
    bound = audit.epsilon_lower(*scored, p.confidence)
    could, counted = ledger.expected(met, p.runs, p.confidence), p.runs - p.runs // 2
    return Result(
        eps_bit=worst.spent,
        eps_hashes=met.spent,
        moved=release.moved,
        moved_bound=release.bound,
        attained=release.moved == release.bound,
        eps_lower=bound.epsilon,
        eps_expected=could.epsilon,
        power=audit.power(could, p.runs, p.eps, p.confidence),
        eps_ceiling=float(audit.surely(counted / 2, 0.0, counted, p.confidence)),
        hits=bound.hits,
        false_hits=bound.false_hits,
        flip=worst.flip,
        caught=bound.epsilon > p.eps,
        overspent=worst.spent > p.eps * (1 + 1e-9),
        private=False,
    )
