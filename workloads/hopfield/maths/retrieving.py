"""Turns memories and queries of many points into where updates lead, with one Gram matrix for all β, forms and masks of a seed.

Shapes: points p, queries q (in runs, so that no more than NUMBERS weights of a point are held), memories m, dimension d.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field

import torch
from torch import Tensor

from workloads.hopfield.maths import closed, forms, kernels, masks
from workloads.hopfield.maths.memories import CLOSE, Scene, controls
from workloads.shared.hopfield import retrieval, separation

NUMBERS = 1 << 22
"""Weights of one point that are held at a time: its queries go in runs of so many over m."""
ROUNDED = 1e-9
"""Relative excess over a bound, or over the dense error, that counts as rounding."""
TINY = 1e-13
"""Size below which errors of vectors of about unit length are rounding."""


@dataclass(frozen=True)
class Kind:
    """What points of one batch share: which memories a query reads, and how weights are made of scores."""

    variant: str
    form: str | None
    keep: int
    features: int
    kernel: str
    updates: int


@dataclass
class Network:
    """A scene as scores take it, with what all temperatures and maps of a seed share."""

    view: Scene
    normalise: bool
    dense: dict[float, Tensor] = field(default_factory=dict)  # errors (m,) of the dense network, by β
    _gram: Tensor | None = None

    @functools.cached_property
    def keys(self) -> Tensor:
        """What queries are compared with (m, d)."""
        return self.compared(self.view.memories)

    def compared(self, x: Tensor) -> Tensor:
        """Rows as scores take them: brought to unit length where that is asked for."""
        return separation.normalise(x) if self.normalise else x

    def scores(self, first: int, stop: int) -> Tensor:
        """Products (q, m) of queries first..stop with the memories; held where all of them are few."""
        queries = self.compared(self.view.queries)
        if len(queries) ** 2 > NUMBERS:
            return retrieval.overlaps(queries[first:stop], self.keys)
        if self._gram is None:
            self._gram = retrieval.overlaps(queries, self.keys)
        return self._gram[first:stop]

    @functools.cached_property
    def described(self) -> dict[str, float]:
        """What needs no network, and the separation of the memories."""
        m = len(self.keys)
        whole = m * m <= NUMBERS
        least = float(separation.delta(self.keys)) if whole else separation.delta_blocked(self.keys, NUMBERS)
        return controls(self.view, rows(m)) | {"separation": least}


@dataclass(frozen=True)
class Asked:
    """A point: a network, and the mask (q, k) or the directions (features, d) that its seed gives the map."""

    network: Network
    places: Tensor | None = None
    omega: Tensor | None = None


def rows(m: int) -> int:
    """Queries that go together."""
    return min(m, max(1, NUMBERS // m))


@dataclass(frozen=True)
class Outcome:
    """Per query (p, q): where the last update led, and what bounds and masks say of it; None where a kind has no such thing."""

    error: Tensor
    close: Tensor
    bound: Tensor | None
    outside: Tensor | None
    target_kept: Tensor
    increases: Tensor | None


def ended(kind: Kind, asked: list[Asked], betas: list[float], first: int, stop: int) -> Outcome:
    """The outcome of queries first..stop of every point."""
    if kind.variant in kernels.DEFAULT:
        return _by_features(kind, asked, betas, first, stop)
    beta = torch.tensor(betas, dtype=torch.float64, device=asked[0].network.view.memories.device)[:, None, None]
    run = _Run(kind, asked, beta, first, stop)
    return run.outcome()


class _Run:
    """The updates of one run of queries, under masks."""

    def __init__(self, kind: Kind, asked: list[Asked], beta: Tensor, first: int, stop: int) -> None:
        self.kind, self.asked, self.beta, self.first, self.stop = kind, asked, beta, first, stop
        self.memories = torch.stack([a.network.view.memories for a in asked])
        self.keys = torch.stack([a.network.keys for a in asked])
        self.known = self._known()

    def _known(self) -> Tensor | None:
        """The mask that is known before the scores (p, q, m); None where there is none, or none yet."""
        if self.kind.variant not in masks.KNOWN:
            return None
        chosen = torch.stack([a.places[self.first : self.stop] for a in self.asked if a.places is not None])
        return masks.as_mask(chosen.to(self.memories.device), self.memories.shape[1])

    def mask(self, scores: Tensor) -> Tensor | None:
        """The mask of this update."""
        return masks.top(scores, self.kind.keep) if self.kind.variant == "top_k" else self.known

    def energy(self, x: Tensor, scores: Tensor) -> Tensor:
        """β times the energy (p, q) of queries under the mask of this update."""
        partition = forms.log_partition(self.beta * scores, self.mask(scores))
        return 0.5 * self.beta[..., 0] * (x * x).sum(-1) - partition

    def outcome(self) -> Outcome:
        """All updates, and what is looked at after the last."""
        x = torch.stack([a.network.view.queries[self.first : self.stop] for a in self.asked])
        scores = torch.stack([a.network.scores(self.first, self.stop) for a in self.asked])
        descends = self.kind.form in (None, "renormalised") and not self.asked[0].network.normalise
        increases = torch.zeros(x.shape[:2], dtype=torch.long, device=x.device) if descends else None
        for update in range(self.kind.updates):
            mask = self.mask(scores)
            weights = forms.weigh(self.beta * scores, mask, self.kind.form or "renormalised")
            moved = retrieval.read(weights.read, self.memories)
            last = update == self.kind.updates - 1
            after = None if last and not descends else retrieval.overlaps(self.asked[0].network.compared(moved), self.keys)
            if increases is not None and after is not None:
                before = self.energy(x, scores)
                increases += self.energy(moved, after) > before + retrieval.ENERGY_SLACK * (1 + before.abs())
            if last or after is None:
                return self._looked_at(moved, weights, scores, mask, increases)
            x, scores = moved, after
        raise ValueError(f"updates must be at least 1, but got {self.kind.updates}; write 1.")

    def _looked_at(
        self, x: Tensor, weights: forms.Weights, scores: Tensor, mask: Tensor | None, increases: Tensor | None
    ) -> Outcome:
        own = torch.arange(self.first, self.stop, device=x.device)
        if mask is None:
            target_kept = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        else:
            target_kept = mask[..., own - self.first, own]
        missing = None
        if self.kind.form == "unnormalised":
            missing = torch.where(target_kept, weights.outside, 1 - weights.read.sum(-1))
        return Outcome(
            error=retrieval.errors(weights.read, self.memories, self.first, missing),
            close=_close(x, self.memories[:, self.first : self.stop]),
            bound=self._bound(scores, target_kept),
            outside=None if mask is None else weights.outside,
            target_kept=target_kept,
            increases=increases,
        )

    def _bound(self, scores: Tensor, target_kept: Tensor) -> Tensor:
        """The bound of each query (p, q) in the last update; NaN where the mask does not hold the target."""
        m = self.memories.shape[1]
        lengths = self.memories.norm(dim=-1).amax(-1)[:, None]
        gap = closed.query_separation(scores, self.first)
        bound = closed.factor(self.kind.form, m, self.kind.keep) * lengths * torch.exp(-self.beta[..., 0] * gap)
        return bound.masked_fill(~target_kept, torch.nan)


def _close(x: Tensor, targets: Tensor) -> Tensor:
    return (x - targets).abs().mean(-1) <= CLOSE


def _by_features(kind: Kind, asked: list[Asked], betas: list[float], first: int, stop: int) -> Outcome:
    """Queries of points that have no scores, one point after the other."""
    errors, close = [], []
    for point, beta in zip(asked, betas, strict=True):
        network = point.network
        x, targets = network.view.queries[first:stop], network.view.memories[first:stop]
        for _ in range(kind.updates):
            operator = kernels.attention(network.compared(x), network.keys, beta, kind.kernel, point.omega)
            x = operator.apply(network.view.memories)
        errors.append((x - targets).norm(dim=-1))
        close.append(_close(x, targets))
    kept = torch.ones(len(asked), stop - first, dtype=torch.bool, device=errors[0].device)
    return Outcome(torch.stack(errors), torch.stack(close), None, None, kept, None)


def measured(kind: Kind, asked: list[Asked], betas: list[float]) -> Outcome:
    """The outcome of all queries of every point."""
    m = len(asked[0].network.keys)
    parts = [ended(kind, asked, betas, first, min(first + rows(m), m)) for first in range(0, m, rows(m))]
    if len(parts) == 1:
        return parts[0]
    columns = {name: [getattr(part, name) for part in parts] for name in vars(parts[0])}
    return Outcome(**{name: None if values[0] is None else torch.cat(values, 1) for name, values in columns.items()})


def dense_errors(asked: list[Asked], betas: list[float], updates: int) -> Tensor:
    """Errors (p, m) of the dense network at the same scenes and temperatures, each worked out once."""
    m = len(asked[0].network.keys)
    kind = Kind("dense", None, m, 0, "", updates)
    pairs = list(zip([point.network for point in asked], betas, strict=True))
    for network, beta in pairs:
        if beta not in network.dense:
            network.dense[beta] = measured(kind, [Asked(network)], [beta]).error[0]
    return torch.stack([network.dense[beta] for network, beta in pairs])


def above(value: Tensor, limit: Tensor) -> Tensor:
    """Where a value exceeds a limit by more than rounding."""
    return value > limit * (1 + ROUNDED) + TINY
