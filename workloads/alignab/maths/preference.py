"""Losses of preferences between pairs of designs, and the policy that they have as their optimum.

With log ratios of a policy to its reference, delta between winner and loser: DPO is -log sigmoid(beta delta) (Rafailov et al.
2023); the margin form divides by the weight w of the energy that made the preference and takes off what the other rewards say,
z = (beta delta - (1 - w) difference of the other reward) / w (MODPO, Zhou et al. 2024). A diffusion has losses in place of log
probabilities (Wallace et al. 2024). With Bradley-Terry labels DPO on weighted rewards and the margin form share the optimum
p* = p_ref exp((w r_att + (1 - w) r_rep)/beta). That AlignAb's loss is the margin form is our reading, not the paper's formula.
"""

from __future__ import annotations

import torch
from torch import Tensor

STEPS = 200
SMALLEST = 1e-11


def margin(scaled: Tensor, other: Tensor | float = 0.0, weight: Tensor | float = 1.0) -> Tensor:
    """z of a pair: beta times the difference of its log ratios, less what the other reward says of it, over the weight."""
    return (scaled - (1 - weight) * other) / weight


def loss(z: Tensor, label: Tensor | float = 1.0) -> Tensor:
    """-log of the probability that z gives to the label, which is 1 for a certain winner and between 0 and 1 for a soft one."""
    return -label * torch.nn.functional.logsigmoid(z) - (1 - label) * torch.nn.functional.logsigmoid(-z)


def soft_label(difference: Tensor, temperature: float | Tensor = 1.0) -> Tensor:
    """Bradley-Terry: how probably the first of two is preferred whose energy is higher by that difference."""
    return torch.sigmoid(-difference / temperature)


def denoising(policy: tuple[Tensor, Tensor], reference: tuple[Tensor, Tensor]) -> Tensor:
    """The difference of log ratios that denoising losses of (winner, loser) stand for, at the same time and noise."""
    return (reference[0] - policy[0]) - (reference[1] - policy[1])


def tilted(prior: Tensor, reward: Tensor, beta: float) -> Tensor:
    """p* (N,): the prior times exp(reward/beta), normalised."""
    return torch.softmax(torch.log(prior) + reward / beta, -1)


def fitted(shift: Tensor, labels: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """Log ratios h (N,) at which the loss of all pairs, z = scale (h_i - h_j) - shift_ij, is least, by Newton; the loss.

    The loss is convex. Labels of 0 and 1 alone leave it without a minimum where they follow one order: then h is where its
    gradient is below 1e-11, and grows with every digit. A pair with label NaN does not count.
    """
    counted = ~labels.isnan() & ~torch.eye(len(labels), dtype=torch.bool)
    target = labels.nan_to_num()
    h = shift.mean(1) / scale  # where z is 0, or next to it: far from there every pair is sure of itself, and nothing pulls

    def loss_at(ratios: Tensor) -> tuple[Tensor, Tensor]:
        z = scale * (ratios[:, None] - ratios) - shift
        return z, (loss(z, target) * counted).sum() / counted.sum()

    z, value = loss_at(h)
    for _ in range(STEPS):
        probability = torch.sigmoid(z)
        # the pair (j, i) is the pair (i, j) seen from the other side: both pull at h_i
        pull = scale * ((probability - target) * counted) / counted.sum()
        gradient = pull.sum(1) - pull.sum(0)
        if gradient.abs().max() < SMALLEST:
            break
        curvature = scale**2 * (probability * (1 - probability) * counted) / counted.sum()
        step = _newton(curvature + curvature.T, gradient)
        length = 1.0
        while (trial := loss_at(h - length * step))[1] > value and length > 1e-6:
            length /= 2
        h, (z, value) = h - length * step, trial
    return h, value


def _newton(links: Tensor, gradient: Tensor) -> Tensor:
    """The step whose curvature is the Laplacian of these links; what all h share makes no difference, and stays."""
    laplacian = torch.diag(links.sum(1)) - links
    return torch.linalg.lstsq(laplacian, gradient[:, None], driver="gelsd").solution[:, 0]
