"""Turns a variant into one call that retrieves, as a program would that wants to be fast, and into the operations it makes.

Masks that are known beforehand are gathered, k memories a query; top_k must make all scores. Rows go in blocks, so memory grows
with queries and memories and not with their product. Q = queries · M = memories · d = dimension · k = kept memories.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from workloads.hopfield.maths import kernels, masks
from workloads.shared import memory
from workloads.shared.attention import operators

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

Call = Callable[[], Tensor]


@dataclass(frozen=True)
class Shape:
    """A retrieval map and the numbers of what it reads; `keep` and `features` are 0 where the variant has none."""

    variant: str
    m: int
    queries: int
    d: int
    keep: int = 0
    features: int = 0


@dataclass(frozen=True)
class Inputs:
    """Queries (Q, d), memories (M, d), values (M, w) that are read out, and the mask (Q, k) or directions (features, d)."""

    queries: Tensor
    memories: Tensor
    values: Tensor
    places: Tensor | None = None
    omega: Tensor | None = None


def check(shape: Shape) -> None:
    """Raise ValueError where a variant lacks what it needs, or has what it does not use."""
    if min(shape.m, shape.queries, shape.d) < 1:
        raise ValueError(
            f"m, queries and d must be at least 1, but got m = {shape.m}, queries = {shape.queries}, d = {shape.d}; raise them."
        )
    masked, featured = shape.variant in masks.MASKED, shape.variant == "prf"
    if not (1 <= shape.keep <= shape.m if masked else shape.keep == 0):
        raise ValueError(
            f"keep must lie in 1..m = {shape.m} for {', '.join(masks.MASKED)}, and be 0 else, but got {shape.keep} for "
            f"{shape.variant}; change it."
        )
    if not (shape.features >= 1 if featured else shape.features == 0):
        raise ValueError(
            f"features must be at least 1 for prf, and 0 else, but got {shape.features} for {shape.variant}; change it."
        )


def inputs_of(shape: Shape, ctx: Context, dtype: torch.dtype) -> Inputs:
    """Normal queries and memories of a seed, with its mask or directions, on its device."""
    sizes = {"queries": shape.queries, "memories": shape.m}
    rows = {
        name: (torch.randn(count, shape.d, generator=ctx.generator(name)) / shape.d**0.5).to(ctx.device, dtype)
        for name, count in sizes.items()
    }
    places = omega = None
    if shape.variant in masks.KNOWN:
        selection = masks.places(shape.variant, shape.queries, shape.m, shape.keep, ctx.generator("mask"))
        places = selection.to(ctx.device)
    if shape.variant == "prf":
        omega = torch.randn(shape.features, shape.d, generator=ctx.generator("directions")).to(ctx.device, dtype)
    return Inputs(rows["queries"], rows["memories"], rows["memories"], places, omega)


def empty(shape: Shape, width: int) -> Inputs:
    """Inputs without any numbers, of values of that width: operations on them are counted and not carried out."""

    def rows(*size: int) -> Tensor:
        """A tensor of that size that holds nothing."""
        return torch.empty(*size, dtype=torch.float64, device="meta")

    places = torch.empty(shape.queries, shape.keep, dtype=torch.long, device="meta") if shape.keep else None
    omega = rows(shape.features, shape.d) if shape.features else None
    return Inputs(rows(shape.queries, shape.d), rows(shape.m, shape.d), rows(shape.m, width), places, omega)


def forward(shape: Shape, inputs: Inputs, beta: float = 1.0) -> Call:
    """One retrieval of all queries, (Q, w)."""
    if shape.variant == "dense":
        return lambda: operators.exact(inputs.queries, inputs.memories, beta).apply(inputs.values)
    if shape.variant in kernels.DEFAULT:
        kernel = kernels.DEFAULT[shape.variant]
        return lambda: kernels.attention(inputs.queries, inputs.memories, beta, kernel, inputs.omega).apply(inputs.values)
    if shape.variant == "top_k":
        return lambda: _top(inputs, beta, shape.keep)
    return lambda: _gathered(inputs, beta)


def _gathered(inputs: Inputs, beta: float) -> Tensor:
    """Retrieval from masks that are known before the scores."""
    assert inputs.places is not None
    keep, outputs = inputs.places.shape[1], []
    for part in operators.blocks(len(inputs.queries), keep * inputs.memories.shape[1], inputs.queries):
        selection = inputs.places[part]
        gathered = selection.clamp_min(0)
        scores = (inputs.memories[gathered] @ inputs.queries[part, :, None])[..., 0]
        weights = torch.softmax((beta * scores).masked_fill(selection < 0, -torch.inf), -1)
        outputs.append((weights[:, None] @ inputs.values[gathered])[:, 0])
    return torch.cat(outputs)


def _top(inputs: Inputs, beta: float, keep: int) -> Tensor:
    """Retrieval from the k memories of the largest scores, all of which are made."""
    outputs = []
    for part in operators.blocks(len(inputs.queries), len(inputs.memories), inputs.queries):
        scores, gathered = (inputs.queries[part] @ inputs.memories.mT).topk(keep, -1)
        outputs.append((torch.softmax(beta * scores, -1)[:, None] @ inputs.values[gathered])[:, 0])
    return torch.cat(outputs)


@dataclass(frozen=True)
class Counted:
    """What one retrieval costs: operations of matrix products, those among them for the weights, and numbers held at once."""

    flops: int
    flops_scores: int
    numbers: int


def counted(shape: Shape) -> Counted:
    """The cost of the call itself, carried out on tensors without numbers; two operations a multiply-add.

    What is left where the values have no width is counted as the weights': scores, or projections onto directions.
    """
    return Counted(
        flops=_flops(forward(shape, empty(shape, shape.d))),
        flops_scores=_flops(forward(shape, empty(shape, 0))),
        numbers=memory.peak_bytes(forward(shape, empty(shape, shape.d))) // 8,
    )


def _flops(call: Call) -> int:
    with FlopCounterMode(display=False) as counter:
        call()
    total: int = counter.get_total_flops()
    return total
