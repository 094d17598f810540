"""Turns a soft prompt and sequences into the outputs of a fixed transformer block at the sequences' own places."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Block:
    """Weights of attention, (d, d) each, and of a ReLU layer of width h, (d, h), (h,), (h, d); `whole` adds it and skips."""

    wq: Tensor
    wk: Tensor
    wv: Tensor
    inner: Tensor
    bias: Tensor
    outer: Tensor
    whole: bool

    def tensors(self) -> tuple[Tensor, ...]:
        """The weights, in order."""
        return self.wq, self.wk, self.wv, self.inner, self.bias, self.outer

    def scaled(self, factor: float) -> Block:
        """The block with keys that many times as large, so that attention is sharper."""
        return dataclasses.replace(self, wk=factor * self.wk)

    def to(self, device: str) -> Block:
        """The block with its weights there."""
        return of([part.to(device) for part in self.tensors()], self.whole)

    def __call__(self, prompt: Tensor, x: Tensor) -> Tensor:
        """Outputs (.., L, d) at the places of x (.., L, d), behind the prompt (.., p, d); scores are over sqrt(d)."""
        tokens = torch.cat([prompt.expand(*x.shape[:-2], -1, -1), x], -2)
        scores = (x @ self.wq) @ (tokens @ self.wk).mT / x.shape[-1] ** 0.5
        mixed = torch.softmax(scores, -1) @ (tokens @ self.wv)
        if not self.whole:
            return mixed
        z = x + mixed
        return z + torch.relu(z @ self.inner + self.bias) @ self.outer


def of(weights: Sequence[Tensor], whole: bool) -> Block:
    """The block of six weights in order."""
    wq, wk, wv, inner, bias, outer = weights
    return Block(wq, wk, wv, inner, bias, outer, whole)


def random(dim: int, whole: bool, generator: torch.Generator) -> Block:
    """A block of normal weights with the variance of their fan-in, ReLU width 4 d."""
    hidden = 4 * dim

    def normal(*shape: int, fan: int) -> Tensor:
        """A normal matrix whose rows have about unit length after `fan` inputs."""
        return torch.randn(*shape, dtype=torch.float64, generator=generator) / fan**0.5

    wq, wk, wv = (normal(dim, dim, fan=dim) for _ in range(3))
    return Block(wq, wk, wv, normal(dim, hidden, fan=dim), normal(hidden, fan=dim), normal(hidden, dim, fan=hidden), whole)


def trained(block: Block, prompts: Tensor, x: Tensor, y: Tensor, steps: int, rate: float = 3e-3) -> Block:
    """The block after Adam on all weights and prompts (tasks, p, d) for tasks of x, y (tasks, n, L, d), mean square error.

    So its weights have learnt to be told apart by prompts, as a pretrained network's have.
    """
    leaves = [part.clone().requires_grad_(True) for part in (*block.tensors(), prompts)]
    optimiser = torch.optim.Adam(leaves, lr=rate)
    for _ in range(steps):
        optimiser.zero_grad()
        outputs = of(leaves[:6], block.whole)(leaves[6][:, None], x)
        (outputs - y).square().mean().backward()
        optimiser.step()
    return of([leaf.detach() for leaf in leaves[:6]], block.whole)
