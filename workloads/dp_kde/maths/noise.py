"""Turns scales into discrete Laplace noise: simulated from counters (reproducible, not private), or OpenDP's (private)."""

from __future__ import annotations

import functools
import importlib
import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

# splitmix64 (Steele, Lea, Flood 2014): increment, two multipliers and three shifts.
GAMMA, FIRST, SECOND = -0x61C8864680B583EB, -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15
SHIFTS = (30, 27, 31)


def key(ctx: Context, stream: str = "noise") -> int:
    """The point's place in the sequence of counters; points of one seed share it."""
    return int(torch.randint(1 << 62, (1,), generator=ctx.generator(stream)).item())


def signed(counters: Tensor) -> Tensor:
    """A signed exponential variable for each counter (int64): the sign is fair, the size has mean 1.

    The same number on every device, in any order and in any batch, so that what is simulated does not depend on placement.
    """
    z = counters * GAMMA
    spare = torch.empty_like(z)
    for shift, factor in zip(SHIFTS, (FIRST, SECOND, None), strict=True):
        torch.bitwise_right_shift(z, shift, out=spare)
        z.bitwise_xor_(spare.bitwise_and_((1 << (64 - shift)) - 1))
        if factor is not None:
            z.mul_(factor)
    # 53 bits in (-1, 1), never 0: the half keeps them off it.
    uniform = z.bitwise_right_shift_(11).double().add_(0.5).mul_(2.0**-52)
    return uniform.abs().log_().neg_().copysign_(uniform)


def whole(exponential: Tensor, scale: float) -> Tensor:
    """Discrete Laplace noise of that scale, whole numbers as floats, from signed exponential variables; a new tensor.

    With r = e^(-1/scale) a size of k or more has probability 2 r^k/(1+r) on either side, which the offset brings about.
    """
    offset = scale * (math.log(2) - math.log1p(math.exp(-1 / scale)))
    return (exponential.abs() * scale).add_(offset).floor_().copysign_(exponential)


def secure(values: list[int], scale: float) -> list[int]:
    """The whole numbers with discrete Laplace noise from OpenDP, drawn by the operating system and not reproducible.

    Raises ImportError where OpenDP is not installed.
    """
    noisy: list[int] = _opendp(scale)(values)
    return noisy


def secured(shape: tuple[int, int], scale: float) -> Tensor:
    """Discrete Laplace noise of that shape from OpenDP, whole numbers as floats."""
    return torch.tensor(secure([0] * math.prod(shape), scale), dtype=torch.float64).reshape(shape)


@functools.lru_cache(maxsize=64)
def _opendp(scale: float) -> Any:
    """OpenDP's measurement, which takes milliseconds to make."""
    try:
        dp: Any = importlib.import_module("opendp.prelude")
    except ImportError as error:
        raise ImportError(
            "backend 'secure' must have OpenDP, but it is not installed; run pip install 'lawsweep[secure]' or use 'simulate'."
        ) from error
    dp.enable_features("contrib")
    return dp.m.make_laplace(dp.vector_domain(dp.atom_domain(T="i64")), dp.l1_distance(T="i64"), scale=scale)


def variance(scale: float) -> float:
    """Variance of discrete Laplace noise: 1/(2 sinh²(1/(2 scale)))."""
    if scale < 1 / 700:
        return 0.0
    return 1 / (2 * math.sinh(1 / (2 * scale)) ** 2)


def fourth_cumulant(scale: float) -> float:
    """Fourth moment less three squared variances, of discrete Laplace noise."""
    r = math.exp(-1 / scale)
    gap = -math.expm1(-1 / scale)
    return 2 * r * (1 + 10 * r + r * r) / gap**4 - 3 * variance(scale) ** 2
