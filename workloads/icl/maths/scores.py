"""Turns trained transformers into what their last rows say: R^2 by context, beside rivals on the same contexts, and from afar.

R^2 is pooled: 1 less the squared errors of all queries of all prompts over the squared distances from their common mean.
Shapes: (models,) by name.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from workloads.icl.maths import prompts, rivals, teachers, transformer
from workloads.icl.maths.prompts import Task, Tests, Training
from workloads.shared.training.ensemble import Stack

Values = dict[str, Tensor]
FAR = {"far_tenth": 0.1, "far_third": 1 / 3, "far_half": 0.5}
SHIFTS = {"weights_up": 0.5, "weights_down": -0.5}
AT_ONCE = 1 << 12
"""Prompts that are looked at together."""


class Tested(Training, Protocol):
    """What else the params say of tests."""

    @property
    def direct_width(self) -> int:
        """Hidden units of directly trained networks."""

    @property
    def direct_steps(self) -> int:
        """Steps of direct training."""


def sizes(p: Training) -> dict[str, int]:
    """Examples of the contexts that are tested."""
    return {"quarter": p.context // 4, "half": p.context // 2, "full": p.context, "beyond": prompts.longest(p)}


def r2(predictions: Tensor, answers: Tensor) -> Tensor:
    """The pooled R^2 (models,) of predictions and answers (models, …)."""
    flat, truth = predictions.flatten(1).double(), answers.flatten(1).double()
    return 1.0 - (flat - truth).square().sum(1) / (truth - truth.mean(1, keepdim=True)).square().sum(1)


@torch.no_grad()
def in_context(parameters: Stack, tests: Tests, size: int, p: Training) -> Tensor:
    """What the transformers say of each query (models, R, Q) behind the first examples of its prompt."""
    models, count, queries = tests.queries.shape[:3]
    x = torch.cat([_each(tests.x[:, :, :size], queries), tests.queries.unsqueeze(3)], 3).flatten(1, 2)
    y = torch.nn.functional.pad(_each(tests.y[:, :, :size], queries), (0, 1)).flatten(1, 2)
    pieces = [
        transformer.predict(parameters, x_part, y_part, p)[..., -1]
        for x_part, y_part in zip(x.split(AT_ONCE, 1), y.split(AT_ONCE, 1), strict=True)
    ]
    return torch.cat(pieces, 1).view(models, count, queries)


def _each(context: Tensor, queries: int) -> Tensor:
    """A context (models, R, n, …) for each of so many queries, (models, R, Q, n, …)."""
    return context.unsqueeze(2).expand(-1, -1, queries, *[-1] * (context.dim() - 2))


def measured(task: Task, parameters: Stack, p: Tested) -> Values:
    """All that is told of the last row."""
    tests = prompts.tests(task)
    values = {f"r2_{name}": r2(in_context(parameters, tests, size, p), tests.answers) for name, size in sizes(p).items()}
    values |= direct_scores(tests, p) | rival_scores(tests, p)
    for rival in ("quarter", "half", "full", "best_full"):
        values[f"gap_{rival}"] = values[f"r2_{rival.removeprefix('best_')}"] - values[f"direct_{rival}"]
    values["gap_ridge_full"] = values["r2_full"] - values["ridge_full"]
    shifted = {name: prompts.tests(task, far=share) for name, share in FAR.items()}
    shifted |= {name: prompts.tests(task, shift=shift) for name, shift in SHIFTS.items()}
    for name, shifted_tests in shifted.items():
        values[name] = r2(in_context(parameters, shifted_tests, p.context, p), shifted_tests.answers)
    return values | (table_scores(task, parameters, p) if p.dim == prompts.DIABETES_DIM else {})


def rival_scores(tests: Tests, p: Training) -> Values:
    """R^2 of what needs no training, at the whole context; in float64."""
    x, y, queries = (
        part.flatten(0, 1).double() for part in (tests.x[:, :, : p.context], tests.y[:, :, : p.context], tests.queries)
    )
    predictions = {
        "ridge_full": rivals.ridge(x, y, queries),
        "nearest_full": rivals.nearest(x, y, queries),
        "kernel_full": rivals.kernel(x, y, queries, p.depth),
        "constant_full": rivals.constant(x, y, queries),
    }
    return {name: r2(values.view_as(tests.answers), tests.answers) for name, values in predictions.items()}


def direct_scores(tests: Tests, p: Tested) -> Values:
    """R^2 of networks of the targets' depth that are trained on each context, stopped by held-out examples, and at best."""
    models, count = tests.queries.shape[:2]
    flat = [part.flatten(0, 1) for part in (tests.x[:, :, : p.context], tests.y[:, :, : p.context], tests.queries)]
    courses = {
        name: rivals.examples_of(flat[0], flat[1], size, hold=True) for name, size in sizes(p).items() if name != "beyond"
    }
    courses["best_full"] = rivals.examples_of(flat[0], flat[1], p.context, hold=False)
    all_courses = rivals.joined(list(courses.values()))
    layer_sizes, values = teachers.sizes(p.dim, p.direct_width, p.depth), {}
    trained = rivals.direct(all_courses, flat[2].repeat(len(courses), 1, 1), layer_sizes, p.direct_steps)
    stopped = trained.stopped.view(len(courses), models, count, -1)
    for position, name in enumerate(courses):
        values[f"direct_{name}"] = r2(stopped[position], tests.answers)
    epochs = trained.epochs.view(len(trained.epochs), len(courses), models, count, -1)[:, -1]
    values["direct_best_full"] = torch.stack([r2(epoch, tests.answers) for epoch in epochs]).amax(0)
    return values


def table_scores(task: Task, parameters: Stack, p: Training) -> Values:
    """R^2 on contexts of real patients."""
    tests = prompts.diabetes(task)
    x, y, queries = (part.flatten(0, 1).double() for part in (tests.x, tests.y, tests.queries))
    return {
        "diabetes_full": r2(in_context(parameters, tests, p.context, p), tests.answers),
        "diabetes_ridge": r2(rivals.ridge(x, y, queries).view_as(tests.answers), tests.answers),
    }
