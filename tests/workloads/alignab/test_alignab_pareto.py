"""The diffusion's schedule and posteriors to their digits, and what planted faults of alignment are told by."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
from torch import Tensor

from orchestrator.workload.context import Context
from workloads.alignab import pareto
from workloads.alignab.maths import alignment, diffusion, judged_designs, references, trade_offs, world

SMALL = pareto.Params(
    times=8,
    width=32,
    pretrain_steps=150,
    align_steps=150,
    pool=256,
    batch=64,
    designs=400,
    draws=2,
    weight=0.5,
    align_rate=2e-3,
)


def row(**given: object) -> dict[str, float]:
    p = dataclasses.replace(SMALL, **given)  # type: ignore[arg-type]
    (columns,) = pareto.run_pack([p], [Context(seed=0)])
    return {name: columns[name][0] for name in pareto.NAMES}


def test_the_schedule_has_its_digits() -> None:
    schedule = diffusion.cosine(100)
    survival = [schedule.survival[t].item() for t in (1, 10, 50, 90, 99)]
    assert survival == pytest.approx([0.999274, 0.971252, 0.492343, 0.023999, 0.000242], abs=1e-6)
    lost = [1 - schedule.step[t].item() for t in (1, 50, 90, 99, 100)]
    assert lost == pytest.approx([0.000726, 0.030627, 0.172151, 0.749940, 0.999], abs=1e-6)


POSTERIORS = {
    "exact": ((0.941154, 0.032126, 0.001484), (0.007422, 0.947091, 0.038064, 0.007422)),
    "as_released": ((0.346922, 0.346922, 0.017009), (0.085044, 0.414956, 0.414956, 0.085044)),
}


@pytest.mark.parametrize("kind", POSTERIORS)
def test_posteriors_have_their_digits(kind: str) -> None:
    schedule, t = diffusion.cosine(100, posterior=kind), torch.tensor([[50]])
    twenty = diffusion.posterior(schedule, torch.tensor([[[7]]]), torch.eye(20)[3].reshape(1, 1, 1, 20), t)[0, 0, 0]
    four = diffusion.posterior(schedule, torch.tensor([[[1]]]), torch.eye(4)[2].reshape(1, 1, 1, 4), t)[0, 0, 0]
    assert twenty[[7, 3, 0]].tolist() == pytest.approx(POSTERIORS[kind][0], abs=1e-6)
    assert four.tolist() == pytest.approx(POSTERIORS[kind][1], abs=1e-6)


@pytest.mark.parametrize(("kind", "right"), [("exact", True), ("as_released", False)])
def test_the_exact_posterior_alone_leads_from_one_time_to_the_next(kind: str, right: bool) -> None:
    """The step from every type, weighed by what the posterior says of it, is the law at the later time."""
    schedule, t, k = diffusion.cosine(20, posterior=kind), 10, 4
    start = torch.eye(k)[2].expand(1, 1, k, k)
    before = diffusion.posterior(schedule, torch.arange(k)[None, None], start, torch.tensor([[t]]))[0, 0]  # (s_t, s_t-1)
    law = schedule.survival[t] * torch.eye(k)[2] + (1 - schedule.survival[t]) / k
    earlier = schedule.survival[t - 1] * torch.eye(k)[2] + (1 - schedule.survival[t - 1]) / k
    assert torch.allclose(before.sum(-1), torch.ones(k), atol=1e-6)
    assert torch.allclose(law @ before, earlier, atol=1e-5) == right


def weighted(result: dict[str, float]) -> float:
    return (result["energy_att"] + result["energy_rep"]) / 2


def test_alignment_lowers_the_energies_and_swapped_labels_raise_them(monkeypatch: pytest.MonkeyPatch) -> None:
    reference, aligned = row(method="reference"), row(method="weighted_sum")
    right = alignment.labels
    monkeypatch.setattr(alignment, "labels", lambda better, temperature: 1 - right(better, temperature))
    swapped = row(method="weighted_sum")
    assert weighted(aligned) < weighted(reference) - 0.3 < weighted(reference) + 0.3 < weighted(swapped)
    assert aligned["win_rate"] > 0.55 > 0.45 > swapped["win_rate"] and reference["win_rate"] == pytest.approx(0.5, abs=0.05)
    assert swapped["hypervolume"] < reference["hypervolume"] and swapped["weighted_gap"] > aligned["weighted_gap"]


def test_energies_that_are_not_normalised_are_told_as_saturated(monkeypatch: pytest.MonkeyPatch) -> None:
    assert row(align_steps=20)["saturated"] < 0.05
    monkeypatch.setattr(alignment, "normalised", lambda att, rep: (500 * att, 500 * rep))
    assert row(align_steps=20)["saturated"] > 0.9


def test_a_collapsed_policy_is_told_by_its_entropy() -> None:
    collapsed = judged_designs.nature_like(torch.full((50, 6), 3), 6)
    assert collapsed == {"diversity": 0.0, "entropy_drop": 1.0, "largest_share": 1.0, "composition_shift": pytest.approx(5 / 6)}
    every = judged_designs.nature_like(torch.arange(6).repeat(50)[:, None].expand(-1, 6), 6)
    assert every["entropy_drop"] == pytest.approx(0) and every["diversity"] == pytest.approx(5 / 6 * 300 / 299)


def test_a_changed_weight_or_method_trains_no_reference_again() -> None:
    row(pretrain_steps=151)
    before = references.trainings
    row(pretrain_steps=151, weight=0.25, method="weighted_sum")
    row(pretrain_steps=151, method="best_of")
    assert references.trainings == before
    row(pretrain_steps=152)
    assert references.trainings == before + 1


def test_the_divergence_of_draws_from_the_target_is_that_of_their_number() -> None:
    known, count = world.build("formula", 6, 6, 2.0), 40_000
    spread = judged_designs.units(known)
    g = torch.Generator().manual_seed(0)
    types, angles = torch.randint(6, (12 * count, 6), generator=g), torch.rand(12 * count, 6, generator=g) * (2 * math.pi)
    att, rep = (_by_position(known, types, angles, which) for which in (0, 1))
    assert (att.sum(-1).std().item(), rep.sum(-1).std().item()) == pytest.approx(spread, rel=0.02)
    cost = 0.5 * att / spread[0] + 0.5 * rep / spread[1]
    survival = torch.rand(cost.shape, generator=g) < torch.exp(cost.amin(0) - cost)  # rejection, position by position
    chosen = [part.T[survival.T].split(survival.sum(0).tolist()) for part in (types, angles)]
    rows = min(len(part) for part in chosen[0])
    drawn = [torch.stack([part[:rows] for part in parts], 1) for parts in chosen]
    expected = 6 * 71 / (2 * rows)
    assert judged_designs.divergence(known, drawn[0], drawn[1], 0.5, 1.0) == pytest.approx(expected, rel=0.25)
    assert judged_designs.divergence(known, types[:rows], angles[:rows], 0.5, 1.0) > 20 * expected


def _by_position(known: world.World, types: Tensor, angles: Tensor, which: int) -> Tensor:
    one = [dataclasses.replace(known, towards=known.towards[i : i + 1], clashing=known.clashing[i : i + 1]) for i in range(6)]
    parts = [world.energies(each, types[:, i : i + 1], angles[:, i : i + 1].double()) for i, each in enumerate(one)]
    return torch.stack([part[which] for part in parts], 1)


def test_surgery_takes_off_what_conflicts() -> None:
    first, second = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[-1.0, 1.0], [1.0, 0.0]])
    assert alignment.operated(first, second).tolist() == [[0.25, 0.75], [1.0, 0.5]]


def test_wins_count_pairs_and_half_a_tie() -> None:
    assert judged_designs.wins(torch.tensor([1.0, 2.0]), torch.tensor([2.0, 3.0])) == pytest.approx((2 + 1.5) / 4)


def test_designs_of_several_weights_are_pooled_and_counted() -> None:
    pooled = row(weights=3, align_steps=12, designs=100)
    assert pooled["evaluations"] == 3 * 256 + 100 and pooled["weighted_gap"] is None and pooled["kl_to_target"] is None
    best = row(method="best_of", weights=3, align_steps=12, designs=100)
    assert best["evaluations"] == pooled["evaluations"] and best["hypervolume"] == pooled["hypervolume_best_of"]
    alone = row(method="reference", designs=100)
    assert alone["hypervolume"] < best["hypervolume"] and alone["hypervolume_best_of"] is None


def test_an_area_is_the_mean_over_draws() -> None:
    known = world.build("formula", 6, 6, 2.0)
    types, angles = torch.randint(6, (3, 50, 6)), torch.rand(3, 50, 6) * 6
    areas = [
        trade_offs.hypervolume(*world.energies(known, t, a), (0.0, 12.0)).item() for t, a in zip(types, angles, strict=True)
    ]
    assert judged_designs.dominated(known, types, angles, (0.0, 12.0))["hypervolume"] == pytest.approx(sum(areas) / 3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"weight": 0.01}, r"weight must be in \[0.05, 1\] for poea, but got 0.01"),
        ({"weights": 32}, r"weight must be in \[0.05, 1\] for poea"),
        ({"pool": 100}, "pool must hold two batches, but got pool = 100 and batch = 64"),
        ({"rounds": 400}, "every round must have a step"),
    ],
)
def test_bad_params_are_told_before_anything_is_computed(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        row(**given)


def test_a_pool_of_equal_designs_teaches_nothing() -> None:
    with pytest.raises(ValueError, match="all pairs are tied"):
        alignment.normalised(torch.ones(1, 8), torch.rand(1, 8))
