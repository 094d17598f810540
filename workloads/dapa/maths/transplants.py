"""What a target becomes with units of a donor in it: refusals, benign answers and perplexity, of many subsets in one pass.

Greedy generation is judged without generating: a model says a sequence greedily exactly if each of its tokens is the likeliest
behind those before it, which one pass over the whole sequence tells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor

from workloads.dapa.maths import language, models, network
from workloads.shared.training.ensemble import Stack

Units = frozenset[int]
Unit = Literal["mlp", "gate", "up", "down", "projection"]
ROWS = 1 << 15  # rows of one pass, so that 4,096 subsets of 64 prompts fit into memory


@dataclass(frozen=True, kw_only=True)
class Behaviour:
    """How a model behaves: shares of prompts, and nats a token of benign answers."""

    dsr: float
    over_refusal: float
    utility: float
    nats: float


@dataclass
class Transplants:
    """A target and its donor, stacks of one model each, and the units that can go from one to the other.

    A unit is a layer's MLP or one projection of it; of `projection` all three projections of each layer are units, layer by
    layer. Answers for subsets are remembered.
    """

    target: Stack
    donor: Stack
    unit: Unit
    restricted: Tensor  # (P, 10), with refusals
    _rates: dict[Units, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise ValueError where the models have not the same tensors."""
        for name in sorted({*self.target, *self.donor}):
            sizes = [tuple(model[name].shape[1:]) if name in model else None for model in (self.target, self.donor)]
            if sizes[0] != sizes[1]:
                raise ValueError(
                    f"target and donor must have tensors of one shape, but {name} is {sizes[0]} in the target and {sizes[1]} "
                    "in the donor; take two models of one family and size."
                )

    @property
    def layers(self) -> int:
        """Layers of each model."""
        return sum(name.endswith(".gate") for name in self.target)

    @property
    def places(self) -> list[int]:
        """The layer of each unit."""
        return [layer for layer in range(self.layers) for _ in range(3 if self.unit == "projection" else 1)]

    @property
    def whole(self) -> Units:
        """All units."""
        return frozenset(range(len(self.places)))

    def names(self, subset: Iterable[int]) -> list[str]:
        """Parameters that go with the units of a subset."""
        if self.unit == "projection":
            return [f"{unit // 3}.{network.MLP[unit % 3]}" for unit in sorted(subset)]
        parts = network.MLP if self.unit == "mlp" else (self.unit,)
        return [f"{unit}.{part}" for unit in sorted(subset) for part in parts]

    def edited(self, names: Iterable[str]) -> Stack:
        """The target with copies of the donor's parameters of these names."""
        return {**self.target, **{name: self.donor[name].clone() for name in names}}

    def fraction(self, subset: Iterable[int]) -> float:
        """The part of the model's numbers that a subset replaces."""
        return sum(self.target[name].numel() for name in self.names(subset)) / sum(
            part.numel() for part in self.target.values()
        )

    def rate(self, subset: Iterable[int]) -> float:
        """The share of restricted prompts that the target refuses with a subset of the donor's units."""
        return self.rates([frozenset(subset)])[0]

    def rates(self, subsets: Sequence[Units]) -> list[float]:
        """That of many subsets; those that were not asked yet in as few passes as memory allows."""
        fresh = [subset for subset in dict.fromkeys(subsets) if subset not in self._rates]
        for start in range(0, len(fresh), max(ROWS // len(self.restricted), 1)):
            part = fresh[start : start + max(ROWS // len(self.restricted), 1)]
            self._rates.update(zip(part, self._refused(part).tolist(), strict=True))
        return [self._rates[subset] for subset in subsets]

    def logits(self, subsets: Sequence[Units], sentences: Tensor) -> Tensor:
        """The logits (subsets, P, 9, TOKENS) of sentences (P, 10) under each subset, in one pass."""
        rows = sentences[:, :-1].repeat(len(subsets), 1)[None]
        with torch.no_grad():
            logits = network.logits(self.target, rows, self.donor, self._from_donor(subsets, len(sentences)))
        return logits.view(len(subsets), len(sentences), *logits.shape[2:])

    def behaviour(self, model: Stack) -> Behaviour:
        """How a stack of one model behaves on restricted and on benign prompts."""
        benign = language.benign().to(self.restricted.device)
        with torch.no_grad():
            refusing = network.logits(model, self.restricted[None, :, :-1])
            answering = network.logits(model, benign[None, :, :-1])
        first = answering[0, :, language.PROMPT - 1].argmax(-1)
        return Behaviour(
            dsr=float(says(refusing, self.restricted).mean()),
            over_refusal=float(((first >= language.SORRY) & (first <= language.HELP)).double().mean()),
            utility=float(says(answering, benign).mean()),
            nats=float(models.surprise(answering, benign[None]).double().mean()),
        )

    def _refused(self, subsets: Sequence[Units]) -> Tensor:
        return says(self.logits(subsets, self.restricted), self.restricted).mean(-1)

    def _from_donor(self, subsets: Sequence[Units], rows: int) -> dict[str, Tensor]:
        """Which projections are the donor's, (subsets · rows, L) each."""
        from_donor = {part: torch.zeros(len(subsets), self.layers, dtype=torch.bool) for part in network.MLP}
        for index, subset in enumerate(subsets):
            for name in self.names(subset):
                layer, _, part = name.partition(".")
                from_donor[part][index, int(layer)] = True
        device = self.restricted.device
        return {part: where.to(device).repeat_interleave(rows, 0) for part, where in from_donor.items() if where.any()}


def says(logits: Tensor, sentences: Tensor) -> Tensor:
    """Whether greedy generation says what stands behind each prompt: 1 or 0, (..., P)."""
    completion = sentences[..., language.PROMPT :]
    return (logits[..., language.PROMPT - 1 :, :].argmax(-1) == completion).all(-1).double()


def ordered(places: Sequence[int], order: Literal["index", "middle_first"]) -> list[int]:
    """Units as a search takes them: by index, or those nearest to the middle layer first."""
    middle = (min(places) + max(places)) / 2
    units = range(len(places))
    return list(units) if order == "index" else sorted(units, key=lambda unit: (abs(places[unit] - middle), unit))


def least(passes: Callable[[Units], bool], units: int) -> int:
    """Units of the least set that passes; all of them must."""
    return next(size for size in range(units + 1) if any(map(passes, map(frozenset, combinations(range(units), size)))))


def broken_steps(passes: Callable[[Units], bool], units: int) -> int:
    """How often a set passes that no longer does with one unit more, over all sets."""
    subsets = [frozenset(members) for size in range(units) for members in combinations(range(units), size)]
    steps = ((subset, subset | {unit}) for subset in subsets for unit in range(units) if unit not in subset)
    return sum(passes(subset) and not passes(larger) for subset, larger in steps)
