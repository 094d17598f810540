"""How much of the exact front a diffusion reaches that is trained by preferences towards both energies, in rounds.

Source: preferences in the style of AlignAb (arXiv:2412.20984), whose loss could not be read: MODPO's (arXiv:2310.03708).
Symbols: w = weight on attraction · beta = temperature times diffusion times · T = times · p* = nature tilted by both rewards.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.alignab.maths import alignment, judged_designs, references, trade_offs, world
from workloads.shared import packs
from workloads.shared.training import groups

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
# Relative; models trained together share matrix products on a GPU, whose last digits depend on how many there are.
TOLERANCE = 1e-4
LEAST_WEIGHT, LEAST_DESIGNS = 0.05, 10
UNTRAINED = ("reference", "best_of")
FREE = ("method", "weight")
"""Params in which points of one stack may differ; surgery has a stack of its own."""


@dataclass(frozen=True)
class Params:
    """How a diffusion is aligned, and how many designs of it are looked at."""

    method: Annotated[
        Literal["reference", "best_of", "poea", "weighted_sum", "attraction", "repulsion", "surgery"],
        "reference: no alignment; best_of: as many of its designs as poea has evaluated; poea: labels by attraction, a margin "
        "for repulsion; surgery: both losses without what conflicts; the others: labels by what they are called",
    ] = "poea"
    weight: Annotated[float, "weight w on attraction, 1 - w on repulsion", {"at_least": 0, "at_most": 1}] = 0.5
    weights: Annotated[
        int,
        "0: the weight alone; k: models of the weights j/(k + 1), designs pooled",
        {"at_least": 0, "at_most": 64, "shape": True},
    ] = 0
    rounds: Annotated[int, "how often a pool is sampled and learnt from", {"at_least": 1, "shape": True}] = 1
    beta: Annotated[float, "temperature that ties a model to its anchor, times T", {"at_least": 1e-3, "at_most": 1e3}] = 1.0
    temperature_role: Annotated[Literal["none", "sampling", "beta", "label"], "what a temperature scales", {"shape": True}] = (
        "none"
    )
    schedule: Annotated[
        Literal["constant", "falling", "rising"], "the temperature: 1, from 2 to 1/2, or from 1/2 to 2", {"shape": True}
    ] = "constant"
    reference_policy: Annotated[
        Literal["previous", "fixed"], "what a round is tied to: the model at its begin, or the reference", {"shape": True}
    ] = "previous"
    posterior: Annotated[
        Literal["exact", "as_released"], "types one time earlier: Bayes, or as DiffAb's code has them", {"shape": True}
    ] = "exact"
    world: Annotated[Literal["formula", "small"], "whose energies", {"shape": True}] = "formula"
    positions: Annotated[int, "positions n of world formula", {"at_least": 1, "at_most": 64, "shape": True}] = 6
    types: Annotated[int, "types K of world formula", {"at_least": 2, "at_most": 64, "shape": True}] = 6
    times: Annotated[int, "diffusion times T", {"at_least": 2, "at_most": 1000, "shape": True}] = 20
    width: Annotated[int, "width of the network", {"at_least": 4, "shape": True}] = 96
    pretrain_steps: Annotated[int, "training steps of the reference", {"at_least": 1, "shape": True}] = 1000
    align_steps: Annotated[int, "training steps in all rounds together", {"at_least": 1, "shape": True}] = 300
    align_rate: Annotated[float, "learning rate of these", {"above": 0, "at_most": 1, "shape": True}] = 3e-4
    pool: Annotated[int, "designs that a round samples and scores", {"at_least": 4, "shape": True}] = 1024
    batch: Annotated[int, "pairs a step", {"at_least": 1, "shape": True}] = 128
    designs: Annotated[int, "designs whose front is looked at", {"at_least": LEAST_DESIGNS, "shape": True}] = 1000
    draws: Annotated[int, "how often so many designs are drawn", {"at_least": 1, "shape": True}] = 4

    @property
    def size(self) -> tuple[int, int]:
        """Positions and types of the world."""
        return (2, 3) if self.world == "small" else (self.positions, self.types)

    @property
    def shape(self) -> references.Shape:
        """What the reference depends on."""
        return references.Shape(*self.size, self.times, self.width, self.pretrain_steps, self.posterior)

    @property
    def reference_point(self) -> tuple[float, float]:
        """What a front must beat: no attraction, and a repulsion of 2 a position."""
        return 0.0, 2.0 * self.size[0]

    @property
    def weight_grid(self) -> list[float]:
        """The weights whose models make the designs."""
        return [(j + 1) / (self.weights + 1) for j in range(self.weights)] or [self.weight]

    @property
    def scored(self) -> int:
        """Energies that the method evaluates, those of the last designs too."""
        return self.designs + (0 if self.method == "reference" else self.rounds * self.pool * len(self.weight_grid))


SMALL = Params(times=4, width=8, pretrain_steps=8, align_steps=6, pool=16, batch=4, designs=12, draws=2)
EXAMPLES = (
    SMALL,
    dataclasses.replace(SMALL, method="best_of", weights=2),
    dataclasses.replace(SMALL, method="surgery", rounds=2),
    dataclasses.replace(SMALL, method="weighted_sum", weights=2, temperature_role="label", schedule="falling"),
    dataclasses.replace(SMALL, method="reference", world="small", posterior="as_released"),
)


@dataclass(frozen=True)
class Result:
    """What the designs of the aligned models are worth, beside the reference's."""

    hypervolume: Annotated[float, "area that the designs dominate, mean over draws", {"finite": True, "range": (0.0, None)}]
    hypervolume_ratio: Annotated[float, "over that of the exact front", {"range": (0.0, 1.01)}]
    hypervolume_best_of: Annotated[
        float | None, "of as many designs of the reference as energies were evaluated; null for the reference itself"
    ]
    gain_over_best_of: Annotated[float | None, "hypervolume less hypervolume_best_of"]
    energy_att: Annotated[float, "mean attraction energy of the designs"]
    energy_rep: Annotated[float, "mean repulsion energy"]
    weighted_gap: Annotated[float | None, "mean weighted energy over the least that there is; null where designs are pooled"]
    kl_to_target: Annotated[
        float | None, "KL(designs | p*) by position, rewards in units of their spread in nature; null where pooled"
    ]
    non_dominated: Annotated[float, "share of the designs that no other of their draw beats"]
    diversity: Annotated[float, "share of positions in which two designs differ in type"]
    entropy_drop: Annotated[float, "1 - entropy of a position's types over nature's"]
    largest_share: Annotated[float, "share of the most frequent type"]
    composition_shift: Annotated[float, "total variation between the types' shares and nature's"]
    saturated: Annotated[float | None, "share of pairs in training with |z| above 10; null without training"]
    win_rate: Annotated[float, "how often a design has a lower weighted energy than one of the reference"]
    evaluations: Annotated[int, "energies evaluated, the last designs' too", {"seedless": True}]


