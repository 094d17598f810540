"""How well trained transformers predict in context, beside networks that are trained directly on the same examples.

Source: arXiv:2411.16549, section on experiments as reported. Trained weights are not the constructed ones: nothing here speaks
of the construction. A step of that needs 10, 12 or 16 layers for N = 3, 4, 6, and products that blocks do not have, so no plot
over blocks can validate it.
Symbols: N = layers of the targets' networks · d = inputs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.icl.maths import prompts, scores, teachers, transformer
from workloads.icl.maths.prompts import Task, Training
from workloads.shared.training import ensemble, groups
from workloads.shared.training.ensemble import Ensemble, Feed, Layout, Recipe, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
STEPS = "steps"
# Relative; models trained together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-3
FREE = ("mean", "learning_rate")
ROWS = 20
"""Rows of a training, evenly spread over its steps; at each of them a state can be saved."""
CLIP = 1.0
"""Longest gradient."""


@dataclass(frozen=True)
class Params:
    """A transformer, the prompts that it is trained on, and the tests."""

    kind: Annotated[Literal["softmax", "relu"], "attention", {"shape": True}] = "softmax"
    depth: Annotated[int, "layers N of the networks that are the targets", {"shape": True, "at_least": 1}] = 3
    hidden: Annotated[int, "units of their hidden layers", {"shape": True, "at_least": 1}] = 8
    dim: Annotated[int, "inputs d; 10 to be tested on the diabetes table", {"shape": True, "at_least": 1}] = 3
    context: Annotated[int, "examples of the longest context that is trained on", {"shape": True, "at_least": 4}] = 16
    mean: Annotated[float, "every entry of the mean of the inputs, N(mean, I)"] = -2.0
    blocks: Annotated[int, "blocks of attention and MLP", {"shape": True, "at_least": 1}] = 2
    width: Annotated[int, "width of a token, and of the MLP", {"shape": True, "at_least": 1}] = 32
    heads: Annotated[int, "heads of attention, which divide the width", {"shape": True, "at_least": 1}] = 4
    steps: Annotated[int, "steps of training", {"shape": True, "at_least": 1}] = 600
    batch: Annotated[int, "prompts of a step", {"shape": True, "at_least": 1}] = 32
    learning_rate: Annotated[float, "Adam's first rate; a cosine takes it to zero", {"above": 0}] = 3e-3
    prompts: Annotated[int, "test prompts, of 8 queries each", {"shape": True, "at_least": 2}] = 256
    direct_width: Annotated[int, "hidden units of directly trained networks", {"shape": True, "at_least": 1}] = 32
    direct_steps: Annotated[int, "steps of direct training", {"shape": True, "at_least": 1}] = 100
    precision: Annotated[Literal["float32", "float64"], "floating type of training and tests", {"shape": True}] = "float32"


R2 = "pooled R^2 behind"
DIRECT = "that of a network trained on that context and stopped by one in four of its examples, held out: "


@dataclass(frozen=True)
class Result:
    """A training's loss and, on its last row alone, what the transformer is worth."""

    loss: Annotated[float, "mean squared error of the last batch, over all of its positions", {"finite": True}]
    n_params: Annotated[int, "numbers that the transformer learns"]
    r2_quarter: Annotated[float | None, f"{R2} a quarter of the context; null before the last row, as all below"]
    r2_half: Annotated[float | None, f"{R2} half of it"]
    r2_full: Annotated[float | None, f"{R2} all of it"]
    r2_beyond: Annotated[float | None, f"{R2} one and a half of it, which was never trained on"]
    direct_quarter: Annotated[float | None, f"{DIRECT}a quarter"]
    direct_half: Annotated[float | None, f"{DIRECT}half"]
    direct_full: Annotated[float | None, f"{DIRECT}all"]
    direct_best_full: Annotated[
        float | None, "that of one trained on all of it, in the epoch that is best by test, over all prompts"
    ]
    ridge_full: Annotated[float | None, "that of ridge regression"]
    nearest_full: Annotated[float | None, "that of the mean of three nearest neighbours"]
    kernel_full: Annotated[float | None, "that of the kernel of infinitely wide networks"]
    constant_full: Annotated[float | None, "that of the context's mean"]
    gap_quarter: Annotated[float | None, "r2_quarter less direct_quarter"]
    gap_half: Annotated[float | None, "r2_half less direct_half"]
    gap_full: Annotated[float | None, "r2_full less direct_full"]
    gap_best_full: Annotated[float | None, "r2_full less direct_best_full"]
    gap_ridge_full: Annotated[float | None, "r2_full less ridge_full"]
    far_tenth: Annotated[float | None, f"{R2} all of it where a tenth of all inputs comes from N(-mean, I)"]
    far_third: Annotated[float | None, "the same for a third"]
    far_half: Annotated[float | None, "the same for half"]
    weights_up: Annotated[float | None, f"{R2} all of it where the targets' weights come from N(1/2, I)"]
    weights_down: Annotated[float | None, "the same for N(-1/2, I)"]
    diabetes_full: Annotated[float | None, f"{R2} a context of patients of the diabetes table; null unless dim is 10"]
    diabetes_ridge: Annotated[float | None, "that of ridge regression on it"]


