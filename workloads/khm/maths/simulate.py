"""Turns a code and temperatures into whether the network, run from each memory, keeps all of them; no bound involved."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor

from workloads.khm.maths import best
from workloads.shared.hopfield import known_codes, retrieval, separation

# Updates after which a memory that has not left its ball counts as kept; near the onset the way out takes about 1/sqrt(gap).
UPDATES = 512
Holds = Callable[[Tensor, Tensor], Tensor]
# Weights (p, q, m) held at once, in numbers: 32 MB of float64.
ELEMENTS = 1 << 22


def retained(codes: Tensor, beta: Tensor, updates: int = UPDATES, queries: int | None = None) -> Tensor:
    """Whether the memories of each code (p, m, d), iterated from themselves at β (p,), end within R of where they began; (p,).

    All memories are asked, or the first `queries`.
    """
    points, m, _ = codes.shape
    answers = torch.ones(points, dtype=torch.bool, device=codes.device)
    checked = queries or m
    rows = min(checked, max(1, ELEMENTS // m))
    step = max(1, ELEMENTS // (rows * m))
    for start in range(0, points, step):
        code, b = codes[start : start + step], beta[start : start + step, None, None]
        reach = separation.radius(code)[:, None]
        for first in range(0, checked, rows):
            trace = retrieval.iterate(code[:, first : min(first + rows, checked)], code, b, 1.0, updates)
            answers[start : start + step] &= (retrieval.errors(trace.weights, code, first) < reach).all(-1)
    return answers


def largest(code: str, d: int, beta: Tensor, limit: int, updates: int) -> list[tuple[float, float, bool]]:
    """(memories, separation, cut) of the largest code of a kind in R^d that the network keeps at each β (p,); 1 where none."""
    largest_codes: dict[int, tuple[float, float, bool]] = {}
    for m, make in sorted(candidates(code, d, limit).items(), reverse=True):
        open_betas = [i for i in range(len(beta)) if i not in largest_codes]
        if not open_betas:
            break
        points = make().to(beta.device)
        delta = float(separation.delta(points))
        # One memory that is lost settles it, at 1/m of the cost.
        open_betas = [open_betas[i] for i in _retained(points, beta[open_betas], updates, 1)]
        largest_codes |= {open_betas[i]: (float(m), delta, m == limit) for i in _retained(points, beta[open_betas], updates, m)}
    return [largest_codes.get(i, (1.0, math.nan, False)) for i in range(len(beta))]


def _retained(code: Tensor, beta: Tensor, updates: int, queries: int) -> list[int]:
    """Which of the temperatures (p,) keep the first memories of one code (m, d)."""
    return retained(code.expand(len(beta), -1, -1), beta, updates, queries).nonzero().flatten().tolist()


def candidates(code: str, d: int, limit: int) -> dict[int, Callable[[], Tensor]]:
    """The codes of a kind in R^d that can be built with at most `limit` memories: makers by number of memories."""
    family: dict[int, Callable[[], Tensor]] = {}
    if code in ("orthoplex", "optimal"):
        family |= {m: functools.partial(_part, d, m) for m in _steps(2 * d)}
    if code in ("simplex", "optimal"):
        family |= {m: functools.partial(known_codes.simplex, m) for m in _steps(d + 1)}
    if code == "polygon" or (code == "optimal" and d == 2):
        family |= {m: functools.partial(known_codes.polygon, m) for m in _steps(limit)}
    if code == "optimal":
        family |= {m: make for (dim, m), make in known_codes.CODES.items() if dim <= d and m > 2 * d}
    if code in best.SIZES:
        family[best.SIZES[code][1]] = functools.partial(best.build, code, *best.SIZES[code])
    return {m: make for m, make in family.items() if 2 <= m <= limit}


def _part(d: int, m: int) -> Tensor:
    return known_codes.orthoplex(d)[:m]


def _steps(most: int) -> list[int]:
    """All numbers of memories from 2 to 32, then eight in an octave, and the last."""
    coarse = {math.floor(2 ** (k / 8)) for k in range(40, 8 * most.bit_length())}
    return sorted({m for m in {*range(2, 33), *coarse} if m < most} | {most})


def prefix(seed_code: Callable[[int], Tensor], holds: Holds, limit: int) -> tuple[float, float, bool]:
    """(memories, separation, cut) of the longest start of a random sequence whose every start (from 2 memories) `holds`.

    `seed_code(n)` gives the first n memories (n, d), `holds(m, delta)` answers for numbers and separations (n-1,).
    """
    n = min(64, limit)
    while True:
        size, delta = _start(seed_code(n), holds)
        if size < n or n == limit:
            return float(size), delta, size == limit
        n = min(2 * n, limit)


def _start(code: Tensor, holds: Holds) -> tuple[int, float]:
    gram = code @ code.T
    earlier = torch.ones_like(gram, dtype=torch.bool).tril(-1)
    delta = 1 - gram.masked_fill(~earlier, -math.inf).amax(1)[1:].cummax(0).values
    good = holds(torch.arange(2, len(code) + 1, dtype=code.dtype), delta)
    size = int(good.long().cumprod(0).sum())
    return size + 1, float(delta[size - 1]) if size else math.nan


def grow(seed_code: Callable[[int], Tensor], beta: float, limit: int, updates: int) -> tuple[float, float, bool]:
    """(memories, separation, cut) of the last start of a random sequence, 4 to an octave, that the network keeps whole."""
    largest_code: tuple[float, float, bool] = (1.0, math.nan, False)
    for m in sorted({min(limit, math.floor(2 ** (k / 4))) for k in range(4, 4 * limit.bit_length() + 1)}):
        code = seed_code(m)
        if not bool(retained(code[None], torch.tensor([beta], dtype=code.dtype, device=code.device), updates)):
            return largest_code
        largest_code = (float(m), float(separation.delta(code)), m == limit)
    return largest_code
