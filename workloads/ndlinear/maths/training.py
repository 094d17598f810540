"""Turns points of any shapes into networks of one hidden layer that are trained in stacks, and those into columns of rows.

A measurement hands in each point's network and examples, and what its rows say of the outputs. Points of one seed have the same
examples, permutation, first numbers and batches, whatever their layer: streams depend on the seed alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from workloads.ndlinear.maths.network import Network
from workloads.shared.training import ensemble, groups
from workloads.shared.training.ensemble import Ensemble, Feed, Recipe, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

ACTIVATIONS = 1 << 26
"""Numbers of activations that a stack holds at most."""


class Trained(Protocol):
    """What the training asks of a measurement's params."""

    @property
    def steps(self) -> int:
        """Training steps."""

    @property
    def batch(self) -> int:
        """Examples a step."""

    @property
    def learning_rate(self) -> float:
        """The first rate of Adam, which falls to 0 along a cosine."""

    @property
    def every(self) -> int:
        """Steps between two rows; 0 for the last alone."""


P = TypeVar("P", bound=Trained)
Values = dict[str, Tensor]  # (models,) by name
Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Examples:
    """Of one model: inputs (points, F), targets (points,) of classes or (points, outputs), and which rows are for what."""

    inputs: Tensor
    targets: Tensor
    train: Tensor  # rows
    test: Tensor
    columns: Tensor | None = None  # the permutation of the inputs' F places, where there is one

    def batch(self, rows: Tensor) -> Stack:
        """Inputs and targets of some rows (...), permuted."""
        x = self.inputs[rows]
        return {"x": x if self.columns is None else x[..., self.columns], "y": self.targets[rows]}

    def to(self, device: str) -> Examples:
        """The same on a device."""
        moved = (None if part is None else part.to(device) for part in vars(self).values())
        return Examples(*moved)  # type: ignore[arg-type]


@dataclass(frozen=True, kw_only=True)
class Study(Generic[P]):
    """A measurement: what its points are made of, and what its rows say."""

    names: Sequence[str]
    free: Collection[str]  # params that models of one stack may differ in
    network: Callable[[P], Network]
    examples: Callable[[P, Context], Examples]
    values: Callable[[Sequence[P], Tensor, Tensor], Values]  # of outputs and targets of all models' test rows

    def columns(self, params: Sequence[P], ctxs: Sequence[Context]) -> Iterator[Columns]:
        """Columns `index`, `step` and the names for all points, as trainings reach the steps of their rows."""
        states = [ctx.load() for ctx in ctxs]
        for indices in groups.groups(params, states, self.free, lambda p: self.room(p, ctxs[0].device)):
            points, surroundings = [params[i] for i in indices], [ctxs[i] for i in indices]
            for step, values in self._trained(points, surroundings, [states[i] for i in indices]):
                rows = {name: groups.plain(values[name]) for name in self.names if name in values}
                nothing = {name: [None] * len(indices) for name in self.names}
                yield {"index": indices, "step": [step] * len(indices), **nothing, **rows}

    def room(self, p: P, device: str) -> int:
        """How many models of a shape are trained at once."""
        network = self.network(p)
        size = p.batch * network.activations
        drawn_ahead = 2 * ensemble.ahead("cuda", size) * p.batch * (len(network.shape) + network.outputs)
        return max(1, min(ACTIVATIONS // size, groups.room(4 * (size + drawn_ahead + 6 * network.layout.count), device)))

    def _trained(self, params: Sequence[P], ctxs: Sequence[Context], states: Sequence[Any]) -> Iterator[tuple[int, Values]]:
        """The step and the values of each row that is due."""
        network, device = self.network(params[0]), ctxs[0].device
        examples = [self.examples(p, ctx).to(device) for p, ctx in zip(params, ctxs, strict=True)]
        trained = begun(network, ctxs, states)
        for mark in ensemble.marks(params[0].steps, params[0].every):
            if mark > trained.step:
                train(network, examples, params, ctxs, trained, mark)
                for model, ctx in enumerate(ctxs):
                    ctx.save(trained.saved(model))
                yield mark, self._looked(network, examples, params, trained)

    def _looked(self, network: Network, examples: Sequence[Examples], params: Sequence[P], trained: Ensemble) -> Values:
        """What a row says of all models, out of the test rows of each."""
        most = max(len(e.test) for e in examples) * network.activations
        parts = []
        for start, stop in groups.parts(len(examples), max(1, ACTIVATIONS // most)):
            batches = [e.batch(e.test) for e in examples[start:stop]]
            x, y = (torch.stack([batch[name] for batch in batches]) for name in ("x", "y"))
            with torch.no_grad():
                outputs = network(trained.part(start, stop).parameters, x)
                parts.append(self.values(params[start:stop], outputs, y))
        return groups.joined(parts)


def begun(network: Network, ctxs: Sequence[Context], states: Sequence[Any]) -> Ensemble:
    """The models as they begin, or as their states were saved."""
    if states[0] is not None:
        return ensemble.resume(network.layout, states, ctxs[0].device)
    models = [network.initial(ctx.generator("network")) for ctx in ctxs]
    return ensemble.begin(network.layout, models, ctxs[0].device)


def train(
    network: Network, examples: Sequence[Examples], params: Sequence[P], ctxs: Sequence[Context], trained: Ensemble, until: int
) -> Tensor:
    """Train the models up to a step; the losses (models,) of the last one."""
    p = params[0]

    def draw(model: int, generator: torch.Generator, steps: int) -> Mapping[str, Tensor]:
        """The batches of one model's next steps, with replacement out of its training rows."""
        own = examples[model]
        return own.batch(
            own.train[torch.randint(len(own.train), (steps, p.batch), generator=generator, device=generator.device)]
        )

    feed = Feed(ctxs, draw, block=ensemble.ahead(ctxs[0].device, p.batch * examples[0].inputs.shape[1]))

    def loss(parameters: Stack, step: int) -> Tensor:
        """The losses (models,) of one step."""
        batch = feed(step)
        return losses(network(parameters, batch["x"]), batch["y"])

    rates = trained.flat.new_tensor([q.learning_rate for q in params])
    return ensemble.advance(trained, loss, Recipe(rate=rates, steps=p.steps), until)


def losses(outputs: Tensor, targets: Tensor) -> Tensor:
    """Mean cross entropy (models,) of classes (models, batch), mean squared error of numbers (models, batch, outputs)."""
    if targets.is_floating_point():
        return (outputs - targets).square().mean((1, 2))
    each = torch.nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), reduction="none")
    return each.view(targets.shape).mean(1)
