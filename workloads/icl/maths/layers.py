"""Turns tokens into tokens by the three kinds of layers that the construction has: ReLU attention, MLP, products.

Source: arXiv:2411.16549, section 3, and Bai et al. 2023 for attention: h_i + (1/n) sum over heads and tokens j of
relu(<Q h_i, K h_j>) V h_j. Matrices of heads pick few entries of a token, so they are stored as indices of those entries.
Symbols: B = problems · T = tokens, n examples and the query · D = entries of a token · U = units · H = heads of a unit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workloads.icl.maths.activations import ReluSum, plus, times


@dataclass(frozen=True)
class Entries:
    """Places in a token, of any shape; `first` is where they begin if they are neighbours in order."""

    index: Tensor
    first: int
    neighbours: bool

    def __len__(self) -> int:
        return len(self.index)


def entries(index: Tensor) -> Entries:
    """The places of an index."""
    flat = index.flatten()
    return Entries(index, int(flat[0]), bool((flat.diff() == 1).all()))


@dataclass
class Tokens:
    """Entries of all tokens: the first C of them stand once where all tokens hold the same, the others in each token.

    With C = 0 each token holds all of its entries.
    """

    common: Tensor  # (B, 1, C)
    own: Tensor  # (B, T, D - C)
    examples: int

    def read(self, slots: Entries) -> Tensor:
        """The entries (B, T, *slots), or (B, 1, *slots) where they stand once; all of one part."""
        part, offset = self._home(slots)
        if slots.neighbours:
            return part.narrow(2, slots.first - offset, slots.index.numel()).unflatten(2, slots.index.shape)
        return part[:, :, slots.index - offset]

    def add(self, slots: Entries, values: Tensor) -> None:
        """Add values (B, T, *slots) to entries; one that is named twice gets both."""
        part, offset = self._home(slots)
        flat = values.flatten(2)
        if slots.neighbours:
            part.narrow(2, slots.first - offset, slots.index.numel()).add_(flat)
        else:
            part.index_add_(2, slots.index.flatten() - offset, flat.expand(-1, part.shape[1], -1))

    def _home(self, slots: Entries) -> tuple[Tensor, int]:
        common = self.common.shape[2]
        return (self.common, 0) if slots.first < common else (self.own, common)


class Layer(Protocol):
    """A layer of the network; all of its parts read the tokens as they were before it."""

    def __call__(self, tokens: Tokens) -> None:
        """Change the tokens."""

    @property
    def heads(self) -> int:
        """Heads of attention that it has."""


@dataclass(frozen=True)
class Heads:
    """Heads of units that share queries and values: of unit u the scores are scale (query . key_u) + bias, one for each head.

    `combine` is the sum over a unit's heads of their weight times the ReLU of their score; it multiplies the value, and
    `factor` too. Scale, bias and weight stand in the matrices of queries, keys and values.
    """

    query: Entries  # (R,) entries of the token that looks
    key: Entries  # (U, R) entries of those that are looked at
    combine: ReluSum
    value: Entries  # (S,) entries of those that are looked at
    out: Entries  # (U, S) entries of the token that looks, to which the mean over examples is added
    factor: float = 1.0

    @property
    def count(self) -> int:
        """Heads."""
        return len(self.key) * len(self.combine.terms)

    def mean(self, tokens: Tokens) -> Tensor:
        """What is added to `out`: (B, T, U, S)."""
        query, key, value = tokens.read(self.query), tokens.read(self.key), tokens.read(self.value)
        if key.shape[1] == 1:  # all tokens have this key, so what they carry may be added up first
            value = value.sum(1, keepdim=True)
        keys = key.flatten(1, 2).mT  # (B, R, looked at times U)
        products = query @ keys if len(self.query) > 1 else query * keys
        weights = self.combine(products.unflatten(2, key.shape[1:3])).mT  # (B, looking, U, looked at)
        values = value.unsqueeze(1)  # (B, 1, looked at, S)
        summed = weights * values if key.shape[1] == 1 else weights @ values
        return summed * (self.factor / tokens.examples)


@dataclass(frozen=True)
class Attention:
    """A layer of ReLU attention."""

    parts: Sequence[Heads]

    @property
    def heads(self) -> int:
        """Heads of the layer."""
        return sum(part.count for part in self.parts)

    def __call__(self, tokens: Tokens) -> None:
        """Add to each token what its heads find."""
        for part, mean in [(part, part.mean(tokens)) for part in self.parts]:
            tokens.add(part.out, mean)


@dataclass(frozen=True)
class Units:
    """Hidden units of an MLP: weight relu(sum over r of factors[r] h[inputs[r]] + bias) is added to h[out]."""

    inputs: Sequence[Entries]  # R times (U,)
    factors: Sequence[float]
    out: Entries  # (U,)
    bias: float = 0.0
    weight: float = 1.0

    def value(self, tokens: Tokens) -> Tensor:
        """What is added, (B, T, U)."""
        terms = [times(tokens.read(slots), factor) for factor, slots in zip(self.factors, self.inputs, strict=True)]
        before = terms[0] if len(terms) == 1 else sum(terms[1:], terms[0])
        return times(torch.relu(plus(before, self.bias)), self.weight)


@dataclass(frozen=True)
class Mlp:
    """A layer of hidden ReLU units, token by token."""

    units: Sequence[Units]
    heads: int = 0

    def __call__(self, tokens: Tokens) -> None:
        """Add to each token what its units give."""
        for units, value in [(units, units.value(tokens)) for units in self.units]:
            tokens.add(units.out, value)


@dataclass(frozen=True)
class Products:
    """A layer of element-wise products: h + P (A h * B h), with matrices that pick entries and add them up."""

    factors: Sequence[tuple[Entries, Entries, Entries]]  # entries that are multiplied, (L,) each, and where products are added
    heads: int = 0

    def __call__(self, tokens: Tokens) -> None:
        """Add to each token the products of its own entries."""
        products = [(out, tokens.read(first) * tokens.read(second)) for first, second, out in self.factors]
        for out, product in products:
            tokens.add(out, product)
