"""Turns the name of a method and its sizes into a sketch: how many bits, how many of them one bit of a string moves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from workloads.dp_strings.maths import flips

MAXIMA = ("paper", "practical", "literal")
SKETCHES = (*MAXIMA, "mean", "parity")
VARIANTS = (*SKETCHES, "flat", "trivial", "laplace")
LOGS = {"2": 2.0, "e": math.e}


@dataclass(frozen=True)
class Method:
    """A way to release strings of n bits; `rows` × `buckets` × `cells` bits are kept of each.

    One bit of a string changes `moved` of them at most, and each is flipped on a budget of `eps_each`.
    """

    variant: str
    k: int
    n: int
    rows: int
    buckets: int
    cells: int
    moved: int
    eps_each: float
    copies: int = 1
    queries: int = 1

    @property
    def bits(self) -> int:
        """Bits that are kept of one string; numbers of 64 bits for the answers of Laplace's mechanism."""
        sketch = self.rows * self.buckets * self.cells * self.copies
        return {"flat": self.n, "trivial": 0, "laplace": 64 * self.queries}.get(self.variant, sketch)

    @property
    def span(self) -> int:
        """Cells of one row, N."""
        return self.buckets * self.cells

    @property
    def elements(self) -> int:
        """Elements that a mismatch puts into a row: two of the unary trick, one of a parity."""
        return 1 if self.variant == "parity" else 2

    @property
    def flip(self) -> float:
        """The probability q with which a bit is flipped; 0 where nothing is."""
        return 0.0 if self.variant in ("trivial", "laplace") else flips.probability(self.eps_each)

    @property
    def ledger(self) -> float:
        """What all releases about one string give away of one of its bits, exactly: moved · ln((1 - q) / q) · copies."""
        if self.variant == "trivial":
            return 0.0
        if self.variant == "laplace":
            return self.eps_each * self.queries
        return self.moved * self.copies * flips.loss(self.flip)


def logarithm(k: int, log: str) -> float:
    """The paper's log k, of base "2" or "e"; its base is not stated."""
    if log not in LOGS:
        raise ValueError(f"log must be one of {', '.join(LOGS)}, but got {log!r}; write the base of the paper's logarithm.")
    return math.log(k) / math.log(LOGS[log])


def constants(k: int, log: str = "2") -> tuple[int, int, int]:
    """The paper's M1 = 10 log k rows, M2 = 2k buckets and M3 = 400 log² k cells, rounded."""
    size = logarithm(k, log)
    return round(10 * size), 2 * k, round(400 * size**2)


def sizes(variant: str, k: int, log: str = "2") -> tuple[int, int, int]:
    """Rows, buckets and cells of a method where none are given."""
    if variant in ("paper", "literal"):
        return constants(k, log)
    if variant == "practical":
        return max(1, math.floor(logarithm(k, log))), 2 * k, 64
    if variant == "mean":
        return 1, 2 * k, 2
    return 1, 1, 4 * k if variant == "parity" else 1


def method(
    variant: str,
    k: int,
    n: int,
    eps: float,
    forced: tuple[int | None, int | None, int | None] = (None, None, None),
    log: str = "2",
    copies: int = 1,
    queries: int = 1,
) -> Method:
    """The method of that name at budget eps for one bit; `given` rows, buckets and cells replace the usual ones.

    Raises ValueError for a variant that is none, and for sizes that make no sketch.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant must be one of {', '.join(VARIANTS)}, but got {variant!r}; write one of them.")
    if k < 2 or n < 1 or not eps > 0 or min(copies, queries) < 1:
        raise ValueError(
            f"k must be at least 2, n, copies and queries at least 1 and eps positive, but got k = {k}, n = {n}, "
            f"copies = {copies}, queries = {queries}, eps = {eps}; raise them."
        )
    usual = sizes(variant, k, log)
    rows, buckets, cells = (own if own is not None else default for own, default in zip(forced, usual, strict=True))
    if min(rows, buckets, cells) < 1 or (variant == "parity" and buckets * cells < 3):
        raise ValueError(
            f"m1, m2 and m3 must be at least 1 and a parity needs 3 cells, but got m1 = {rows}, m2 = {buckets}, m3 = {cells}."
        )
    if variant == "parity" and rows != 1:
        raise ValueError(f"m1 must be 1 for a parity, which has one row, but got {rows}; leave m1 out.")
    moved = 2 * rows if variant in SKETCHES and variant != "parity" else int(variant != "trivial")
    share = {"literal": logarithm(k, log), "laplace": queries, "trivial": 1}.get(variant, moved)
    return Method(variant, k, n, rows, buckets, cells, moved, eps / copies / share, copies, queries)
