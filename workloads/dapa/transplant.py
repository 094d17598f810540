"""How much of a donor's refusals comes with its MLP layers or projections, and the least set of them that brings it.

Source: arXiv:2406.01514 (delta debugging over MLP modules, transplant without training); models and language are ours.
Symbols: DSR = share of restricted prompts that are refused · n = units · rho = share, the part of the gain that must stay.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch

from workloads.dapa.maths import language, models, network, reduction, transplants
from workloads.dapa.maths.causes import ENUMERATED
from workloads.dapa.maths.transplants import Behaviour, Transplants, Units

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
STEP = {"shape": True, "at_least": 0}


@dataclass(frozen=True)
class Params:
    """A pair of models and what is transplanted between them."""

    align_scope: Annotated[models.Scope, "what alignment could train: all, the layers, their MLPs, gates or attention"] = "full"
    unit: Annotated[
        transplants.Unit, "what is transplanted as one: a layer's MLP, one projection of it, or each of the three"
    ] = "mlp"
    share: Annotated[float, "part of the gain in DSR by all units that a set must keep", {"above": 0, "at_most": 1}] = 0.9
    variant: Annotated[Literal["both", "complements"], "whether chunks are asked before their complements"] = "both"
    unit_order: Annotated[Literal["index", "middle_first"], "the order in which the search takes units"] = "index"
    layers: Annotated[int, "layers of each model", {"shape": True, "at_least": 1}] = 4
    width: Annotated[int, "width of each model, a multiple of 8", {"shape": True, "at_least": 8}] = 32
    base_steps: Annotated[int, "steps of the base's training", STEP] = 300
    align_steps: Annotated[int, "steps of the donor's alignment", STEP] = 150
    target_steps: Annotated[int, "further steps of the target on base data", STEP] = 40
    prompts: Annotated[
        int, "restricted prompts, of the 64 on ids that alignment has not seen", {"at_least": 8, "at_most": 64}
    ] = 64
    random_sets: Annotated[int, "random sets of as many units, for comparison", {"at_least": 0}] = 20


@dataclass(frozen=True)
class Result:
    """What the transplant brings and costs. The edited model has the units found, and all of them where none were."""

    outcome: Annotated[
        str, "found, no_effect (all units bring nothing) or already_aligned (the target refuses as the donor does)"
    ]
    dsr_target: Annotated[float, "DSR of the target", {"range": [0, 1]}]
    dsr_donor: Annotated[float, "DSR of the donor", {"range": [0, 1]}]
    dsr_all: Annotated[float, "DSR with all units of the donor", {"range": [0, 1]}]
    dsr_edited: Annotated[float, "DSR of the edited model", {"range": [0, 1]}]
    dsr_min: Annotated[float | None, "DSR with the units found; null where there are none", {"range": [0, 1]}]
    dsr_attention: Annotated[float, "DSR with the donor's attention alone", {"range": [0, 1]}]
    dsr_norm: Annotated[float, "DSR with the donor's norms alone", {"range": [0, 1]}]
    dsr_embedding: Annotated[float, "DSR with the donor's embedding alone", {"range": [0, 1]}]
    dsr_random: Annotated[
        float | None, "mean DSR of random sets of as many units; null where none were found", {"range": [0, 1]}
    ]
    gain: Annotated[float, "dsr_all - dsr_target", {"range": [-1, 1]}]
    recovery: Annotated[float | None, "(dsr_min - dsr_target) / (dsr_donor - dsr_target); null where nothing was found"]
    over_refusal: Annotated[float, "share of benign prompts that the edited model begins to refuse", {"range": [0, 1]}]
    over_refusal_gain: Annotated[float, "that less the target's", {"range": [-1, 1]}]
    utility: Annotated[float, "share of benign prompts that the edited model answers rightly", {"range": [0, 1]}]
    utility_drop: Annotated[float, "the target's utility less that", {"range": [-1, 1]}]
    perplexity_ratio: Annotated[float, "perplexity of benign answers over the target's"]
    units_found: Annotated[int | None, "units of the set; null where none was found", {"unit": "units"}]
    units_least: Annotated[int | None, "units of the least set, over all subsets; null above 12 units", {"unit": "units"}]
    depth_mean: Annotated[float | None, "mean place of the units found, 0 the first layer and 1 the last", {"range": [0, 1]}]
    param_fraction: Annotated[float | None, "part of the model's numbers that the units found are", {"range": [0, 1]}]
    tests: Annotated[int, "different subsets that the search asked", {"unit": "calls"}]
    one_minimal: Annotated[bool | None, "whether no single unit of the set can go; null where none was found"]
    monotone_broken: Annotated[int | None, "steps to one unit more that end a pass, over all subsets; null above 12 units"]


EXAMPLES = (
    Params(layers=2, width=16, base_steps=4, align_steps=3, target_steps=2, prompts=8, random_sets=2),
    Params("mlp", "projection", layers=1, width=16, base_steps=4, align_steps=6, target_steps=1, prompts=8, random_sets=2),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    yield 0, judged(prepared(params, ctx), params, ctx)


def prepared(p: Params, ctx: Context) -> Transplants:
    """The pair of the point's seed, with its prompts; ValueError for a width that heads do not divide."""
    if p.width % (2 * network.HEADS):
        raise ValueError(f"width must be a multiple of {2 * network.HEADS}, two numbers a head, but got {p.width}; round it.")
    recipes = models.Recipes(
        layers=p.layers, width=p.width, base_steps=p.base_steps, align_steps=p.align_steps, target_steps=p.target_steps
    )
    target, donor = models.pair(recipes, p.align_scope, ctx)
    restricted = language.restricted(p.prompts, ctx.generator("prompts")).to(ctx.device)
    return Transplants(target, donor, p.unit, restricted)


