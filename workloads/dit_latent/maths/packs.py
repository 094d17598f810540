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

from workloads.dit_latent.maths import estimators, network, problem, training
from workloads.dit_latent.maths.problem import Params, Problem
from workloads.maths import ensemble, grouping
from workloads.maths.diffusion import Field

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
    for indices in grouping.groups(params, states, FREE, lambda p: room(p, ctxs[0].device)):
        task = problem.build([params[i] for i in indices], [ctxs[i] for i in indices])
        measure = start(task)
        if task.first.estimator != "transformer":
            yield columns(indices, 0, names, measure(task, *estimators.fitted(task), True))
            continue
        kept = [states[i] for i in indices]
        steps, best = marks(task.first), Best.of(kept)
        for trained in training.train(task, None if kept[0] is None else kept, steps):
            found = measure(task, *training.predictor(trained, task.first), trained.step == steps[-1])
            found |= best.seen(found["score_mse"], trained.step)
            for place, ctx in enumerate(task.ctxs):
                ctx.save(trained.saved(place) | best.saved(place))
            yield columns(indices, trained.step, names, found)


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
    values = {name: grouping.plain(found[name]) if name in found else nothing for name in names}
    return {"index": list(indices), "step": [step] * len(indices), **values}


def room(p: Params, device: str) -> int:
    """How many models of a shape are trained at once without running out of memory."""
    return grouping.room(model_bytes(p), device)


def model_bytes(p: Params) -> float:
    """Bytes that training one model takes: activations of a step, batches drawn ahead, parameters with their moments."""
    size = 4 if p.precision == "float32" else 8
    tokens, heads = problem.reshape(p)[0], p.heads * p.head_dim
    block = 6 * p.width + 5 * heads + 3 * p.ff + 2 * p.heads * tokens * max(1, p.head_dim if tokens <= 8 else 1)
    step = p.batch * tokens * (p.depth * block + 4 * p.width) + ensemble.BLOCK * p.batch * 2 * p.ambient_dim
    looked = 12 * p.points * tokens * (2 * block + p.width)
    return size * (max(step, looked) + p.n * p.ambient_dim + 6 * network.layout(p).count)
