"""hopfield.retrieval: every mask of seven memories by loops, closed forms, counterexamples, two implementations, refusals."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from entmax import sparsemax
from sklearn.svm import SVR

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.hopfield import retrieval
from workloads.hopfield.maths import closed, forms, kernels, masks, memories
from workloads.hopfield.retrieval import Params, Result
from workloads.shared.attention import operators
from workloads.shared.hopfield import known_codes, separation
from workloads.shared.hopfield import retrieval as maps

WORKLOAD = load("hopfield.retrieval")


def measure(seed: int = 0, **params: Any) -> Result:
    """The row of one point."""
    ((_, result),) = WORKLOAD.run(Params(**params), Context(seed))
    return result


def weights_by_loops(scores: list[float], kept: set[int], form: str) -> list[float]:
    """Weights of one query as their definition reads, by loops."""
    m = len(scores)
    if form == "zero_fill":
        scores = [score if i in kept else 0.0 for i, score in enumerate(scores)]
    among = kept if form == "renormalised" else range(m)
    total = sum(math.exp(scores[i]) for i in among)
    read = range(m) if form == "zero_fill" else kept
    return [math.exp(scores[i]) / total if i in read else 0.0 for i in range(m)]


@pytest.mark.parametrize("form", forms.FORMS)
def test_every_mask_of_seven_memories_is_weighed_as_by_loops(form: str) -> None:
    scores = torch.randn(7, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for kept in itertools.product([False, True], repeat=7):
        if any(kept):
            mask = torch.tensor([kept])
            expected = weights_by_loops(scores.tolist(), {i for i in range(7) if kept[i]}, form)
            assert forms.weigh(scores[None], mask, form).read[0].tolist() == pytest.approx(expected, abs=1e-14)


def test_renormalised_weights_are_the_unnormalised_over_their_sum_and_all_are_dense_without_a_mask() -> None:
    scores = torch.randn(3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    mask = torch.tensor([[True, False, True, True, False, False, True]])
    part = forms.weigh(scores, mask, "unnormalised")
    assert torch.allclose(part.read / part.read.sum(-1, keepdim=True), forms.weigh(scores, mask, "renormalised").read)
    assert torch.allclose(part.outside, 1 - part.read.sum(-1))
    for form in forms.FORMS:
        everything = forms.weigh(scores, torch.ones_like(mask), form).read
        assert torch.allclose(everything, forms.weigh(scores, None, form).read)


@pytest.mark.parametrize(
    ("form", "expected"), [("unnormalised", 0.024371630061), ("renormalised", 0.0120955994986), ("zero_fill", 0.0408792081171)]
)
@pytest.mark.parametrize("variant", ["masked", "top_k"])
def test_a_simplex_with_a_mask_has_the_error_worked_out_by_hand(variant: str, form: str, expected: float) -> None:
    row = measure(variant=variant, form=form, data="simplex", m=8, keep=4, beta=5.0)
    assert row.error_mean == pytest.approx(expected, rel=1e-9)
    assert row.error_exact == pytest.approx(expected, rel=1e-9)


def test_a_simplex_without_a_mask_has_the_dense_error() -> None:
    row = measure(data="simplex", m=8, beta=5.0)
    assert row.error_mean == pytest.approx(0.0257925088746, rel=1e-9) == row.error_exact


def test_sparse_retrieval_can_be_further_off_than_dense_retrieval() -> None:
    turn = torch.tensor([0.0, 60.0, -60.0], dtype=torch.float64).deg2rad()
    stored = torch.stack([turn.cos(), turn.sin()], 1)
    scores = stored[:1] @ stored.mT
    mask = torch.tensor([[True, True, False]])
    errors = [
        float((forms.weigh(scores, kept, form).read @ stored - stored[:1]).norm())
        for kept, form in ((None, ""), (mask, "renormalised"), (mask, "unnormalised"))
    ]
    assert errors == pytest.approx([0.2740686, 0.3775407, 0.4747008], abs=5e-8)


def test_zero_fill_is_told_from_a_mask() -> None:
    scores = torch.tensor([[3.0, 1.0, 0.5, 0.2, -1.0]], dtype=torch.float64)
    mask = masks.top(scores, 2)
    assert forms.weigh(scores, mask, "renormalised").read[0].tolist() == pytest.approx([0.880797, 0.119203, 0, 0, 0], abs=1e-6)
    filled = [0.778394, 0.105344, 0.038754, 0.038754, 0.038754]
    assert forms.weigh(scores, mask, "zero_fill").read[0].tolist() == pytest.approx(filled, abs=1e-6)


@pytest.mark.parametrize("d", [4, 8])
def test_an_orthoplex_under_two_masks_has_its_closed_form(d: int) -> None:
    stored, beta = known_codes.orthoplex(d), 1.7
    scores, opposite = beta * stored[:1] @ stored.mT, torch.zeros(1, 2 * d, dtype=torch.bool)
    opposite[0, [0, d]] = True
    read = forms.weigh(scores, opposite, "renormalised").read @ stored
    assert torch.allclose(read[0], math.tanh(beta) * stored[0])
    without = torch.ones(1, 2 * d, dtype=torch.bool)
    without[0, d] = False
    along = math.exp(beta) / (math.exp(beta) + 2 * d - 2)
    assert torch.allclose((forms.weigh(scores, without, "renormalised").read @ stored)[0], along * stored[0])


def test_an_orthoplex_without_a_mask_has_its_closed_form() -> None:
    row = measure(data="orthoplex", m=16, beta=5.0)
    assert row.error_mean == pytest.approx(8.627931e-2, abs=5e-9) and row.error_exact == pytest.approx(
        row.error_mean, rel=1e-12
    )


def test_sparsemax_of_the_shared_maps_is_that_of_the_entmax_package() -> None:
    scores = 3 * torch.randn(50, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(maps.separate(scores, 2.0), sparsemax(scores, dim=-1), atol=1e-12)


def test_linear_attention_is_one_in_both_orders() -> None:
    generator = torch.Generator().manual_seed(4)
    queries, keys = (torch.randn(n, 6, dtype=torch.float64, generator=generator) for n in (11, 17))
    phi = kernels.POINTWISE["elu"]
    whole = phi(queries) @ phi(keys).mT
    expected = whole @ keys / whole.sum(-1, keepdim=True)
    assert torch.allclose(kernels.attention(queries, keys, 1.0, "elu", None).apply(keys), expected, atol=1e-10)


@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_retrieval_by_projections_is_that_of_its_kernel_matrix(kernel: str) -> None:
    generator = torch.Generator().manual_seed(5)
    rows = torch.randn(7, 4, dtype=torch.float64, generator=generator)
    omega = kernels.directions("orthogonal", 10, 4, generator)[0]
    phi = operators.positive(rows, 0.6, omega) if kernel == "exp" else kernels.POINTWISE[kernel](0.6**0.5 * omega @ rows.mT)
    matrix = phi.mT @ phi
    expected = matrix @ rows / matrix.sum(-1, keepdim=True)
    assert torch.allclose(kernels.attention(rows, rows, 0.6, kernel, omega).apply(rows), expected, atol=1e-10)


@pytest.mark.parametrize(("m", "keep"), [(11, 4), (12, 5), (7, 7), (5, 1)])
def test_a_window_is_a_band_of_the_full_matrix_whatever_the_length(m: int, keep: int) -> None:
    row = measure(variant="window", d=5, m=m, keep=keep, beta=3.0)
    stored = memories.memories("sphere", 5, m, Context(0))
    place = torch.arange(m)
    offset = place[None] - place[:, None]
    band = (offset >= -((keep - 1) // 2)) & (offset <= keep // 2)
    found = torch.softmax((3.0 * stored @ stored.mT).masked_fill(~band, -torch.inf), -1) @ stored
    assert row.error_mean == pytest.approx(float((found - stored).norm(dim=1).mean()), rel=1e-12)


def test_a_cyclic_mask_holds_its_own_memory_and_the_next() -> None:
    assert masks.places("masked", 4, 4, 2).tolist() == [[0, 1], [1, 2], [2, 3], [3, 0]]


@pytest.mark.parametrize("m", [6, 40])
def test_random_masks_are_even_among_all_subsets(m: int) -> None:
    draws = 40 * math.comb(m, 2)
    chosen = masks.subsets(draws, m, 2, torch.Generator().manual_seed(6)).sort(-1).values
    counts = torch.bincount(chosen[:, 0] * m + chosen[:, 1], minlength=m * m)
    counts = counts[counts > 0].double()
    assert len(counts) == math.comb(m, 2)
    freedom = len(counts) - 1
    assert abs(float(((counts - 40) ** 2 / 40).sum()) - freedom) < 5 * math.sqrt(2 * freedom)


def test_a_support_vector_machine_fits_the_patterns_that_it_is_asked_to_store() -> None:
    # The nonparametric view: retrieval is a function fitted to (spoilt pattern, pattern) within epsilon, by another solver.
    stored = memories.memories("sphere", 16, 20, Context(7))
    spoilt = stored + 0.05 * torch.randn(20, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(7))
    kernel = torch.exp(4.0 * spoilt @ spoilt.mT)
    unit = (kernel / kernel.diagonal().sqrt() / kernel.diagonal().sqrt()[:, None]).numpy()
    for coordinate in range(4):
        wanted = stored[:, coordinate].numpy()
        machine = SVR(kernel="precomputed", C=1e6, epsilon=1e-3, tol=1e-8).fit(unit, wanted)
        assert np.abs(machine.predict(unit) - wanted).max() <= 1e-3 + 1e-5


def test_bounds_hold_for_noisy_queries_and_the_one_with_memories_in_their_place_does_not() -> None:
    generator, broken = torch.Generator().manual_seed(8), 0
    for _ in range(60):
        stored = separation.random_unit(4, 8, generator)
        queries = stored + 0.3 * torch.randn(8, 4, dtype=torch.float64, generator=generator)
        scores, beta = queries @ stored.mT, 6.0
        error = maps.errors(torch.softmax(beta * scores, -1), stored)
        bound = closed.factor(None, 8, 8) * torch.exp(-beta * closed.query_separation(scores))
        assert (error <= bound * (1 + 1e-9)).all()
        own = stored @ stored.mT
        own.fill_diagonal_(-torch.inf)
        broken += int((error > 14 * torch.exp(-beta * (scores.diagonal() - own.amax(1)))).sum())
    assert broken > 0


def test_a_bound_is_that_of_the_worst_query_and_null_where_no_mask_holds_its_target() -> None:
    row = measure(variant="masked", data="simplex", m=8, keep=4, beta=5.0)
    assert row.bound == pytest.approx(6 * math.exp(-5 * 8 / 7))
    lone = [measure(seed, variant="random", d=4, m=64, keep=1, beta=2.0) for seed in range(6)]
    assert {row.bound for row in lone if row.target_kept == 0} <= {None}
    assert measure(variant="linear", d=4, m=8).bound is None


def test_updates_of_a_fixed_mask_descend_and_those_without_an_energy_say_so() -> None:
    for seed in range(4):
        row = measure(seed, variant="random", d=3, m=12, keep=6, beta=6.0, corruption="noise", strength=0.4, updates=5)
        assert row.energy_increases == 0
    assert measure(variant="masked", form="zero_fill", d=3, m=8, keep=4).energy_increases is None


def test_several_updates_are_those_of_the_definition() -> None:
    row = measure(d=4, m=6, beta=3.0, updates=3)
    stored = memories.memories("sphere", 4, 6, Context(0))
    x = stored
    for _ in range(3):
        x = torch.softmax(3.0 * x @ stored.mT, -1) @ stored
    assert row.error_mean == pytest.approx(float((x - stored).norm(dim=1).mean()), rel=1e-12)


def test_with_unit_length_only_the_scores_change() -> None:
    row = measure(data="digits", m=8, beta=6.0, normalise=True)
    stored = memories.memories("digits", 0, 8, Context(0))
    unit = stored / stored.norm(dim=1, keepdim=True)
    found = torch.softmax(6.0 * unit @ unit.mT, -1) @ stored
    assert row.error_mean == pytest.approx(float((found - stored).norm(dim=1).mean()), rel=1e-12)


def test_the_nearest_memory_is_always_right_on_half_an_image_and_the_dot_product_is_not() -> None:
    row = measure(data="digits", m=100, beta=4.0, corruption="half")
    assert row.accuracy_nearest == 1.0 and row.accuracy_mean_item == 0.0
    assert 0.2 < row.accuracy < 0.5 and row.accuracy_dot < 0.5


def test_accuracy_is_made_of_queries_with_and_without_their_target() -> None:
    row = measure(variant="random", data="digits", m=40, keep=10, beta=4.0, corruption="half")
    assert row.accuracy_kept is not None and row.accuracy_without is not None
    whole = row.target_kept * row.accuracy_kept + (1 - row.target_kept) * row.accuracy_without
    assert row.accuracy == pytest.approx(whole, abs=1e-12)


def test_queries_in_runs_give_the_same_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    point: dict[str, Any] = {"variant": "random", "d": 5, "m": 20, "keep": 6, "beta": 4.0, "corruption": "noise"}
    whole = measure(**point)
    monkeypatch.setattr("workloads.hopfield.maths.retrieving.NUMBERS", 60)
    parts = measure(**point)
    numbers = {name: value for name, value in vars(whole).items() if value is not None}
    assert numbers == pytest.approx({name: getattr(parts, name) for name in numbers}, rel=1e-12)


def test_memories_of_a_file_are_rows_of_it(tmp_path: Path) -> None:
    table = np.random.default_rng(0).normal(size=(9, 3))
    np.save(tmp_path / "items.npy", table)
    stored = memories.memories(str(tmp_path / "items.npy"), 0, 4, Context(0))
    assert all(any(np.array_equal(row, item) for item in table) for row in stored.numpy())


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"variant": "masked", "keep": 0}, "keep must lie in 1..m = 16"),
        ({"variant": "masked", "keep": 17}, "keep must lie in 1..m = 16"),
        ({"form": "zero_fill"}, "form and keep must stand beside a variant with a mask"),
        ({"variant": "prf", "features": 0}, "features must be at least 1"),
        ({"beta": math.inf}, "beta must be at least 0 and finite"),
        ({"beta": -1.0}, "beta must be at least 0 and finite"),
        ({"data": "simplex", "d": 16}, "d = m - 1"),
        ({"data": "orthoplex", "d": 9}, "m = 2d"),
        ({"data": "digits", "d": 0, "m": 1798}, "at most the 1797 items"),
        ({"data": "cubes"}, "data must be one of"),
        ({"corruption": "noise", "strength": -0.1}, "strength at least 0"),
        ({"data": "absent.npy"}, "must be a file that is there"),
        ({"kernel": "elu"}, "a kernel must stand beside linear or prf"),
    ],
)
def test_bad_params_are_refused_with_advice(params: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        retrieval.refuse(Params(**{"d": 4, **params}))


def test_a_file_of_objects_is_refused_unread(tmp_path: Path) -> None:
    np.save(tmp_path / "objects.npy", np.array([{"a": 1}, {"b": 2}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="must be an array of numbers"):
        memories.items(str(tmp_path / "objects.npy"))
