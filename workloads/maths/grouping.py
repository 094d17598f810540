"""Turns points of any shapes into groups of models that are trained as one, each of a size that its device's memory holds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from workloads.maths import ensemble, packing

P = TypeVar("P")

# Bytes of a CPU's memory that the activations of one group may take.
CPU_BYTES = 1 << 30
# Share of a GPU's free memory that they may take; the rest is for what the allocator cannot use.
GPU_SHARE = 0.6


def groups(params: Sequence[P], states: Sequence[Any], free: Collection[str], room: Callable[[P], int]) -> Iterator[list[int]]:
    """Indices of points that are trained as one: alike but for the params `free`, saved at one step, at most `room` of them."""
    same = dict.fromkeys(free)
    keys = [tuple(same.get(name, value) for name, value in vars(p).items()) for p in params]
    for _, indices in packing.groups(list(range(len(params))), lambda i: keys[i]):
        for part in ensemble.together([states[i] for i in indices]):
            yield from packing.chunks([indices[i] for i in part], room(params[indices[0]]))


def room(model_bytes: float, device: str) -> int:
    """How many models of so many bytes are trained at once without running out of memory; at least one."""
    free = torch.cuda.mem_get_info(device)[0] * GPU_SHARE if device.startswith("cuda") else CPU_BYTES
    return max(1, int(free / model_bytes))


def plain(values: Tensor) -> list[Any]:
    """The values (models,) as Python numbers."""
    return (values.double() if values.is_floating_point() else values).tolist()
