"""khm.rates: logarithms of the bounds against the bounds themselves, and against their limits where those overflow."""

from __future__ import annotations

import math

import pytest

from orchestrator.workload.context import Context
from workloads.khm import rates
from workloads.khm.rates import Params, Result
from workloads.shared.hopfield import bounds


def measured(d: int, angle_deg: float = 60.0) -> Result:
    """The result of one point."""
    ((_, result),) = rates.run(Params(d, angle_deg), Context(seed=0))
    return result


@pytest.mark.parametrize("d", [3, 8, 24, 256])
@pytest.mark.parametrize("angle", [40.0, 60.0, 80.0])
def test_logarithms_are_those_of_the_counts(d: int, angle: float) -> None:
    result, radians = measured(d, angle), math.radians(angle)
    assert result.ln_lower == pytest.approx(math.log(bounds.greedy_count(d, radians)), abs=1e-9)
    assert result.ln_upper == pytest.approx(math.log(bounds.converse_count(d, radians)), abs=1e-9)


def test_beyond_double_precision_they_reach_their_limits() -> None:
    result = measured(1 << 16, 45.0)
    assert result.ln_upper > 710 and result.ln_lower / (1 << 16) == pytest.approx(0.5 * math.log(2), abs=2e-4)
    assert result.ln_upper / (1 << 16) == pytest.approx(-math.log(math.sqrt(2) * math.sin(math.pi / 8)), abs=5e-4)


def test_an_angle_of_ninety_degrees_has_no_rate() -> None:
    with pytest.raises(ValueError, match=r"angle_deg in \(0, 90\), but got d = 3, angle_deg = 90.0"):
        measured(3, 90.0)
