"""Turns the error at each of twelve diffusion times into columns of their own.

The times are those of the average over time: t_k = t0 (T/t0)^((1 + z_k)/2), z_k the Gauss-Legendre nodes of [-1, 1], so they
lie about evenly in ln t, from just above t0 to just below T. `diffusion.quadrature` gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

COUNT = 12


@dataclass(frozen=True, kw_only=True)
class ByTime:
    """The error by diffusion time, from the least on; null where there is no score."""

    mse_t1: Annotated[float | None, "squared error of the score at the first time"] = None
    mse_t2: Annotated[float | None, "squared error of the score at the second time"] = None
    mse_t3: Annotated[float | None, "squared error of the score at the third time"] = None
    mse_t4: Annotated[float | None, "squared error of the score at the fourth time"] = None
    mse_t5: Annotated[float | None, "squared error of the score at the fifth time"] = None
    mse_t6: Annotated[float | None, "squared error of the score at the sixth time"] = None
    mse_t7: Annotated[float | None, "squared error of the score at the seventh time"] = None
    mse_t8: Annotated[float | None, "squared error of the score at the eighth time"] = None
    mse_t9: Annotated[float | None, "squared error of the score at the ninth time"] = None
    mse_t10: Annotated[float | None, "squared error of the score at the tenth time"] = None
    mse_t11: Annotated[float | None, "squared error of the score at the eleventh time"] = None
    mse_t12: Annotated[float | None, "squared error of the score at the twelfth time"] = None


def named(values: Tensor) -> dict[str, Tensor]:
    """The columns of values (models, COUNT)."""
    return {f"mse_t{k + 1}": values[:, k] for k in range(COUNT)}
