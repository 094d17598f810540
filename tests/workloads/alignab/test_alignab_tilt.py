"""Losses of preferences to the digits of DPO, its margin and its diffusion form, and the optimum that they share."""

from __future__ import annotations

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.alignab import tilt
from workloads.alignab.maths import preference, world

DELTA = torch.tensor(1.5, dtype=torch.float64)  # log ratios -10 - -11 of the winner, -12 - -11.5 of the loser


def row(**given: object) -> tilt.Result:
    ((_, result),) = tilt.run(tilt.Params(**given), Context(seed=0))  # type: ignore[arg-type]
    return result


@pytest.mark.parametrize(("beta", "loss"), [(0.1, 0.6209570477895321), (0.5, 0.3868710061148999), (1.0, 0.2014132779827524)])
def test_dpo(beta: float, loss: float) -> None:
    assert preference.loss(preference.margin(beta * DELTA)).item() == pytest.approx(loss, abs=1e-15)
    # trl's sigmoid loss, written out
    log_odds = beta * ((-10.0 - -12.0) - (-11.0 - -11.5))
    assert -torch.nn.functional.logsigmoid(torch.tensor(log_odds, dtype=torch.float64)).item() == pytest.approx(loss, abs=1e-15)


@pytest.mark.parametrize(("weight", "z", "loss"), [(0.5, 0.30, 0.5543552444685271), (0.8, 0.6375, 0.4243603331636066)])
def test_the_margin_form(weight: float, z: float, loss: float) -> None:
    pair = preference.margin(0.5 * DELTA, 1.2, weight)
    assert pair.item() == pytest.approx(z, abs=1e-15) and preference.loss(pair).item() == pytest.approx(loss, abs=1e-15)


def test_all_weight_on_one_reward_is_dpo() -> None:
    assert preference.margin(0.5 * DELTA, 1.2, 1.0).item() == 0.5 * DELTA.item()


@pytest.mark.parametrize(("beta", "z", "loss"), [(1, 0.1, 0.6443966600735709), (10, 1.0, 0.3132616875182229)])
def test_the_diffusion_form(beta: float, z: float, loss: float) -> None:
    losses = torch.tensor([[0.30, 0.50], [0.35, 0.45]], dtype=torch.float64)
    policy, reference = ((winner, loser) for winner, loser in losses)
    pair = beta * preference.denoising(policy, reference)
    assert pair.item() == pytest.approx(z, abs=1e-14) and preference.loss(pair).item() == pytest.approx(loss, abs=1e-14)


@pytest.mark.parametrize(("heat", "label"), [(0.25, 0.9996646498695336), (1, 0.8807970779778823), (4, 0.6224593312018546)])
def test_soft_labels(heat: float, label: float) -> None:
    assert preference.soft_label(torch.tensor(-2.0).double(), heat).item() == pytest.approx(label, abs=1e-15)


TILTED = [
    (0.5, 0.5, (0.280533, 0.313880, 0.191687, 0.156085, 0.057815), (0.698384, 0.695955)),
    (0.25, 0.5, (0.418548, 0.346926, 0.142019, 0.077517, 0.014990), (0.461737, 0.831753)),
    (0.75, 0.2, (0.012732, 0.054951, 0.123136, 0.367904, 0.441278), (1.585023, 0.025801)),
    (1.0, 1.0, (0.188681, 0.233312, 0.192333, 0.211402, 0.174272), (0.974636, 0.490346)),
]


@pytest.mark.parametrize(("weight", "beta", "law", "means"), TILTED)
def test_the_tilted_optimum_and_both_losses_that_reach_it(
    weight: float, beta: float, law: tuple[float, ...], means: tuple[float, float]
) -> None:
    att, rep = world.rewards()
    assert preference.tilted(world.prior(), weight * att + (1 - weight) * rep, beta).tolist() == pytest.approx(law, abs=5e-7)
    for method in ("poea", "weighted_sum"):
        found = row(method=method, weight=weight, beta=beta)
        assert found.kl_to_target < 1e-12 and abs(found.objective_gap) < 1e-12
        assert (found.reward_att, found.reward_rep) == pytest.approx(means, abs=5e-7)


def test_hard_labels_do_not_lead_there() -> None:
    kl = {method: row(method=method, labels="hard").kl_to_target for method in ("poea", "weighted_sum")}
    assert min(kl.values()) > 0.1 and kl["poea"] != pytest.approx(kl["weighted_sum"], rel=0.01)


def test_a_loss_has_the_gradient_of_autograd() -> None:
    z = torch.tensor([-3.0, -0.2, 0.0, 4.0], dtype=torch.float64, requires_grad=True)
    label = torch.tensor([1.0, 0.7, 0.5, 0.0], dtype=torch.float64)
    (gradient,) = torch.autograd.grad(preference.loss(z, label).sum(), z)
    assert torch.allclose(gradient, torch.sigmoid(z) - label, atol=1e-15)
    assert torch.autograd.gradcheck(lambda x: preference.loss(preference.margin(x, 0.4, 0.3), label), (z,))


def test_newton_finds_where_the_gradient_is_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    labels, shift = (torch.rand(6, 6, generator=generator, dtype=torch.float64) for _ in range(2))
    h, least = preference.fitted(shift, labels, 0.8)
    free, apart = h.clone().requires_grad_(), ~torch.eye(6, dtype=torch.bool)
    loss = preference.loss(0.8 * (free[:, None] - free) - shift, labels)[apart].mean()
    (gradient,) = torch.autograd.grad(loss, free)
    assert gradient.abs().max() < 1e-10 and loss.item() == pytest.approx(least.item(), rel=1e-14)


def test_pairs_that_are_all_tied_are_refused() -> None:
    with pytest.raises(ValueError, match="all pairs are tied"):
        tilt._labels(torch.ones(4), "hard")
