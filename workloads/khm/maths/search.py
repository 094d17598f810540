"""Turns random starts into well separated codes: U-Hop and U-Hop+ as published, and an annealed log-sum-exp search.

Sources: arXiv:2404.03827 (U-Hop, stage I), arXiv:2410.23126 (U-Hop+, separation loss). All losses act on unit features z of
shape (batch, m, D); a batch holds restarts and points alike. Gradients are written out: no graph is built. On the CPU a
member of a batch comes out bit for bit as if it were alone, which needs rows of an even length (`separation.even`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.shared.hopfield.separation import even

Pull = Callable[[Tensor, float], Tensor]
Rates = Iterable[tuple[float, float]]
UNIFORM_T = 2.0


@dataclass(frozen=True)
class Annealing:
    """A geometric fall of the temperature with a learning rate that follows it, then a faster one that settles what is found.

    The slow part, all steps but the share `settling`, chooses the code; the fast one takes its last per mille.
    """

    steps: int = 2000
    rate: float = 0.1
    first: float = 0.5
    slow: float = 0.001
    last: float = 0.0001
    power: float = 0.7
    settling: float = 0.2

    def rates(self) -> Iterator[tuple[float, float]]:
        """Learning rate and temperature of every step."""
        turn = max(round((1.0 - self.settling) * self.steps) - 1, 1)
        rest = max(self.steps - 1 - turn, 1)
        for step in range(self.steps):
            share = (self.slow / self.first) ** (min(step, turn) / turn)
            share *= (self.last / self.slow) ** (max(step - turn, 0) / rest)
            yield self.rate * share**self.power, self.first * share


def lse_pull(z: Tensor, tau: float) -> Tensor:
    """The gradient (batch, m, D) in z of tau log sum exp(cos / tau) over all pairs of different memories."""
    weights = _products(z)
    weights.diagonal(dim1=1, dim2=2).fill_(-torch.inf)
    weights.sub_(weights.amax((1, 2), keepdim=True)).mul_(1.0 / tau).exp_()
    total = weights.sum((1, 2), keepdim=True)
    return torch.bmm(weights, z).mul_(2.0 / total)


def separation_pull(z: Tensor, tau: float) -> Tensor:
    """The gradient (batch, m, D) in z of U-Hop+'s loss, the mean over u of -log(e^(K_uu/tau) / sum over v of e^(K_vu/tau))."""
    weights = _products(z).sub_(1.0).mul_(1.0 / tau).exp_()
    weights.div_(weights.sum(1, keepdim=True))
    weights.diagonal(dim1=1, dim2=2).zero_()
    return torch.bmm(weights + weights.transpose(1, 2), z).mul_(1.0 / (tau * z.shape[1]))


def shipped_pull(z: Tensor, tau: float) -> Tensor:
    """The gradient (batch, m, D) of the separation loss in the official repository, quirks included.

    The triangle's mask comes before the exponential, which adds m(m+1)/2 ones to the sum; the log is divided by m; one side of
    every inner product is a constant.
    """
    m = z.shape[1]
    weights = _products(z).mul_(1.0 / tau).exp_().triu_(1)
    total = weights.sum((1, 2), keepdim=True).add_(0.5 * m * (m + 1))
    return torch.bmm(weights, z).mul_(1.0 / (tau * m)).div_(total)


def uniform_pull(z: Tensor, tau: float = 0.0) -> Tensor:
    """The gradient (batch, m, D) of U-Hop's average loss, log mean over pairs of exp(-t |z - z'|^2), t = 2; tau is not used."""
    return lse_pull(z, 0.5 / UNIFORM_T).mul_(2.0 * UNIFORM_T)


def closest_pull(z: Tensor, tau: float = 0.0) -> Tensor:
    """The gradient (batch, m, D) of U-Hop's max loss, the largest -t |z - z'|^2 of a pair, t = 2; tau is not used."""
    batch, m, _ = z.shape
    products = _products(z)
    below = torch.ones(m, m, dtype=torch.bool, device=z.device).tril_()
    best = products.masked_fill_(below, -torch.inf).flatten(1).argmax(1)
    here = torch.arange(batch, device=z.device)
    first, second = best // m, best % m
    pull = torch.zeros_like(z)
    pull[here, first] = z[here, second]
    pull[here, second] += z[here, first]
    return pull.mul_(2.0 * UNIFORM_T)


