"""The searches: gradients against autograd, known codes reached, schedules as published, batches bit for bit."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from workloads.khm.maths import search
from workloads.shared.hopfield import known_codes, separation

TAU = 0.2


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def ratio(d: int, m: int, restarts: int, schedule: search.Annealing | None = None) -> float:
    best = known_codes.known_delta(d, m)
    assert best is not None
    return float(separation.delta(search.anneal(normal(restarts, m, d), schedule or search.Annealing())).max()) / best


def pairs(z: Tensor) -> Tensor:
    m = z.shape[1]
    upper = torch.ones(m, m, dtype=torch.bool).triu(1)
    return (z @ z.transpose(1, 2))[:, upper]


def lse(z: Tensor) -> Tensor:
    return TAU * (2 * (pairs(z) / TAU).exp().sum(1)).log()


def separate(z: Tensor) -> Tensor:
    return torch.nn.functional.cross_entropy(z @ z.transpose(1, 2) / TAU, torch.arange(z.shape[1]).expand(len(z), -1))


def shipped(z: Tensor) -> Tensor:
    return ((z @ z.detach().transpose(1, 2)).triu(1) / TAU).exp().sum((1, 2)).log() / z.shape[1]


def uniform(z: Tensor) -> Tensor:
    return torch.stack([torch.nn.functional.pdist(x).square().mul(-2).exp().mean().log() for x in z])


def closest(z: Tensor) -> Tensor:
    return torch.stack([torch.nn.functional.pdist(x).square().mul(-2).max() for x in z])


def gradient(loss: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    return torch.autograd.grad(loss(x / x.norm(dim=-1, keepdim=True)).sum(), x)[0]


def check_pull(pull: search.Pull, loss: Callable[[Tensor], Tensor]) -> None:
    x = normal(1, 6, 4)
    length = x.norm(dim=-1, keepdim=True)
    z = x / length
    by_hand = search._tangent(pull(z.clone(), TAU), z, length)
    assert torch.allclose(by_hand, gradient(loss, x), rtol=1e-10, atol=1e-13)


def test_the_gradient_of_the_log_sum_exp() -> None:
    check_pull(search.lse_pull, lse)


def test_the_gradient_of_the_separation_loss() -> None:
    check_pull(search.separation_pull, separate)


def test_the_gradient_of_the_loss_as_shipped() -> None:
    check_pull(search.shipped_pull, shipped)


def test_the_gradient_of_the_uniformity_loss() -> None:
    check_pull(search.uniform_pull, uniform)


def test_the_gradient_of_the_max_loss() -> None:
    check_pull(search.closest_pull, closest)


def test_adam_is_that_of_its_paper() -> None:
    x, by_hand = normal(5), normal(5).tolist()
    mean, square, optimiser = [0.0] * 5, [0.0] * 5, search.Adam(x)
    for t in range(1, 20):
        optimiser.step(x**3, 0.1)
        for k, value in enumerate(by_hand):
            mean[k] = 0.9 * mean[k] + 0.1 * value**3
            square[k] = 0.999 * square[k] + 0.001 * value**6
            by_hand[k] -= 0.1 * (mean[k] / (1 - 0.9**t)) / (math.sqrt(square[k] / (1 - 0.999**t)) + 1e-8)
    assert x.tolist() == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize(
    ("d", "m", "restarts"),
    [(3, 7, 4), (3, 8, 4), (3, 9, 4), (3, 10, 4), (3, 12, 4), (3, 24, 4), (4, 8, 4), (4, 10, 4), (5, 16, 4), (6, 27, 4)],
)
def test_the_search_reaches_the_best_code_known(d: int, m: int, restarts: int) -> None:
    assert 0.999 <= ratio(d, m, restarts) <= 1 + 1e-9


@pytest.mark.parametrize(("d", "m", "restarts"), [(3, 30, 8), (3, 50, 8), (7, 56, 4), (4, 120, 4)])
def test_the_search_reaches_larger_codes(d: int, m: int, restarts: int) -> None:
    assert 0.995 <= ratio(d, m, restarts) <= 1 + 1e-9


def test_the_24_cell_needs_many_restarts() -> None:
    assert 0.995 <= ratio(4, 24, 96, search.Annealing(600)) <= 1 + 1e-9


@pytest.mark.slow
def test_the_search_reaches_130_points_in_three_dimensions() -> None:
    slower = search.Annealing(3000, rate=0.05, slow=0.0001, settling=0.0)
    assert 0.995 <= ratio(3, 130, 24, slower) <= 1 + 1e-9


@pytest.mark.slow
def test_the_search_reaches_the_roots_of_e8() -> None:
    assert 0.995 <= ratio(8, 240, 12) <= 1 + 1e-9


def test_the_search_mends_bent_roots_of_e8() -> None:
    bent = known_codes.e8() + 0.1 * normal(1, 240, 8)
    found = search.anneal(bent, search.Annealing(300))
    assert 0.995 <= float(separation.delta(found)) / 0.5 <= 1 + 1e-9


@pytest.mark.parametrize("m", [3, 4, 5])
def test_small_codes_become_simplices(m: int) -> None:
    assert ratio(4, m, 2, search.Annealing(600)) == pytest.approx(1.0, abs=1e-5)


def test_the_annealing_falls_from_first_to_last() -> None:
    rates = list(search.Annealing(steps=10, first=0.5, slow=0.005, last=0.0005).rates())
    assert [rates[k][1] for k in (0, 7, 9)] == pytest.approx([0.5, 0.005, 0.0005])
    assert rates[7][0] == pytest.approx(0.1 * 0.01**0.7)


def test_the_rate_of_uhop_falls_like_the_root_of_the_factorial() -> None:
    rates = [rate for rate, _ in search._falling(11)]
    assert rates == pytest.approx([1 / math.sqrt(math.factorial(i)) for i in range(11)])


def test_uhop_is_gradient_descent_on_its_loss() -> None:
    memories, weight = separation.normalise(normal(1, 6, 3)), normal(1, 3, 3, seed=1)
    w = weight.clone()
    for i in range(3):
        g = w.clone().requires_grad_()
        y = memories @ g
        (grad,) = torch.autograd.grad(uniform(y / y.norm(dim=-1, keepdim=True)).sum(), g)
        w = w - grad / math.sqrt(math.factorial(i))
    assert torch.allclose(search.uhop(memories, weight, 3), w, rtol=1e-9)


def test_uhop_plus_lowers_its_loss() -> None:
    memories, weight = separation.normalise(normal(3, 10, 5)), normal(3, 5, 5, seed=1)
    losses = [float(separate(separation.normalise(memories @ w))) for w in (weight, search.uhop_plus(memories, weight))]
    assert losses[1] < losses[0]


def moves(x: Tensor) -> dict[str, Tensor]:
    memories, weight = separation.normalise(x), x[:, : x.shape[2]]
    return {
        "annealed": search.anneal(x, search.Annealing(30)),
        "uhop": search.uhop(memories, weight, 15),
        "max": search.uhop(memories, weight, 15, "max"),
        "uhop_plus": search.uhop_plus(memories, weight),
        "shipped": search.uhop_plus(memories, weight, shipped=True),
    }


@pytest.mark.parametrize(("d", "m"), [(2, 5), (3, 13), (3, 31), (4, 9), (5, 9), (5, 24), (7, 17), (8, 33)])
def test_a_member_of_a_batch_moves_as_if_alone(d: int, m: int) -> None:
    x = normal(7, m, d, seed=d * m)
    together = moves(x)
    alone = [moves(x[k : k + 1].clone()) for k in range(7)]
    assert all(torch.equal(codes, torch.cat([one[name] for one in alone])) for name, codes in together.items())
