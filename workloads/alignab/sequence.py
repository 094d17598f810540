"""How near a policy over residues comes to the exact front of contacts with an epitope against bulk, by preferences in rounds.

Source: residues alone in the style of AlignAb (arXiv:2412.20984); contacts: Miyazawa and Jernigan 1996; front derived.
Symbols: w = weight on attraction · cap = volume that a position has room for · epitope = residues that positions touch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from torch import Tensor

from workloads.alignab.maths import contacts, residue_policies, trade_offs
from workloads.alignab.maths.alignment import LABELLED

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
LEAST_WEIGHT = 0.05
TOLERANCE = 1e-4


@dataclass(frozen=True)
class Params:
    """A policy, how it is aligned, and what its designs touch."""

    policy: Annotated[str, "uniform, or a folder with a language model in the format of IgLM", {"shape": True}] = "uniform"
    method: Annotated[
        Literal["best_of", "poea", "weighted_sum", "attraction", "repulsion"],
        "best_of: as many designs of the untrained policy as poea has evaluated; poea: labels by attraction, a margin for "
        "repulsion; the others: labels by what they are called",
        {"shape": True},
    ] = "poea"
    weight: Annotated[float, "weight w on attraction, 1 - w on repulsion", {"at_least": 0, "at_most": 1}] = 0.5
    rounds: Annotated[int, "how often a pool is sampled and learnt from", {"at_least": 1}] = 3
    steps: Annotated[int, "training steps in all rounds together", {"at_least": 1}] = 300
    pool: Annotated[int, "designs that a round samples, and designs looked at in the end", {"at_least": 2}] = 512
    positions: Annotated[int, "residues of a design", {"at_least": 1, "at_most": 40, "shape": True}] = 12
    epitope: Annotated[str, "residues that the positions touch, begun again at its end"] = "FLKDEWYIRNSG"
    cap: Annotated[float, "volume that a position has room for", {"at_least": 0, "at_most": 140, "unit": "A^3"}] = 60.0
    beta: Annotated[float, "temperature that ties a policy to its anchor", {"at_least": 1e-3, "at_most": 1e3}] = 0.5


EXAMPLES = (
    Params(steps=6, pool=128, positions=4),
    Params(steps=6, pool=128, positions=4, method="best_of", epitope="WK", rounds=1),
    Params(steps=6, pool=128, positions=3, method="weighted_sum", weight=0.25),
)


@dataclass(frozen=True)
class Result:
    """What the designs are worth, and how far they are from the untrained policy's."""

    hypervolume: Annotated[float, "area that the designs dominate", {"finite": True, "range": (0.0, None)}]
    hypervolume_exact: Annotated[float, "area that all designs dominate", {"seedless": True}]
    energy_att: Annotated[float, "mean attraction energy of the designs", {"unit": "kT"}]
    energy_rep: Annotated[float, "mean volume over the cap", {"unit": "100 A^3"}]
    log_likelihood: Annotated[
        float, "mean ln probability a residue of the designs under the untrained policy", {"unit": "nats"}
    ]
    composition_shift: Annotated[float, "total variation between the residues' shares and the untrained policy's"]
    evaluations: Annotated[int, "designs whose energies were evaluated", {"seedless": True}]


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of an aligned policy."""
    att, rep = contacts.options(params.epitope, params.positions, params.cap)
    _check(params)
    policy = residue_policies.policy(params.policy, params.positions)
    rules, evaluations = _rules(params, att, rep), params.pool * (params.rounds + 1)
    with torch.no_grad():
        untrained = policy.sample(policy.begin, evaluations, ctx.generator("untrained"))
    designs = untrained
    if params.method != "best_of":
        aligned = residue_policies.align(policy, rules, ctx.generator("alignment"))
        with torch.no_grad():
            designs = policy.sample(aligned, params.pool, ctx.generator("designs"))
    reference = (0.0, params.positions * (contacts.LARGEST - params.cap) / 100)
    energies, front = rules.energies(designs), trade_offs.of_sums(att, rep)
    with torch.no_grad():
        likelihood = policy.log_prob(policy.begin, designs).mean().item() / params.positions
    yield (
        0,
        Result(
            hypervolume=trade_offs.hypervolume(*energies, reference).item(),
            hypervolume_exact=trade_offs.hypervolume(front[0], front[1], reference).item(),
            energy_att=energies[0].mean().item(),
            energy_rep=energies[1].mean().item(),
            log_likelihood=likelihood,
            composition_shift=0.5 * (_shares(designs) - _shares(untrained)).abs().sum().item(),
            evaluations=evaluations,
        ),
    )


def _check(p: Params) -> None:
    """Refuse a weight by which the margin is divided and that is too small, and pools of fewer than two batches."""
    if p.method == "poea" and p.weight < LEAST_WEIGHT:
        raise ValueError(f"weight must be in [{LEAST_WEIGHT}, 1] for poea, but got {p.weight:g}; take a larger one.")
    if p.pool < 2 * residue_policies.PAIRS:
        raise ValueError(f"pool must hold two batches of {residue_policies.PAIRS} pairs, but got pool = {p.pool}; enlarge it.")


def _rules(p: Params, att: Tensor, rep: Tensor) -> residue_policies.Rules:
    constant, times_weight = LABELLED.get(p.method, (1.0, 0.0))
    return residue_policies.Rules(
        att=att,
        rep=rep,
        rounds=p.rounds,
        steps=p.steps,
        pool=p.pool,
        beta=p.beta,
        label_weight=constant + times_weight * p.weight,
        margin_weight=p.weight if p.method == "poea" else 1.0,
    )


def _shares(designs: Tensor) -> Tensor:
    """Shares (20,) of the residues among designs."""
    return torch.bincount(designs.flatten(), minlength=len(contacts.RESIDUES)).double() / designs.numel()
