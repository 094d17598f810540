"""lora.timing and lora.norm_control: operations counted, outputs right, memory seen, clocks fair; their rows and refusals."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.lora import norm_control, timing
from workloads.lora.maths import methods
from workloads.lora.maths.methods import MethodSize
from workloads.shared import memory
from workloads.shared.timing import Call, clock, quickest

METHODS = [MethodSize("exact"), MethodSize("sdpa"), MethodSize("polynomial", degree=12), MethodSize("nystroem", features=48)]


def measure(module: Any, *params: Any) -> list[dict[str, Any]]:
    """Rows of a pack, by point."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in module.run_pack(params, [Context(seed=0)] * len(params)):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items() if name not in ("index", "step")}
    return [rows[i] for i in range(len(params))]


def drawn(b: float = 1.0) -> tuple[tuple[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]:
    return timing.drawn(48, 4, b, Context(seed=0), torch.float64, 32)


@pytest.mark.parametrize("asked", METHODS, ids=lambda asked: asked.name)
def test_every_method_is_attention_where_it_is_exact(asked: MethodSize) -> None:
    rows, directions = drawn()
    expected = torch.softmax(rows[0] @ rows[1].mT / 4, dim=-1) @ rows[2]
    assert torch.allclose(methods.forward(asked, rows, 0.25, directions)(), expected, atol=1e-8)


def test_softmax_1_has_a_place_more() -> None:
    rows, directions = drawn(b=9.0)
    scores = torch.cat([rows[0] @ rows[1].mT / 4, torch.zeros(48, 1, dtype=torch.float64)], dim=1)
    expected = torch.softmax(scores, dim=-1)[:, :-1] @ rows[2]
    assert torch.allclose(methods.forward(MethodSize("softmax_1"), rows, 0.25, directions)(), expected, atol=1e-13)


@pytest.mark.parametrize(("g", "power"), [(2, 5), (3, 8), (4, 11), (5, 14), (6, 17)])
def test_operations_cross_where_predicted(g: int, power: int) -> None:
    dearer, cheaper = (
        methods.flops(MethodSize("polynomial", g), 2**k, k) / methods.flops(MethodSize("exact"), 2**k, k)
        for k in (power - 1, power + 1)
    )
    assert dearer > 1 > cheaper
    assert math.log2(methods.crossover(g, power)) == pytest.approx(power, abs=1.2)


@pytest.mark.parametrize(
    ("asked", "alpha"), [(MethodSize("exact"), 2.12), (MethodSize("polynomial", 2), 1.33), (MethodSize("polynomial", 4), 1.52)]
)
def test_local_exponents_are_those_predicted(asked: MethodSize, alpha: float) -> None:
    counts = [methods.flops(asked, 2**k, k) for k in (10, 14)]
    assert math.log2(counts[1] / counts[0]) / 4 == pytest.approx(alpha, abs=0.02)


def test_calls_run_in_turn_and_the_first_round_does_not_count() -> None:
    order: list[int] = []

    def call(name: int) -> Call:
        return lambda: torch.ones(order.append(name) or 1)

    assert len(quickest([call(0), call(1), call(2)], 2, clock("cpu"), least=0.0)) == 3
    assert order == [0, 1, 2] * 3


def test_the_clock_sees_work() -> None:
    work, none = torch.ones(400, 400), torch.ones(1)
    slow, fast = quickest([lambda: work @ work, lambda: none + none], 3, clock("cpu"), least=0.0)
    assert slow > 5 * fast > 0


def test_the_peak_is_that_of_what_lives_together() -> None:
    x = torch.ones(1000, dtype=torch.float64)

    def call() -> torch.Tensor:
        both = (x + 1) * (x + 2)  # two of 8000 bytes, then a third
        return both[:10].clone()

    assert memory.peak_bytes(call) == 24_000
    assert memory.peak_bytes(lambda: x[5:]) == 0


def test_polynomial_attention_holds_less_than_all_pairs() -> None:
    asked = timing.Params(4096, 8, "polynomial", degree=2, repeats=1)
    (row,) = measure(timing, asked)
    assert 0 < row["peak_bytes"] < 4 * 4096**2 / 4


def test_a_row_is_consistent() -> None:
    params = [timing.Params(512, 6, "polynomial", degree=g, repeats=2, dtype="float64") for g in (1, 2, 3, 4)]
    rows = measure(timing, *params)
    errors = [row["rel_error_output"] for row in rows]
    assert errors == sorted(errors, reverse=True) and errors[-1] < 1e-4
    for row in rows:
        assert row["speedup"] == pytest.approx(row["exact_seconds"] / row["forward_seconds"])
        assert row["overhead"] == pytest.approx(row["forward_seconds"] * row["product_rate"] / row["flops"])


def test_points_of_one_shape_share_their_rounds() -> None:
    rows = measure(timing, timing.Params(256, 8, "sdpa", repeats=1), timing.Params(256, 8, "exact", repeats=1))
    assert rows[0]["exact_seconds"] == rows[1]["exact_seconds"] and rows[0]["product_rate"] == rows[1]["product_rate"]


@pytest.mark.slow
@pytest.mark.timed
def test_at_long_lengths_the_polynomial_is_faster() -> None:
    begun = time.monotonic()
    (row,) = measure(timing, timing.Params(4096, 12, "polynomial", degree=3, repeats=2))
    assert row["flops"] < 0.2 * row["flops_exact"] and row["speedup"] > 1.5
    assert time.monotonic() - begun < 60


def test_single_precision_stands_a_norm_that_a_polynomial_does_not() -> None:
    single, half, poly = measure(
        norm_control,
        norm_control.Params(6.0, 128, 32, repeats=1),
        norm_control.Params(6.0, 128, 32, dtype="bfloat16", repeats=1),
        norm_control.Params(6.0, 128, 32, "polynomial", 2, repeats=1),
    )
    assert single["rel_error_output"] < 1e-5 < half["rel_error_output"] < 0.1 < poly["rel_error_output"]
    assert single["score_max"] == pytest.approx(poly["score_max"]) and single["score_max"] > 20


def test_the_control_is_timed_beside_norm_one() -> None:
    (row,) = measure(norm_control, norm_control.Params(2.0, 96, 8, "softmax_1", repeats=2))
    assert row["slowdown"] == pytest.approx(row["forward_seconds"] / row["base_seconds"])


@pytest.mark.parametrize("module", [timing, norm_control])
def test_run_gives_a_row(module: Any) -> None:
    ((step, row),) = load(module).run(module.EXAMPLES[1], Context(seed=1))
    assert step == 0 and row.forward_seconds > 0


@pytest.mark.parametrize(
    ("module", "params", "message"),
    [
        (timing, timing.Params(64, 4, "polynomial"), r"got method = 'polynomial', degree = 0, features = 0"),
        (timing, timing.Params(64, 4, "exact", features=4), r"got method = 'exact', degree = 0, features = 4"),
        (timing, timing.Params(64, 4, "flash"), r"method must be one of exact, .*, but got 'flash'"),
        (timing, timing.Params(64, 4, dtype="half"), r"dtype must be one of float64, .* got dtype = 'half'"),
        (timing, timing.Params(64, 4, "nystroem", features=5, repeats=1), r"must divide the number of rows, but got 5 of 64"),
        (
            norm_control,
            norm_control.Params(1.0, method="performer"),
            r"method must be one of exact, .* got method = 'performer'",
        ),
    ],
)
def test_params_that_mean_nothing_are_refused(module: Any, params: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measure(module, params)
