"""Turns a method into seconds: to release a string, to encode a query, and to compare the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from rapidfuzz.distance import Levenshtein

from workloads.dp_strings.maths import codes, fingerprints, flips, landau, pairs, tree
from workloads.dp_strings.maths import sketch as sketches
from workloads.dp_strings.maths.codes import Words
from workloads.dp_strings.maths.methods import MAXIMA, Method
from workloads.shared.timing import quickest, reference

Stream = Callable[[str], torch.Generator]
Work = Callable[[], object]
# Trees are timed nearly without noise: what an answer costs when it is right.
RATE = 1e-6


@dataclass(frozen=True)
class Task:
    """Strings of n bits, how many, and how often each time is taken."""

    n: int
    k: int
    strings: int
    repeats: int


@dataclass(frozen=True)
class Times:
    """Seconds to release one string, to encode one query, to compare it with one string, and of the reference beside them.

    `bits` are kept of a string; `words` of 64 bits are compared for one answer, `tests` asked of a tree.
    """

    init: float
    encode: float
    query: float
    reference: float
    bits: int
    words: float | None = None
    tests: float | None = None


def taken(task: Task, release: Work, encode: Work, answers: Work) -> tuple[float, float, float, float]:
    """Seconds of a release, an encoding, one answer of `answers` to all strings, and the reference, measured in turn."""
    init, encoded, answered, beside = quickest([release, encode, answers, reference()], task.repeats)
    return init, encoded, answered / task.strings, beside


def sketch(task: Task, method: Method, stream: Stream) -> Times:
    """Times of a Hamming sketch, whose buckets are packed into whole words."""
    hashed = sketches.hashes(method, stream("hashes"))
    strings = torch.randint(2, (task.strings, task.n), generator=stream("strings"), dtype=torch.uint8)
    noisy = np.stack([_released(row, hashed, stream("flips")) for row in strings[:, None]], axis=1)
    clean = _packed(sketches.encode(strings[:1], hashed), method)
    private = np.ascontiguousarray(np.moveaxis(noisy, 1, 0))  # (strings, words, rows, buckets)

    def answers() -> list[float]:
        """Answer all queries; what is timed as the cost of an answer."""
        return [_answer(own, clean, method) for own in private]

    def release() -> Words:
        """Make what is released of one string; what is timed as the cost of a release."""
        return _released(strings[:1], hashed, stream("flips"))

    def encode() -> Words:
        """Encode one query without noise; what is timed as its part of an answer."""
        return _packed(sketches.encode(strings[:1], hashed), method)

    return Times(*taken(task, release, encode, answers), method.bits, private[0].size)


def _released(strings: torch.Tensor, hashed: sketches.Hashes, generator: torch.Generator) -> Words:
    clean = sketches.encode(strings, hashed)
    noise = flips.noise(tuple(clean.shape), hashed.method.flip, generator)
    return _packed(clean ^ noise, hashed.method)


def _packed(bits: torch.Tensor, method: Method) -> Words:
    """Sketch bits (1, rows, N) as words (words of a bucket, rows, buckets)."""
    return codes.pack(bits[0].unflatten(-1, (method.buckets, -1)).numpy())


def _answer(own: Words, query: Words, method: Method) -> float:
    """The estimate from one noisy sketch and the query's, (words, rows, buckets) each."""
    differ = np.bitwise_count(own ^ query)
    if method.variant in MAXIMA:
        return float(differ.sum(0, dtype=np.uint32).max(0).sum()) / 2
    return float(differ.sum(dtype=np.int64))


def packed(task: Task, stream: Stream, noisy: bool) -> Times:
    """Times of comparing whole strings, 64 bits at a time; with flips on the private ones where `noisy`."""
    strings = torch.randint(2, (task.strings, task.n), generator=stream("strings"), dtype=torch.uint8).bool()

    def release() -> Words:
        """Make what is released of one string; what is timed as the cost of a release."""
        row = strings[:1]
        return codes.pack((row ^ flips.noise(tuple(row.shape), 0.1, stream("flips")) if noisy else row).numpy())

    private = np.ascontiguousarray(codes.pack(strings.numpy()).T)  # (strings, words)
    query = private[0].copy()

    def answers() -> list[int]:
        """Answer all queries; what is timed as the cost of an answer."""
        return [int(np.bitwise_count(own ^ query).sum(dtype=np.int64)) for own in private]

    def encode() -> Words:
        """Encode one query without noise; what is timed as its part of an answer."""
        return codes.pack(strings[:1].numpy())

    return Times(*taken(task, release, encode, answers), task.n, query.size)


