"""Retrieval maps and khm.retrieval against closed forms, a second implementation, plain loops and invariances."""

from __future__ import annotations

import itertools
import math
from typing import Any

import entmax
import numpy as np
import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.khm import retrieval as workload
from workloads.khm.maths import best, storage
from workloads.khm.retrieval import Params, Result
from workloads.shared.hopfield import known_codes, retrieval

# d, error at beta 1, 5 and 10 (arXiv:2410.23126, closed forms evaluated apart from this code).
ERRORS = {
    ("simplex", 1): (0.2384058, 9.079574e-5, 4.122307e-9),
    ("simplex", 2): (0.4628423, 1.657420e-3, 9.177064e-7),
    ("simplex", 3): (0.5887836, 5.071174e-3, 6.478356e-6),
    ("simplex", 7): (0.7892882, 2.579251e-2, 8.703449e-5),
    ("simplex", 63): (0.9732098, 0.2861333, 2.473096e-3),
    ("orthoplex", 2): (0.5378828, 1.338570e-2, 9.079574e-5),
    ("orthoplex", 4): (0.7413206, 3.894236e-2, 2.723295e-4),
    ("orthoplex", 8): (0.8624382, 8.627931e-2, 6.351994e-4),
    ("icosahedron", 3): (0.6867505, 0.1361395, 1.077477e-2),
    ("cell600", 4): (0.7598063, 0.2806226, 0.1423691),
    ("e8", 8): (0.8765302, 0.4931341, 0.1405639),
}
MIXED = [
    Params("simplex", 7, beta=3.7, updates=40),
    Params("random", 5, 9, beta=4.0, updates=7, noise=0.2),
    Params("random", 5, 9, beta=9.0, updates=7, alpha=1.5),
    Params("icosahedron", beta=2.9, updates=25),
    Params("random", 3, 33, beta=6.0, updates=7, alpha=2.0, noise=0.1),
    Params("cell24", beta=5.0),
    Params("uhop_plus", 4, 6, beta=12.0, updates=3),
]


