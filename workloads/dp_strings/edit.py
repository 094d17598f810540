"""Error of an edit distance that is released privately: a tree of sketches, randomised response, and a constant answer.

Source: On Differentially Private String Distances, arXiv:2411.05750; base cases, thresholds and hash alignment are ours.
Symbols: n = bits of A · k = promised distance · H = ceil(log2 n) · q = flip probability · M1, M3 = rows, cells.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from numpy.typing import NDArray

from workloads.dp_strings.maths import codes, flips, pairs, private_edit, tree
from workloads.shared import packs

if TYPE_CHECKING:
    import torch

    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
VARIANTS = ("tree", "flat", "trivial", "laplace")
Answers = NDArray[np.float64]


@dataclass(frozen=True)
class Params:
    """A method, its sizes and budget, and the strings that it is asked about."""

    variant: Annotated[str, "tree | flat | trivial (k / 2) | laplace"]
    n: Annotated[int, "bits of a private string"]
    k: Annotated[int, "distance that no string is promised to exceed"]
    eps: Annotated[float, "budget for one bit of one string; a whole string is protected by n times as much only"]
    hash: Annotated[str, "how a segment is sketched: offset | rabin"] = "offset"
    edits: Annotated[int | None, "edits planted between a private string and the query; none means k"] = None
    m1: Annotated[int | None, "rows, or bits of a Rabin fingerprint; none means log k + log log n + 10, rounded"] = None
    m3: Annotated[int, "cells of a row; no matter to rabin"] = 10
    cap: Annotated[int | None, "largest distance looked for; above it an answer is censored; none means 3k"] = None
    pairs: Annotated[int, "pairs of strings, each with a release of its own"] = 10
    probes: Annotated[int, "fresh sketches on which the rates of a single test are measured"] = 4000
    queries: Annotated[int, "answers that laplace shares its budget among"] = 1


@dataclass(frozen=True)
class Result:
    """How far answers are from exact distances, how the tests err, and what the release costs."""

    distance: Annotated[float, "exact edit distance, mean over the pairs"]
    mean_abs_error: Annotated[float | None, "mean error; null where an answer is censored, for it has none"]
    error_floor: Annotated[float, "mean error with censored answers taken as cap + 1", {"bound": "lower"}]
    bias_floor: Annotated[float, "mean of answer - distance with censored answers taken as cap + 1", {"bound": "lower"}]
    rmse_floor: Annotated[float, "root of the mean squared error, censored likewise", {"bound": "lower", "aggregate": "rms"}]
    clipped_error: Annotated[
        float,
        "mean error of answers clipped to k; flattering here, where the distance is near k and a censored one counts as k",
    ]
    censored: Annotated[float, "share of answers above the cap", {"aggregate": "proportion"}]
    max_error: Annotated[float | None, "largest error of a pair; null where an answer is censored", {"aggregate": "max"}]
    false_differ: Annotated[
        float | None, "share of tests on equal segments that say different; null without tests", {"range": [0, 1]}
    ]
    false_differ_exact: Annotated[float | None, "the same as the binomial tail it is", {"formula": "private_edit.rates"}]
    false_equal: Annotated[float | None, "share of tests on segments with one mismatch that say equal", {"range": [0, 1]}]
    false_equal_exact: Annotated[float | None, "the same in closed form", {"formula": "private_edit.rates"}]
    false_differ_se: Annotated[float | None, "exact standard error of false_differ over the probes"]
    false_equal_se: Annotated[float | None, "exact standard error of false_equal"]
    tests: Annotated[float | None, "different tests that one answer takes, mean"]
    levels: Annotated[int | None, "heights of the tree, H + 1, which share the budget"]
    flip: Annotated[float, "q, the probability with which a bit is flipped", {"range": [0, 1]}]
    flip_resolved: Annotated[bool, "whether a uniform double can fall below q"]
    flat_bound: Annotated[
        float, "n / (1 + e^eps), what the mean error of flat randomised response is at most", {"formula": "n / (1 + e^eps)"}
    ]
    bytes_per_string: Annotated[float, "what is kept of one string", {"unit": "bytes"}]
    eps_bit: Annotated[float, "exact privacy loss for one bit of one string"]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]
    beats_trivial: Annotated[bool, "whether error_floor is below k / 2, what a constant answer is never worse than"]
    beats_flat: Annotated[bool, "whether error_floor is below flat_bound"]


EXAMPLES = (
    Params("tree", 64, 3, 400.0, m1=8, m3=4, pairs=3, probes=200),
    Params("tree", 64, 3, 100.0, m1=8, m3=4, pairs=3, probes=200),
    Params("tree", 50, 3, 400.0, hash="rabin", m1=31, pairs=3, probes=200),
    Params("flat", 64, 3, 4.0, pairs=5),
    Params("trivial", 64, 3, 4.0, pairs=5),
    Params("laplace", 64, 3, 4.0, pairs=5),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[tuple[int, int, Result]]:
    """Every point of a pack; those that differ in eps alone share strings, hashes and uniform numbers: (index, 0, result)."""
    for p in params:
        _check(p)
    keys = [(dataclasses.replace(p, eps=1.0), ctx.seed) for p, ctx in zip(params, ctxs, strict=True)]
    for (first, _), indices in packs.groups(keys, lambda key: key):
        stream = ctxs[indices[0]].generator
        strings = pairs.planted(first.pairs, first.n, planted(first), stream("strings"))
        exact = pairs.true_distances(strings.a, strings)
        eps = [params[i].eps for i in indices]
        answers, tests = _answers(first, strings, exact, eps, stream)
        for row, i in enumerate(indices):
            yield i, 0, _result(params[i], answers[row], exact, tests[row], stream)


def rows(p: Params) -> int:
    """Rows M1 of a point: those given, or log k + log log n + 10 as recalled of the paper."""
    if p.m1 is not None:
        return p.m1
    return round(math.log2(p.k) + math.log2(max(math.log2(p.n), 1)) + 10)


def cap(p: Params) -> int:
    """The largest distance that a point looks for."""
    return 3 * p.k if p.cap is None else p.cap


def planted(p: Params) -> int:
    """Edits that are planted between the strings of a point."""
    return p.k if p.edits is None else p.edits


def release(p: Params) -> private_edit.Release:
    """The tree of a point."""
    return private_edit.Release(codes.code(p.hash, rows(p), p.m3), tree.Shape(p.n))


def _check(p: Params) -> None:
    if p.variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, but got {p.variant!r}; write one of them.")
    if p.n < 2 or min(p.k, p.pairs, p.probes, p.queries) < 1 or not p.eps > 0:
        raise ValueError(
            f"n must be at least 2, k, pairs, probes and queries at least 1 and eps positive, but got n = {p.n}, k = {p.k}, "
            f"pairs = {p.pairs}, probes = {p.probes}, queries = {p.queries}, eps = {p.eps}; raise them."
        )
    if cap(p) < p.k or planted(p) < 0:
        raise ValueError(f"cap must be at least k = {p.k} and edits at least 0, but got {cap(p)} and {planted(p)}; raise them.")
    if p.variant == "tree":
        release(p)


def _answers(
    p: Params, strings: pairs.Pairs, exact: NDArray[np.int64], eps: list[float], stream: Any
) -> tuple[Answers, list[float | None]]:
    """Answers (budgets, pairs), NaN where censored, and the tests that each budget took."""
    if p.variant == "tree":
        private = private_edit.answer(release(p), strings, eps, cap(p), (stream("hashes"), stream("flips")))
        return np.where(private.distance < 0, np.nan, private.distance), list(private.tests)
    return np.stack([_direct(p, strings, exact, e, stream("flips")) for e in eps]), [None] * len(eps)


def _direct(p: Params, strings: pairs.Pairs, exact: NDArray[np.int64], eps: float, generator: torch.Generator) -> Answers:
    if p.variant == "trivial":
        return np.full(len(exact), p.k / 2)
    if p.variant == "flat":
        noise = flips.noise(strings.a.shape, flips.probability(eps), generator).numpy()
        return pairs.true_distances(strings.a ^ noise, strings).astype(np.float64)
    sides = flips.exponentials((2, len(exact)), generator).numpy()
    return exact + (sides[0] - sides[1]) * p.queries / eps


def _result(p: Params, answers: Answers, exact: NDArray[np.int64], tests: float | None, stream: Any) -> Result:
    lost = np.isnan(answers)
    error = np.where(lost, cap(p) + 1, answers) - exact
    clipped = np.abs(np.clip(np.where(lost, p.k, answers), 0, p.k) - exact).mean()
    floor, bound = float(np.abs(error).mean()), p.n * flips.probability(p.eps)
    return Result(
        distance=float(exact.mean()),
        mean_abs_error=None if lost.any() else floor,
        error_floor=floor,
        bias_floor=float(error.mean()),
        rmse_floor=math.sqrt((error**2).mean()),
        clipped_error=float(clipped),
        censored=float(lost.mean()),
        max_error=None if lost.any() else float(np.abs(error).max()),
        tests=tests,
        flat_bound=bound,
        private=False,
        beats_trivial=floor < p.k / 2,
        beats_flat=floor < bound,
        **_ledger(p),
        **_tested(p, stream),
    )


def _ledger(p: Params) -> dict[str, Any]:
    """Flips, bytes and the exact loss of a point."""
    if p.variant == "tree":
        own = release(p)
        q, size, loss, levels = own.flip(p.eps), own.code.bits * own.shape.nodes / 8, own.ledger(p.eps), own.levels
    else:
        levels, flat = None, p.variant == "flat"
        q = flips.probability(p.eps) if flat else 0.0
        size = {"flat": p.n / 8, "trivial": 0.0, "laplace": 8.0 * p.queries}[p.variant]
        loss = {"flat": flips.loss(q) if flat else 0.0, "trivial": 0.0, "laplace": p.eps}[p.variant]
    resolved = q >= flips.RESOLUTION
    return {"flip": q, "flip_resolved": resolved, "bytes_per_string": size, "eps_bit": loss, "levels": levels}


def _tested(p: Params, stream: Any) -> dict[str, Any]:
    """Rates at which a single test errs, measured beside exact."""
    names = ("false_differ", "false_equal")
    if p.variant != "tree":
        return {name + end: None for name in names for end in ("", "_exact", "_se")}
    own = release(p)
    exact = private_edit.rates(own.code, own.flip(p.eps))
    probes = (stream("probe_hashes"), stream("probe_flips"))
    measured = private_edit.measured_rates(own.code, own.flip(p.eps), p.probes, probes)
    columns: dict[str, Any] = {}
    for name, have, want in zip(names, dataclasses.astuple(measured), dataclasses.astuple(exact), strict=True):
        columns |= {name: have, f"{name}_exact": want, f"{name}_se": math.sqrt(want * (1 - want) / p.probes)}
    return columns