def anneal(start: Tensor, schedule: Annealing, pull: Pull = lse_pull) -> Tensor:
    """Free unit codes (batch, m, d) from starts (batch, m, d) of any length but zero."""
    x = even(start).clone()
    optimiser = Adam(x)
    for rate, tau in schedule.rates():
        length, z = _unit(x)
        optimiser.step(_tangent(pull(z, tau), z, length), rate)
    return _unit(x)[1][..., : start.shape[-1]]


def train_map(memories: Tensor, weight: Tensor, rates: Rates, pull: Pull, adam: bool = True) -> Tensor:
    """A linear map (batch, d, D) trained from `weight` so that the unit features of memories (batch, m, d) separate.

    Adam or plain gradient descent by the rates. For a bias, give the memories a column of ones.
    """
    inputs = even(memories)
    w = even(even(weight), 1).clone()
    optimiser = Adam(w)
    for rate, tau in rates:
        length, z = _unit(torch.bmm(inputs, w))
        gradient = torch.bmm(inputs.transpose(1, 2), _tangent(pull(z, tau), z, length))
        if adam:
            optimiser.step(gradient, rate)
        else:
            w.sub_(gradient, alpha=rate)
    return w[:, : weight.shape[1], : weight.shape[2]]


def uhop(memories: Tensor, weight: Tensor, steps: int = 100, variant: str = "average") -> Tensor:
    """U-Hop's map (batch, d, d) after stage I, as published: gradient descent on the average or the max uniformity loss.

    The average's rate of 1 is multiplied by 1 / sqrt(i + 1) after every step i, so it is 1 / sqrt(i!); the max keeps 10.
    """
    if variant == "max":
        return train_map(memories, weight, [(10.0, 0.0)] * steps, closest_pull, adam=False)
    return train_map(memories, weight, _falling(steps), uniform_pull, adam=False)


def _falling(steps: int) -> Iterator[tuple[float, float]]:
    rate = 1.0
    for step in range(steps):
        yield rate, 0.0
        rate /= (step + 1) ** 0.5


def uhop_plus(
    memories: Tensor, weight: Tensor, steps: int = 20, rate: float = 1.0, tau: float = 0.1, shipped: bool = False
) -> Tensor:
    """U-Hop+'s map (batch, d, D) by Adam on the separation loss at one temperature; `shipped` takes the repository's loss."""
    return train_map(memories, weight, [(rate, tau)] * steps, shipped_pull if shipped else separation_pull)


class Adam:
    """Adam's state (Kingma and Ba 2015) for one stacked tensor, which it changes in place."""

    def __init__(self, x: Tensor, decay: float = 0.9, decay_square: float = 0.999, epsilon: float = 1e-8) -> None:
        self.x = x
        self.mean, self.square = torch.zeros_like(x), torch.zeros_like(x)
        self.decay, self.decay_square, self.epsilon = decay, decay_square, epsilon
        self.steps = 0

    def step(self, gradient: Tensor, rate: float) -> None:
        """Move by one step against the gradient."""
        self.steps += 1
        self.mean.mul_(self.decay).add_(gradient, alpha=1.0 - self.decay)
        self.square.mul_(self.decay_square).addcmul_(gradient, gradient, value=1.0 - self.decay_square)
        bias, bias_square = 1.0 - self.decay**self.steps, 1.0 - self.decay_square**self.steps
        scale = self.square.sqrt().mul_(bias_square**-0.5).add_(self.epsilon)
        self.x.addcdiv_(self.mean, scale, value=-rate / bias)


def _products(z: Tensor) -> Tensor:
    return torch.bmm(z, z.transpose(1, 2))


def _unit(x: Tensor) -> tuple[Tensor, Tensor]:
    """Lengths (batch, m, 1) and unit vectors; a zero vector stays zero."""
    length = (x * x).sum(-1, keepdim=True).sqrt_().clamp_min_(1e-300)
    return length, x / length


def _tangent(pull: Tensor, z: Tensor, length: Tensor) -> Tensor:
    """The gradient in x of a function of z = x / |x|, from its gradient in z; changes `pull`."""
    along = (pull * z).sum(-1, keepdim=True)
    return pull.addcmul_(along, z, value=-1.0).div_(length)
