"""Turns one step of gradient descent of a network into 2N + 4 layers of a transformer, and applies L steps of them.

Source: arXiv:2411.16549, section 3. A step has N attention layers (p(1), …, p(N)), one for all derivatives, an MLP (p(N) - y),
N layers of products (s(N), …, s(1)), an attention layer (weights less rate times the mean gradient) and an MLP (the box). How
each is realised is derived. A product layer is bilinear, s(j) = r'(j) (V_{j+1}' s(j+1)) is not: so the first of them also
multiplies r'(j) into V_{j+1}, in N K^2 entries of a token, and the mask t into p(j-1), so that the query moves nothing.
Symbols: as in `layers`; o = outputs · w = all weights · t = 1 for an example, 0 for the query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workloads.icl.maths.activations import ReluSum, relu_sum
from workloads.icl.maths.layers import Attention, Heads, Layer, Mlp, Products, Tokens, Units, entries


@dataclass
class Slots:
    """Which entries of a token hold what; weights and the constant 1 come first, for all tokens have the same."""

    sizes: Sequence[int]  # d, K, …, K, o
    device: torch.device
    count: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        pairs = list(zip(self.sizes[1:], self.sizes[:-1], strict=True))
        self.weights = [self._next(*pair) for pair in pairs]
        self.constant = self._next(1)
        self.shared = self.count
        self.mask, self.x, self.y = self._next(1), self._next(self.sizes[0]), self._next(self.sizes[-1])
        self.scratch_start = self.count
        self.after = [self.x, *(self._next(size) for size in self.sizes[1:])]
        self.slopes = [self._next(size) for size in self.sizes[1:]]
        self.difference = self._next(self.sizes[-1])
        self.signals = [self._next(size) for size in self.sizes[1:]]
        self.scaled_inputs = [self._next(size) for size in self.sizes[:-1]]  # t p(j-1)
        self.gated = [self._next(*pair[::-1]) for pair in pairs[1:]]  # r'(j)[k] V_{j+1}[m, k] at [k, m]

    @property
    def scratch(self) -> Tensor:
        """Entries that a step fills and clears."""
        return torch.arange(self.scratch_start, self.count, device=self.device)

    def _next(self, *shape: int) -> Tensor:
        start = self.count
        self.count += torch.Size(shape).numel()
        return torch.arange(start, self.count, device=self.device).view(shape)


def layers_of_a_step(slots: Slots, value: ReluSum, slope: ReluSum, rate: float, box: float) -> list[Layer]:
    """The layers, in the order in which they are applied; `value` and `slope` stand for the activation and its derivative."""
    layers, depth = range(len(slots.weights)), len(slots.weights)
    forward = [Attention([_unit_heads(slots, j, value, slots.after[j + 1])]) for j in layers]
    slopes = Attention([_unit_heads(slots, j, slope, slots.slopes[j]) for j in layers])
    backward = [_first_products(slots), *(_signal_products(slots, j) for j in range(depth - 2, -1, -1))]
    update = Attention([_update_heads(slots, j, rate, value) for j in layers])
    return [*forward, slopes, _difference(slots), *backward, update, _projection(slots, box)]


def _unit_heads(slots: Slots, layer: int, function: ReluSum, out: Tensor) -> Heads:
    """A function of the pre-activations of a layer: queries are its inputs, keys its weights, values the mask."""
    inputs, weights = entries(slots.after[layer]), entries(slots.weights[layer])
    return Heads(inputs, weights, function, entries(slots.mask), entries(out[:, None]))


def _update_heads(slots: Slots, layer: int, rate: float, like: ReluSum) -> Heads:
    """Weights less rate times the mean of s(j) p(j-1)': s = relu(s) - relu(-s) through the key, p through the value."""
    signed = relu_sum([(1.0, 0.0, 1.0), (-1.0, 0.0, -1.0)], like.weight)
    constant, signals = entries(slots.constant), entries(slots.signals[layer][:, None])
    return Heads(constant, signals, signed, entries(slots.scaled_inputs[layer]), entries(slots.weights[layer]), -rate)


