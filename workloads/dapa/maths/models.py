"""Bases that can refuse, targets tuned further on base data, and donors aligned in one scope; made once for all points.

Models of a block of seeds are trained as one stack, so what a seed gets is a function of its block, not of who asks first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from workloads.dapa.maths import language, network
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Ensemble, Recipe, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
BLOCK = 4  # seeds that are trained together
BATCH = 32
RATES = {"base": 3e-3, "target": 1e-3, "donor": 2e-3}
Scope = Literal["full", "blocks", "mlp", "gate", "attention"]


@dataclass(frozen=True, kw_only=True)
class Recipes:
    """Sizes and steps of the three trainings."""

    layers: int
    width: int
    base_steps: int
    align_steps: int
    target_steps: int


def trains(scope: Scope, name: str) -> bool:
    """Whether alignment in a scope may change a parameter."""
    part = name.partition(".")[2]
    if scope == "blocks":
        return bool(part)
    parts = {"mlp": network.MLP, "gate": ("gate",), "attention": network.ATTENTION}
    return scope == "full" or part in parts[scope]


def pair(recipes: Recipes, scope: Scope, ctx: Context) -> tuple[Stack, Stack]:
    """The target and the donor of the point's seed, each a stack of one model, on the point's device."""
    at = ctx.seed % BLOCK
    plan = network.layout(recipes.layers, recipes.width)
    flats = bases(recipes, ctx)["target"], donors(recipes, scope, ctx)
    target, donor = (plan.views(flat[at : at + 1].to(ctx.device)) for flat in flats)
    return target, donor


def bases(recipes: Recipes, ctx: Context) -> dict[str, Tensor]:
    """The bases and targets (BLOCK, P) of the block of the point's seed."""
    return ctx.shared(_key("base", recipes, ctx), lambda: _bases(recipes, ctx))


def donors(recipes: Recipes, scope: Scope, ctx: Context) -> Tensor:
    """The donors (BLOCK, P) of the block of the point's seed, aligned in a scope."""
    key = _key("donor", recipes, ctx) | {"scope": scope, "align_steps": recipes.align_steps}
    return ctx.shared(key, lambda: _donors(recipes, scope, ctx))


def _key(model: str, recipes: Recipes, ctx: Context) -> dict[str, Any]:
    sizes = {name: getattr(recipes, name) for name in ("layers", "width", "base_steps", "target_steps")}
    return {"artefact": f"dapa.{model}", "version": VERSION, "block": ctx.seed // BLOCK, "device": ctx.device, **sizes}


def _bases(recipes: Recipes, ctx: Context) -> dict[str, Tensor]:
    plan, seeds = network.layout(recipes.layers, recipes.width), _seeds(ctx)
    first = [network.initial(recipes.layers, recipes.width, _generator(seed, "initial")) for seed in seeds]
    base = _trained(ensemble.begin(plan, first, ctx.device), "base", "base", recipes.base_steps, seeds)
    target = _trained(_copy(plan, base), "target", "base", recipes.target_steps, seeds)
    return {"base": base.cpu(), "target": target.cpu()}


def _donors(recipes: Recipes, scope: Scope, ctx: Context) -> Tensor:
    plan, base = network.layout(recipes.layers, recipes.width), bases(recipes, ctx)["base"].to(ctx.device)
    return _trained(_copy(plan, base), "donor", "aligned", recipes.align_steps, _seeds(ctx), scope).cpu()


def _copy(plan: ensemble.Layout, flat: Tensor) -> Ensemble:
    """Models that begin where others ended."""
    return Ensemble(plan, flat.clone(), torch.zeros_like(flat), torch.zeros_like(flat))


def _trained(models: Ensemble, stage: str, data: language.Data, steps: int, seeds: list[int], scope: Scope = "full") -> Tensor:
    """The parameters (BLOCK, P) after a training; what the scope leaves out has no gradient and stays as it was, bit by bit."""
    shape = (steps, BATCH)
    batches = torch.stack([language.sentences(data, shape, _generator(seed, stage)) for seed in seeds], 1)
    batches = batches.to(models.flat.device)

    def loss(parameters: Stack, step: int) -> Tensor:
        free = {name: part if trains(scope, name) else part.detach() for name, part in parameters.items()}
        return surprise(network.logits(free, batches[step, :, :, :-1]), batches[step]).mean(-1)

    rates = torch.full((len(seeds),), RATES[stage], device=models.flat.device)
    recipe = Recipe(rate=rates, steps=max(steps, 1), clip=torch.ones_like(rates))
    ensemble.advance(models, loss, recipe, steps)
    return models.flat.detach()


def surprise(logits: Tensor, sentences: Tensor) -> Tensor:
    """Nats a token (M, R) of the four tokens behind each prompt."""
    completion = sentences[..., language.PROMPT :]
    chances = logits[..., language.PROMPT - 1 :, :].log_softmax(-1)
    return -chances.gather(-1, completion[..., None])[..., 0].mean(-1)


def _seeds(ctx: Context) -> list[int]:
    first = ctx.seed // BLOCK * BLOCK
    return list(range(first, first + BLOCK))


def _generator(seed: int, stream: str) -> torch.Generator:
    """A generator of a model's own: no point's context, as a block trains models of other points' seeds too."""
    streams = ("initial", "base", "target", "donor")
    return torch.Generator().manual_seed(1_000_003 * seed + streams.index(stream))
