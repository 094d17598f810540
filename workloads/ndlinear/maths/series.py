"""Turns a series of several channels into scaled windows with what follows each, split by time, and plain forecasts of them.

Source: the columns of the Electricity Transformer data (ETT) are those of Zhou et al. 2021; the seasonal series is ours.
Symbols: T = times · C = channels, the last of which is forecast and stands among the inputs too · L = steps of a window ·
h = horizon.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.ndlinear.maths import tables

COLUMNS = ("HUFL", "HULL", "MUFL", "MULL", "LUFL", "LULL", "OT")
WINDOW, LENGTH = 24, 1500
TRAINING = 0.7
"""Share of the times, the first, that training windows and the scale come from."""
DAY, WEEK = 24.0, 168.0
SHARED, OWN = 0.7, 0.4
"""Standard deviations of the noise that all channels share, and of each one's own; both keep 0.9 of their last value."""
CARRIED = 0.9


@dataclass(frozen=True)
class Windows:
    """Scaled windows (windows, L C), what follows of the last channel (windows, h), and how many of them train."""

    inputs: Tensor
    targets: Tensor
    training: int

    @property
    def test(self) -> slice:
        """Those that are tested: all that begin and end after the training times."""
        return slice(self.training, None)


def seasonal(length: int, generator: torch.Generator) -> Tensor:
    """A series (T, 7) of daily and weekly waves of each channel's own height and phase, with noise that keeps 0.9 of itself."""
    channels = len(COLUMNS)
    times = torch.arange(length, dtype=torch.float64)[:, None]
    phases = 2 * math.pi * torch.rand(2, channels, generator=generator, dtype=torch.float64)
    heights = 0.5 + torch.rand(2, channels, generator=generator, dtype=torch.float64)
    periods = torch.tensor([DAY, WEEK], dtype=torch.float64)
    waves = sum(heights[k] * torch.sin(2 * math.pi * times / periods[k] + phases[k]) for k in range(2))
    loads = 0.5 + torch.rand(channels, generator=generator, dtype=torch.float64)
    shocks = torch.randn(length, channels + 1, generator=generator, dtype=torch.float64)
    noise, value = torch.empty_like(shocks), torch.zeros(channels + 1, dtype=torch.float64)
    for t in range(length):
        value = CARRIED * value + math.sqrt(1 - CARRIED**2) * shocks[t]
        noise[t] = value
    return waves + SHARED * loads * noise[:, :1] + OWN * noise[:, 1:]


@functools.lru_cache(maxsize=4)
def stored(data: str) -> Tensor:
    """The series (T, 7) of a CSV that has ETT's columns; ValueError where it is not there, or broken."""
    path = tables.existing(data, ("seasonal",), "a CSV file")
    return tables.numbers(tables.read(path), COLUMNS, path)


def windows(series: Tensor, horizon: int) -> Windows:
    """The windows of a series (T, C), of mean 0 and variance 1 over the training times, float32."""
    border = int(TRAINING * len(series))
    deviation, mean = torch.std_mean(series[:border], dim=0, correction=0)
    scaled = (series - mean) / deviation
    parts = [_cut(part, horizon) for part in (scaled[:border], scaled[border:])]
    inputs, targets = (torch.cat(pair).float() for pair in zip(*parts, strict=True))
    return Windows(inputs, targets, len(parts[0][0]))


def _cut(series: Tensor, horizon: int) -> tuple[Tensor, Tensor]:
    """Windows (windows, L C), step by step, and what follows each (windows, h)."""
    rolled = series.unfold(0, WINDOW + horizon, 1)  # (windows, C, L + h)
    return rolled[..., :WINDOW].transpose(1, 2).flatten(1), rolled[:, -1, WINDOW:]


def shortest(horizon: int) -> int:
    """Times that a series needs at least, so that both parts hold a window."""
    return math.ceil((WINDOW + horizon) / (1 - TRAINING)) + 1


def naive_error(data: Windows) -> float:
    """Mean squared error, over the test windows, of the last value of the window for all that follows."""
    last = data.inputs[data.test, -1:]
    return float((last - data.targets[data.test]).square().mean())


def linear_error(data: Windows) -> float:
    """That of one linear map of the whole window with a constant, least squares over the training windows."""
    inputs = torch.cat([data.inputs, torch.ones(len(data.inputs), 1)], 1).double()
    target = data.targets.double()
    fitted = torch.linalg.lstsq(inputs[: data.training], target[: data.training], driver="gelsd").solution
    return float((inputs[data.test] @ fitted - target[data.test]).square().mean())
