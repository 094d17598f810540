"""Turns points of any shapes into groups that are trained as one, and their trainings into columns of rows.

A group holds what fits into the memory of its device. Before each block of rows every model's state is saved; models that
were saved at one step go on together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workloads.dit_latent.maths import estimators, evaluation, network, problem, training
from workloads.dit_latent.maths.problem import Params, Problem
from workloads.shared.diffusion.process import Field
from workloads.shared.training import ensemble, groups
from workloads.shared.training.ensemble import Ensemble

if TYPE_CHECKING:
    from orchestrator.context import Context

# Params that models of one group may differ in.
FREE = (
    "n",
    "fresh",
    "family",
    "ambient_noise",
    "learning_rate",
    "clip",
    "weight",
    "spread",
    "t0",
    "horizon",
)

Columns = dict[str, list[Any]]
# (problem, prediction, W, whether the row is the last) to values (models,) by name.
Measure = Callable[[Problem, Field, Tensor, bool], dict[str, Tensor]]


def run(
    params: Sequence[Params],
    ctxs: Sequence[Context],
    marks: Callable[[Params], list[int]],
    names: Sequence[str],
    start: Callable[[Problem], Measure],
) -> Iterator[Columns]:
    """Columns `index`, `step` and `names` for all points, block by block as trainings reach their marks.

    `marks(params)` are the steps of a shape's rows, `start(problem)` gives what measures them; a name that it leaves out is
    null. An estimator that is not trained has one row, at step 0.
    """
    for p in params:
        problem.check(p)
    states = [ctx.load() for ctx in ctxs]
    for indices in groups.groups(params, states, FREE, lambda p: room(p, ctxs[0].device)):
        task = problem.build([params[i] for i in indices], [ctxs[i] for i in indices])
        if task.first.estimator != "transformer":
            yield columns(indices, 0, names, start(task)(task, *estimators.fitted(task), True))
            continue
        kept = [states[i] for i in indices]
        steps, best, parts = marks(task.first), Best.of(kept), looks(task, start)
        for trained in training.train(task, None if kept[0] is None else kept, steps):
            last = trained.step == steps[-1]
            seen = [look.measure(look.task, *look.predictor(trained), last) for look in parts]
            found = groups.joined(seen)
            found |= best.seen(found["score_mse"], trained.step)
            home = trained.at_home()
            for place, ctx in enumerate(task.ctxs):
                ctx.save(home.saved(place) | best.saved(place))
            yield columns(indices, trained.step, names, found)


@dataclass(frozen=True)
class Look:
    """Neighbours of a group that are looked at together, and what measures them: looking takes more memory than a step."""

    start: int
    task: Problem
    measure: Measure

    def predictor(self, trained: Ensemble) -> tuple[Field, Tensor]:
        """Their prediction and their W."""
        return training.predictor(trained.part(self.start, self.start + len(self.task.params)), self.task.first)


def looks(task: Problem, start: Callable[[Problem], Measure]) -> list[Look]:
    """A group in parts that memory holds while they are looked at."""
    room = groups.room(look_bytes(task.first), task.ctxs[0].device, groups.LOOKING)
    tasks = [(begin, task.part(begin, end)) for begin, end in groups.parts(len(task.params), room)]
    return [Look(begin, part, start(part)) for begin, part in tasks]


@dataclass
class Best:
    """The least score error that each model of a group has had at a row, and the step of that row."""

    errors: list[float]
    steps: list[int]

    @classmethod
    def of(cls, states: Sequence[Any]) -> Best:
        """Where saved states stood; no row yet where they are None."""
        known = [state or {"best_mse": math.inf, "best_step": 0} for state in states]
        return cls([float(state["best_mse"]) for state in known], [int(state["best_step"]) for state in known])

    def seen(self, errors: Tensor, step: int) -> dict[str, Tensor]:
        """The best and its step (models,), the errors of a row counted in."""
        for place, error in enumerate(errors.double().tolist()):
            if error < self.errors[place]:
                self.errors[place], self.steps[place] = error, step
        return {"best_mse": torch.tensor(self.errors, dtype=torch.float64), "best_step": torch.tensor(self.steps)}

    def saved(self, place: int) -> dict[str, Any]:
        """What one model's state keeps of it."""
        return {"best_mse": self.errors[place], "best_step": self.steps[place]}


def columns(indices: Sequence[int], step: int, names: Sequence[str], found: dict[str, Tensor]) -> Columns:
    """One block of rows: the points' indices, one step, and the values by name."""
    nothing = [None] * len(indices)
    values = {name: groups.plain(found[name]) if name in found else nothing for name in names}
    return {"index": list(indices), "step": [step] * len(indices), **values}


def room(p: Params, device: str) -> int:
    """How many models of a shape are trained at once without running out of memory."""
    return groups.room(model_bytes(p), device)


def model_bytes(p: Params) -> float:
    """Bytes that one model takes while its group is trained: activations of a step, batches drawn ahead, data, parameters."""
    tokens, numbers = problem.reshape(p)[0], p.batch * (2 * p.ambient_dim + 1)
    step = p.batch * tokens * (p.depth * _block(p) + 4 * p.width)
    # Batches are held twice for a moment; a probe, which is kept, holds six points for each of its places.
    held = 2 * ensemble.ahead("cuda", numbers) * numbers + 6 * evaluation.TIMES * p.points * p.ambient_dim
    return _size(p) * (step + held + p.n * p.ambient_dim + 6 * network.layout(p).count)


def look_bytes(p: Params) -> float:
    """Bytes that looking at one model takes: activations of a prediction, and the points themselves."""
    wide = problem.reshape(p)[0] * (2 * _block(p) + p.width) + 4 * p.ambient_dim
    steps = ensemble.ahead("cuda", p.points * (3 * p.ambient_dim + 1))
    return _size(p) * max(max(evaluation.TIMES, steps) * p.points, p.samples) * wide


def _block(p: Params) -> int:
    """Numbers that a block holds for each token."""
    tokens, heads = problem.reshape(p)[0], p.heads * p.head_dim
    return 6 * p.width + 5 * heads + 3 * p.ff + 2 * p.heads * tokens * max(1, p.head_dim if tokens <= 8 else 1)


def _size(p: Params) -> int:
    return 4 if p.precision == "float32" else 8
