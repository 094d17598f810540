"""Several rows of one x and unit are combined first, whatever their number, as each group alone would be."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.fitting.aggregates import AGGREGATES, combine
from orchestrator.fitting.series import series


@pytest.mark.parametrize("aggregate", AGGREGATES)
def test_rows_of_one_x_and_unit_are_combined(aggregate: str) -> None:
    rng = np.random.default_rng(0)
    x, units, y = rng.integers(0, 5, 300).astype(float), rng.integers(0, 7, 300), rng.normal(size=300)
    curve = series(x, y, units, aggregate)
    for i, at in enumerate(curve.x):
        for j, unit in enumerate(curve.units):
            group = y[(x == at) & (units == unit)]
            assert curve.values[i, j] == combine(group, aggregate) if len(group) else np.isnan(curve.values[i, j])
