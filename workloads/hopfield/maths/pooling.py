"""Turns bags and layers into trained classifiers of bags, many of one shape as one training, and into what they are worth.

A model embeds instances into keys and values (a linear map each, values through relu), pools them by one learnt query a head,
and reads a logit off the pooled values. Shapes: models s, batch b, instances n, heads h, width of a head w.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from workloads.hopfield.maths import kernels
from workloads.hopfield.maths.bags import Bags
from workloads.hopfield.maths.layer import Layer, Tokens, pooled
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Layout, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context


@dataclass(frozen=True)
class Model:
    """Sizes of a classifier and how long it is trained."""

    heads: int
    width: int
    features: int  # random features of prf
    steps: int
    batch: int

    def layout(self, inputs: int) -> Layout:
        """What it learns from instances of so many features."""
        wide = self.heads * self.width
        embedding = {"key": (inputs, wide), "key_bias": (wide,), "value": (inputs, wide), "value_bias": (wide,)}
        return Layout({**embedding, "query": (self.heads, 1, self.width), "out": (wide,), "out_bias": (1,)})

    def begin(self, inputs: int, generator: torch.Generator) -> dict[str, Tensor]:
        """An untrained model: normal weights of variance one over their inputs, biases of zero."""
        model = {}
        for name, shape in self.layout(inputs).shapes.items():
            spread = 0.0 if name.endswith("bias") else (1.0 if name == "query" else 1 / math.sqrt(shape[0]))
            model[name] = spread * torch.randn(shape, generator=generator)
        return model


@dataclass(frozen=True)
class Judged:
    """Of each model (s,): area under the curve, share of right answers at logit 0 and cross-entropy, on bags it never saw."""

    auc: Tensor
    accuracy: Tensor
    loss: Tensor


def trained(
    model: Model, layer: Layer, data: Sequence[tuple[Bags, Bags]], rates: Sequence[float], ctxs: Sequence[Context]
) -> Judged:
    """Models of one layer, each trained on its own bags and judged on its own others."""
    device = ctxs[0].device
    train, test = (stacked([pair[side] for pair in data], device) for side in range(2))
    inputs = train.instances.shape[-1]
    layout = model.layout(inputs)
    models = ensemble.begin(layout, [model.begin(inputs, ctx.generator("weights")) for ctx in ctxs], device)
    omega = None
    if layer.variant == "prf":
        directions = [
            kernels.directions("orthogonal", model.features, model.width, ctx.generator("directions"))[0] for ctx in ctxs
        ]
        omega = torch.stack(directions).float().to(device)
    bags, longest = train.present.shape[1:]

    def draw(_: int, generator: torch.Generator, steps: int) -> Mapping[str, Tensor]:
        """Bags of the next steps, and the noise by which a random map chooses among their instances."""
        places = torch.randint(bags, (steps, model.batch), generator=generator, device=generator.device)
        noise = torch.rand(steps, model.batch, longest, generator=generator, device=generator.device)
        return {"places": places, "noise": noise}

    feed, rows = ensemble.Feed(ctxs, draw, "batches"), torch.arange(len(ctxs), device=device)[:, None]

    def loss(parameters: Stack, step: int) -> Tensor:
        """Cross-entropy of each model on its batch."""
        batch = feed(step)
        part = Bags(*(column[rows, batch["places"]] for column in (train.instances, train.present, train.labels)))
        return _entropy(logits(model, layer, parameters, part, batch["noise"], omega), part.labels)

    recipe = ensemble.Recipe(rate=torch.tensor(rates, device=device), steps=model.steps)
    ensemble.advance(models, loss, recipe, model.steps)
    own = []
    with torch.no_grad():
        for k, ctx in enumerate(ctxs):  # one after the other: all bags of all models together fill no cache
            noise = torch.rand(1, *test.present.shape[1:], generator=ctx.generator("test mask")).to(device)
            single = Bags(test.instances[k : k + 1], test.present[k : k + 1], test.labels[k : k + 1])
            learnt, drawn_for = models.part(k, k + 1).parameters, None if omega is None else omega[k : k + 1]
            own.append(logits(model, layer, learnt, single, noise, drawn_for))
    return judged(torch.cat(own), test.labels)


def stacked(parts: Sequence[Bags], device: str) -> Bags:
    """The bags of every model, models first."""
    return Bags(*(torch.stack([getattr(b, name) for b in parts]).to(device) for name in ("instances", "present", "labels")))


def logits(model: Model, layer: Layer, parameters: Stack, bags: Bags, noise: Tensor, omega: Tensor | None) -> Tensor:
    """The logit (s, b) of every bag."""
    s, b, n, inputs = bags.instances.shape
    rows = bags.instances.reshape(s, b * n, inputs)

    def heads(name: str) -> Tensor:
        """An embedding of all instances, by heads (s, b, h, n, w)."""
        flat = torch.baddbmm(parameters[f"{name}_bias"][:, None], rows, parameters[name])
        return flat.view(s, b, n, model.heads, model.width).transpose(2, 3)

    tokens = Tokens(heads("key"), torch.relu(heads("value")), bags.present, noise, omega)
    read = pooled(layer, parameters["query"], tokens).reshape(s, b, model.heads * model.width)
    return (read * parameters["out"][:, None]).sum(-1) + parameters["out_bias"]


def _entropy(logit: Tensor, labels: Tensor) -> Tensor:
    return functional.binary_cross_entropy_with_logits(logit, labels, reduction="none").mean(-1)


def judged(logit: Tensor, labels: Tensor) -> Judged:
    """What logits (s, b) are worth; the area counts pairs of a positive and a negative bag, ties by half."""
    positive = labels > 0
    auc = torch.stack([_area(own[above], own[~above]) for own, above in zip(logit, positive, strict=True)])
    return Judged(auc, ((logit > 0) == positive).double().mean(1), _entropy(logit, labels).double())


def _area(positive: Tensor, negative: Tensor) -> Tensor:
    """The share of pairs in which the positive bag has the larger logit, ties by half."""
    ranked = negative.sort().values
    below, not_above = (torch.searchsorted(ranked, positive, right=right) for right in (False, True))
    return (below + not_above).double().mean() / (2 * len(ranked))
