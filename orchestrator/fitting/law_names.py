"""The laws that a claim can name, as text: each with its formula and the parameters that a fit gives.

A sweep file is read with these alone; `laws.py` adds to each how it is fitted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LawText:
    """What a law is called by: its formula, and its parameters in the order in which a verdict lists them."""

    formula: str
    parameters: tuple[str, ...]


LAWS: dict[str, LawText] = {
    "power": LawText("prefactor · x^exponent", ("exponent", "decay", "prefactor")),
    "exponential": LawText("prefactor · exp(rate · x)", ("rate", "decay", "prefactor")),
    "linear": LawText("intercept + slope · x", ("slope", "intercept")),
    "constant": LawText("intercept", ("intercept",)),
    "sqrt_log": LawText("intercept + slope · √(ln x)", ("slope", "intercept")),
    "logistic": LawText("low + (high - low) / (1 + exp(-(x - centre) / width))", ("low", "high", "centre", "width")),
    "saturating": LawText("ceiling · (1 - exp(-rate · x))", ("ceiling", "rate")),
    "power_with_floor": LawText("floor + prefactor · x^exponent", ("exponent", "decay", "prefactor", "floor")),
    "power_log": LawText("prefactor · x^exponent · (ln x)^log_exponent", ("exponent", "decay", "log_exponent", "prefactor")),
    "power_corrected": LawText(
        "prefactor · x^exponent · (1 + correction · x^-correction_decay)",
        ("exponent", "decay", "prefactor", "correction", "correction_decay"),
    ),
    "broken_power": LawText(
        "prefactor · x^exponent_before · (1 + (x / knot)^(1 / width))^((exponent - exponent_before) · width)",
        ("exponent", "decay", "exponent_before", "knot", "width", "prefactor"),
    ),
    "piecewise": LawText(
        "intercept + slope_before · min(x, knot) + slope_after · max(x - knot, 0)",
        ("intercept", "knot", "slope_before", "slope_after"),
    ),
}
PARAMETERS = frozenset(name for law in LAWS.values() for name in law.parameters)
