"""Turns points of any shapes into trainings of this paper's network, and into columns of rows: what the run is handed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from workloads.dit_latent.maths import estimators, network, problem, training
from workloads.dit_latent.maths.latents import Latent
from workloads.dit_latent.maths.problem import Params, Problem
from workloads.shared.diffusion import times
from workloads.shared.diffusion.process import Field
from workloads.shared.diffusion.training_run import Columns, Measure, Rows, TrainingRun
from workloads.shared.training import ensemble

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

# Params that models of one group may differ in.
FREE = ("n", "fresh", "family", "ambient_noise", "learning_rate", "clip", "weight", "spread", "t0", "horizon")


def columns(
    params: Sequence[Params],
    ctxs: Sequence[Context],
    marks: Callable[[Params], list[int]],
    names: Sequence[str],
    probe: Callable[[Problem], Measure[Field]],
) -> Iterator[Columns]:
    """Columns of rows at the steps `marks(params)`; `probe(problem)` gives what measures them. A name left out is null."""
    rows = Rows(
        names=names, marks=marks, probe=probe, untrained=lambda task: probe(task)(*estimators.fitted(task), True)
    )  # fmt: skip
    yield from RUN.columns(params, ctxs, rows)


def _step_size(p: Params) -> int:
    return p.batch * problem.reshape(p)[0] * (p.depth * _block_size(p) + 4 * p.width)


def _look_size(p: Params) -> int:
    """Activations of a prediction, and the points themselves."""
    wide = problem.reshape(p)[0] * (2 * _block_size(p) + p.width) + 4 * p.ambient_dim
    steps = ensemble.ahead("cuda", p.points * (3 * p.ambient_dim + 1))
    return max(max(times.COUNT, steps) * p.points, p.samples) * wide


def _block_size(p: Params) -> int:
    """Numbers that a block holds for each token."""
    tokens, heads = problem.reshape(p)[0], p.heads * p.head_dim
    return 6 * p.width + 5 * heads + 3 * p.ff + 2 * p.heads * tokens * max(1, p.head_dim if tokens <= 8 else 1)


RUN: TrainingRun[Params, Latent, Field] = TrainingRun(
    law=problem,
    network=network,
    training=training,
    free=FREE,
    point_size=lambda p: p.ambient_dim,
    batch_size=lambda p: p.batch * (2 * p.ambient_dim + 1),
    step_size=_step_size,
    look_size=_look_size,
)
