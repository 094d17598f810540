"""How far the gradient of a low-rank adaptation, chained through polynomial features, is from the exact one.

Source: Hu et al. 2024, arXiv:2406.03136, section 3 (partial) and appendix A (full); the error bound is derived.
Symbols: L = sequence length · d = dimension · r = rank of the adaptation · B = bound of entries · g = degree · R = max score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.lora.degree import check
from workloads.lora.maths import adaptation_gradient, data, problem
from workloads.shared import packs
from workloads.shared.attention import degree, operators, polynomial

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
ROUNDING = 2.0**-52
# Numbers of the problems that go through as one batch. On a CPU one problem at a time: products of matrices round by the size
# of the batch, and rounding is what is left to measure at a high degree.
ELEMENTS = {"cpu": 0, "cuda": 1 << 24}


@dataclass(frozen=True)
class Params:
    """One problem, the polynomial that stands for exp, and what its gradient is compared with."""

    seq_len: Annotated[int, "sequence length L", {"shape": True}]
    dim: Annotated[int, "dimension d of queries, keys and values", {"shape": True}]
    b: Annotated[float, "largest entry of queries and of keys"]
    degree: Annotated[int, "degree g of the Taylor polynomial", {"shape": True}]
    lora_rank: Annotated[int, "rank r of the adaptation", {"shape": True}] = 2
    adapt: Annotated[str, "adapted matrices: partial (queries, values) | full (keys too)", {"shape": True}] = "partial"
    data: Annotated[str, "inputs of queries and keys: sign | uniform | planted | gauss_clip", {"shape": True}] = "uniform"
    values: Annotated[str, "inputs of values: normal | linear (those of keys) | needle", {"shape": True}] = "linear"
    score_scale: Annotated[str, "what q.k is multiplied by: theory 1/dim, practice 1/sqrt(dim), unit 1", {"shape": True}] = (
        "theory"
    )
    reference: Annotated[str, "exact (row-blocked softmax) | autograd (of the loss, L^2 numbers)", {"shape": True}] = "exact"


@dataclass(frozen=True)
class Result:
    """Errors of the gradient, entry by entry, and the bound that they keep."""

    rank: Annotated[int, "features C(d + g, g)"]
    rel_error: Annotated[float, "largest relative error of an entry of exp(scores)"]
    score_max: Annotated[float, "largest absolute score"]
    norm_max: Annotated[float, "largest entry of the matrices whose entries the theorem bounds"]
    grad_a: Annotated[float, "largest entry of dL/dA over the adapted matrices"]
    grad_b: Annotated[float, "largest entry of dL/dB over the adapted matrices"]
    error_a: Annotated[float, "largest error of an entry of dL/dA over the adapted matrices", {"finite": True}]
    error_b: Annotated[float, "largest error of an entry of dL/dB over the adapted matrices", {"finite": True}]
    rel_error_a: Annotated[float, "Frobenius norm of the error of dL/dA over that of dL/dA, adapted matrices together"]
    rel_error_b: Annotated[float, "Frobenius norm of the error of dL/dB over that of dL/dB, adapted matrices together"]
    bound_a: Annotated[float | None, "what error_a cannot exceed; null where rel_error reaches 1"]
    bound_b: Annotated[float | None, "what error_b cannot exceed; null where rel_error reaches 1"]
    bound_use: Annotated[
        float | None, "largest ratio of an error to its own bound, over matrices; null likewise", {"aggregate": "max"}
    ]


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; points that differ in b and seed alone go through as one batch."""
    for p in params:
        _check(p)
    size = ELEMENTS["cpu" if ctxs[0].device == "cpu" else "cuda"]
    for shape, indices in packs.groups(params, lambda p: dataclasses.replace(p, b=1.0)):
        for part in packs.chunks(indices, size // (shape.seq_len * shape.dim**2)):
            columns = _measure(shape, [params[i].b for i in part], [ctxs[i] for i in part])
            yield {"index": part, "step": [0] * len(part), **columns}


def _check(p: Params) -> None:
    check(p.b, 0.5, p.dim)
    if p.reference not in ("exact", "autograd") or p.degree < 0 or not 1 <= p.lora_rank <= p.dim or p.seq_len < 2:
        raise ValueError(
            f"reference must be exact or autograd, degree at least 0, lora_rank in 1..dim and seq_len at least 2, but got "
            f"reference = '{p.reference}', degree = {p.degree}, lora_rank = {p.lora_rank}, seq_len = {p.seq_len}; mend them."
        )


def _measure(p: Params, sizes: list[float], ctxs: list[Context]) -> dict[str, list[Any]]:
    drawn = {ctx.seed: problem.draw(ctx, p.data, p.values, p.seq_len, p.dim, p.lora_rank, p.adapt) for ctx in ctxs}
    batch = problem.stack([drawn[ctx.seed] for ctx in ctxs], sizes, data.score_scale(p.score_scale, p.dim))
    queries, keys = batch.adapted_rows("queries"), batch.adapted_rows("keys")
    exact, residual = problem.gradients(batch, operators.exact(queries, keys, batch.scale))
    if p.reference == "autograd":
        exact = problem.autograd(batch)
    chained = polynomial.polynomial(queries, keys, batch.scale, polynomial.taylor(p.degree))
    near, _ = problem.gradients(batch, chained)
    low, high = _scores(queries, keys, batch.scale)
    entry = torch.from_numpy(degree.taylor_error(torch.stack([low, high]).cpu().numpy(), p.degree)).amax(0)
    reach = torch.maximum(-low, high).cpu()
    # Sums of so many terms round; below zero the polynomial's terms cancel by up to e^(2R).
    rounding = ROUNDING * (polynomial.rank(p.dim, p.degree) + p.seq_len) * torch.exp(2 * reach)
    limits = problem.bounds(
        batch, adaptation_gradient.bound((entry + rounding).to(residual), batch.adapted_rows("values"), residual)
    )
    return _columns(p, exact, near, limits, {"rel_error": entry, "score_max": reach, "norm_max": batch.norm.cpu()})


def _scores(queries: Tensor, keys: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """The smallest and the largest score of each problem (...)."""
    ends = [torch.aminmax((scale * queries[..., part, :] @ keys.mT).flatten(-2), dim=-1) for part in _parts(queries, keys)]
    return torch.stack([e.min for e in ends]).amin(0), torch.stack([e.max for e in ends]).amax(0)


def _parts(queries: Tensor, keys: Tensor) -> Iterator[slice]:
    return operators.blocks(queries.shape[-2], keys.shape[-2], keys)


def _columns(
    p: Params, exact: problem.Gradients, near: problem.Gradients, limits: problem.Gradients, errors_of: dict[str, Tensor]
) -> dict[str, list[Any]]:
    columns = dict(errors_of)
    uses = []
    for factor, name in enumerate("ab"):
        errors = {n: adaptation_gradient.largest(near[n][factor] - exact[n][factor]).cpu() for n in exact}
        limit = {n: limits[n][factor].cpu() for n in exact}
        uses += [errors[n] / limit[n] for n in exact]
        columns[f"grad_{name}"] = torch.stack([adaptation_gradient.largest(exact[n][factor]).cpu() for n in exact]).amax(0)
        columns[f"error_{name}"] = torch.stack(list(errors.values())).amax(0)
        sizes = [
            torch.stack([(near[n][factor] - exact[n][factor]).square().sum((-2, -1)) for n in exact]),
            torch.stack([exact[n][factor].square().sum((-2, -1)) for n in exact]),
        ]
        columns[f"rel_error_{name}"] = (sizes[0].sum(0) / sizes[1].sum(0)).sqrt().cpu()
        columns[f"bound_{name}"] = torch.stack(list(limit.values())).amax(0)
    columns["bound_use"] = torch.stack(uses).amax(0)
    listed: dict[str, list[Any]] = {name: column.tolist() for name, column in columns.items()}
    for name in ("bound_a", "bound_b", "bound_use"):
        listed[name] = [x if e < 1 else None for x, e in zip(listed[name], listed["rel_error"], strict=True)]
    return listed | {"rank": [polynomial.rank(p.dim, p.degree)] * len(listed["rel_error"])}


EXAMPLES = (
    Params(40, 3, 0.5, 2),
    Params(40, 3, 0.9, 2),
    Params(64, 5, 0.8, 3, lora_rank=3, adapt="full", data="sign", values="normal"),
    Params(64, 4, 0.6, 12, data="planted", reference="autograd", adapt="full"),
    Params(50, 6, 0.4, 1, data="gauss_clip", values="needle", score_scale="practice"),
)
