"""How well one Hopfield layer over the last values forecasts a series, dense or efficient, beside two controls.

Source: Hu et al. 2024, arXiv:2404.03900, section 5 (time series), by notes; the layer and the made series are ours.
Symbols: lookback = values that are seen · horizon = steps ahead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from workloads.hopfield.maths import forecasts
from workloads.hopfield.maths.forecasts import Forecaster
from workloads.hopfield.maths.layer import Layer
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
# Relative; models that are trained together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-3
MOST = {"cpu": 64, "cuda": 256}
"""Models that are trained as one stack."""
SHARE, BETA = 0.2, 4.0
"""Of a lookback what a mask keeps, and the temperature; keys have unit length in all variants."""


@dataclass(frozen=True)
class Params:
    """A layer, the series it forecasts and how it is trained."""

    variant: Annotated[
        Literal["dense", "random", "top_k", "linear", "prf"], "what a query reads; masks keep a fifth of the lookback"
    ] = "dense"
    data: Annotated[str, "seasonal | a .csv with a header, whose last column is the series", {"shape": True}] = "seasonal"
    horizon: Annotated[int, "steps ahead", {"shape": True, "at_least": 1}] = 24
    lookback: Annotated[int, "values that are seen", {"shape": True, "at_least": 2}] = 48
    width: Annotated[int, "width of a head", {"shape": True, "at_least": 1}] = 16
    steps: Annotated[int, "training steps", {"shape": True, "at_least": 1}] = 300
    learning_rate: Annotated[float, "first rate of Adam, which a cosine takes to zero"] = 0.01


@dataclass(frozen=True)
class Result:
    """Errors on the last three tenths of the series, whose spread is 1 where it was trained on."""

    mse: Annotated[float, "squared error, mean over windows and steps ahead", {"finite": True, "range": (0, None)}]
    mae: Annotated[float, "absolute error", {"range": (0, None)}]
    mse_naive: Annotated[float, "squared error of the last value as forecast", {"range": (0, None)}]
    mse_linear: Annotated[float, "squared error of least squares on the lookback", {"range": (0, None)}]
    n_params: Annotated[int, "numbers that a model learns", {"seedless": True}]


EXAMPLES = tuple(
    Params(v, horizon=h, lookback=12, width=4, steps=6) for v in ("dense", "top_k", "linear", "prf") for h in (4, 5)
)


def refuse(p: Params) -> None:
    """Raise ValueError where the params ask for what there is not."""
    if min(p.horizon, p.width, p.steps) < 1 or p.lookback < 2 or not 0 < p.learning_rate < math.inf:
        raise ValueError(
            f"horizon, width and steps must be at least 1, lookback at least 2, learning_rate above 0, but got {p.horizon}, "
            f"{p.width}, {p.steps}, {p.lookback}, {p.learning_rate}; raise them."
        )
    length = forecasts.LENGTH if p.data == "seasonal" else len(forecasts.read(p.data))
    shortest = (p.lookback + p.horizon) / min(forecasts.TRAINED, 1 - forecasts.TRAINED)
    if length < shortest:
        raise ValueError(
            f"the series must have at least {math.ceil(shortest)} values for lookback = {p.lookback}, horizon = {p.horizon}, "
            f"but '{p.data}' has {length}; shorten them."
        )


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; models of one shape and layer are trained as one."""
    for p in params:
        refuse(p)
    size = MOST["cpu" if ctxs[0].device == "cpu" else "cuda"]
    for p, indices in packs.groups(params, lambda p: dataclasses.replace(p, learning_rate=1.0)):
        model = Forecaster(p.lookback, p.horizon, p.width, p.steps)
        for part in packs.chunks(indices, size):
            members = [ctxs[i] for i in part]
            values = [forecasts.series(p.data, ctx.generator("series")) for ctx in members]
            layer = Layer(p.variant, keep=SHARE, beta=BETA)
            rows = forecasts.trained(model, layer, values, [params[i].learning_rate for i in part], members)
            columns = {name: [row[name] for row in rows] for name in rows[0]}
            yield {"index": part, "step": [0] * len(part), "n_params": [model.layout.count] * len(part), **columns}
