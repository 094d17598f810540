"""Turns points of any shapes into score networks that are trained in groups, and their trainings into columns of rows.

A paper hands in its law, its network and what its rows measure; to group, build, train, look and save is one course for all.
A group holds what fits into the memory of its device. Before each block of rows every model's state is saved; models that
were saved at one step go on together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from workloads.shared.diffusion import network, times
from workloads.shared.diffusion.problem import Problem, dtype
from workloads.shared.training import ensemble, groups
from workloads.shared.training.ensemble import Ensemble, Feed, Layout, Recipe, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

# Steps between two retractions of a subspace; whatever is measured is measured on a retracted copy.
RETRACT = 10


class Trained(Protocol):
    """What the run itself asks of a paper's params; the rest is the paper's own."""

    @property
    def estimator(self) -> str:
        """`transformer`, or an estimator that is not trained."""

    @property
    def n(self) -> int:
        """Training points."""

    @property
    def steps(self) -> int:
        """Training steps."""

    @property
    def points(self) -> int:
        """Test points for each diffusion time."""

    @property
    def schedule(self) -> str:
        """`cosine` or `constant`."""


P = TypeVar("P", bound=Trained)
L = TypeVar("L")
F = TypeVar("F")
P_contra = TypeVar("P_contra", bound=Trained, contravariant=True)
F_co = TypeVar("F_co", covariant=True)
Columns = dict[str, list[Any]]
Values = dict[str, Tensor]  # (models,) by name
# (prediction, subspace (models, D, d0), whether the row is the last) to the values of a row.
Measure = Callable[[F, Tensor, bool], Values]


@dataclass(frozen=True, kw_only=True)
class Rows(Generic[P, L, F]):
    """What a measurement wants of a run: the steps of its rows, their columns, and what fills them."""

    names: Sequence[str]  # a name that is not measured is null
    marks: Callable[[P], list[int]]
    probe: Callable[[Problem[P, L]], Measure[F]]
    untrained: Callable[[Problem[P, L]], Values]  # the one row, at step 0, of an estimator that is not trained


@dataclass(frozen=True)
class Look(Generic[P, L, F]):
    """Neighbours of a group that are looked at together, from `start` on: looking takes more memory than a step."""

    start: int
    task: Problem[P, L]
    measure: Measure[F]
    predictor: Callable[[Problem[P, L], Ensemble], tuple[F, Tensor]]

    def values(self, trained: Ensemble, last: bool) -> Values:
        """What a row says of them, out of their group."""
        with torch.no_grad():
            prediction, span = self.predictor(self.task, trained.part(self.start, self.start + len(self.task.params)))
            return self.measure(prediction, span, last)


class Law(Protocol[P, L]):
    """A paper's module of params and data."""

    def check(self, p: P, /) -> None:
        """Refuse params that mean nothing."""

    def build(self, params: Sequence[P], ctxs: Sequence[Context], /) -> Problem[P, L]:
        """The problem of params that agree in everything that sets shapes."""


class Network(Protocol[P_contra]):
    """A paper's module of its network."""

    def layout(self, p: P_contra, /) -> Layout:
        """All parameters of one model."""

    def initial(self, p: P_contra, generator: torch.Generator, /) -> Stack:
        """One model's first parameters."""


