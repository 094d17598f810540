"""Turns points of any shapes into groups of models that are trained as one, each of a size that its device's memory holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from workloads.shared import packs
from workloads.shared.training import ensemble

P = TypeVar("P")

# Bytes of a CPU's memory that one group may take.
CPU_BYTES = 1 << 30
# Shares of a GPU's free memory that training a group and looking at a part of it may take; the rest is for what the
# allocator cannot use.
TRAINING, LOOKING = 0.6, 0.2


def groups(params: Sequence[P], states: Sequence[Any], free: Collection[str], room: Callable[[P], int]) -> Iterator[list[int]]:
    """Indices of points that are trained as one: alike but for the params `free`, saved at one step, at most `room` of them.

    `room` is asked of the point of a group that needs most.
    """
    keys = same(params, free)
    for _, indices in packs.groups(list(range(len(params))), lambda i: keys[i]):
        for part in ensemble.together([states[i] for i in indices]):
            yield from packs.chunks([indices[i] for i in part], min(room(params[indices[i]]) for i in part))


def same(params: Sequence[Any], free: Collection[str]) -> list[tuple[Any, ...]]:
    """What points of one group have in common: the values of all params but those `free`."""
    blank = dict.fromkeys(free)
    return [tuple(blank.get(name, value) for name, value in vars(p).items()) for p in params]


def room(model_bytes: float, device: str, share: float = TRAINING) -> int:
    """How many models of so many bytes fit into a share of the device's free memory; at least one."""
    return max(1, int((vacant(device) * share if device.startswith("cuda") else CPU_BYTES) / model_bytes))


def vacant(device: str) -> int:
    """Bytes of a GPU that are free, or that torch holds and does not use."""
    free: int = torch.cuda.mem_get_info(device)[0]
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def parts(count: int, room: int) -> list[tuple[int, int]]:
    """(start, stop) of runs of at most `room` of so many models, which are looked at one run after the other."""
    return [(start, min(start + room, count)) for start in range(0, count, room)]


def joined(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Values (models,) by name of all models, off their device, out of those of the parts."""
    return {name: torch.cat([part[name].cpu() for part in parts]) for name in parts[0]}


def plain(values: Tensor) -> list[Any]:
    """The values (models,) as Python numbers."""
    return (values.double() if values.is_floating_point() else values).tolist()
