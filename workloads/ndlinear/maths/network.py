"""Turns a kind of hidden layer and a number of parameters into a network of one hidden layer, its weights and its outputs.

Source: arXiv:2503.17353 (hidden layer mode by mode, ReLU, dense head); low-rank and dense layers are its rivals.
Symbols: D_1 x ... x D_n = shape of an input · w = width: units of each of the first two modes of nd, of the whole layer else ·
r = terms · F = product of D_k. Tensors begin with (models, ...), inputs with (models, batch).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from workloads.ndlinear.maths import layer
from workloads.shared.training.ensemble import Layout, Stack

Kind = Literal["nd", "nd_sum", "dense", "lowrank"]
CHANNELS = 2
"""The mode from which on sizes stay as they are: of a picture the colours."""


@dataclass(frozen=True)
class Network:
    """Shape of an input, kind and width of the hidden layer, numbers that come out."""

    shape: layer.Sizes
    kind: Kind
    terms: int
    width: int
    outputs: int

    @property
    def products(self) -> int:
        """Products in the sum: the terms of nd_sum, and one of nd."""
        return self.terms if self.kind == "nd_sum" else 1

    @property
    def hidden(self) -> layer.Sizes:
        """Shape of the hidden layer."""
        if self.kind in ("nd", "nd_sum"):
            return tuple(self.width if k < CHANNELS else d for k, d in enumerate(self.shape))
        return (self.width,)

    @property
    def layout(self) -> Layout:
        """All parameters of one model."""
        features, units = math.prod(self.shape), math.prod(self.hidden)
        shapes: dict[str, tuple[int, ...]]
        if self.kind == "dense":
            shapes = {"weight": (units, features), "bias": (units,)}
        elif self.kind == "lowrank":
            shapes = {"down": (self.terms, features), "up": (units, self.terms), "bias": (units,)}
        else:
            sizes = list(enumerate(zip(self.hidden, self.shape, strict=True)))
            shapes = {f"mode{k}": (self.products, h, d) for k, (h, d) in sizes}
            shapes |= {f"mode{k}_bias": (self.products, h) for k, (h, _) in sizes}
        return Layout(shapes | {"head": (self.outputs, units), "head_bias": (self.outputs,)})

    @property
    def macs(self) -> int:
        """Multiplications with an addition that one input takes, modes in the order given."""
        features, units = math.prod(self.shape), math.prod(self.hidden)
        first = {
            "dense": features * units,
            "lowrank": self.terms * (features + units),
        }  # fmt: skip
        by_modes = self.products * layer.macs(self.shape, self.hidden, range(len(self.shape))) if self.kind not in first else 0
        return first.get(self.kind, by_modes) + units * self.outputs

    @property
    def activations(self) -> int:
        """Numbers that a step holds for one input: what each mode puts out, forwards and backwards, and the input."""
        shape, total = list(self.shape), 2 * math.prod(self.shape)
        for k, h in enumerate(self.hidden if self.kind in ("nd", "nd_sum") else ()):
            shape[k] = h
            total += 4 * self.products * math.prod(shape)
        return total + 6 * math.prod(self.hidden) + 4 * self.outputs

    def initial(self, generator: torch.Generator) -> Stack:
        """One model's first parameters, every part as `torch.nn.Linear` begins with."""
        return {name: layer.uniform(shape, self._fan_in(name), generator).cpu() for name, shape in self.layout.shapes.items()}

    def _fan_in(self, name: str) -> int:
        """Numbers that an output of a part is summed from."""
        weight = {"bias": "up" if self.kind == "lowrank" else "weight"}.get(name, name.removesuffix("_bias"))
        return self.layout.shapes[weight][-1]

    def __call__(self, parameters: Stack, x: Tensor) -> Tensor:
        """Outputs (models, batch, outputs) for flattened inputs (models, batch, F)."""
        units = torch.relu(self._hidden(parameters, x).flatten(2))
        return layer.linear(units, parameters["head"], parameters["head_bias"])

    def _hidden(self, parameters: Stack, x: Tensor) -> Tensor:
        """The hidden layer before its ReLU; (models, batch, ...)."""
        if self.kind == "dense":
            return layer.linear(x, parameters["weight"], parameters["bias"])
        if self.kind == "lowrank":
            return layer.linear(layer.linear(x, parameters["down"], None), parameters["up"], parameters["bias"])
        modes = range(len(self.shape))
        weights = [parameters[f"mode{k}"].flatten(0, 1) for k in modes]
        biases = [parameters[f"mode{k}_bias"].flatten(0, 1) for k in modes]
        shaped = x.repeat_interleave(self.products, 0).unflatten(2, self.shape)
        return layer.apply(shaped, weights, biases, modes).unflatten(0, (len(x), self.products)).sum(1)


@functools.lru_cache(maxsize=1 << 10)
def of_budget(shape: layer.Sizes, kind: Kind, terms: int, outputs: int, budget: int) -> Network:
    """The network whose count comes nearest to the budget; ValueError, with the smallest count, for a budget below it."""
    smallest = Network(shape, kind, terms, 1, outputs)
    if budget < smallest.layout.count:
        raise ValueError(
            f"budget must be at least that of the smallest network, but got budget = {budget} and width 1 of '{kind}' has "
            f"{smallest.layout.count} numbers; raise it."
        )
    network = smallest
    while network.layout.count < budget:
        smaller, network = network, Network(shape, kind, terms, network.width + 1, outputs)
        if abs(smaller.layout.count - budget) <= abs(network.layout.count - budget):
            return smaller
    return network


def sizes(networks: Sequence[Network]) -> dict[str, list[Any]]:
    """Columns that say how large networks are."""
    return {
        "n_params": [network.layout.count for network in networks],
        "layer_width": [network.width for network in networks],
        "macs": [network.macs for network in networks],
    }