class Training(Protocol[P, L, F_co]):
    """A paper's module of what its network is trained by."""

    def batches(self, task: Problem[P, L], model: int, generator: torch.Generator, steps: int, /) -> Mapping[str, Tensor]:
        """The batches (steps, batch, ...) of one model's next steps."""

    def loss(self, task: Problem[P, L], parameters: Stack, batch: Stack, /) -> Tensor:
        """The losses (models,) of a step."""

    def predictor(self, task: Problem[P, L], trained: Ensemble, /) -> tuple[F_co, Tensor]:
        """The prediction of the models as they are, and their subspaces (models, D, d0)."""


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Generic[P, L, F]):
    """A paper's modules, as the run needs them, and the numbers that memory holds for a model."""

    law: Law[P, L]
    network: Network[P]
    training: Training[P, L, F]
    free: Collection[str]  # params that models of one group may differ in
    point_size: Callable[[P], int]  # numbers of a data point
    batch_size: Callable[[P], int]  # of a step's batch
    step_size: Callable[[P], int]  # of a step's activations
    look_size: Callable[[P], int]

    def columns(self, params: Sequence[P], ctxs: Sequence[Context], rows: Rows[P, L, F]) -> Iterator[Columns]:
        """Columns `index`, `step` and the rows' names for all points, block by block as trainings reach their marks."""
        for p in params:
            self.law.check(p)
        states = [ctx.load() for ctx in ctxs]
        for indices in groups.groups(params, states, self.free, lambda p: self.room(p, ctxs[0].device)):
            task = self.law.build([params[i] for i in indices], [ctxs[i] for i in indices])
            if task.first.estimator == "transformer":
                yield from self._trained(task, indices, [states[i] for i in indices], rows)
            else:
                with torch.no_grad():
                    values = rows.untrained(task)
                yield block(indices, 0, rows.names, values)

    def _trained(
        self, task: Problem[P, L], indices: Sequence[int], states: Sequence[Any], rows: Rows[P, L, F]
    ) -> Iterator[Columns]:
        marks, best, looks = rows.marks(task.first), Best.of(states), self.looks(task, rows.probe)
        for trained in self.train(task, None if states[0] is None else states, marks):
            values = groups.joined([look.values(trained, trained.step == marks[-1]) for look in looks])
            values |= best.after(values["score_mse"], trained.step)
            home = trained.at_home()
            for model, ctx in enumerate(task.ctxs):
                ctx.save(home.saved(model) | best.saved(model))
            yield block(indices, trained.step, rows.names, values)

    def train(
        self, task: Problem[P, L], states: Sequence[Mapping[str, Any]] | None, marks: Sequence[int]
    ) -> Iterator[Ensemble]:
        """The models after each of the marked steps that lies behind the one at which their states were saved."""
        p, device = task.first, str(task.like.device)
        if states is None:
            models = [self.network.initial(q, ctx.generator("network")) for q, ctx in zip(task.params, task.ctxs, strict=True)]
            trained = ensemble.begin(self.network.layout(p), models, device)
        else:
            trained = ensemble.resume(self.network.layout(p), states, device)
        ahead = ensemble.ahead(task.like.device.type, self.batch_size(p))
        feed = Feed(
            task.ctxs, lambda model, generator, steps: self.training.batches(task, model, generator, steps), block=ahead
        )
        recipe = Recipe(
            rate=task.column("learning_rate"), steps=p.steps, clip=task.column("clip"), cosine=p.schedule == "cosine"
        )
        for mark in [m for m in marks if m > trained.step]:
            ensemble.advance(
                trained, lambda parameters, step: self.training.loss(task, parameters, feed(step)), recipe, mark, _retract
            )
            yield trained

    def looks(self, task: Problem[P, L], probe: Callable[[Problem[P, L]], Measure[F]]) -> list[Look[P, L, F]]:
        """A group in parts that memory holds while they are looked at."""
        room = groups.room(self.look_bytes(task.first), task.ctxs[0].device, groups.LOOKING)
        parts = [(start, task.part(start, stop)) for start, stop in groups.parts(len(task.params), room)]
        return [Look(start, part, probe(part), self.training.predictor) for start, part in parts]

    def room(self, p: P, device: str) -> int:
        """How many models of a shape are trained at once without running out of memory."""
        return groups.room(self.model_bytes(p), device)

    def model_bytes(self, p: P) -> float:
        """Bytes that one model takes while its group is trained: activations, batches drawn ahead, data, parameters."""
        # Batches are held twice for a moment; a probe, which is kept, holds six points for each of its places.
        batches = 2 * ensemble.ahead("cuda", self.batch_size(p)) * self.batch_size(p)
        points = (6 * times.COUNT * p.points + p.n) * self.point_size(p)
        return dtype(p).itemsize * (self.step_size(p) + batches + points + 6 * self.network.layout(p).count)

    def look_bytes(self, p: P) -> float:
        """Bytes that looking at one model takes: activations of a prediction, and the points themselves."""
        return dtype(p).itemsize * self.look_size(p)


@dataclass
class Best:
    """The least score error that each model of a group has had at a row, and the step of that row."""

    errors: list[float]
    steps: list[int]

    @classmethod
    def of(cls, states: Sequence[Mapping[str, Any] | None]) -> Best:
        """Where saved states stood; no row yet where they say nothing of it."""
        saved = [state or {} for state in states]
        return cls(
            [float(state.get("best_mse", math.inf)) for state in saved], [int(state.get("best_step", 0)) for state in saved]
        )

    def after(self, errors: Tensor, step: int) -> Values:
        """The best and its step (models,), the errors of a row counted in."""
        for model, error in enumerate(errors.double().tolist()):
            if error < self.errors[model]:
                self.errors[model], self.steps[model] = error, step
        return {"best_mse": torch.tensor(self.errors, dtype=torch.float64), "best_step": torch.tensor(self.steps)}

    def saved(self, model: int) -> dict[str, Any]:
        """What one model's state keeps of it."""
        return {"best_mse": self.errors[model], "best_step": self.steps[model]}


def block(indices: Sequence[int], step: int, names: Sequence[str], values: Values) -> Columns:
    """One block of rows: the points' indices, one step, and the values by name."""
    nothing = [None] * len(indices)
    columns = {name: groups.plain(values[name]) if name in values else list(nothing) for name in names}
    return {"index": list(indices), "step": [step] * len(indices), **columns}


def _retract(parameters: Stack, step: int) -> None:
    if "subspace" in parameters and step % RETRACT == 0:
        parameters["subspace"].copy_(network.orthonormal(parameters["subspace"]))
