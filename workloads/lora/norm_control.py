"""Whether attention takes longer, or gets worse, as its entries grow: a control, for dense kernels do not look at numbers.

Source: Hu et al. 2024, arXiv:2406.03136, appendix G (norm control against the time of LoRA fine-tuning); derived here.
Symbols: B = bound of entries · L = sequence length · d = dimension of a head.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.lora.degree import check
from workloads.lora.maths import data, methods
from workloads.lora.maths.methods import MethodSize
from workloads.lora.timing import DTYPES, drawn
from workloads.shared import packs, timing

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "cost"
METHODS = ("exact", "sdpa", "softmax_1", "polynomial")


@dataclass(frozen=True)
class Params:
    """A head, a method and how large its entries are."""

    b: Annotated[float, "bound of the entries of queries and keys"]
    seq_len: Annotated[int, "sequence length L", {"shape": True}] = 512
    dim: Annotated[int, "dimension d of the head", {"shape": True}] = 64
    method: Annotated[str, "exact (softmax) | sdpa (torch's own) | softmax_1 | polynomial"] = "exact"
    degree: Annotated[int, "degree of the polynomial; 0 for the other methods"] = 0
    dtype: Annotated[str, "float64 | float32 | bfloat16", {"shape": True}] = "float32"
    score_scale: Annotated[str, "what q.k is multiplied by: theory 1/dim, practice 1/sqrt(dim), unit 1", {"shape": True}] = (
        "practice"
    )
    repeats: Annotated[int, "rounds in which all points run in turn, after one that does not count", {"shape": True}] = 15


@dataclass(frozen=True)
class Result:
    """Time beside that at b = 1, and error beside double precision."""

    forward_seconds: Annotated[
        float, "least time of one forward attention over the rounds", {"unit": "s", "aggregate": "median"}
    ]
    base_seconds: Annotated[
        float, "least time of the same method at b = 1 in the same rounds", {"unit": "s", "aggregate": "median"}
    ]
    slowdown: Annotated[float, "forward_seconds / base_seconds", {"aggregate": "median"}]
    score_max: Annotated[float, "largest absolute score"]
    rel_error_output: Annotated[
        float, "Frobenius norm of the error of the outputs over that of exact ones in double precision (of softmax_1: its own)"
    ]


EXAMPLES = (
    Params(0.5, 64, 8, repeats=1),
    Params(2.0, 64, 8, "softmax_1", repeats=1),
    Params(0.5, 96, 6, "polynomial", 2, "float64", repeats=1),
    Params(0.5, 96, 6, "sdpa", dtype="bfloat16", repeats=1),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; those of one shape and seed are timed in turn."""
    for p in params:
        _check(p)
    every = list(zip(params, ctxs, strict=True))
    for (shape, ctx), indices in packs.groups(every, lambda x: (_shape(x[0]), x[1])):
        yield {"index": indices, "step": [0] * len(indices), **_measure(shape, ctx, [params[i] for i in indices])}


def _shape(p: Params) -> Params:
    return dataclasses.replace(p, b=1.0, method="exact", degree=0)


def _check(p: Params) -> None:
    check(p.b, 0.5, p.dim)
    if p.method not in METHODS or (p.degree > 0) != (p.method == "polynomial") or p.dtype not in DTYPES or p.repeats < 1:
        raise ValueError(
            f"method must be one of {', '.join(METHODS)} (degree for polynomial alone), dtype one of {', '.join(DTYPES)} and "
            f"repeats at least 1, but got method = '{p.method}', degree = {p.degree}, dtype = '{p.dtype}', "
            f"repeats = {p.repeats}; mend them."
        )


def _measure(shape: Params, ctx: Context, points: list[Params]) -> dict[str, list[Any]]:
    scale, dtype = data.score_scale(shape.score_scale, shape.dim), DTYPES[shape.dtype]
    bases = list(dict.fromkeys(MethodSize(p.method, p.degree) for p in points))
    unit = _rows(shape, 1.0, ctx, dtype)
    calls = [methods.forward(choice, unit, scale, unit[0]) for choice in bases]
    for p in points:
        rows = _rows(shape, p.b, ctx, dtype)
        calls.append(methods.forward(MethodSize(p.method, p.degree), rows, scale, rows[0]))
    with torch.inference_mode():
        times = timing.quickest(calls, shape.repeats, timing.clock(ctx.device), least=0.0)
        errors = [_compared(p, ctx, call, scale) for p, call in zip(points, calls[len(bases) :], strict=True)]
    seconds, base = times[len(bases) :], [times[bases.index(MethodSize(p.method, p.degree))] for p in points]
    return {
        "forward_seconds": seconds,
        "base_seconds": base,
        "slowdown": [t / s for t, s in zip(seconds, base, strict=True)],
        "score_max": [score for _, score in errors],
        "rel_error_output": [error for error, _ in errors],
    }


def _rows(p: Params, b: float, ctx: Context, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    return drawn(p.seq_len, p.dim, b, ctx, dtype, 0)[0]


def _compared(p: Params, ctx: Context, call: Callable[[], Tensor], scale: float) -> tuple[float, float]:
    """Relative error of the outputs against double precision, and the largest absolute score."""
    rows = _rows(p, p.b, ctx, torch.float64)
    exact = methods.forward(MethodSize("softmax_1" if p.method == "softmax_1" else "exact"), rows, scale, rows[0])()
    return float((call().double() - exact).norm() / exact.norm()), float((scale * rows[0] @ rows[1].mT).abs().max())