NAMES = tuple(field.name for field in dataclasses.fields(Result))
EXAMPLES = (
    Params(context=4, steps=6, batch=8, prompts=8, width=8, heads=2, direct_steps=4, direct_width=4),
    Params(kind="relu", context=8, depth=2, steps=6, batch=8, prompts=8, width=8, heads=1, direct_steps=4, precision="float64"),
    Params(dim=10, context=8, mean=0.0, steps=5, batch=8, prompts=8, width=8, heads=2, blocks=1, direct_steps=4),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns of rows as trainings reach them; models of one shape are trained together."""
    for p in params:
        check(p)
    states = [ctx.load() for ctx in ctxs]
    for indices in groups.groups(params, states, FREE, lambda p: groups.room(model_bytes(p), ctxs[0].device)):
        task = Task([params[i] for i in indices], [ctxs[i] for i in indices])
        p = params[indices[0]]
        group_states = [states[i] for i in indices]
        for trained, losses in train(task, None if group_states[0] is None else group_states, marks(p.steps)):
            values: dict[str, Tensor] = {"loss": losses, "n_params": torch.full((len(indices),), trained.layout.count)}
            if trained.step == p.steps:
                values |= scores.measured(task, trained.parameters, p)
            home = trained.at_home()
            for model, ctx in enumerate(task.ctxs):
                ctx.save(home.saved(model))
            yield _block(indices, trained.step, values)


def marks(steps: int) -> list[int]:
    """The steps after which a row is due."""
    return ensemble.marks(steps, max(1, steps // ROWS))


def check(p: Params) -> None:
    """Refuse heads that do not divide the width."""
    if p.width % p.heads:
        raise ValueError(f"heads must divide the width, but got heads = {p.heads} at width = {p.width}; change one of them.")


def layout(p: Params) -> Layout:
    """All parameters of one model: positions reach as far as the longest test."""
    return transformer.layout(p, _tokens(p))


def loss(task: Task, parameters: Stack, batch: Stack) -> Tensor:
    """Mean squared error (models,) over all positions of a batch of prompts."""
    x = batch["x"] + task.column("mean")[:, None, None, None]
    y = teachers.targets(batch["weights"], task.layer_sizes, x, task.probes())
    return (transformer.predict(parameters, x, y, task.first) - y).square().mean((1, 2))


def train(task: Task, states: Sequence[Any] | None, rows: Sequence[int]) -> Iterator[tuple[Ensemble, Tensor]]:
    """The models, and the losses (models,) of the last batch, after each of the steps `rows` behind that of saved states."""
    p = task.params[0]
    if states is None:
        first = [transformer.initial(p, _tokens(p), ctx.generator("network"), task.like.dtype) for ctx in task.ctxs]
        trained = ensemble.begin(transformer.layout(p, _tokens(p)), first, str(task.like.device))
    else:
        trained = ensemble.resume(transformer.layout(p, _tokens(p)), states, str(task.like.device))
    ahead = ensemble.ahead(task.like.device.type, _batch_numbers(p))
    feed = Feed(task.ctxs, lambda model, generator, steps: prompts.batches(p, task.like, generator, steps), block=ahead)
    recipe = Recipe(rate=task.column("learning_rate"), steps=p.steps, clip=task.column("mean") * 0.0 + CLIP)
    for row in [mark for mark in rows if mark > trained.step]:
        yield trained, ensemble.advance(trained, lambda parameters, step: loss(task, parameters, feed(step)), recipe, row)


def model_bytes(p: Params) -> float:
    """Bytes that one model takes while it is trained: activations of a step, batches batch_numbers ahead, parameters."""
    tokens = 2 * p.context + 1
    activations = p.batch * tokens * (p.blocks * (16 * p.width + 4 * p.heads * tokens) + 4 * p.width)
    batch_numbers = 2 * ensemble.ahead("cuda", _batch_numbers(p)) * _batch_numbers(p)
    probes = p.batch * teachers.PROBES * p.hidden * p.depth
    return prompts.PRECISIONS[p.precision].itemsize * (activations + batch_numbers + probes + 6 * layout(p).count)


def _tokens(p: Training) -> int:
    return 2 * prompts.longest(p) + 1


def _batch_numbers(p: Training) -> int:
    """Numbers that are batch_numbers for a step of one model."""
    return p.batch * ((p.context + 1) * p.dim + teachers.count(teachers.sizes(p.dim, p.hidden, p.depth)))


def _block(indices: Sequence[int], step: int, values: dict[str, Tensor]) -> dict[str, list[Any]]:
    """One block of rows; a name without a value is null."""
    nothing = [None] * len(indices)
    columns = {name: groups.plain(values[name]) if name in values else list(nothing) for name in NAMES}
    return {"index": list(indices), "step": [step] * len(indices), **columns}
