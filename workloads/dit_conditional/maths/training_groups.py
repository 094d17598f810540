"""Turns points of any shapes into groups that are trained as one, and their trainings into columns of rows.

A group holds what fits into the memory of its device. Before each block of rows every model's state is saved; models that
were saved at one step go on together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from workloads.dit_conditional.maths import evaluation, kernels, network, problem, training
from workloads.dit_conditional.maths.evaluation import Probe
from workloads.dit_conditional.maths.family import Law
from workloads.dit_conditional.maths.network import Waves
from workloads.dit_conditional.maths.problem import Params, Problem
from workloads.shared.training import ensemble, groups
from workloads.shared.training.ensemble import Ensemble

if TYPE_CHECKING:
    from orchestrator.context import Context

# Params that models of one group may differ in.
FREE = (
    "beta",
    "n",
    "fresh",
    "assumption",
    "mask",
    "learning_rate",
    "clip",
    "weight",
    "spread",
    "t0",
    "horizon",
    "gamma",
)

Columns = dict[str, list[Any]]


def run(params: Sequence[Params], ctxs: Sequence[Context], names: Sequence[str]) -> Iterator[Columns]:
    """Columns `index`, `step` and `names` for all points, block by block as trainings reach their marks.

    A name that is not measured is null. The kernel estimate has one row, at step 0.
    """
    for p in params:
        problem.check(p)
    states = [ctx.load() for ctx in ctxs]
    for indices in groups.groups(params, states, FREE, lambda p: room(p, ctxs[0].device)):
        task = problem.build([params[i] for i in indices], [ctxs[i] for i in indices])
        if task.first.estimator == "kde":
            yield _columns(task, indices, 0, names, _kernels(task))
            continue
        kept = [states[i] for i in indices]
        yield from _trained(task, indices, None if kept[0] is None else kept, names)


def _trained(task: Problem, indices: list[int], states: list[Any] | None, names: Sequence[str]) -> Iterator[Columns]:
    fixed, p = network.waves(task), task.first
    looks = _looks(task)
    for trained in training.train(task, fixed, states, ensemble.marks(p.steps, p.every)):
        with torch.no_grad():
            found = groups.joined([_measured(start, part, at, fixed, trained) for start, part, at in looks])
        home = trained.at_home()
        for place, ctx in enumerate(task.ctxs):
            ctx.save(home.saved(place))
        yield _columns(task, indices, trained.step, names, found)


def _looks(task: Problem) -> list[tuple[int, Problem, Probe]]:
    """Neighbours of a group that are looked at together, from which place on: looking takes more memory than a step."""
    room = groups.room(look_bytes(task.first), task.ctxs[0].device, groups.LOOKING)
    tasks = [(start, task.part(start, stop)) for start, stop in groups.parts(len(task.params), room)]
    return [(start, part, evaluation.probe(part)) for start, part in tasks]


def _measured(start: int, task: Problem, at: Probe, fixed: Waves, trained: Ensemble) -> dict[str, Tensor]:
    """What a row says of the models from `start` on, those of the task."""
    p, stop = task.first, start + len(task.params)
    predict, span = training.predictor(task, fixed.part(start, stop), trained.part(start, stop))
    found = evaluation.score_errors(task, at, predict, span)
    found["n_params"] = torch.full((len(task.params),), network.layout(p).count)
    if p.x_dim == 1 and not problem.latent(p):
        found["tv"] = evaluation.density_error(task, predict)
    if trained.step == p.steps and p.samples:
        found |= evaluation.sample_errors(task, predict)
    return found


def _kernels(task: Problem) -> dict[str, Tensor]:
    parts = zip(task.laws, task.data, task.conditions, strict=True)
    found = [kernels.oracle(law, x.cpu(), y.cpu()) for law, x, y in parts if isinstance(law, Law)]
    tv, bandwidth = torch.tensor(found, dtype=torch.float64).mT
    return {"tv": tv, "bandwidth": bandwidth, "n_params": torch.zeros(len(found), dtype=torch.long)}


def _columns(task: Problem, indices: list[int], step: int, names: Sequence[str], found: dict[str, Tensor]) -> Columns:
    """One block of rows; null is what was not measured, or means nothing: hidden conditions never met, tv under guidance."""
    values = {name: groups.plain(found[name]) if name in found else [None] * len(indices) for name in names}
    for place, p in enumerate(task.params):
        silent = ("score_mse_uncond",) if p.mask == 0 else ()
        for name in (*silent, *(("tv_sampled", "tv_noise") if p.gamma != 1 else ())):
            if name in values:
                values[name][place] = None
    return {"index": list(indices), "step": [step] * len(indices), **values}


def room(p: Params, device: str) -> int:
    """How many models of a shape are trained at once without running out of memory."""
    return groups.room(model_bytes(p), device)


def model_bytes(p: Params) -> float:
    """Bytes that one model takes while its group is trained: activations of a step, batches drawn ahead, data, parameters."""
    dims, numbers = problem.ambient(p) + p.y_dim, p.batch * (2 * problem.ambient(p) + p.y_dim + 2)
    step = p.batch * (p.x_dim + 2) * (p.depth * _block(p) + 4 * p.width + 2 * p.fourier)
    # Batches are held twice for a moment; a probe, which is kept, holds six points for each of its places.
    held = 2 * ensemble.ahead("cuda", numbers) * numbers + 6 * evaluation.TIMES * p.points * dims
    return _size(p) * (step + held + p.n * dims + 6 * network.layout(p).count)


def look_bytes(p: Params) -> float:
    """Bytes that looking at one model takes: activations of a prediction, and the points themselves."""
    places = max(evaluation.TIMES * p.points, evaluation.PARTS * max(evaluation.CONDITIONS, p.classes), p.samples)
    wide = (p.x_dim + 2) * (2 * _block(p) + p.width + 2 * p.fourier) + 4 * problem.ambient(p)
    return _size(p) * places * wide


def _block(p: Params) -> int:
    """Numbers that a block holds for each token."""
    return 6 * p.width + 5 * p.heads * p.head_dim + 3 * p.ff + 2 * p.heads * (p.x_dim + 2) * p.head_dim


def _size(p: Params) -> int:
    return 4 if p.precision == "float32" else 8