def measure(*params: Params, seeds: list[int] | None = None) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in workload.run_pack(params, [Context(seed=s) for s in seeds or [0] * len(params)]):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random points on the sphere."""
    x = torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x / x.norm(dim=-1, keepdim=True)


@pytest.mark.parametrize(("code", "d"), ERRORS)
def test_the_error_of_one_update_is_the_closed_form(code: str, d: int) -> None:
    rows = measure(*(Params(code, d, beta=beta) for beta in (1.0, 5.0, 10.0)))
    expected = ERRORS[code, d]
    assert [r["error_mean"] for r in rows] == pytest.approx(expected, rel=1e-6)
    assert [r["error_exact"] for r in rows] == pytest.approx(expected, rel=1e-6)


def test_errors_keep_relative_precision_where_the_weight_rounds_to_one() -> None:
    (row,) = measure(Params("simplex", 3, beta=60.0))
    assert row["error_mean"] == pytest.approx(row["error_exact"], rel=1e-12)
    assert 0 < row["error_mean"] < 1e-33


def test_many_updates_follow_the_scalar_map() -> None:
    rows = measure(*(Params("simplex", 7, beta=beta, updates=200) for beta in (3.0, 3.737, 6.0)))
    assert [r["error_mean"] for r in rows] == pytest.approx([r["error_exact"] for r in rows], rel=1e-9)
    assert [r["stored_fraction"] for r in rows] == [0.0, 1.0, 1.0]


@pytest.mark.parametrize("alpha", [1.5, 2.0])
def test_entmax_is_that_of_its_own_package(alpha: float) -> None:
    scores = 6 * torch.randn(300, 17, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    other = entmax.entmax15(scores, dim=-1) if alpha == 1.5 else entmax.sparsemax(scores, dim=-1)
    assert torch.allclose(retrieval.separate(scores, alpha), other, atol=1e-12)


def test_entmax_takes_ties_and_single_scores() -> None:
    tied = torch.tensor([[1.0, 1.0, -9.0, 1.0]], dtype=torch.float64)
    for alpha in (1.5, 2.0):
        assert retrieval.separate(tied, alpha).tolist() == [pytest.approx([1 / 3, 1 / 3, 0, 1 / 3])]
        assert retrieval.separate(tied[:, :1], alpha).tolist() == [[1.0]]


@pytest.mark.parametrize("alpha", [1.5, 2.0])
@pytest.mark.parametrize(("code", "d", "gap"), [("simplex", 3, 4 / 3), ("orthoplex", 8, 1.0)])
def test_sparse_retrieval_is_exact_from_its_threshold_on(code: str, d: int, gap: float, alpha: float) -> None:
    gate = 1 / ((alpha - 1) * gap)
    before, after = measure(*(Params(code, d, beta=gate * share, alpha=alpha) for share in (0.999, 1.001)))
    assert (before["exact_fraction"], after["exact_fraction"], after["error_exact"]) == (0.0, 1.0, 0.0)
    assert (after["support_mean"], before["error_exact"]) == (1.0, None)


def test_errors_just_below_the_sparse_threshold_are_as_derived() -> None:
    rows = measure(*(Params("simplex", 3, beta=0.999 * 0.75 / (a - 1), alpha=a) for a in (2.0, 1.5)))
    assert [r["support_mean"] for r in rows] == [4.0, 4.0]
    assert [r["error_mean"] for r in rows] == pytest.approx([1.0e-3, 4.0e-6], rel=0.02)


def test_one_update_is_what_plain_loops_give() -> None:
    memories, x, beta = unit(6, 2).numpy(), unit(5, 2, seed=1).numpy(), 3.0
    expected = np.zeros((5, 2))
    for q, k in itertools.product(range(5), range(6)):
        total = sum(math.exp(beta * float(memories[j] @ x[q])) for j in range(6))
        expected[q] += math.exp(beta * float(memories[k] @ x[q])) / total * memories[k]
    found = retrieval.retrieve(torch.tensor(x), torch.tensor(memories), beta)
    assert np.allclose(found.numpy(), expected, atol=1e-14)


def test_basins_at_a_large_beta_are_voronoi_cells() -> None:
    memories = unit(1, 6, 2, seed=3)
    line = torch.linspace(-1.2, 1.2, 41, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)[None]
    ended = retrieval.iterate(grid, memories, torch.full((1, 1, 1), 2000.0, dtype=torch.float64), 1.0, 50)
    scores = (grid @ memories.mT).sort(-1, descending=True)
    clear = (scores.values[..., 0] - scores.values[..., 1]) > 0.02
    assert torch.equal(ended.weights.argmax(-1)[clear], scores.indices[..., 0][clear])


@pytest.mark.parametrize("alpha", retrieval.ALPHAS)
def test_no_update_raises_the_energy(alpha: float) -> None:
    x, memories = 2 * unit(40, 30, 4, seed=5), unit(40, 12, 4, seed=6)
    for beta in (0.5, 3.0, 20.0):
        after = retrieval.retrieve(x, memories, beta, alpha)
        rise = retrieval.energy(after, memories, beta, alpha) - retrieval.energy(x, memories, beta, alpha)
        assert rise.max() <= 1e-12


@pytest.mark.parametrize("alpha", retrieval.ALPHAS)
def test_the_update_is_the_gradient_of_the_conjugate(alpha: float) -> None:
    x, memories = unit(4, 3).requires_grad_(), unit(7, 3, seed=2)
    (slope,) = torch.autograd.grad(retrieval.energy(x, memories, 1.7, alpha).sum(), x)
    assert torch.allclose(x - slope, retrieval.retrieve(x, memories, 1.7, alpha), atol=1e-12)


@pytest.mark.parametrize("alpha", retrieval.ALPHAS)
def test_the_derivative_at_the_origin_is_beta_times_the_covariance(alpha: float) -> None:
    memories = unit(9, 3, seed=4)
    found = torch.autograd.functional.jacobian(
        lambda x: retrieval.retrieve(x[None], memories, 0.3, alpha)[0], torch.zeros(3, dtype=torch.float64)
    )
    assert torch.allclose(found, retrieval.jacobian_at_origin(memories, 0.3, alpha), atol=1e-14)


@pytest.mark.parametrize(("code", "d"), [("simplex", 5), ("orthoplex", 4), ("icosahedron", 3), ("cell24", 4), ("e8", 8)])
def test_the_origin_of_an_isotropic_code_is_stable_below_beta_d(code: str, d: int) -> None:
    (row,) = measure(Params(code, beta=2.0) if d == 3 else Params(code, d, beta=2.0))
    assert row["origin_rate"] == pytest.approx(2.0 / d, rel=1e-12)


def test_the_origin_loses_its_stability_where_its_rate_passes_one() -> None:
    memories, start = unit(1, 40, 6, seed=8), 1e-6 * unit(1, 40, 6, seed=9)
    rate = float(torch.linalg.eigvalsh(retrieval.jacobian_at_origin(memories - memories.mean(1, keepdim=True), 1.0)).max())
    centred = memories - memories.mean(1, keepdim=True)
    ends = [
        float(retrieval.iterate(start, centred, torch.full((1, 1, 1), share / rate, dtype=torch.float64), 1.0, 3000).x.norm())
        for share in (0.97, 1.03)
    ]
    assert ends[0] < 1e-6 < 1e-2 < ends[1]


def test_turning_all_memories_turns_the_answer() -> None:
    memories, x = unit(11, 5), unit(8, 5, seed=1)
    turn = torch.linalg.qr(unit(5, 5, seed=2)).Q
    assert torch.allclose(retrieval.retrieve(x @ turn, memories @ turn, 4.0), retrieval.retrieve(x, memories, 4.0) @ turn)


@pytest.mark.parametrize("alpha", retrieval.ALPHAS)
def test_the_order_of_memories_does_not_matter(alpha: float) -> None:
    memories, x = unit(11, 5), unit(8, 5, seed=1)
    order = torch.randperm(11, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(retrieval.retrieve(x, memories[order], 4.0, alpha), retrieval.retrieve(x, memories, 4.0, alpha))


def test_longer_features_are_a_larger_beta() -> None:
    memories, x, weight = unit(11, 5), unit(8, 5, seed=1), unit(7, 5, seed=2)
    longer = retrieval.kernel_retrieve(x, memories, 2 * weight, 1.5)
    assert torch.equal(longer, retrieval.kernel_retrieve(x, memories, weight, 6.0))


def test_features_of_the_kernel_update_follow_the_dense_update() -> None:
    memories, x, weight = unit(11, 5), unit(8, 5, seed=1), unit(7, 5, seed=2)
    features = retrieval.kernel_retrieve(x, memories, weight, 3.0) @ weight.mT
    assert torch.allclose(features, retrieval.retrieve(x @ weight.mT, memories @ weight.mT, 3.0), atol=1e-14)


def test_the_kernel_update_lowers_its_energy() -> None:
    memories, x, weight = unit(11, 5), unit(8, 5, seed=1), 3 * unit(7, 5, seed=2)
    after = retrieval.kernel_retrieve(x, memories, weight, 3.0)
    rise = retrieval.kernel_energy(after, memories, weight, 3.0) - retrieval.kernel_energy(x, memories, weight, 3.0)
    assert rise.max() <= 1e-12


def test_the_one_step_bound_holds_everywhere() -> None:
    memories = unit(400, 8, 3)
    x = memories + 0.3 * torch.randn(memories.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    beta = torch.rand(400, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(8)) * 20
    error = (retrieval.retrieve(x, memories, beta) - memories).norm(dim=-1)
    assert bool((error <= storage.one_step_bound(x, memories, beta[..., 0]) * (1 + 1e-12)).all())


def test_the_bound_with_the_memories_own_products_fails_away_from_them() -> None:
    memories = unit(400, 8, 3)
    x = memories + 0.3 * torch.randn(memories.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    gram = (memories @ memories.mT).masked_fill(torch.eye(8, dtype=torch.bool), -torch.inf).amax(-1)
    wrong = 2 * 7 * torch.exp(-20 * ((x * memories).sum(-1) - gram))
    error = (retrieval.retrieve(x, memories, 20.0) - memories).norm(dim=-1)
    assert int((error > wrong).sum()) > 50


def test_a_point_does_not_depend_on_its_pack() -> None:
    points, seeds = [p for p in MIXED for _ in range(3)], [0, 3, 5] * len(MIXED)
    packed = measure(*points, seeds=seeds)
    assert packed == [measure(p, seeds=[s])[0] for p, s in zip(points, seeds, strict=True)]


def test_a_point_does_not_depend_on_how_its_batch_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [Params("random", 5, 9, beta=float(b), updates=5) for b in range(1, 12)]
    whole = measure(*points)
    monkeypatch.setitem(workload.ELEMENTS, "cpu", 200)
    assert measure(*points) == whole


def test_large_codes_answer_as_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = measure(Params("cell600", beta=20.0, updates=3))
    monkeypatch.setattr(workload, "WHOLE", 40)
    (parted,) = measure(Params("cell600", beta=20.0, updates=3))
    assert parted == pytest.approx(whole, rel=1e-9)


def test_run_gives_the_row_of_the_pack() -> None:
    ((step, row),) = load(workload).run(MIXED[1], Context(seed=3))
    assert (step, row) == (0, Result(**measure(MIXED[1], seeds=[3])[0]))


def test_noise_moves_the_queries_and_not_the_memories() -> None:
    still, moved = measure(Params("random", 6, 10, beta=5.0), Params("random", 6, 10, beta=5.0, noise=0.3))
    assert still["delta"] == moved["delta"]
    assert still["error_mean"] != moved["error_mean"]


@pytest.mark.parametrize(("written", "m"), [("E8", 240), ("24-cell", 24), ("600-cell", 120), ("Icosahedron", 12)])
def test_codes_may_be_written_as_papers_do(written: str, m: int) -> None:
    assert best.shape(best.plain(written), 0, 0)[1] == m


def test_the_optimal_code_is_the_best_one_known() -> None:
    (row,) = measure(Params("optimal", 5, 16, beta=1.0))
    assert row["delta"] == pytest.approx(known_codes.known_delta(5, 16))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params("icosahedron", d=4), "code 'icosahedron' has d = 3 and m = 12, but got d = 4"),
        (Params("simplex", d=3, m=5), "code 'simplex' has m = d \\+ 1, but got d = 3, m = 5"),
        (Params("simplx", d=3), "code must be one of .*, but got 'simplx'; did you mean 'simplex'\\?"),
        (Params("random", d=3), "any d of at least 1 and m of at least 2, but got d = 3, m = 0"),
        (Params("simplex", d=3, beta=0.0), "beta must be positive and finite, but got 0.0"),
        (Params("simplex", d=3, alpha=1.2), "alpha must be 1 .* but got 1.2"),
        (Params("simplex", d=3, updates=0), "updates must be at least 1 .* got updates = 0"),
        (Params("simplex", d=3, noise=-1.0), "noise at least 0, but got updates = 1, noise = -1"),
        (Params("optimal", d=4, m=50), "must have coordinates of m = 50 in d = 4, but has none"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(params)
