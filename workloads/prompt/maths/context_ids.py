"""Turns all short sequences over a grid into context ids, one for each token in each sequence, and finds the closest two."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

RANGE = 34.0
"""ln(1/2^-49): two weights further apart than that are lost beside each other."""


def vocabulary(grid: int, dim: int) -> Tensor:
    """All tokens (grid^d, d) with coordinates 1/grid, 2/grid, .., 1."""
    steps = [(i + 1) / grid for i in range(grid)]
    return torch.tensor(list(itertools.product(steps, repeat=dim)), dtype=torch.float64)


def count(tokens: int, length: int) -> int:
    """Sets of that many different tokens."""
    return math.comb(tokens, length)


def sequences(tokens: int, length: int) -> Tensor:
    """All sets of different tokens as indices (sequences, length), rising; order within a sequence does not matter."""
    return torch.tensor(list(itertools.combinations(range(tokens), length)), dtype=torch.long).reshape(-1, length)


def context_ids(chosen: Tensor, words: Tensor, prompt: Tensor, weight: Tensor, value: Tensor) -> Tensor:
    """Output x + V softmax(x W [P, X]^T) [P, X] of every token of every sequence (s, L, d), the attention layer with its skip.

    `chosen` (s, L) picks from words (v, d); prompt (p, d) stands before each sequence; W and V are (d, d).
    """
    x = words[chosen]  # (s, L, d)
    tokens = torch.cat([prompt.expand(len(x), -1, -1), x], 1)
    scores = (x @ weight) @ tokens.mT
    return x + torch.softmax(scores, -1) @ tokens @ value.mT


def boltzmann(z: Tensor) -> Tensor:
    """The mean of z (..., n) under its own softmax."""
    return (torch.softmax(z, -1) * z).sum(-1)


def separations(ids: Tensor) -> Tensor:
    """Distance (m,) from each of ids (m, d) to the nearest other one; infinite for one alone."""
    points = ids.cpu().numpy()
    if len(points) < 2:
        return torch.full((len(points),), math.inf, dtype=torch.float64)
    distances, _ = cKDTree(points).query(points, k=2)
    return torch.from_numpy(np.ascontiguousarray(distances[:, 1]))


def boltzmann_margin(scores: Tensor, chosen: Tensor) -> float | None:
    """Least gap of boltzmann over all sequences for one query, over (ln n)² e^(-2r); None where its hypothesis fails.

    `scores` (v,) are those of all words. Kajitsuka and Sato 2024, arXiv:2307.14023, lemma 1 (recalled): sequences without
    duplicates of entries at most r in size, every two of them more than 4 ln n apart, have boltzmann more than that apart.
    None too where scores spread by more than RANGE, beyond which double precision cannot tell.
    """
    n = chosen.shape[1]
    if n < 2 or len(chosen) < 2:
        return None
    ranked = scores.sort().values
    if not float(ranked.diff().amin()) > 4 * math.log(n) or float(ranked[-1] - ranked[0]) > RANGE:
        return None
    own = scores[chosen]
    top = own.amax(-1)
    # What the mean lacks to the largest is a small number with all its digits, where the mean itself would lose them.
    lack = (torch.softmax(own, -1) * (top[:, None] - own)).sum(-1)
    gaps = [group.sort().values.diff().amin() for group in (lack[top == value] for value in top.unique()) if len(group) > 1]
    gaps += [boltzmann(own).sort().values.diff()[top.sort().values.diff() > 0].amin()] if len(top.unique()) > 1 else []
    return float(torch.stack(gaps).amin()) / (math.log(n) ** 2 * math.exp(-2 * float(scores.abs().amax())))