def edit(task: Task, stream: Stream) -> Times:
    """Times of exact edit distances with a cutoff at k; nothing is released."""
    planted = pairs.planted(task.strings, task.n, task.k, stream("strings"))
    rows = [(x.tobytes(), y[:m].tobytes()) for x, y, m in zip(planted.a, planted.b, planted.length, strict=True)]

    def answers() -> list[int]:
        """Answer all queries; what is timed as the cost of an answer."""
        return [Levenshtein.distance(x, y, score_cutoff=task.k) for x, y in rows]

    answered, beside = quickest([answers, reference()], task.repeats)
    return Times(0.0, 0.0, answered / task.strings, beside, task.n)


def offset_tree(task: Task, sizes: tuple[int, int], stream: Stream) -> Times:
    """Times of a tree with offset hashing: encoding sketches every segment of B on every diagonal, up to k of them."""
    own, shape, cap = codes.code("offset", *sizes), tree.Shape(task.n), task.k
    planted = pairs.planted(task.strings, task.n, task.k, stream("strings"))
    words = codes.words(own, task.n, stream("hashes"))[:, None]
    noise = codes.pack(flips.noise((task.strings, shape.nodes, own.bits), RATE, stream("flips")).numpy())
    clean = tree.differences(~landau.equal(planted.a, planted.b, planted.lengths, cap), words.repeat(task.strings, 1), shape)
    first_pair = planted.part(0, 1)

    def release() -> Words:
        """Make what is released of one string; what is timed as the cost of a release."""
        return tree.differences(first_pair.a[:, None] == 1, words, shape) ^ noise[:, :1, None]

    def encode() -> Words:
        """Encode one query without noise; what is timed as its part of an answer."""
        return tree.differences(~landau.equal(first_pair.a, first_pair.b, first_pair.lengths, cap), words, shape)

    def answers(visited: landau.Bools | None = None) -> None:
        """Answer all queries; what is timed as the cost of an answer."""
        test = tree.tabulated(tree.outcomes(clean, noise, own.threshold(RATE)), shape, visited)
        landau.distances(tree.oracle(test, planted.lengths, shape, 2 * cap + 1), planted.lengths, cap)

    visited = np.zeros(clean.shape[1:], dtype=bool)
    answers(visited)
    tests = float(visited.sum()) / task.strings
    return Times(*taken(task, release, encode, answers), own.bits * shape.nodes, tests * len(words), tests)


def rabin_tree(task: Task, degree: int, stream: Stream) -> Times:
    """Times of a tree of Rabin fingerprints: encoding is one pass over B, and every test is made when it is asked for."""
    own, shape, cap = codes.code("rabin", degree, 2), tree.Shape(task.n), task.k
    planted = pairs.planted(task.strings, task.n, task.k, stream("strings"))
    modulus, start = codes.rabin(degree, stream("hashes"))
    words, tables = codes.rabin_words(own, task.n, stream("hashes"))[0], fingerprints.shifts(shape.top, modulus, degree)
    private = np.stack([fingerprints.sketched(row, words, shape) for row in planted.a])
    public = np.stack([fingerprints.suffixes(row, start, modulus, degree) for row in planted.b])
    test = fingerprints.lazy_test(private, (public, tables), shape, cap, own.threshold(RATE))

    def answers() -> None:
        """Answer all queries; what is timed as the cost of an answer."""
        landau.distances(tree.oracle(test, planted.lengths, shape, 2 * cap + 1), planted.lengths, cap)

    def release() -> object:
        """Make what is released of one string; what is timed as the cost of a release."""
        return fingerprints.sketched(planted.a[0], words, shape)

    def encode() -> object:
        """Encode one query without noise; what is timed as its part of an answer."""
        return fingerprints.suffixes(planted.b[0], start, modulus, degree)

    return Times(*taken(task, release, encode, answers), own.bits * shape.nodes)
