"""Turns a series into forecasts by one Hopfield layer over its last values, many models of one shape as one training.

A token is a value with its learnt place; one learnt query for each step ahead reads them, and the forecast is what it reads on
top of the last value. Beside it two controls: the last value itself, and least squares from the last values to those ahead.
Shapes: models s, batch b, tokens n (the lookback), steps ahead q (the horizon), heads h, width of a head w.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from workloads.hopfield.maths import kernels
from workloads.hopfield.maths.layer import Layer, Tokens, pooled
from workloads.shared.hopfield import separation
from workloads.shared.training import ensemble
from workloads.shared.training.ensemble import Layout, Stack

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

HEADS, BATCH, FEATURES = 2, 32, 32
LENGTH, TRAINED = 1200, 0.7
"""Values of a made series, and the share of a series, its beginning, that is trained on."""
RIDGE = 1e-6
"""What is added to the diagonal of the normal equations, whose entries are about the number of windows."""
PERIODS, NOISE, MEMORY = (24, 168), 0.3, 0.8
"""Of a made series: lengths of its seasons, spread of what is added at each step, and how much of the last remains."""


@dataclass(frozen=True)
class Windows:
    """Past values (s, windows, n) and those ahead (s, windows, q)."""

    past: Tensor
    ahead: Tensor


@dataclass(frozen=True)
class Forecaster:
    """Sizes of a model and how long it is trained."""

    lookback: int
    horizon: int
    width: int
    steps: int

    @property
    def layout(self) -> Layout:
        """What it learns."""
        wide = HEADS * self.width
        places = {name: (self.lookback, wide) for name in ("key_place", "value_place")}
        scales = {name: (wide,) for name in ("key", "value", "out")}
        return Layout({**places, **scales, "query": (HEADS, self.horizon, self.width), "out_bias": (self.horizon,)})

    def begin(self, generator: torch.Generator) -> dict[str, Tensor]:
        """An untrained model: normal weights, an output of variance one over its inputs, biases of zero."""
        model = {name: torch.randn(shape, generator=generator) for name, shape in self.layout.shapes.items()}
        return model | {"out": model["out"] / math.sqrt(HEADS * self.width), "out_bias": torch.zeros(self.horizon)}


def series(data: str, generator: torch.Generator) -> Tensor:
    """A made series of two seasons and noise with a memory, or the last column of a .csv; mean 0 and spread 1 where trained."""
    values = _seasonal(generator) if data == "seasonal" else read(data)
    training = values[: int(TRAINED * len(values))]
    return (values - training.mean()) / training.std().clamp_min(1e-6)


def _seasonal(generator: torch.Generator) -> Tensor:
    time, phase = torch.arange(LENGTH), 2 * math.pi * torch.rand(len(PERIODS), generator=generator)
    shocks, noise = NOISE * torch.randn(LENGTH, generator=generator), torch.zeros(LENGTH)
    for step in range(1, LENGTH):
        noise[step] = MEMORY * noise[step - 1] + shocks[step]
    return noise + sum(torch.sin(2 * math.pi * time / period + start) for period, start in zip(PERIODS, phase, strict=True))


def read(data: str) -> Tensor:
    """The last column of a .csv with a header; ValueError where it is none of finite numbers."""
    if not data.endswith(".csv") or not Path(data).is_file():
        raise ValueError(
            f"data must be seasonal or the path of a .csv file that is there, but got '{data}'; write one of them."
        )
    try:
        values = [float(line.rsplit(",", 1)[-1]) for line in Path(data).read_text().splitlines()[1:] if line.strip()]
    except ValueError as error:
        raise ValueError(f"the last column of '{data}' must hold numbers, but does not ({error}); mend that line.") from error
    if not np.isfinite(values).all():
        raise ValueError(
            f"the last column of '{data}' must hold finite numbers, but holds NaN or infinity; leave such lines out."
        )
    return torch.tensor(values)


def windows(values: Sequence[Tensor], model: Forecaster) -> tuple[Windows, Windows]:
    """Windows to train on, which end before the first value that is judged, and windows to judge by."""
    span = model.lookback + model.horizon
    cut = int(TRAINED * len(values[0]))
    parts = [torch.stack([v[:cut] for v in values]), torch.stack([v[cut - model.lookback :] for v in values])]
    unfolded = [part.unfold(1, span, 1) for part in parts]
    return tuple(Windows(u[..., : model.lookback], u[..., model.lookback :]) for u in unfolded)  # type: ignore[return-value]


def trained(
    model: Forecaster, layer: Layer, values: Sequence[Tensor], rates: Sequence[float], ctxs: Sequence[Context]
) -> list[dict[str, float]]:
    """Errors of each model on the end of its series, beside those of its controls."""
    device = ctxs[0].device
    train, test = (Windows(part.past.to(device), part.ahead.to(device)) for part in windows(values, model))
    models = ensemble.begin(model.layout, [model.begin(ctx.generator("weights")) for ctx in ctxs], device)
    omega = None
    if layer.variant == "prf":
        directions = [kernels.directions("orthogonal", FEATURES, model.width, ctx.generator("directions"))[0] for ctx in ctxs]
        omega = torch.stack(directions).float().to(device)
    count, rows = train.past.shape[1], torch.arange(len(ctxs), device=device)[:, None]

    def draw(_: int, generator: torch.Generator, steps: int) -> Mapping[str, Tensor]:
        """Windows of the next steps, and the noise by which a random map chooses among their values."""
        places = torch.randint(count, (steps, BATCH), generator=generator, device=generator.device)
        return {
            "places": places,
            "noise": torch.rand(steps, BATCH, model.lookback, generator=generator, device=generator.device),
        }

    feed = ensemble.Feed(ctxs, draw, "batches")

    def loss(parameters: Stack, step: int) -> Tensor:
        """Squared error of each model on its batch."""
        batch = feed(step)
        predicted = forecast(model, layer, parameters, train.past[rows, batch["places"]], batch["noise"], omega)
        return (predicted - train.ahead[rows, batch["places"]]).square().mean((1, 2))

    ensemble.advance(models, loss, ensemble.Recipe(rate=torch.tensor(rates, device=device), steps=model.steps), model.steps)
    noise = torch.stack([torch.rand(test.past.shape[1:], generator=ctx.generator("test mask")) for ctx in ctxs]).to(device)
    with torch.no_grad():
        own = forecast(model, layer, models.parameters, test.past, noise, omega)
    return judged(own, train, test)


def forecast(model: Forecaster, layer: Layer, parameters: Stack, past: Tensor, noise: Tensor, omega: Tensor | None) -> Tensor:
    """What is forecast (s, b, q) from past values (s, b, n)."""
    s, b, n = past.shape
    last = past[..., -1:]
    changes = (past - last)[..., None]

    def heads(name: str) -> Tensor:
        """Tokens by heads (s, b, h, n, w)."""
        flat = changes * parameters[name][:, None, None] + parameters[f"{name}_place"][:, None]
        return flat.view(s, b, n, HEADS, model.width).transpose(2, 3)

    present = torch.ones(s, b, n, dtype=torch.bool, device=past.device)
    tokens = Tokens(heads("key"), heads("value"), present, noise, omega)
    out = parameters["out"].view(s, 1, HEADS, 1, model.width)
    return last + (pooled(layer, parameters["query"], tokens) * out).sum((2, 4)) + parameters["out_bias"][:, None]


def judged(own: Tensor, train: Windows, test: Windows) -> list[dict[str, float]]:
    """Mean squared and absolute errors of forecasts, and mean squared ones of the last value and of least squares."""
    ahead = test.ahead
    solved = _least_squares(train.past, train.ahead, test.past)
    columns = {
        "mse": (own - ahead).square().mean((1, 2)),
        "mae": (own - ahead).abs().mean((1, 2)),
        "mse_naive": (test.past[..., -1:] - ahead).square().mean((1, 2)),
        "mse_linear": (solved - ahead).square().mean((1, 2)),
    }
    return [{name: float(column[k]) for name, column in columns.items()} for k in range(len(own))]


def _least_squares(past: Tensor, ahead: Tensor, new: Tensor) -> Tensor:
    """What least squares with a constant forecasts, one model after the other in double precision, by normal equations."""
    forecasts = []
    for x, y, queries in zip(past.double(), ahead.double(), new.double(), strict=True):
        solved_for, design = (separation.even(torch.cat([part, torch.ones_like(part[:, :1])], 1)) for part in (x, queries))
        gram = solved_for.mT @ solved_for + RIDGE * torch.eye(
            solved_for.shape[1], dtype=solved_for.dtype, device=solved_for.device
        )
        forecasts.append(design @ torch.cholesky_solve(solved_for.mT @ y, torch.linalg.cholesky(gram)))
    return torch.stack(forecasts)
