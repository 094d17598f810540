"""ndlinear.timing: its calls compute the layer, its rows are consistent, its shapes are checked."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.ndlinear import timing
from workloads.ndlinear.maths import layer
from workloads.ndlinear.timing import Params


def measured(*params: Params) -> list[dict[str, Any]]:
    """The rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in timing.run_pack(params, [Context(0)] * len(params)):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items()}
    return [rows[i] for i in range(len(params))]


def test_calls_are_those_of_the_layer_in_both_orders() -> None:
    calls = timing.layer_calls(Params("2x4x6", "4x5x3", batch=7), Context(1))
    given, best, dense = (calls[name]() for name in ("nd", "nd_best", "dense"))
    assert isinstance(given, torch.Tensor) and isinstance(best, torch.Tensor) and isinstance(dense, torch.Tensor)
    assert given.shape == best.shape == (1, 7, 4, 5, 3) and dense.shape == (7, 60)
    assert not torch.allclose(given, best)  # with biases the order makes another function


def test_a_row_is_consistent() -> None:
    rows = measured(*(Params("16x8x8", "16x8x8", name, 16, 2) for name in ("nd", "nd_best", "dense")))  # type: ignore[arg-type]
    assert rows[0]["macs"] == layer.macs((16, 8, 8), (16, 8, 8), (0, 1, 2)) == 1024 * 32
    assert rows[2]["macs"] == rows[2]["macs_dense"] == 1024**2
    for row in rows:
        assert row["speedup"] == pytest.approx(row["dense_seconds"] / row["call_seconds"])
        assert row["overhead"] == pytest.approx(row["macs_dense"] / row["macs"] / row["speedup"])
        assert row["dense_seconds"] == rows[0]["dense_seconds"] and row["peak_bytes"] >= 4 * 16 * 1024


@pytest.mark.slow
@pytest.mark.timed
def test_many_fewer_products_take_less_time_and_one_mode_does_not() -> None:
    wide, single = measured(Params("32x32", "32x32"), Params("64x1", "64x1"))
    assert wide["speedup"] > 2 and single["speedup"] < 1


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must have as many modes, but got '4x4' with 2 and '4' with 1"):
        measured(Params("8x8", "8x8"), Params("4x4", "4"))