NAMES = tuple(field.name for field in dataclasses.fields(Result))


_areas: dict[tuple[references.Shape, int, str, int, int, str], float] = {}
"""Areas of designs of a reference that were asked for: by its shape and seed, the world, their number and draws, the device."""


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; models of one shape are aligned as one stack, from references that are trained once."""
    for p in params:
        _check(p)
    keys = groups.same(params, FREE)
    kinds = ["surgery" if p.method == "surgery" else "" if p.method in UNTRAINED else "stack" for p in params]
    for (_, kind), indices in packs.groups(list(range(len(params))), lambda i: (keys[i], kinds[i])):
        points_of_stack = [params[i] for i in indices]
        rows = _measured(points_of_stack, [ctxs[i] for i in indices], trained=bool(kind))
        yield {"index": indices, "step": [0] * len(indices), **{n: [row.get(n) for row in rows] for n in NAMES}}


def _check(p: Params) -> None:
    """Refuse a weight by which the margin is divided and that is too small, and pools of fewer than two batches."""
    if p.method == "poea" and min(p.weight_grid) < LEAST_WEIGHT * (1 - 1e-9):
        raise ValueError(f"weight must be in [{LEAST_WEIGHT}, 1] for poea, but got {min(p.weight_grid):g}; take a larger one.")
    if p.pool < 2 * p.batch:
        raise ValueError(f"pool must hold two batches, but got pool = {p.pool} and batch = {p.batch}; mend one of them.")
    if p.align_steps < p.rounds:
        raise ValueError(f"every round must have a step, but got align_steps = {p.align_steps} and rounds = {p.rounds}.")


def _measured(points: Sequence[Params], ctxs: Sequence[Context], trained: bool) -> list[dict[str, Any]]:
    """A row for each of these points, which differ in method and weight alone."""
    first = points[0]
    nature = references.flat(first.shape, ctxs)
    members = [at for at, p in enumerate(points) for _ in (p.weight_grid if trained else (0,))]
    own = [
        dataclasses.replace(ctxs[at], seed=_seed(ctxs[at].seed, members[:rank].count(at), first))
        for rank, at in enumerate(members)
    ]
    flat = nature[members]
    sure: list[float] = []
    if trained:
        aligned = alignment.align(course(points), flat, own)
        flat, sure = aligned.flat, aligned.saturated.tolist()
    rows = []
    for at, (p, ctx) in enumerate(zip(points, ctxs, strict=True)):
        mine = [rank for rank, member in enumerate(members) if member == at]
        rows.append(
            _row(p, ctx, flat[mine], [own[rank] for rank in mine], nature[at])
            | {"saturated": sum(sure[rank] for rank in mine) / len(mine) if trained else None}
        )
    return rows


def _seed(seed: int, rank: int, p: Params) -> int:
    """A seed for each model of a point whose designs are pooled; the point's own where it has one model."""
    return seed if not p.weights else seed * 1009 + rank + 1


