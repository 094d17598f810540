"""A Llama-like model in a stack of models: RMS norm, rotary attention, SwiGLU and tied embeddings; and hybrids of two models.

Symbols: M = models · R = rows · T = tokens of a row · d = width · f = 2 d, width of the MLP · L = layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from workloads.dapa.maths import language
from workloads.shared.training.ensemble import Layout, Stack

HEADS = 4
ATTENTION, NORMS = ("query", "key", "value", "output"), ("norm_attention", "norm_mlp")
MLP = ("gate", "up", "down")
EPSILON = 1e-6
Chosen = Mapping[str, Tensor]
"""Of each projection of the MLP that is taken from the donor in some row: where, (R, L) of truth values."""


def layout(layers: int, width: int) -> Layout:
    """All parameters of one model."""
    square, wide = (width, width), (width, 2 * width)
    block = dict.fromkeys(ATTENTION, square) | dict.fromkeys(NORMS, (width,))
    block |= {"gate": wide, "up": wide, "down": (2 * width, width)}
    shapes: dict[str, tuple[int, ...]] = {"embedding": (language.TOKENS, width), "norm_last": (width,)}
    return Layout(shapes | {f"{layer}.{name}": shape for layer in range(layers) for name, shape in block.items()})


def initial(layers: int, width: int, generator: torch.Generator) -> Stack:
    """One model's first parameters: norms of one, matrices of variance one over what goes in."""

    def matrix(shape: tuple[int, ...]) -> Tensor:
        return torch.randn(shape, generator=generator) / math.sqrt(shape[0])

    shapes = layout(layers, width).shapes
    model = {name: torch.ones(shape) if len(shape) == 1 else matrix(shape) for name, shape in shapes.items()}
    return model | {"embedding": torch.randn(shapes["embedding"], generator=generator) / math.sqrt(width)}


def logits(target: Stack, tokens: Tensor, donor: Stack | None = None, from_donor: Chosen | None = None) -> Tensor:
    """The logits (M, R, T, TOKENS) of rows (M, R, T).

    With a donor, the projections that `from_donor` names are the donor's in the rows and layers where it is true: many subsets
    in one pass, no weight copied. A projection that is the donor's nowhere is worked out once.
    """
    rows, layers = tokens.shape, sum(name.endswith(".gate") for name in target)
    models = torch.arange(rows[0], device=tokens.device)[:, None, None]
    stream = target["embedding"][models, tokens].flatten(1, 2)  # (M, R T, d)
    turn = _rotation(rows[2], stream.shape[-1] // HEADS, stream.device)
    for layer in range(layers):

        def projected(name: str, x: Tensor, layer: int = layer) -> Tensor:
            """The projection of x (M, R T, ·), row by row of the model that is from_donor."""
            own = torch.bmm(x, target[f"{layer}.{name}"])
            where = None if from_donor is None else from_donor.get(name)
            if donor is None or where is None:
                return own
            other = torch.bmm(x, donor[f"{layer}.{name}"])
            return torch.where(where[:, layer].repeat_interleave(rows[2])[None, :, None], other, own)

        stream = stream + _attention(_normed(stream, target[f"{layer}.norm_attention"]), projected, rows, turn)
        normed = _normed(stream, target[f"{layer}.norm_mlp"])
        stream = stream + projected("down", torch.nn.functional.silu(projected("gate", normed)) * projected("up", normed))
    last = _normed(stream, target["norm_last"])
    return torch.bmm(last, target["embedding"].mT).view(*rows, -1)


def _normed(x: Tensor, scale: Tensor) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * scale[:, None, :]


def _rotation(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, size / 2) of the rotary embedding."""
    rates = 10000.0 ** (-torch.arange(0, size, 2, device=device) / size)
    angles = torch.arange(length, device=device)[:, None] * rates
    return angles.cos(), angles.sin()


def _attention(x: Tensor, projected: Callable[[str, Tensor], Tensor], rows: torch.Size, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Causal attention of normed rows (M, R T, d)."""

    def heads(name: str) -> Tensor:
        return projected(name, x).view(rows[0] * rows[1], rows[2], HEADS, -1).transpose(1, 2)

    query, key = (_turned(heads(name), turn) for name in ("query", "key"))
    mixed = torch.nn.functional.scaled_dot_product_attention(query, key, heads("value"), is_causal=True)
    return projected("output", mixed.transpose(1, 2).reshape(x.shape))


def _turned(x: Tensor, turn: tuple[Tensor, Tensor]) -> Tensor:
    """Rotary embedding of (·, heads, T, size)."""
    cosine, sine = turn
    even, odd = x[..., ::2], x[..., 1::2]
    return torch.stack([even * cosine - odd * sine, even * sine + odd * cosine], dim=-1).flatten(-2)
