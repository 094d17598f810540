"""Turns learnt queries and the tokens of a batch into what a Hopfield layer reads, for every variant and for padded batches.

Shapes: models s, batch b, heads h, queries q, tokens n, width of a head w. Padding is left out in every variant; keys are
brought to unit length in all of them or in none, for a gain of longer keys is one of a lower temperature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.hopfield.maths import forms
from workloads.shared.hopfield import separation

VARIANTS = ("dense", "random", "top_k", "linear", "prf", "mean", "max")
"""Maps of a layer; mean and max are controls that learn no scores."""
MASKED = ("random", "top_k")


@dataclass(frozen=True)
class Layer:
    """A map: what it reads, the share of tokens that a mask keeps, its temperature, and whether keys have unit length."""

    variant: str
    form: str = "renormalised"
    keep: float = 1.0
    beta: float = 1.0
    normalise: bool = True


@dataclass(frozen=True)
class Tokens:
    """Keys and values (s, b, h, n, w) and which of them are there (s, b, n); what a random map draws beside them.

    `noise` (s, b, n): even draws, of which the largest are kept. `omega` (s, features, w): directions of prf.
    """

    keys: Tensor
    values: Tensor
    present: Tensor
    noise: Tensor | None = None
    omega: Tensor | None = None


def pooled(layer: Layer, queries: Tensor, tokens: Tokens) -> Tensor:
    """What each query (s, h, q, w) reads from the tokens of every batch member: (s, b, h, q, w); controls have one query."""
    if layer.variant == "max":
        present = tokens.present[:, :, None, :, None]
        return tokens.values.masked_fill(~present, -math.inf).amax(-2, keepdim=True)
    return weights(layer, queries, tokens) @ tokens.values


def weights(layer: Layer, queries: Tensor, tokens: Tokens) -> Tensor:
    """Weights (s, b, h, q, n) on the tokens, 0 on padding."""
    present = tokens.present[:, :, None, None, :]
    if layer.variant == "mean":
        even = present.to(tokens.values.dtype)
        return even / even.sum(-1, keepdim=True)
    keys = separation.normalise(tokens.keys) if layer.normalise else tokens.keys
    heads_asking = queries[:, None]
    if layer.variant in ("linear", "prf"):
        kernel = features(layer, heads_asking, tokens.omega) @ features(layer, keys, tokens.omega).mT
        kernel = kernel.masked_fill(~present, 0.0)
        return kernel / kernel.sum(-1, keepdim=True).clamp_min(torch.finfo(kernel.dtype).tiny)
    scores = layer.beta * (heads_asking @ keys.mT)
    if layer.variant == "dense":
        return torch.softmax(scores.masked_fill(~present, -math.inf), -1)
    mask = selection(layer, scores, tokens)
    # Padding has no score at all: in no form may it count among the memories.
    return forms.weigh(scores.masked_fill(~present, -math.inf), mask | ~present, layer.form).read.masked_fill(~present, 0.0)


def selection(layer: Layer, scores: Tensor, tokens: Tokens) -> Tensor:
    """Which tokens (s, b, h, q, n) the mask keeps: that share of those that are there, rounded up, by score or by chance."""
    present = tokens.present[:, :, None, None, :]
    rank_by = scores if layer.variant == "top_k" else _of(tokens.noise)[:, :, None, None, :].expand_as(scores)
    order = rank_by.detach().masked_fill(~present, -math.inf).argsort(-1, descending=True).argsort(-1)
    return (order < torch.ceil(layer.keep * present.sum(-1, keepdim=True) - 1e-9)) & present


def features(layer: Layer, x: Tensor, omega: Tensor | None) -> Tensor:
    """φ(x) (..., n, features): elu(x) + 1 of the coordinates, or positive random features of √β x.

    The largest exponent of all rows and features of a model is subtracted, a factor that the normalisation divides out again.
    """
    if layer.variant == "linear":
        return torch.nn.functional.elu(x) + 1
    scaled = math.sqrt(layer.beta) * x
    exponent = scaled @ _of(omega)[:, None, None].mT - scaled.square().sum(-1, keepdim=True) / 2
    return torch.exp(exponent - exponent.detach().amax((-1, -2), keepdim=True))


def _of(draws: Tensor | None) -> Tensor:
    """What a random map needs; ValueError where it was not drawn."""
    if draws is None:
        raise ValueError("a random map must be given its draws, but got none; draw noise for random, omega for prf.")
    return draws
