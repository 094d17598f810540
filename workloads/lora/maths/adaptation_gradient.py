"""Turns an attention operator into the gradient of a low-rank adaptation, with how far it can be from the exact one.

Loss ½‖f V - Y‖² of one sequence, f = softmax(S) by rows, S = s Q K^T. With c = f V - Y and r_i = Σ_a c_ia (f V)_ia the slope
is p = dL/dS = f ∘ (c V^T) - diag(r) f, so p W = Σ_a c_a ∘ f(V_a ∘ W) - r ∘ f W and p^T U = Σ_a V_a ∘ f^T(c_a ∘ U) - f^T(r ∘ U):
what applies f and f^T gives the whole gradient, and the approximate gradient is that of an approximate f.
Rows are tokens (L, d). An adapted matrix is W* + B A with B (d, r), A (r, d). Leading dimensions are batches.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from workloads.shared.attention.operators import Attention


@dataclass(frozen=True)
class Adapter:
    """What an adapted matrix meets: inputs X (..., L, d), and its factors B (..., d, r) and A (..., r, d)."""

    inputs: Tensor
    down: Tensor
    up: Tensor


@dataclass(frozen=True)
class Slope:
    """The derivative of the loss by the scores, p (..., L, L), as two maps; `residual` is c, `inner` is r (..., L, 1)."""

    attention: Attention
    values: Tensor
    residual: Tensor
    inner: Tensor

    def apply(self, columns: Tensor) -> Tensor:
        """p W of W (..., L, w), by one application to (d + 1) w columns."""
        wide = torch.cat([_outer(self.values, columns), columns], dim=-1)
        return self._gathered(self.attention.apply(wide), self.residual, columns.shape[-1], self.inner)

    def transpose(self, columns: Tensor) -> Tensor:
        """p^T U of U (..., L, w), by one application to (d + 1) w columns."""
        wide = torch.cat([_outer(self.residual, columns), self.inner * columns], dim=-1)
        return self._gathered(self.attention.transpose(wide), self.values, columns.shape[-1], None)

    @staticmethod
    def _gathered(wide: Tensor, weights: Tensor, width: int, last: Tensor | None) -> Tensor:
        many = wide[..., :-width].unflatten(-1, (-1, width))  # (..., L, d, w)
        rest = wide[..., -width:]
        return torch.einsum("...la,...law->...lw", weights, many) - (rest if last is None else last * rest)


def _outer(first: Tensor, second: Tensor) -> Tensor:
    """Products of all columns with all columns (..., L, a w)."""
    return (first[..., :, None] * second[..., None, :]).flatten(-2)


def slope(attention: Attention, values: Tensor, target: Tensor) -> Slope:
    """The slope at these weights, for values and target (..., L, d)."""
    output = attention.apply(values)
    residual = output - target
    return Slope(attention, values, residual, (residual * output).sum(-1, keepdim=True))


def of_queries(slope_of: Slope, adapter: Adapter, keys: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """dL/dA (..., r, d) and dL/dB (..., d, r) of the matrix that makes the queries; dL/dW is s X^T p K."""
    right = scale * slope_of.transpose(adapter.inputs @ adapter.down).mT @ keys
    return right, scale * adapter.inputs.mT @ slope_of.apply(keys @ adapter.up.mT)


def of_keys(slope_of: Slope, adapter: Adapter, queries: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """dL/dA and dL/dB of the matrix that makes the keys; dL/dW is s X^T p^T Q."""
    right = scale * slope_of.apply(adapter.inputs @ adapter.down).mT @ queries
    return right, scale * adapter.inputs.mT @ slope_of.transpose(queries @ adapter.up.mT)


def of_values(slope_of: Slope, adapter: Adapter) -> tuple[Tensor, Tensor]:
    """dL/dA and dL/dB of the matrix that makes the values; dL/dW is X^T f^T c."""
    turned = slope_of.attention.transpose(slope_of.residual)
    return (adapter.inputs @ adapter.down).mT @ turned, adapter.inputs.mT @ (turned @ adapter.up.mT)


@dataclass(frozen=True)
class Bound:
    """How far gradients can be, entry by entry, when each entry of exp(S) is known to relative error ε < 1.

    Then f is known to e = 2ε/(1-ε), relative: |f~ - f| <= e f. With v = ‖V‖ and c = ‖c‖ (largest entries) this gives
    |p~ - p| <= κ f, κ = d e v (2c + (1+e)(c + v + (1+e) v)), and |f~^T c~ - f^T c| <= e (c + (1+e) v) f^T 1.
    """

    slope: Tensor  # κ (...)
    value: Tensor  # (...)

    def scores(self, first: Tensor, second: Tensor, scale: float) -> Tensor:
        """The bound on an entry of s U^T (p~ - p) W, either way round: s L κ ‖U‖ ‖W‖."""
        return scale * first.shape[-2] * self.slope * largest(first) * largest(second)

    def values(self, rows: Tensor, factor: Tensor | float = 1.0) -> Tensor:
        """The bound on an entry of U^T (f~^T c~ - f^T c) A^T: L ‖U‖ times the largest row sum of |A|."""
        return rows.shape[-2] * self.value * largest(rows) * factor


def bound(eps: Tensor, values: Tensor, residual: Tensor) -> Bound:
    """The bound for relative errors ε (...) of the entries of exp(S), values and exact residual (..., L, d)."""
    e, v, c = 2 * eps / (1 - eps), largest(values), largest(residual)
    kappa = values.shape[-1] * e * v * (2 * c + (1 + e) * (c + v + (1 + e) * v))
    return Bound(slope=kappa, value=e * (c + (1 + e) * v))


def largest(rows: Tensor) -> Tensor:
    """The largest absolute entry of each matrix (...)."""
    return rows.abs().amax((-2, -1))
