"""Turns a public string into suffix fingerprints, of which two give any segment's at one cost."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from workloads.dp_strings.maths import codes
from workloads.dp_strings.maths.landau import Bools, Ints
from workloads.dp_strings.maths.tree import Shape, Test

Fingerprints = NDArray[np.uint64]


def suffixes(bits: NDArray[np.uint8], start: int, modulus: int, degree: int) -> Fingerprints:
    """G(b) = Σ_t bit(b + t) · start · x^t mod P of every suffix b = 0 … len, (len + 1,), by Horner's rule."""
    prints = np.zeros(len(bits) + 1, dtype=np.uint64)
    value = 0
    for b in range(len(bits) - 1, -1, -1):
        value = codes.times_x(value, modulus, degree) ^ (start if bits[b] else 0)
        prints[b] = value
    return prints


def shifts(top: int, modulus: int, degree: int) -> Fingerprints:
    """Tables (top + 1, 8, 256) of the product of x^(2^h) with each byte of a fingerprint."""
    power, tables = 2, np.zeros((top + 1, 8, 256), dtype=np.uint64)
    for h in range(top + 1):
        images = np.array([codes.product(power, 1 << bit, modulus, degree) if bit < degree else 0 for bit in range(64)])
        for value in range(256):
            chosen = images.reshape(8, 8)[:, [bit for bit in range(8) if value >> bit & 1]].astype(np.uint64)
            tables[h, :, value] = np.bitwise_xor.reduce(chosen, axis=1)
        power = codes.product(power, power, modulus, degree)
    return tables


def segment(ends: tuple[Fingerprints, Fingerprints], tables: Fingerprints, height: Ints) -> Fingerprints:
    """Fingerprints of segments of 2^height bits, by those of the suffixes at both ends: G(b) - x^(2^height) G(b + 2^height)."""
    moved, after = ends
    for byte in range(8):
        moved = moved ^ tables[height, byte, (after >> np.uint64(8 * byte)) & np.uint64(255)]
    return moved


def sketched(bits: NDArray[np.uint8], code: Fingerprints, shape: Shape) -> Fingerprints:
    """Fingerprints (nodes,) of all nodes of a private string, whose words by offset are `code` (n,)."""
    parts = []
    for h in range(shape.top + 1):
        size, count = 1 << h, shape.n >> h
        if count:
            ones = bits[: count * size].reshape(count, size) * code[:size]
            parts.append(np.bitwise_xor.reduce(ones, axis=1))
    return np.concatenate(parts)


def lazy_test(noisy: Fingerprints, public: tuple[Fingerprints, Fingerprints], shape: Shape, cap: int, threshold: float) -> Test:
    """Tests of private strings (pairs, nodes), each made when it is asked for.

    `public` holds the suffixes (pairs, longest + 1) of the strings B and the tables of shifts.
    """
    suffix, tables = public

    def says(lane: Ints, column: Ints, height: Ints, position: Ints) -> Bools:
        """Whether two segments look equal: few bits of their sketches differ."""
        first = position + column - cap
        other = segment((suffix[lane, first], suffix[lane, first + (1 << height)]), tables, height)
        return np.bitwise_count(noisy[lane, shape.starts[height] + (position >> height)] ^ other) <= threshold

    return says
