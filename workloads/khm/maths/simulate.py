"""Turns codes and a temperature into how many memories the network gives back when it is asked; no bound is involved."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workloads.khm.maths import making
from workloads.shared.hopfield import known_codes, retrieval, separation

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

# Updates after which a memory that has not left its ball counts as kept; near the onset the way out takes about 1/sqrt(gap).
UPDATES = 512
# Sizes in a row that are not given back before a search ends: a code of one size may be unlucky.
PATIENCE = 2
# A searched code counts as one of the angle asked for within this share of 1 - cos, as it comes near but not there.
NEAR = 1e-3
# Starts of a search, and of learning a map: one code for each size and seed, as sizes are many.
RESTARTS = 1
# Codes whose memories are placed freely, so that those of a smaller space are among them; of the others the data are given.
PLACED = ("optimal", "annealed", "orthoplex")
CODES = (*PLACED, "learnt", "uhop_plus", "random")
# Two memories that run into one point may both be R from it, and neither is given back; rounding must not decide that.
INSIDE = 1 - 1e-9
Holds = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Search:
    """What is looked for: the largest code of a kind in R^d that the network gives back at β.

    `least` is the 1 - cos that every pair must have (0: any), `start` the share of R at which a query begins, `steps` those of
    a search or of learning, `limit` the most memories that are tried.
    """

    code: str
    d: int
    beta: float
    least: float
    start: float
    updates: int
    steps: int
    limit: int


@dataclass(frozen=True)
class Recalled:
    """The largest code given back: `memories`, its 1 - cos (NaN for one memory), and the smallest size beyond that was not."""

    memories: int = 1
    separation: float = math.nan
    lost_at: int | None = None


def returned(code: Tensor, beta: float, away: Tensor, updates: int = UPDATES) -> bool:
    """Whether every query ξ + `away` (m, d) ends within the radius R of its memory ξ of the code (m, d), after `updates`."""
    trace = retrieval.iterate((code + away)[None], code[None], code.new_full((1, 1, 1), beta), 1.0, updates)
    return bool((retrieval.errors(trace.weights, code[None])[0] < INSIDE * separation.radius(code)).all())


def largest(search: Search, ctx: Context) -> Recalled:
    """The largest code of the kind that is given back whole; of freely placed ones the largest in R^d or a subspace of it."""
    best = _with_known_codes(search, ctx, below(search, ctx))
    lost: list[int] = []
    for m in _sizes(search):
        if m <= best.memories:
            continue
        given_back = recalled(search, ctx, code_of(search.code, search.d, m, search.steps, ctx))
        lost = [] if given_back else [*lost, m]
        best = given_back or best
        if len(lost) == PATIENCE:
            break
    return replace(best, lost_at=lost[0] if lost else None)


@functools.lru_cache(maxsize=4096)
def below(search: Search, ctx: Context) -> Recalled:
    """What the next smaller space stores, which a larger one stores too; one memory at d = 2, and where the data are given."""
    if search.code not in PLACED or search.d == 2:
        return Recalled()
    return largest(replace(search, d=search.d - 1), ctx)


def _with_known_codes(search: Search, ctx: Context, best: Recalled) -> Recalled:
    """The best so far, or a code of known coordinates in R^d that is larger and given back."""
    if search.code != "optimal":
        return best
    for (d, m), make in known_codes.CODES.items():
        if d == search.d and best.memories < m <= search.limit:
            best = recalled(search, ctx, make()) or best
    return best


def recalled(search: Search, ctx: Context, code: Tensor) -> Recalled | None:
    """The code (m, d) where it has the angle and is given back whole, else None."""
    delta = float(separation.delta(code))
    if delta < search.least * (1 - NEAR):
        return None
    away = torch.randn(code.shape, dtype=code.dtype, generator=ctx.generator("queries"))
    reach = search.start * separation.radius(code).cpu()
    on_device = code.to(ctx.device)
    whole = returned(on_device, search.beta, (reach * separation.normalise(away)).to(ctx.device), search.updates)
    return Recalled(len(code), delta) if whole else None


def _sizes(search: Search) -> list[int]:
    """Numbers of memories that are tried: four in an octave up to the limit; of an orthoplex 2d alone."""
    if search.code == "orthoplex":
        return [2 * search.d] if 2 * search.d <= search.limit else []
    return sorted({m for m in (round(2 ** (k / 4)) for k in range(4, 64)) if m <= search.limit})


@functools.lru_cache(maxsize=2048)
def code_of(code: str, d: int, m: int, steps: int, ctx: Context) -> Tensor:
    """Coordinates (m, d) of a code of a kind, by the streams of the point's seed; the same at every temperature."""
    if code == "orthoplex":
        return known_codes.orthoplex(d)
    coordinates = known_codes.known_code(d, m) if code == "optimal" else None
    if coordinates is not None:
        return coordinates
    method = {"optimal": "annealed", "learnt": "linear"}.get(code, code)
    trained = method in ("annealed", "linear")
    recipe = making.Recipe(method, d, m, restarts=RESTARTS, iterations=steps if trained else None)
    return making.best_code(recipe, ctx.generator, ctx.device).cpu()


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
