"""The laws that a claim can name, each with the parameters that a fit gives."""

from __future__ import annotations

LAWS: dict[str, tuple[str, ...]] = {
    "power": ("exponent", "decay", "prefactor"),
    "exponential": ("rate", "decay", "prefactor"),
    "linear": ("slope", "intercept"),
    "constant": ("intercept",),
    "sqrt_log": ("slope", "intercept"),
    "logistic": ("low", "high", "centre", "width"),
    "saturating": ("ceiling", "rate"),
    "power_with_floor": ("exponent", "decay", "prefactor", "floor"),
    "piecewise": ("intercept", "knot", "slope_before", "slope_after"),
}
PARAMETERS = frozenset(name for names in LAWS.values() for name in names)
