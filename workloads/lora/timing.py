"""How long attention takes, exact, by torch, by polynomials, by random features and by landmarks, timed in turn in one process.

Source: arXiv:2406.03136 (almost linear time below the threshold); arXiv:2009.14794 (Performer), arXiv:2102.03902 (Nyström).
Symbols: L = sequence length · d = dimension · g = degree · k = features, C(d + g, g) for a polynomial.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.lora.degree import check
from workloads.lora.maths import data, methods
from workloads.lora.maths.methods import MethodSize
from workloads.shared import memory, packs, timing

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 2
MEASURES = "cost"
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}


@dataclass(frozen=True)
class Params:
    """A shape and a method."""

    seq_len: Annotated[int, "sequence length L", {"shape": True}]
    dim: Annotated[int, "dimension d of queries, keys and values", {"shape": True}]
    method: Annotated[str, "exact | sdpa (torch's own) | softmax_1 | polynomial | performer | nystroem"] = "exact"
    degree: Annotated[int, "degree of the polynomial; 0 for the other methods"] = 0
    features: Annotated[int, "random features or landmarks; 0 for the other methods"] = 0
    b: Annotated[float, "bound of the entries of queries and keys"] = 1.0
    repeats: Annotated[int, "rounds in which all methods run in turn, after one that does not count", {"shape": True}] = 5
    dtype: Annotated[str, "float64 | float32 | bfloat16", {"shape": True}] = "float32"


@dataclass(frozen=True)
class Result:
    """Time and memory of one forward attention, beside exact attention and a matrix product in the same rounds."""

    forward_seconds: Annotated[
        float, "least time of one forward attention over the rounds", {"unit": "s", "aggregate": "median"}
    ]
    exact_seconds: Annotated[float, "least time of exact attention in the same rounds", {"unit": "s", "aggregate": "median"}]
    speedup: Annotated[float, "exact_seconds / forward_seconds", {"aggregate": "median"}]
    flops: Annotated[float, "operations of the method, exponentials not counted"]
    flops_exact: Annotated[float, "operations of exact attention, 4 L^2 d"]
    product_rate: Annotated[
        float,
        "operations a second of a product of d + 1 rows with a square matrix in the same rounds",
        {"unit": "1/s", "aggregate": "median"},
    ]
    flops_seconds: Annotated[float, "time that the operations take at that rate", {"unit": "s", "aggregate": "median"}]
    overhead: Annotated[float, "forward_seconds / flops_seconds", {"aggregate": "median"}]
    peak_bytes: Annotated[int, "most bytes of tensors made and held at one time", {"unit": "B", "aggregate": "max"}]
    rel_error_output: Annotated[float, "Frobenius norm of the error of the outputs over that of exact ones, in the same type"]


EXAMPLES = (
    Params(256, 8, repeats=1),
    Params(256, 8, "polynomial", degree=2, repeats=1),
    Params(128, 7, "performer", features=64, repeats=1),
    Params(128, 7, "nystroem", features=16, repeats=1, dtype="float64"),
    Params(128, 7, "sdpa", repeats=1),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; those of one shape and seed are timed in turn."""
    for p in params:
        _check(p)
    every = list(zip(params, ctxs, strict=True))
    for (shape, ctx), indices in packs.groups(every, lambda x: (_shape(x[0]), x[1])):
        yield {"index": indices, "step": [0] * len(indices), **_measure(shape, ctx, [_asked(params[i]) for i in indices])}


def _check(p: Params) -> None:
    check(p.b, 0.5, p.dim)
    if p.dtype not in DTYPES or p.repeats < 1 or p.seq_len < 2:
        raise ValueError(
            f"dtype must be one of {', '.join(DTYPES)}, repeats at least 1, seq_len at least 2, but got dtype = '{p.dtype}', "
            f"repeats = {p.repeats}, seq_len = {p.seq_len}; mend them."
        )
    if (p.degree > 0) != (p.method == "polynomial") or (p.features > 0) != (p.method in ("performer", "nystroem")):
        raise ValueError(
            f"degree must be given for polynomial and features for performer and nystroem, but got method = '{p.method}', "
            f"degree = {p.degree}, features = {p.features}; set what the method does not use to 0."
        )


def _shape(p: Params) -> Params:
    return dataclasses.replace(p, method="exact", degree=0, features=0)


def _asked(p: Params) -> MethodSize:
    return MethodSize(p.method, p.degree, p.features)


def _measure(p: Params, ctx: Context, choices: list[MethodSize]) -> dict[str, list[Any]]:
    rows, directions = drawn(p.seq_len, p.dim, p.b, ctx, DTYPES[p.dtype], max(a.features for a in choices))
    multiply, operations = timing.product(p.dim + 1, DTYPES[p.dtype], ctx.device)
    calls = {a: methods.forward(a, rows, 1 / p.dim, directions) for a in (MethodSize("exact"), *choices)}
    with torch.inference_mode():
        product, *times = timing.quickest([multiply, *calls.values()], p.repeats, timing.clock(ctx.device), least=0.0)
        outputs = {a: call().double() for a, call in calls.items()}
        peaks = [memory.peak_bytes(calls[a]) for a in choices]
    exact, seconds = times[0], [times[[*calls].index(a)] for a in choices]
    whole = outputs[MethodSize("exact")]
    flops, rate = [methods.flops(a, p.seq_len, p.dim) for a in choices], operations / product
    return {
        "forward_seconds": seconds,
        "exact_seconds": [exact] * len(choices),
        "speedup": [exact / s for s in seconds],
        "flops": flops,
        "flops_exact": [methods.flops(MethodSize("exact"), p.seq_len, p.dim)] * len(choices),
        "product_rate": [rate] * len(choices),
        "flops_seconds": [f / rate for f in flops],
        "overhead": [s * rate / f for s, f in zip(seconds, flops, strict=True)],
        "peak_bytes": peaks,
        "rel_error_output": [float((outputs[a] - whole).norm() / whole.norm()) for a in choices],
    }


def drawn(
    seq_len: int, dim: int, b: float, ctx: Context, dtype: torch.dtype, features: int
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Queries, keys and values (L, d) of even entries up to b and of normal ones, and directions (features, d)."""
    queries, keys = data.pair(ctx, "uniform", seq_len, dim)
    values = data.values(ctx, "normal", keys)
    directions = torch.randn(features, dim, dtype=torch.float64, generator=ctx.generator("directions"))
    return ((b * queries).to(dtype), (b * keys).to(dtype), values.to(dtype)), directions.to(ctx.device, dtype)
