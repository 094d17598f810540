"""Which policy preferences between all pairs of designs lead to, once training has converged, against the tilted optimum.

Source: margin form (MODPO, arXiv:2310.03708) in the style of AlignAb (arXiv:2412.20984); DPO: arXiv:2305.18290.
Symbols: w = weight on attraction · beta = temperature · r_att, r_rep = rewards · p_ref = prior · p* = tilted optimum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from torch import Tensor

from workloads.alignab.maths import preference, world

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
ANGLES = 4
"""Angles of a position in world `small`, whose designs are then 144."""
# Relative: a system of equations is solved by another routine's order of sums on another machine.
TOLERANCE = 1e-6


@dataclass(frozen=True)
class Params:
    """A world whose designs are all known, how preferences become a loss, and what is weighed."""

    world: Annotated[Literal["five", "small"], "whose designs", {"shape": True}] = "five"
    method: Annotated[
        Literal["poea", "weighted_sum", "attraction", "repulsion"],
        "poea: labels by attraction, a margin for repulsion; the others: labels by what they are called, no margin",
        {"shape": True},
    ] = "poea"
    labels: Annotated[
        Literal["soft", "hard"],
        "soft: how probably one is preferred, Bradley-Terry; hard: which has more reward",
        {"shape": True},
    ] = "soft"
    weight: Annotated[float, "weight w on attraction, 1 - w on repulsion", {"at_least": 0.05, "at_most": 1}] = 0.5
    beta: Annotated[float, "temperature that ties a policy to its prior", {"at_least": 0.01, "at_most": 100}] = 0.5


EXAMPLES = (Params(), Params(method="weighted_sum", labels="hard"), Params(world="small", method="repulsion", weight=0.25))


@dataclass(frozen=True)
class Result:
    """What was learnt beside what is aimed at."""

    kl_to_target: Annotated[float, "KL(learnt policy | p*)", {"seedless": True}]
    reward_att: Annotated[float, "mean reward for attraction under the learnt policy", {"seedless": True}]
    reward_rep: Annotated[float, "mean reward for repulsion likewise", {"seedless": True}]
    reward_att_target: Annotated[float, "mean reward for attraction under p*", {"seedless": True}]
    reward_rep_target: Annotated[float, "mean reward for repulsion under p*", {"seedless": True}]
    objective_gap: Annotated[
        float, "loss a pair beyond the entropy of the labels, which no policy beats", {"finite": True, "seedless": True}
    ]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a policy that has converged."""
    att, rep, prior = _designs(params.world)
    labelled, other, scale = _objective(params, att, rep)
    labels = _labels(labelled, params.labels)
    log_ratio, loss = preference.fitted(other, labels, scale)
    target = preference.tilted(prior, params.weight * att + (1 - params.weight) * rep, params.beta)
    learnt = torch.log_softmax(torch.log(prior) + log_ratio, -1)
    certain = labels[~labels.isnan() & ~torch.eye(len(att), dtype=torch.bool)]
    entropy = torch.special.entr(certain) + torch.special.entr(1 - certain)
    policy = learnt.exp()
    yield (
        0,
        Result(
            kl_to_target=max(0.0, (policy * (learnt - torch.log(target))).sum().item()),
            reward_att=(policy * att).sum().item(),
            reward_rep=(policy * rep).sum().item(),
            reward_att_target=(target * att).sum().item(),
            reward_rep_target=(target * rep).sum().item(),
            objective_gap=loss.item() - entropy.mean().item(),
        ),
    )


def _designs(name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Rewards (N,) of all designs for attraction and for repulsion, and their prior."""
    if name == "five":
        return *world.rewards(), world.prior()
    att, rep = world.options(world.build(name, 0, 0, 0.0), ANGLES)
    rewards = [-(energy[0][:, None] + energy[1]).flatten() for energy in (att, rep)]
    return rewards[0], rewards[1], torch.full_like(rewards[0], 1 / len(rewards[0]))


def _objective(p: Params, att: Tensor, rep: Tensor) -> tuple[Tensor, Tensor, float]:
    """Rewards (N,) that make the labels, what z takes off of each pair (N, N), and what it multiplies log ratios by."""
    if p.method == "poea":
        shift = preference.margin(torch.zeros(()), rep[None, :] - rep[:, None], p.weight)
        return att, shift, p.beta / p.weight
    weight = {"weighted_sum": p.weight, "attraction": 1.0, "repulsion": 0.0}[p.method]
    return weight * att + (1 - weight) * rep, torch.zeros(len(att), len(att), dtype=att.dtype), p.beta


def _labels(reward: Tensor, kind: str) -> Tensor:
    """How probably the first of each pair (N, N) is preferred; of a tie nobody knows, which hard labels leave out as NaN."""
    difference = reward[:, None] - reward
    if kind == "soft":
        return preference.soft_label(-difference)
    labels = torch.where(difference.abs() < 1e-12, math.nan, (difference > 0).double())
    if labels.isnan().all():
        raise ValueError(
            "designs must differ in what labels are made of, but all pairs are tied; take another method or world."
        )
    return labels
