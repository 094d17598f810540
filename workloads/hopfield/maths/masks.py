"""Turns a variant and a number of kept memories into masks: which memories a query may read, (..., q, m) booleans or places.

Symbols: q = queries · m = memories · k = kept memories · μ = the memory that a query belongs to, which has the query's place.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

MASKED = ("masked", "random", "window", "top_k")
"""Variants whose queries read some of the memories."""
KNOWN = ("masked", "random", "window")
"""Those whose mask is known before any score; top_k must see all scores."""


@functools.lru_cache(maxsize=16)
def ordered(variant: str, queries: int, m: int, keep: int) -> Tensor:
    """`places` of the masks that the order alone fixes, one tensor for all that ask for it."""
    return places(variant, queries, m, keep)


def places(variant: str, queries: int, m: int, keep: int, generator: torch.Generator | None = None) -> Tensor:
    """Memories that each query may read, (q, k), of a mask that is known before any score; `window` gives -1 beyond an end.

    masked: μ and the next k - 1 in order, cyclic. random: a uniform draw without repeats, which need not hold μ.
    window: the band of k places around the query's own, cut at both ends.
    """
    own = torch.arange(queries)[:, None] % m
    if variant == "masked":
        return (own + torch.arange(keep)) % m
    if variant == "window":
        band = own - (keep - 1) // 2 + torch.arange(keep)
        return torch.where((band >= 0) & (band < m), band, -1)
    if variant == "random" and generator is not None:
        return subsets(queries, m, keep, generator)
    raise ValueError(f"a mask that is known before the scores must be masked, random or window, but got '{variant}'.")


def subsets(queries: int, m: int, keep: int, generator: torch.Generator) -> Tensor:
    """Uniform k-subsets of m memories, (q, k): orders of all where k is no small part of m, else steps of a shuffle.

    Step i of k swaps places i and j, j uniform in i..m-1; what earlier steps moved is looked up among themselves, so no more
    than q k numbers are held.
    """
    if keep * 8 > m:
        return torch.rand(queries, m, dtype=torch.float64, generator=generator).argsort(-1)[:, :keep]
    ends = torch.arange(keep)
    picks = ends + (torch.rand(queries, keep, dtype=torch.float64, generator=generator) * (m - ends)).long()
    selection, moved = picks.clone(), picks.clone()  # moved: what stands at place picks_i once step i has swapped
    for i in range(keep):
        here = torch.full((queries,), i)
        selection[:, i], moved[:, i] = _at(picks[:, i], picks, moved, i), _at(here, picks, moved, i)
    return selection


def _at(position: Tensor, picks: Tensor, moved: Tensor, steps: int) -> Tensor:
    """What stands at a place (q,) after the first steps: what the last swap with it left there, or the place's own number."""
    value = position.clone()
    for i in range(steps):
        value = torch.where(picks[:, i] == position, moved[:, i], value)
    return value


def as_mask(selection: Tensor, m: int) -> Tensor:
    """Booleans (..., q, m) of places (..., q, k), -1 for none."""
    spare = torch.where(selection < 0, m, selection)
    mask = torch.zeros(*selection.shape[:-1], m + 1, dtype=torch.bool, device=selection.device)
    return mask.scatter(-1, spare, True)[..., :m]


def top(scores: Tensor, keep: int) -> Tensor:
    """Booleans (..., q, m) of the k largest scores; of equal ones the first in order."""
    order = torch.argsort(scores, dim=-1, descending=True, stable=True)
    return torch.zeros_like(scores, dtype=torch.bool).scatter(-1, order[..., :keep], True)