def _difference(slots: Slots) -> Mlp:
    """p(N) - y, the derivative of the squared loss."""
    inputs, out = [entries(slots.after[-1]), entries(slots.y)], entries(slots.difference)
    return Mlp([Units(inputs, (sign, -sign), out, weight=sign) for sign in (1.0, -1.0)])


def _first_products(slots: Slots) -> Products:
    """s(N), and what the further product layers need so that each of them is bilinear."""
    factors = [(slots.difference, slots.slopes[-1], slots.signals[-1])]
    factors += [
        (slots.mask.expand(len(inputs)), p, inputs) for p, inputs in zip(slots.after[:-1], slots.scaled_inputs, strict=True)
    ]
    for slope, weight, gated in zip(slots.slopes[:-1], slots.weights[1:], slots.gated, strict=True):
        factors.append((slope[:, None].expand_as(gated).flatten(), weight.mT.flatten(), gated.flatten()))
    return Products([(entries(first), entries(second), entries(out)) for first, second, out in factors])


def _signal_products(slots: Slots, layer: int) -> Products:
    """s(j) out of s(j+1): entries [k, m] of r'(j) V_{j+1}' times s(j+1)[m], added up over m."""
    gated = slots.gated[layer]
    right, out = slots.signals[layer + 1].expand_as(gated), slots.signals[layer][:, None].expand_as(gated)
    return Products([(entries(gated.flatten()), entries(right.flatten()), entries(out.flatten()))])


def _projection(slots: Slots, box: float) -> Mlp:
    """The box by w - relu(w - b) + relu(-w - b), and an empty scratch, h - relu(h) + relu(-h); both without rounding inside."""
    weights, scratch = entries(torch.cat([weight.flatten() for weight in slots.weights])), entries(slots.scratch)
    box_units = [Units([weights], (sign,), weights, -box, -sign) for sign in (1.0, -1.0)]
    return Mlp([*box_units, *(Units([scratch], (sign,), scratch, 0.0, -sign) for sign in (1.0, -1.0))])


@dataclass(frozen=True)
class Construction:
    """The layers of a step, and the entries of the tokens that they are applied to."""

    slots: Slots
    layers: Sequence[Layer]

    @property
    def heads(self) -> int:
        """Heads of attention in a step, all layers together."""
        return sum(layer.heads for layer in self.layers)

    def tokens(self, weights: Sequence[Tensor], x: Tensor, y: Tensor, query: Tensor, *, literal: bool) -> Tokens:
        """The prompt: n examples (B, n, d) with targets (B, n, o), and a query (B, d) with the target 0."""
        flat = torch.cat([weight.flatten(1) for weight in weights] + [x.new_ones(len(x), 1)], 1)[:, None]
        mask = torch.nn.functional.pad(x.new_ones(*x.shape[:2], 1), (0, 0, 0, 1))
        data = torch.cat([mask, torch.cat([x, query[:, None]], 1), torch.nn.functional.pad(y, (0, 0, 0, 1))], 2)
        own = torch.nn.functional.pad(data, (0, self.slots.count - self.slots.scratch_start))
        if not literal:
            return Tokens(flat.clone(), own, x.shape[1])
        return Tokens(flat[:, :, :0], torch.cat([flat.expand(-1, own.shape[1], -1), own], 2), x.shape[1])

    def step(self, tokens: Tokens) -> int:
        """Apply the layers of a step; how many were applied."""
        for layer in self.layers:
            layer(tokens)
        return len(self.layers)

    def weights(self, tokens: Tokens) -> list[Tensor]:
        """The weights (B, units, inputs) that the last token, the query's, holds."""
        return [tokens.read(entries(slots))[:, -1].clone() for slots in self.slots.weights]


def layers_expected(depth: int, steps: int) -> int:
    """(2N + 4) L."""
    return (2 * depth + 4) * steps