def course(points: Sequence[Params]) -> alignment.Course:
    """The course of a stack of models: one for each weight of each point."""
    first = points[0]
    labelled, margins = [], []
    for p in points:
        constant, times_weight = alignment.LABELLED.get(p.method, (1.0, 0.0))
        labelled += [constant + times_weight * w for w in p.weight_grid]
        margins += [w if p.method == "poea" else 1.0 for w in p.weight_grid]
    return alignment.Course(
        shape=first.shape,
        world=scored_world(first),
        rounds=first.rounds,
        steps=first.align_steps,
        pool=first.pool,
        batch=first.batch,
        rate=first.align_rate,
        beta=first.beta,
        role=first.temperature_role,
        schedule=first.schedule,
        policy=first.reference_policy,
        surgery=first.method == "surgery",
        label_weight=torch.tensor(labelled),
        margin_weight=torch.tensor(margins),
    )


def scored_world(p: Params) -> world.World:
    """The world whose energies are scored."""
    return world.build(p.world, p.positions, p.types, 2.0)


def _row(p: Params, ctx: Context, flat: Tensor, ctxs: Sequence[Context], nature: Tensor) -> dict[str, Any]:
    """What the designs of one point's models are worth."""
    energies_of, exact = scored_world(p), _exact(p)
    evaluated = _from_nature(p, ctx, nature, p.scored) if p.method in UNTRAINED else _pooled(p, flat, ctxs)
    row: dict[str, Any] = judged_designs.dominated(energies_of, *evaluated, p.reference_point)
    best_of = None if p.method == "reference" else _best_of(p, ctx, nature)
    types, angles = (part.flatten(0, 1) for part in evaluated)
    row |= judged_designs.nature_like(types, p.size[1])
    if not p.weights:
        least = world.best(energies_of, torch.tensor([p.weight], dtype=torch.float64)).weighted.item()
        row["weighted_gap"] = p.weight * row["energy_att"] + (1 - p.weight) * row["energy_rep"] - least
        row["kl_to_target"] = judged_designs.divergence(energies_of, types, angles, p.weight, p.beta)
    return row | {
        "hypervolume_ratio": row["hypervolume"] / exact,
        "hypervolume_best_of": best_of,
        "gain_over_best_of": None if best_of is None else row["hypervolume"] - best_of,
        "win_rate": _wins(p, evaluated, _from_nature(p, ctx, nature, p.designs)),
        "evaluations": p.scored,
    }


def _pooled(p: Params, flat: Tensor, ctxs: Sequence[Context]) -> tuple[Tensor, Tensor]:
    """Designs (draws, designs, n) of all models of a point, as many of each but for one; those of a model stand k apart."""
    share = math.ceil(p.designs / len(flat))
    parts = alignment.designs(p.shape, flat, p.draws * share, ctxs, "designs")
    types, angles = (part.unflatten(1, (p.draws, share)).movedim(0, 2).flatten(1, 2)[:, : p.designs] for part in parts)
    return types, angles


def _best_of(p: Params, ctx: Context, nature: Tensor) -> float:
    """The area of as many designs of the reference as the method has evaluated; worked out once in a process."""
    key = (p.shape, ctx.seed, p.world, p.scored, p.draws, ctx.device)
    if key not in _areas:
        if len(_areas) >= references.MOST:
            _areas.clear()
        designs = _from_nature(p, ctx, nature, p.scored)
        _areas[key] = judged_designs.dominated(scored_world(p), *designs, p.reference_point)["hypervolume"]
    return _areas[key]


def _from_nature(p: Params, ctx: Context, nature: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Designs (draws, count, n) of the reference."""
    parts = [alignment.designs(p.shape, nature[None], count, [ctx], f"nature/{draw}") for draw in range(p.draws)]
    return torch.cat([types for types, _ in parts]), torch.cat([angles for _, angles in parts])


def _wins(p: Params, evaluated: tuple[Tensor, Tensor], nature: tuple[Tensor, Tensor]) -> float:
    """How often a design beats one of the reference at its own model's weight."""
    (att, rep), (other_att, other_rep) = (world.energies(scored_world(p), *each) for each in (evaluated, nature))
    grid = p.weight_grid
    models = len(grid) if p.method not in UNTRAINED else 1
    shares = []
    for rank, w in enumerate(grid):
        mine = slice(rank, None, models) if models > 1 else slice(None)
        energies = (w * att + (1 - w) * rep)[:, mine].flatten()
        shares.append(judged_designs.wins(energies, (w * other_att + (1 - w) * other_rep).flatten()))
    return sum(shares) / len(shares)


def _exact(p: Params) -> float:
    """The area of the exact front at 1,999 weights."""
    weights = torch.arange(1, 2000, dtype=torch.float64) / 2000
    points = world.best(scored_world(p), weights)
    return trade_offs.hypervolume(points.att, points.rep, p.reference_point).item()
