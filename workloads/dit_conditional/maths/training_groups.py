"""Turns points of any shapes into trainings of this paper's network, and into columns of rows: what the run is handed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from workloads.dit_conditional.maths import evaluation, kernels, network, problem, training
from workloads.dit_conditional.maths.family import Law
from workloads.dit_conditional.maths.problem import AnyLaw, Params, Problem
from workloads.dit_conditional.maths.training import Field
from workloads.shared.diffusion import times
from workloads.shared.diffusion.training_run import Columns, Measure, Rows, TrainingRun
from workloads.shared.training import ensemble

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

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


def columns(params: Sequence[Params], ctxs: Sequence[Context], names: Sequence[str]) -> Iterator[Columns]:
    """Columns of rows; null is what was not measured, or means nothing: hidden conditions never met, tv under guidance."""
    rows = Rows(names=names, marks=lambda p: ensemble.marks(p.steps, p.every), probe=_probe, untrained=_kernels)
    for block in RUN.columns(params, ctxs, rows):
        for row, index in enumerate(block["index"]):
            p = params[index]
            silent = ("score_mse_uncond",) if p.mask == 0 else ()
            for name in (*silent, *(("tv_sampled", "tv_noise") if p.gamma != 1 else ())):
                if name in block:
                    block[name][row] = None
        yield block


def _probe(task: Problem) -> Measure[Field]:
    """What measures the rows of a problem, on points drawn once."""
    p, probe = task.first, evaluation.probe(task)

    def measure(predict: Field, span: Tensor, last: bool) -> dict[str, Tensor]:
        """The errors of a prediction after a span of steps, and what only the last row tells."""
        values = evaluation.score_errors(task, probe, predict, span)
        values["n_params"] = torch.full((len(task.params),), network.layout(p).count)
        if p.x_dim == 1 and not problem.latent(p):
            values["tv"] = evaluation.density_error(task, predict)
        if last and p.samples:
            values |= evaluation.sample_errors(task, predict)
        return values

    return measure


def _kernels(task: Problem) -> dict[str, Tensor]:
    parts = zip(task.laws, task.data, task.conditions, strict=True)
    estimates = [kernels.oracle(law, x.cpu(), y.cpu()) for law, x, y in parts if isinstance(law, Law)]
    tv, bandwidth = torch.tensor(estimates, dtype=torch.float64).mT
    return {"tv": tv, "bandwidth": bandwidth, "n_params": torch.zeros(len(estimates), dtype=torch.long)}


def _step_size(p: Params) -> int:
    return p.batch * (p.x_dim + 2) * (p.depth * _block_size(p) + 4 * p.width + 2 * p.fourier)


def _look_size(p: Params) -> int:
    """Activations of a prediction, and the points themselves."""
    points = max(times.COUNT * p.points, evaluation.PARTS * max(evaluation.CONDITIONS, p.classes), p.samples)
    return points * ((p.x_dim + 2) * (2 * _block_size(p) + p.width + 2 * p.fourier) + 4 * problem.ambient(p))


def _block_size(p: Params) -> int:
    """Numbers that a block holds for each token."""
    return 6 * p.width + 5 * p.heads * p.head_dim + 3 * p.ff + 2 * p.heads * (p.x_dim + 2) * p.head_dim


RUN: TrainingRun[Params, AnyLaw, Field] = TrainingRun(
    law=problem,
    network=network,
    training=training,
    free=FREE,
    point_size=lambda p: problem.ambient(p) + p.y_dim,
    batch_size=lambda p: p.batch * (2 * problem.ambient(p) + p.y_dim + 2),
    step_size=_step_size,
    look_size=_look_size,
)
