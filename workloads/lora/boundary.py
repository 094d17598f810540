"""How far attention by a polynomial of affordable degree is from exact attention, when entries are bounded by b.

Source: Hu et al. 2024, arXiv:2406.03136, theorems 3.1 and 4.1 (the threshold in the norm); arXiv:2302.13214 (features).
Symbols: L = sequence length · d = dimension · B = bound of entries · g = degree · R = largest score · ε = error allowed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from workloads.lora.degree import check
from workloads.lora.maths import data, outputs
from workloads.shared import packs
from workloads.shared.attention import degree

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
PATHS = ("scores", "features")
SURE = {"seedless": True}
# Among so many pairs of signs one reaches each end of the range, whatever the seed: but for one in e^16 there is none.
SIGNS = {"seedless": "data in ('sign', 'planted') and path = 'scores' and 16 * pow(2, dim) <= seq_len * seq_len"}
DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True)
class Params:
    """A length, a dimension, a bound, and the rule that fixes the degree."""

    seq_len: Annotated[int, "sequence length L", {"shape": True}]
    dim: Annotated[int, "dimension d of queries and keys", {"shape": True}]
    b: Annotated[float, "bound B of the entries of queries and keys"]
    eps: Annotated[float, "relative error allowed in an entry of exp(scores)"] = 1e-2
    data: Annotated[
        str, "sign (entries -b or b) | uniform | planted (keys equal queries, of signs) | gauss_clip", {"shape": True}
    ] = "sign"
    policy: Annotated[
        str,
        "degree: the largest with rank_le_l | rank_le_sqrt_l | flops_le_exact; rank_eq_l takes the real one of rank L",
        {"shape": True},
    ] = "rank_le_l"
    score_scale: Annotated[
        str, "what products are multiplied by: theory 1/dim, practice 1/sqrt(dim), unit 1", {"shape": True}
    ] = "theory"
    values: Annotated[
        str, "values that are averaged: normal | linear (the keys) | needle (one row of ones)", {"shape": True}
    ] = "normal"
    rows: Annotated[
        int, "queries on which outputs (and entries on the path features) are compared; 0 for none", {"shape": True}
    ] = 64
    path: Annotated[
        str,
        "entries by scores (the polynomial of all scores, in closed form) or features (the factors, on rows)",
        {"shape": True},
    ] = "scores"
    dtype: Annotated[str, "type of the features on that path: float64 | float32", {"shape": True}] = "float64"


@dataclass(frozen=True)
class Result:
    """How good the approximation is, and what it costs."""

    degree: Annotated[float, "degree g of the polynomial; real under rank_eq_l", SURE]
    rank: Annotated[float, "features C(d + g, g)", SURE | {"formula": "features"}]
    rel_error: Annotated[
        float, "largest relative error of an entry of exp(scores), over all pairs (rows on the path features)", SIGNS
    ]
    rel_error_output: Annotated[
        float | None, "Frobenius norm of the error of the outputs over that of the outputs; null for a real degree or no rows"
    ]
    log_error_ratio: Annotated[float, "log10(rel_error / eps), below 0 where the approximation is good enough", SIGNS]
    log_output_ratio: Annotated[float | None, "log10(rel_error_output / eps); null likewise"]
    score_max: Annotated[float, "largest absolute score, over all pairs", SIGNS]
    score_bound: Annotated[
        float, "largest absolute score that entries bounded by b allow, scale d b^2", SURE | {"formula": "score_scale"}
    ]
    least_sum: Annotated[float | None, "smallest row sum of the approximation over that of exp(scores); null likewise"]
    b_worst: Annotated[
        float,
        "bound at which data that reach the largest score would meet eps: sqrt(R*(g, eps) / (scale d))",
        SURE | {"formula": "degree.reach"},
    ]


EXAMPLES = (
    Params(64, 6, 0.6),
    Params(64, 6, 0.9, data="uniform", values="linear"),
    Params(128, 7, 0.7, 1e-3, data="planted"),
    Params(100, 8, 0.5, data="gauss_clip", policy="rank_eq_l", score_scale="practice"),
    Params(128, 7, 0.8, data="sign", path="features", dtype="float32", rows=40, values="needle"),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points that differ in b and eps alone share their data."""
    for p in params:
        _check(p)
    places = list(zip(params, ctxs, strict=True))
    for (shape, ctx), indices in packs.groups(places, lambda p: (dataclasses.replace(p[0], b=1.0, eps=0.1), p[1])):
        yield {"index": indices, "step": [0] * len(indices), **_measure(shape, ctx, [params[i] for i in indices])}


