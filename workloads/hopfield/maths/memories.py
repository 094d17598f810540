"""Turns the name of a data set into memories, and memories into queries: whole, noisy, or with part of their coordinates gone.

Every set but the named codes depends on the seed: which points of the sphere, which images. Memories are rows, (m, d), float64.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from sklearn import datasets
from torch import Tensor

from workloads.shared.hopfield import known_codes, separation

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

SETS = ("sphere", "simplex", "orthoplex", "digits")
CORRUPTIONS = ("none", "noise", "half")
CLOSE = 0.1
"""Mean absolute difference up to which an item counts as found."""


@dataclass(frozen=True)
class Scene:
    """Memories (m, d) and the queries (m, d) that ask for each, with `seen` (d,): the coordinates that a query still has."""

    memories: Tensor
    queries: Tensor
    visible: Tensor


def check(data: str, d: int, m: int) -> None:
    """Raise ValueError where a set has no m memories of dimension d; d = 0 stands for the set's own."""
    if data not in SETS and not data.endswith(".npy"):
        raise ValueError(
            f"data must be one of {', '.join(SETS)}, or the path of a .npy file, but got '{data}'; write one of them."
        )
    if m < 2 or d < 0 or (d < 1 and data == "sphere"):
        raise ValueError(f"m must be at least 2 and d at least 1 (0 for a set's own), but got m = {m}, d = {d}; raise them.")
    own = {"simplex": m - 1, "orthoplex": m / 2}.get(data)
    if own is not None and d and d != own:
        rule = "d = m - 1" if data == "simplex" else "m = 2d"
        raise ValueError(f"a {data} must have {rule}, but got d = {d}, m = {m}; write d = 0 for its own dimension.")
    if data == "orthoplex" and m % 2:
        raise ValueError(f"an orthoplex must have an even m = 2d, but got m = {m}; write an even one.")
    if data == "digits" or data.endswith(".npy"):
        _check_items(data, d, m)


def _check_items(data: str, d: int, m: int) -> None:
    available = items(data)
    if m > len(available):
        raise ValueError(f"m must be at most the {len(available)} items that '{data}' has, but got {m}; lower it.")
    if d and d != available.shape[1]:
        raise ValueError(f"d must be the {available.shape[1]} coordinates that '{data}' has, but got {d}; write 0.")


@functools.lru_cache(maxsize=8)
def items(data: str) -> Tensor:
    """All items (n, d) of the digits, brought to [0, 1], or of a .npy file; ValueError where it is no table of numbers."""
    if data == "digits":
        return torch.from_numpy(datasets.load_digits().data / 16.0)
    path = Path(data)
    if not path.is_file():
        raise ValueError(f"data must be a file that is there, but '{data}' is not; give its path from the working folder.")
    try:
        table = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise ValueError(f"'{data}' must be an array of numbers, but is none ({error}); save it as float.") from error
    if table.ndim != 2 or table.dtype.kind not in "fiub" or not np.isfinite(table).all():
        raise ValueError(
            f"'{data}' must hold finite numbers of shape (items, coordinates), but has shape {table.shape}, {table.dtype}; "
            "save such a table."
        )
    return torch.from_numpy(table.astype(np.float64))


@functools.cache
def digit_labels() -> Tensor:
    """Which digit each of the images shows (n,), in the order of `items`."""
    return torch.from_numpy(datasets.load_digits().target)


def memories(data: str, d: int, m: int, ctx: Context) -> Tensor:
    """The memories (m, d) of a set and a seed; fewer memories are the first of more."""
    if data == "sphere":
        return separation.random_unit(d, m, ctx.generator("memories"))
    if data == "simplex":
        return known_codes.simplex(m)
    if data == "orthoplex":
        return known_codes.orthoplex(m // 2)
    available = items(data)
    return available[torch.randperm(len(available), generator=ctx.generator("memories"))[:m]]


def scene(data: str, d: int, m: int, corruption: str, strength: float, ctx: Context) -> Scene:
    """Memories and queries of a point: noise of that standard deviation, or that share of the coordinates (the first) at 0."""
    stored = memories(data, d, m, ctx)
    width = stored.shape[1]
    visible, queries = torch.ones(width, dtype=torch.bool), stored.clone()
    if corruption == "noise":
        queries += strength * torch.randn(m, width, dtype=torch.float64, generator=ctx.generator("noise"))
    if corruption == "half":
        visible[: math.floor(strength * width)] = False
        queries[:, ~visible] = 0.0
    return Scene(*(part.to(ctx.device) for part in (stored, queries, visible)))


def controls(view: Scene, rows: int) -> dict[str, float]:
    """Shares of queries that are answered without a network, `rows` queries at a time.

    By the memory nearest on what is seen, by the largest dot product, and by the mean of all memories.
    """
    own = torch.arange(len(view.memories), device=view.memories.device)
    visible, stored = view.queries[:, view.visible], view.memories[:, view.visible]
    nearest, largest = [], []
    for part in own.split(rows):
        nearest.append(torch.cdist(visible[part], stored, compute_mode="donot_use_mm_for_euclid_dist").argmin(1) == part)
        largest.append((view.queries[part] @ view.memories.mT).argmax(1) == part)
    close = (view.memories.mean(0) - view.memories).abs().mean(1) <= CLOSE
    shares = {"accuracy_nearest": torch.cat(nearest), "accuracy_dot": torch.cat(largest), "accuracy_mean_item": close}
    return {name: float(answered.double().mean()) for name, answered in shares.items()}
