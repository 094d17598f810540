"""Time and space of releasing strings and of answering one query: sketches, trees, randomised response and exact peers.

Source: On Differentially Private String Distances, arXiv:2411.05750, query time O~(mk + n) and O~(mk^2 + n); exact: rapidfuzz.
Symbols: n = bits of a string · k = promised distance · M1, M2, M3 = rows, buckets, cells of a sketch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from workloads.dp_strings.maths import method_times, methods

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "cost"
VARIANTS = ("paper", "practical", "mean", "parity", "flat", "hamming", "tree", "edit")


@dataclass(frozen=True)
class Params:
    """A method, its sizes, and how many strings are asked about."""

    variant: Annotated[
        str, "paper | practical | mean | parity | flat | hamming (exact) | tree | edit (exact, rapidfuzz with a cutoff)"
    ]
    n: Annotated[int, "bits of a string"]
    k: Annotated[int, "promised distance; the strings are k / 2 apart (Hamming) or k edits (edit)"]
    m1: Annotated[int | None, "rows; none means the method's own"] = None
    m2: Annotated[int | None, "buckets; none means the method's own"] = None
    m3: Annotated[int | None, "cells of a bucket; none means the method's own, 10 for tree"] = None
    hash: Annotated[str, "how a segment of tree is sketched: offset | rabin"] = "offset"
    strings: Annotated[int, "strings that one query is compared with"] = 8
    repeats: Annotated[int, "rounds in which each time is taken once; the shortest counts"] = 5


@dataclass(frozen=True)
class Result:
    """Shortest processor times, taken in turn, and what is kept and compared."""

    init_ms: Annotated[float, "sketch and flip one string", {"unit": "ms", "aggregate": "median"}]
    encode_ms: Annotated[float, "sketch one query, which serves all strings", {"unit": "ms", "aggregate": "median"}]
    query_us: Annotated[float, "compare one string with the encoded query", {"unit": "us", "aggregate": "median"}]
    reference_us: Annotated[
        float,
        "XOR and count of 16384 words in the same rounds: how fast the machine was; others over it do not depend on its mood",
        {"unit": "us", "aggregate": "median"},
    ]
    words: Annotated[float | None, "words of 64 bits that are compared for one answer; null where they are not counted"]
    tests: Annotated[float | None, "different tests of one answer; null without a tree"]
    bits: Annotated[int, "bits of one string's sketch", {"formula": "methods.sizes"}]
    bytes_per_string: Annotated[float, "what is kept of one string", {"unit": "bytes"}]
    smaller: Annotated[bool, "whether the sketch is smaller than the string"]
    private: Annotated[bool, "whether this is a release to hand out: never, simulated noise comes from a seed"]


EXAMPLES = (
    Params("practical", 256, 8, strings=2, repeats=1),
    Params("parity", 256, 8, strings=2, repeats=1),
    Params("flat", 256, 8, strings=2, repeats=1),
    Params("hamming", 256, 8, strings=2, repeats=1),
    Params("tree", 64, 3, strings=2, repeats=1),
    Params("tree", 64, 3, m1=31, hash="rabin", strings=2, repeats=1),
    Params("edit", 64, 3, strings=2, repeats=1),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """One point: (0, result)."""
    if params.variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, but got {params.variant!r}; write one of them.")
    if min(params.strings, params.repeats) < 1 or params.n < 2 or params.k < 2:
        raise ValueError(
            f"strings and repeats must be at least 1, n and k at least 2, but got strings = {params.strings}, "
            f"repeats = {params.repeats}, n = {params.n}, k = {params.k}; raise them."
        )
    yield 0, _result(params, _measured(params)(params, ctx))


def _measured(p: Params) -> Callable[[Params, Context], method_times.Times]:
    if p.variant in ("hamming", "flat", "edit"):
        return _plain
    if p.variant == "tree":
        return _rabin if p.hash == "rabin" else _offset
    return _sketch


def _plain(p: Params, ctx: Context) -> method_times.Times:
    task = method_times.Task(p.n, p.k, p.strings, p.repeats)
    return (
        method_times.edit(task, ctx.generator)
        if p.variant == "edit"
        else method_times.packed(task, ctx.generator, p.variant == "flat")
    )


def _sketch(p: Params, ctx: Context) -> method_times.Times:
    own = methods.method(p.variant, p.k, p.n, 8.0, (p.m1, p.m2, p.m3))
    return method_times.sketch(method_times.Task(p.n, p.k, p.strings, p.repeats), own, ctx.generator)


def _offset(p: Params, ctx: Context) -> method_times.Times:
    task = method_times.Task(p.n, p.k, p.strings, p.repeats)
    return method_times.offset_tree(task, (p.m1 or 16, p.m3 or 10), ctx.generator)


def _rabin(p: Params, ctx: Context) -> method_times.Times:
    return method_times.rabin_tree(method_times.Task(p.n, p.k, p.strings, p.repeats), p.m1 or 61, ctx.generator)


def _result(p: Params, times: method_times.Times) -> Result:
    return Result(
        init_ms=times.init * 1e3,
        encode_ms=times.encode * 1e3,
        query_us=times.query * 1e6,
        reference_us=times.reference * 1e6,
        words=times.words,
        tests=times.tests,
        bits=times.bits,
        bytes_per_string=times.bits / 8,
        smaller=times.bits < p.n,
        private=False,
    )
