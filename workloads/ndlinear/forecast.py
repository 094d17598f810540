"""How well networks whose hidden layer works along time and channels forecast a series, beside dense and plain forecasts.

Source: arXiv:2503.17353 (time series); the split by time, the scale of the training part and the target among the inputs are
ours, where the released script shuffles overlapping windows. One hidden layer, ReLU, dense head, as in ndlinear.accuracy.
Symbols: 7 channels x 24 steps of a window · h = horizon · w = width of the hidden layer, of both modes of nd.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import torch
from torch import Tensor

from workloads.ndlinear.maths import network, series, training
from workloads.ndlinear.maths.network import Kind, Network
from workloads.ndlinear.maths.series import Windows
from workloads.ndlinear.maths.training import Columns, Examples, Study, Values

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
STEPS = "steps"
TOLERANCE = 1e-3  # float32, and stacks of other sizes round otherwise, which steps amplify


@dataclass(frozen=True)
class Params:
    """A series, a network, and how it is trained."""

    layer: Annotated[Kind, "hidden layer: nd | nd_sum (of terms) | dense | lowrank (of rank terms)", {"shape": True}]
    data: Annotated[str, "seasonal (drawn with the seed) | a CSV with ETT's columns", {"shape": True}] = "seasonal"
    budget: Annotated[int, "parameters; the width is the one whose count comes nearest", {"shape": True, "at_least": 1}] = 2000
    width: Annotated[int, "width in place of the budget's; 0 for the budget's", {"shape": True, "at_least": 0}] = 0
    terms: Annotated[int, "products of nd_sum, or rank of lowrank", {"shape": True, "at_least": 1}] = 2
    horizon: Annotated[int, "steps that are forecast", {"shape": True, "at_least": 1}] = 12
    steps: Annotated[int, "steps of Adam", {"shape": True, "at_least": 1}] = 300
    batch: Annotated[int, "windows a step, drawn with replacement", {"shape": True, "at_least": 1}] = 64
    learning_rate: Annotated[float, "the first rate of Adam", {"above": 0}] = 0.01
    every: Annotated[int, "steps between two rows; 0 for the last alone", {"shape": True, "at_least": 0}] = 0


@dataclass(frozen=True)
class Result:
    """Errors on the test part, in units of the training part's variance, and how large the network is."""

    mse: Annotated[float, "mean squared error of the forecast", {"finite": True, "range": [0, None]}]
    mae: Annotated[float, "mean absolute error of the forecast", {"range": [0, None]}]
    mse_naive: Annotated[float, "mean squared error of the window's last value", {"range": [0, None]}]
    mse_linear: Annotated[float, "that of one linear map of the window, by least squares", {"range": [0, None]}]
    n_params: Annotated[int, "numbers that the network learns", {"seedless": True}]
    layer_width: Annotated[int, "width w", {"seedless": True}]
    macs: Annotated[int, "multiplications with an addition for one window", {"seedless": True}]


EXAMPLES = (
    Params("nd", budget=1000, steps=10, batch=16),
    Params("dense", width=5, steps=10, batch=16, horizon=3),
    Params("nd_sum", budget=1500, steps=10, batch=16, every=5),
    Params("lowrank", budget=1500, steps=10, batch=16),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[Columns]:
    """Columns of rows as trainings reach them; networks of one shape are trained together."""
    for p in params:
        check(p)
    for columns in STUDY.columns(params, ctxs):
        yield columns | network.sizes([built(params[i]) for i in columns["index"]]) | _plain(params, ctxs, columns["index"])


def check(p: Params) -> None:
    """Refuse params that mean nothing, or data that are not there; ValueError says which."""
    if p.data != "seasonal":
        length, least = len(series.stored(p.data)), series.shortest(p.horizon)
        if length < least:
            raise ValueError(
                f"{p.data}: a series must have {least} times for a horizon of {p.horizon}, but has {length}; take more."
            )
    elif p.horizon > series.WINDOW * 4:
        raise ValueError(f"horizon must be at most {series.WINDOW * 4} of the drawn series, but got {p.horizon}; lower it.")
    built(p)


def built(p: Params) -> Network:
    """The network of a point."""
    shape = (series.WINDOW, len(series.COLUMNS))
    if p.width:
        return Network(shape, p.layer, p.terms, p.width, p.horizon)
    return network.of_budget(shape, p.layer, p.terms, p.horizon, p.budget)


def windows(p: Params, ctx: Context) -> Windows:
    """The windows of a point's series."""
    whole = series.seasonal(series.LENGTH, ctx.generator("series")) if p.data == "seasonal" else series.stored(p.data)
    return series.windows(whole, p.horizon)


def examples(p: Params, ctx: Context) -> Examples:
    """What a point's network learns from; of one seed all layers have the same."""
    data = windows(p, ctx)
    rows = torch.arange(len(data.inputs))
    return Examples(data.inputs, data.targets, rows[: data.training], rows[data.test])


def values(params: Sequence[Params], outputs: Tensor, targets: Tensor) -> Values:
    """Errors (models,) of outputs (models, test, h)."""
    return {"mse": training.losses(outputs, targets), "mae": (outputs - targets).abs().mean((1, 2))}


def _plain(params: Sequence[Params], ctxs: Sequence[Context], indices: Sequence[int]) -> dict[str, list[Any]]:
    """Columns of what the plain forecasts err."""
    data = [windows(params[i], ctxs[i]) for i in indices]
    return {"mse_naive": [series.naive_error(d) for d in data], "mse_linear": [series.linear_error(d) for d in data]}


STUDY: Study[Params] = Study(
    names=("mse", "mae"),
    free=("learning_rate",),
    network=built,
    examples=examples,
    values=values,
)