def _check(p: Params) -> None:
    check(p.b, p.eps, p.dim)
    if p.path == "features" and (p.policy == "rank_eq_l" or not p.rows):
        raise ValueError(
            f"path 'features' must have a whole degree and rows, but policy is '{p.policy}' and rows = {p.rows}; "
            "write policy: rank_le_l and rows: 64."
        )
    if p.path not in PATHS or p.dtype not in DTYPES or p.seq_len < 2 or p.rows < 0:
        raise ValueError(
            f"path must be one of {', '.join(PATHS)}, dtype one of {', '.join(DTYPES)}, seq_len at least 2, rows at least 0, "
            f"but got path = '{p.path}', dtype = '{p.dtype}', seq_len = {p.seq_len}, rows = {p.rows}; mend them."
        )


def _measure(p: Params, ctx: Context, points: list[Params]) -> dict[str, list[Any]]:
    g = degree.affordable(p.policy, p.seq_len, p.dim)
    sampled = _Sample(p, ctx, int(g)) if g == int(g) and p.rows else None
    rows = []
    for q in points:
        row = _entries(p, ctx, q, g)
        if sampled is not None and p.path == "features":
            row["rel_error"] = sampled.entries(q.b)
        both = sampled.outputs(row["score_bound"]) if sampled is not None else (None, None)
        rows.append(row | {"rel_error_output": both[0], "least_sum": both[1]} | _ratios(row["rel_error"], both[0], q.eps))
    return {field.name: [row[field.name] for row in rows] for field in dataclasses.fields(Result)}


class _Sample:
    """Some queries against all keys: drawn once, compared at every bound."""

    def __init__(self, p: Params, ctx: Context, degree: int) -> None:
        queries, self.keys = data.pair(ctx, p.data, p.seq_len, p.dim)
        self.queries, self.values = queries[: p.rows], data.values(ctx, p.values, self.keys)
        self.products = self.queries @ self.keys.mT / p.dim  # (rows, L)
        self.degree, self.dtype, self.scale = degree, DTYPES[p.dtype], data.score_scale(p.score_scale, p.dim)

    def outputs(self, bound: float) -> tuple[float, float]:
        """The relative error of the outputs, and the smallest row sum over the exact one."""
        return outputs.compared(self.products, self.values, bound, self.degree)

    def entries(self, b: float) -> float:
        """The largest relative error of an entry that the features give."""
        return outputs.entry_error(b * self.queries, b * self.keys, self.scale, self.degree, self.dtype)


def _entries(p: Params, ctx: Context, q: Params, g: float) -> dict[str, Any]:
    """What the largest and the smallest of all scores say: the error grows with the size of a score, on each side of 0."""
    unit = data.score_scale(p.score_scale, p.dim) * p.dim  # the largest score that b = 1 allows
    ends = [unit * q.b**2 * end for end in data.extremes(ctx, p.data, p.seq_len, p.dim)]
    return {
        "degree": float(g),
        "rank": degree.features(p.dim, g),
        "rel_error": float(degree.taylor_error(np.array(ends), g).max()),
        "score_max": max(map(abs, ends)),
        "score_bound": unit * q.b**2,
        "b_worst": math.sqrt(degree.reach(g, q.eps) / unit),
    }


def _ratios(entry: float, output: float | None, eps: float) -> dict[str, float | None]:
    """Both errors against eps, as powers of ten; an error of exactly 0 counts as 1e-300."""
    return {
        "log_error_ratio": math.log10(max(entry, 1e-300) / eps),
        "log_output_ratio": None if output is None else math.log10(max(output, 1e-300) / eps),
    }
