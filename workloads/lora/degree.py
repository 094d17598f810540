"""Which degree a polynomial needs to stand for exp of bounded scores, and how many features that takes.

Source: Alman and Song 2023, arXiv:2302.13214, and Aggarwal and Alman 2022 (degree), as used by arXiv:2406.03136.
Symbols: B = bound of entries · R = bound of scores (B² under theory) · ε = relative error · g = degree · d = dimension.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from workloads.lora.maths import data, minimax
from workloads.shared.attention import degree

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
SURE = {"seedless": True}  # arithmetic has no chance in it


@dataclass(frozen=True)
class Params:
    """A range of scores and what precision is asked for on it."""

    b: Annotated[float, "bound of the entries of queries and keys"]
    eps: Annotated[float, "relative error that is allowed at any score"] = 1e-2
    dim: Annotated[int, "dimension of queries and keys", {"shape": True}] = 10
    score_scale: Annotated[str, "what products are multiplied by: theory 1/dim, practice 1/sqrt(dim), unit 1"] = "theory"


EXAMPLES = (Params(b=0.5), Params(b=1.0, dim=4, eps=1e-3), Params(b=1.5, dim=16, score_scale="practice"))


@dataclass(frozen=True)
class Result:
    """The degree, by Taylor's polynomial and by the best one."""

    score_max: Annotated[float, "largest score that entries bounded by b allow, R", SURE]
    degree: Annotated[int, "smallest degree of a Taylor polynomial with relative error at most eps on [-R, R]", SURE]
    degree_minimax: Annotated[int, "smallest degree of any polynomial with that error", SURE]
    degree_formula: Annotated[
        float | None,
        "ln(1/eps) / ln(ln(1/eps) / R), the leading term of the asymptotic degree; null from R = ln(1/eps) on",
        SURE | {"formula": "printed_degree"},
    ]
    rank: Annotated[float, "features of the Taylor polynomial, C(dim + degree, degree)", SURE | {"formula": "features"}]
    rank_minimax: Annotated[float, "features of the best polynomial, C(dim + degree, degree)", SURE]
    rank_printed: Annotated[
        float,
        "features by the bound C(2(degree + dim), 2 degree) with the Taylor degree",
        SURE | {"formula": "printed_features"},
    ]
    rel_error: Annotated[float, "relative error of the Taylor polynomial of that degree on [-R, R]", SURE]
    rel_error_minimax: Annotated[float, "relative error of the best polynomial of degree degree_minimax", SURE]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    check(params.b, params.eps, params.dim)
    radius = data.score_scale(params.score_scale, params.dim) * params.dim * params.b**2
    g, best = degree.least_degree(radius, params.eps), minimax.least_degree(radius, params.eps)
    yield (
        0,
        Result(
            score_max=radius,
            degree=g,
            degree_minimax=best,
            degree_formula=degree.printed_degree(radius, params.eps),
            rank=degree.features(params.dim, g),
            rank_minimax=degree.features(params.dim, best),
            rank_printed=degree.printed_features(params.dim, g),
            rel_error=float(degree.taylor_error(-radius, g)),
            rel_error_minimax=minimax.error(best, radius),
        ),
    )


def check(b: float, eps: float, dim: int) -> None:
    """Refuse a bound, a precision or a dimension that means nothing."""
    if not (b > 0 and math.isfinite(b)) or not 0 < eps < 1 or dim < 1:
        raise ValueError(
            f"b must be positive and finite, eps in (0, 1) and dim at least 1, but got b = {b}, eps = {eps}, dim = {dim}; "
            "b bounds the entries of queries and keys."
        )