def judged(pair: Transplants, p: Params, ctx: Context) -> Result:
    """What a search between two models comes to."""
    units = len(pair.places)
    target, donor = pair.behaviour(pair.target), pair.behaviour(pair.donor)
    none, whole = pair.rates([frozenset(), pair.whole])

    def passes(subset: Units) -> bool:
        return pair.rate(subset) >= (1 - p.share) * none + p.share * whole

    oracle = reduction.CountedOracle(passes, units)
    effective = whole > none
    order = transplants.ordered(pair.places, p.unit_order)
    units_of = reduction.ddmin(oracle, order, p.variant == "complements") if effective else []
    subset = frozenset(units_of)
    edited = pair.behaviour(pair.edited(pair.names(subset if effective else pair.whole)))
    enumerated = effective and units <= ENUMERATED
    reached = donor.dsr - target.dsr
    return Result(
        outcome="found" if effective else "already_aligned" if target.dsr >= donor.dsr > 0 else "no_effect",
        dsr_target=target.dsr,
        dsr_donor=donor.dsr,
        dsr_all=whole,
        dsr_edited=edited.dsr,
        dsr_min=pair.rate(subset) if effective else None,
        **controls(pair),
        dsr_random=_random(pair, len(subset), p.random_sets, ctx) if effective and p.random_sets else None,
        gain=whole - none,
        recovery=(pair.rate(subset) - target.dsr) / reached if effective and reached else None,
        **costs(edited, target),
        units_found=len(subset) if effective else None,
        units_least=transplants.least(passes, units) if enumerated else None,
        depth_mean=_depth(pair, subset) if effective else None,
        param_fraction=pair.fraction(subset) if effective else None,
        tests=oracle.tests,
        one_minimal=reduction.one_minimal(passes, subset) if effective else None,
        monotone_broken=transplants.broken_steps(passes, units) if enumerated else None,
    )


def controls(pair: Transplants) -> dict[str, float]:
    """DSR of targets in which only the donor's attention, norms or embedding stand."""
    parts = {"attention": network.ATTENTION, "norm": (*network.NORMS, "norm_last"), "embedding": ("embedding",)}
    names_of = {part: [name for name in pair.target if name.rpartition(".")[2] in names] for part, names in parts.items()}
    return {f"dsr_{part}": pair.behaviour(pair.edited(names)).dsr for part, names in names_of.items()}


def costs(edited: Behaviour, target: Behaviour) -> dict[str, float]:
    """What an edit costs beside the target."""
    return {
        "over_refusal": edited.over_refusal,
        "over_refusal_gain": edited.over_refusal - target.over_refusal,
        "utility": edited.utility,
        "utility_drop": target.utility - edited.utility,
        "perplexity_ratio": math.exp(edited.nats - target.nats),
    }


def random_units(count: int, units: int, generator: torch.Generator) -> Units:
    """A random set of that many units."""
    return frozenset(torch.randperm(units, generator=generator)[:count].tolist())


def _random(pair: Transplants, count: int, sets: int, ctx: Context) -> float:
    generator = ctx.generator("random sets")
    subsets = [random_units(count, len(pair.places), generator) for _ in range(sets)]
    return sum(pair.rates(subsets)) / sets


def _depth(pair: Transplants, subset: Units) -> float:
    return sum(pair.places[unit] for unit in subset) / len(subset) / max(pair.layers - 1, 1)
