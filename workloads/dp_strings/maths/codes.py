"""Turns offsets inside a segment into code words of bits, so that a segment's sketch is the XOR of the words of its ones.

Hashing offsets, not positions, makes segments of two strings comparable wherever each begins. Two strings' sketches differ by
the XOR of the words at their mismatching offsets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

Words = NDArray[np.uint64]  # (words, …): 64 bits each, the first axis is the word
HASHES = ("offset", "rabin")
WORD = 64


@dataclass(frozen=True)
class Code:
    """A sketch of segments: `bits` in all, of which a changed bit of the string moves `moved` at most, `odd` on average."""

    hashed: str
    rows: int
    cells: int

    @property
    def bits(self) -> int:
        """Bits of one sketch: M1 · M3 of offset hashing, M1 of a Rabin fingerprint."""
        return self.rows * self.cells if self.hashed == "offset" else self.rows

    @property
    def moved(self) -> int:
        """Bits that one changed bit of the string moves at most: two a row, or all of a dense fingerprint."""
        return 2 * self.rows if self.hashed == "offset" else self.rows

    @property
    def odd(self) -> float:
        """Bits that one mismatch moves on average, o1: M1 (2 - 2/M3), or half of a fingerprint."""
        return self.rows * (2 - 2 / self.cells) if self.hashed == "offset" else self.rows / 2

    def threshold(self, q: float) -> float:
        """Differing bits up to which two segments are called equal: halfway between no mismatch and one."""
        return q * self.bits + self.odd * (1 - 2 * q) / 2


def code(hashed: str, rows: int, cells: int) -> Code:
    """The code of those sizes; ValueError where there is none."""
    if hashed not in HASHES:
        raise ValueError(f"hash must be one of {', '.join(HASHES)}, but got {hashed!r}; write one of them.")
    if rows < 1 or cells < 2 or (hashed == "rabin" and not 8 <= rows <= WORD - 1):
        raise ValueError(
            f"m1 must be at least 1 and m3 at least 2, and m1 of rabin, its bits, lie in [8, 63], but got m1 = {rows}, "
            f"m3 = {cells}."
        )
    return Code(hashed, rows, cells)


def words(own: Code, offsets: int, generator: torch.Generator) -> Words:
    """Code words (words, offsets) of public random hashes: what a mismatch at each offset adds to the difference."""
    return offset_words(own, offsets, generator) if own.hashed == "offset" else rabin_words(own, offsets, generator)


def offset_words(own: Code, offsets: int, generator: torch.Generator) -> Words:
    """Words (words, offsets) in which each row has the cells of (offset, 0) and (offset, 1), none where they meet."""
    cell = torch.randint(own.cells, (offsets, own.rows, 2), generator=generator).numpy()
    cells = np.zeros((offsets, own.rows, own.cells), dtype=bool)
    at = np.arange(offsets)[:, None], np.arange(own.rows)[None]
    cells[(*at, cell[..., 0])] ^= True
    cells[(*at, cell[..., 1])] ^= True
    return pack(cells.reshape(offsets, -1))


def pack(bits: NDArray[np.bool_]) -> Words:
    """Bits (…, N) as words (words, …), the last one filled up with zeros."""
    spare = -bits.shape[-1] % WORD
    filled = np.concatenate([bits, np.zeros((*bits.shape[:-1], spare), dtype=bool)], axis=-1) if spare else bits
    packed = np.packbits(filled, axis=-1, bitorder="little").view(np.uint64)
    return np.ascontiguousarray(np.moveaxis(packed, -1, 0))


def rabin_words(own: Code, offsets: int, generator: torch.Generator) -> Words:
    """Words (1, offsets) f x^r mod P of a random irreducible P of degree M1 and a random f: a shift multiplies by x."""
    modulus, start = rabin(own.rows, generator)
    words_of = np.empty((1, offsets), dtype=np.uint64)
    value = start
    for r in range(offsets):
        words_of[0, r] = value
        value = times_x(value, modulus, own.rows)
    return words_of


def rabin(degree: int, generator: torch.Generator) -> tuple[int, int]:
    """A random irreducible polynomial over GF(2) of that degree and a random nonzero remainder, as bits."""
    while True:
        low = _draw(degree, generator) | 1
        if irreducible((1 << degree) | low, degree):
            return (1 << degree) | low, _draw(degree, generator) or 1


def _draw(bits: int, generator: torch.Generator) -> int:
    high, low = torch.randint(1 << 32, (2,), generator=generator).tolist()
    return ((high << 32) | low) & ((1 << bits) - 1)


def times_x(value: int, modulus: int, degree: int) -> int:
    """x · value mod the polynomial."""
    shifted = value << 1
    return shifted ^ modulus if shifted >> degree else shifted


def product(a: int, b: int, modulus: int, degree: int) -> int:
    """a · b modulo the polynomial, all over GF(2) as bits."""
    total = 0
    while b:
        if b & 1:
            total ^= a
        a, b = times_x(a, modulus, degree), b >> 1
    return total


def irreducible(polynomial: int, degree: int) -> bool:
    """Rabin's test: x^(2^degree) = x, and x^(2^(degree/p)) - x shares no factor with the polynomial for any prime p."""
    powers, value = [], 2
    for _ in range(degree):
        value = product(value, value, polynomial, degree)
        powers.append(value)
    if powers[-1] != 2:
        return False
    primes = [p for p in range(2, degree + 1) if degree % p == 0 and all(p % d for d in range(2, math.isqrt(p) + 1))]
    return all(_common(polynomial, powers[degree // p - 1] ^ 2) == 1 for p in primes)


def _common(a: int, b: int) -> int:
    """The greatest common divisor of two polynomials over GF(2)."""
    while b:
        while a.bit_length() >= b.bit_length():
            a ^= b << (a.bit_length() - b.bit_length())
        a, b = b, a
    return a
