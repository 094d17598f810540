"""What a number of a donor's units brings and costs, by where in the model they lie: the curve beside the least set.

Source: arXiv:2406.01514 and its reviews, which ask for refusals against replaced numbers; models as in dapa.transplant.
Symbols: DSR = share of restricted prompts that are refused · n = units · k = count, the units that are transplanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from workloads.dapa import transplant
from workloads.dapa.maths import models, reduction, transplants
from workloads.dapa.maths.transplants import Transplants, Units

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    """A pair of models, and which units go from one to the other."""

    align_scope: Annotated[models.Scope, "what alignment could train: all, the layers, their MLPs, gates or attention"] = "full"
    unit: Annotated[
        transplants.Unit, "what is transplanted as one: a layer's MLP, one projection of it, or each of the three"
    ] = "mlp"
    location: Annotated[
        Literal["early", "middle", "late", "random", "ddmin"],
        "which units: the first, those nearest to the middle, the last, drawn ones, or those of the search, then neighbours",
    ] = "early"
    count: Annotated[int, "how many units k", {"at_least": 0}] = 1
    share: Annotated[float, "of the search: part of the gain that a set must keep", {"above": 0, "at_most": 1}] = 0.9
    layers: Annotated[int, "layers of each model", {"shape": True, "at_least": 1}] = 4
    width: Annotated[int, "width of each model, a multiple of 8", {"shape": True, "at_least": 8}] = 32
    base_steps: Annotated[int, "steps of the base's training", transplant.STEP] = 300
    align_steps: Annotated[int, "steps of the donor's alignment", transplant.STEP] = 150
    target_steps: Annotated[int, "further steps of the target on base data", transplant.STEP] = 40
    prompts: Annotated[
        int, "restricted prompts, of the 64 on ids that alignment has not seen", {"at_least": 8, "at_most": 64}
    ] = 64


@dataclass(frozen=True)
class Result:
    """The edited model."""

    dsr: Annotated[float, "DSR of the edited model", {"range": [0, 1]}]
    gain: Annotated[float, "that less the target's", {"range": [-1, 1]}]
    over_refusal: Annotated[float, "share of benign prompts that it begins to refuse", {"range": [0, 1]}]
    utility: Annotated[float, "share of benign prompts that it answers rightly", {"range": [0, 1]}]
    perplexity_ratio: Annotated[float, "perplexity of benign answers over the target's"]
    param_fraction: Annotated[float, "part of the model's numbers that is replaced", {"range": [0, 1], "seedless": True}]


EXAMPLES = (
    Params(layers=2, width=16, base_steps=4, align_steps=3, target_steps=2, prompts=8),
    Params("mlp", "gate", "ddmin", layers=1, width=16, base_steps=4, align_steps=6, target_steps=1, prompts=8),
)


def run(params: Params, ctx: Context) -> Iterator[tuple[int, Result]]:
    """The one row of a point."""
    p = params
    common = {name: getattr(p, name) for name in transplant.Params.__annotations__ if hasattr(p, name)}
    pair = transplant.prepared(transplant.Params(**common), ctx)
    if p.count > len(pair.places):
        raise ValueError(f"count must be at most the {len(pair.places)} units, but got {p.count}; lower it or add layers.")
    subset = _units(pair, p, ctx)
    target, edited = pair.behaviour(pair.target), pair.behaviour(pair.edited(pair.names(subset)))
    costs = transplant.costs(edited, target)
    cost_columns = {name: costs[name] for name in ("over_refusal", "utility", "perplexity_ratio")}
    yield 0, Result(dsr=edited.dsr, gain=edited.dsr - target.dsr, **cost_columns, param_fraction=pair.fraction(subset))


def _units(pair: Transplants, p: Params, ctx: Context) -> Units:
    """The units at that location, `count` of them."""
    units = len(pair.places)
    if p.location == "random":
        return transplant.random_units(p.count, units, ctx.generator("random units"))
    if p.location == "ddmin":
        return frozenset(_searched(pair, p.share)[: p.count])
    order = transplants.ordered(pair.places, "middle_first" if p.location == "middle" else "index")
    return frozenset(order[units - p.count :] if p.location == "late" else order[: p.count])


def _searched(pair: Transplants, share: float) -> list[int]:
    """The units that the search ends with, then the others by their distance from these; by index where all bring nothing."""
    none, whole = pair.rates([frozenset(), pair.whole])
    units = list(range(len(pair.places)))
    if whole <= none:
        return units
    level = (1 - share) * none + share * whole
    first = reduction.ddmin(reduction.CountedOracle(lambda subset: pair.rate(subset) >= level, len(units)), units)
    outside = [unit for unit in units if unit not in first]
    return [*first, *sorted(outside, key=lambda unit: min(abs(unit - member) for member in first))]
