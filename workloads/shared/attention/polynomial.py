"""Turns queries and keys into attention by a polynomial of the scores, whose features are an exact factorisation.

Source: Alman and Song 2023, arXiv:2302.13214 (the polynomial method); the recurrence and the feature count are derived here.
p(s q.k) = sum_a w_a q^a k^a over the C(d+g, g) monomials of degree at most g in d variables, w_a = p_m m! s^m / a!, m = |a|.
Degree after degree, the monomials that end in variable j are those of one degree less in variables 0..j, times variable j:
so features are made by multiplying rows, without an index, and those of a lower degree are the first of a higher one.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise

import numpy as np
import torch
from torch import Tensor

from workloads.shared.attention.operators import Attention, Kernel, blocks, blockwise, factored


def rank(dim: int, degree: int) -> int:
    """How many features a polynomial of that degree in `dim` variables needs: C(dim + degree, degree)."""
    return math.comb(dim + degree, degree)


def taylor(degree: int) -> tuple[float, ...]:
    """Coefficients of the exponential's Taylor polynomial, constant first."""
    return tuple(1 / math.factorial(m) for m in range(degree + 1))


def features(rows: Tensor, degree: int) -> Tensor:
    """All monomials of rows (..., n, d) up to that degree, feature first: (..., C(d+degree, degree), n). No gradient passes."""
    dim, x = rows.shape[-1], rows.mT.contiguous()  # (..., d, n)
    monomials = x.new_empty((*x.shape[:-2], rank(dim, degree), x.shape[-1]))
    monomials[..., 0, :] = 1
    monomials[..., 1 : dim + 1, :] = x if degree else 1
    before = slice(1, dim + 1)  # the monomials of one degree less
    for m in range(2, degree + 1):
        first_free = before.stop
        for j in range(dim):
            count = math.comb(j + m - 1, m - 1)  # of degree m - 1 in variables 0..j
            lower = monomials[..., before.start : before.start + count, :]
            torch.mul(lower, x[..., j : j + 1, :], out=monomials[..., first_free : first_free + count, :])
            first_free += count
        before = slice(before.stop, first_free)
    return monomials


LIFTED = 3
"""The degree from which making fewer features outweighs more and smaller products."""


@functools.lru_cache(maxsize=64)
def _exponents(dim: int, degree: int) -> np.ndarray[tuple[int, int], np.dtype[np.int8]]:
    """Exponents of the monomials, in the order of `features` (features, dim)."""
    level = np.zeros((1, dim), dtype=np.int8)
    levels = [level]
    for m in range(1, degree + 1):
        counts = [math.comb(j + m - 1, m - 1) for j in range(dim)]
        raised = np.concatenate([level[:count] for count in counts])
        raised[np.arange(len(raised)), np.repeat(np.arange(dim), counts)] += 1
        level = raised
        levels.append(level)
    return np.concatenate(levels)


@functools.lru_cache(maxsize=256)
def _weights(dim: int, coefficients: tuple[float, ...], scale: float) -> Tensor:
    """What each monomial counts in p(scale q.k): (features,), in double precision; negative where a coefficient is."""
    exponents = _exponents(dim, len(coefficients) - 1)
    factorials = np.array([math.factorial(m) for m in range(len(coefficients))], dtype=np.float64)
    total = exponents.sum(1, dtype=np.int64)
    outer = np.array(coefficients) * factorials * scale ** np.arange(len(coefficients))
    return torch.from_numpy(outer[total] / factorials[exponents].prod(1))


def weights(dim: int, coefficients: Sequence[float], scale: float, like: Tensor) -> Tensor:
    """The weight of each feature (features,), so that p(scale q.k) = sum_a w_a φ_a(q) φ_a(k), as `like` in type and place."""
    return _weights(dim, tuple(coefficients), scale).to(like)


def polynomial(queries: Tensor, keys: Tensor, scale: float, coefficients: Sequence[float]) -> Attention:
    """Attention with p(scale q.k) in place of the exponential, by C(d+g, g) features; `taylor(g)` gives its coefficients.

    A p that is negative at some score may make a row sum vanish: the even Taylor polynomials are positive everywhere.
    """
    degree, dim = len(coefficients) - 1, queries.shape[-1]
    kernel = blockwise(lambda rows: features(rows, degree), rank(dim, degree)) if degree < LIFTED else _lifted(dim, degree)
    return factored(queries, keys, kernel, weights(dim, coefficients, scale, queries))


def _lifted(dim: int, degree: int) -> Kernel:
    """The kernel of all monomials, of which those of the highest degree are never made.

    A monomial that ends in variable j is one of degree g - 1 times variable j: so the columns, or what comes out, are
    multiplied by it instead, and a block holds C(d+g-1, g-1) numbers a row.
    """
    lower = rank(dim, degree - 1)
    first, ends = (
        rank(dim, degree - 2),
        list(accumulate((math.comb(j + degree - 1, degree - 1) for j in range(dim)), initial=lower)),
    )

    def parts(top: Tensor) -> Iterator[tuple[int, slice, Tensor]]:
        """For each variable: its place in the features, and the monomials of degree g - 1 that it multiplies."""
        for j, (start, stop) in enumerate(pairwise(ends)):
            yield j, slice(start, stop), top[..., : stop - start, :]

    def gather(rows: Tensor, columns: Tensor) -> Tensor:
        """Sum of columns weighted by the rows' monomials, block by block."""
        gathered = columns.new_zeros((*columns.shape[:-1], ends[-1]))
        for part in blocks(rows.shape[-2], lower, rows):
            monomials, block, x = features(rows[..., part, :], degree - 1), columns[..., part], rows[..., part, :].mT
            gathered[..., :lower] += block @ monomials.mT
            for j, own, below in parts(monomials[..., first:, :]):
                gathered[..., own] += (block * x[..., j : j + 1, :]) @ below.mT
        return gathered

    def spread(rows: Tensor, moments: Tensor) -> Tensor:
        """Moments weighted by each row's monomials, block by block."""
        spread_blocks = []
        for part in blocks(rows.shape[-2], lower, rows):
            monomials, x = features(rows[..., part, :], degree - 1), rows[..., part, :].mT
            block = moments[..., :lower] @ monomials
            for j, own, below in parts(monomials[..., first:, :]):
                block.addcmul_(moments[..., own] @ below, x[..., j : j + 1, :])
            spread_blocks.append(block)
        return torch.cat(spread_blocks, dim=-1)

    return Kernel(gather, spread)


def entries(queries: Tensor, keys: Tensor, scale: float, coefficients: Sequence[float]) -> Tensor:
    """The matrix p(scale q.k) (n, m) as its features give it, queries (n, d) and keys (m, d); for tests and samples."""
    degree = len(coefficients) - 1
    weighted = features(queries, degree) * weights(queries.shape[-1], coefficients, scale, queries)[:, None]
    parts = [weighted.mT @ features(keys[part], degree) for part in blocks(keys.shape[-2], weighted.shape[-2], keys)]
    return torch.cat(parts, dim=-1)


def evaluate(scores: Tensor, coefficients: Sequence[float]) -> Tensor:
    """p at each score, by Horner's rule, in a tensor of its own."""
    values = torch.full_like(scores, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        values.mul_(scores).add_(coefficient)
    return values


def prefixes(dim: int, degree: int) -> tuple[int, ...]:
    """Features up to each degree 0..degree: the first so many of `features` are those of a lower degree."""
    return tuple(accumulate(math.comb(dim + m - 1, m) for m in range(degree + 1)))
