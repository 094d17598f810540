"""ndlinear.forecast: windows split by time, scales of the training part, plain forecasts, and a file of ETT's columns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from orchestrator.workload.context import Context
from workloads.ndlinear import forecast
from workloads.ndlinear.forecast import Params
from workloads.ndlinear.maths import series


def measured(*params: Params, seed: int = 0) -> list[dict[str, Any]]:
    """The last row of every point of a pack."""
    rows: dict[int, dict[str, Any]] = {}
    for columns in forecast.run_pack(params, [Context(seed)] * len(params)):
        for place, index in enumerate(columns["index"]):
            rows[index] = {name: values[place] for name, values in columns.items()}
    return [rows[i] for i in range(len(params))]


def ett(folder: Path, table: torch.Tensor, names: tuple[str, ...] = series.COLUMNS) -> str:
    """A file as ETT's, with a date in front, by its path."""
    lines = [",".join(("date", *names)), *(",".join(map(str, [t, *row])) for t, row in enumerate(table.tolist()))]
    path = folder / "ett.csv"
    path.write_text("\n".join(lines))
    return str(path)


def test_windows_stand_in_the_order_of_time_and_share_no_time_across_the_border() -> None:
    times = torch.arange(200.0, dtype=torch.float64)[:, None] + torch.arange(7.0, dtype=torch.float64) * 1000
    data = series.windows(times, 12)
    deviation, mean = torch.std_mean(times[:140], dim=0, correction=0)
    inputs = data.inputs.double().view(-1, 24, 7) * deviation + mean
    targets = data.targets.double() * deviation[-1] + mean[-1]
    assert inputs[0, :, 0].tolist() == pytest.approx(list(range(24)), abs=1e-3)
    assert targets[0].tolist() == pytest.approx([6000 + t for t in range(24, 36)], abs=1e-3)
    assert float(targets[data.training - 1].max()) < 6140 <= float(inputs[data.test][0, 0, 6]) + 1e-3
    assert len(inputs) == (140 - 35) + (60 - 35) and data.training == 105


def test_plain_forecasts_err_as_worked_out_by_hand() -> None:
    data = series.windows(torch.arange(200.0, dtype=torch.float64)[:, None].repeat(1, 7), 3)
    step = float(data.inputs[1, 0] - data.inputs[0, 0])
    assert series.naive_error(data) == pytest.approx(step**2 * (1 + 4 + 9) / 3, rel=1e-4)
    assert series.linear_error(data) < 1e-8


def test_the_drawn_series_has_days_weeks_and_noise() -> None:
    drawn = series.seasonal(1680, Context(0).generator("series"))
    spectrum = torch.fft.rfft(drawn - drawn.mean(0), dim=0).abs().square().mean(1)
    assert set(spectrum.topk(2).indices.tolist()) == {10, 70}  # periods of a week and of a day
    assert 0.3 < float(drawn.var(0).mean()) < 4


def test_networks_are_as_large_as_asked_and_learn() -> None:
    nd, dense, wide = measured(
        Params("nd", budget=1280, steps=150), Params("dense", budget=1280, steps=150), Params("dense", width=81, steps=150)
    )
    assert (nd["n_params"], dense["n_params"], wide["layer_width"]) == (1281, 1279, 81)
    assert nd["mse_naive"] == dense["mse_naive"] and nd["mse_linear"] == wide["mse_linear"]
    assert all(row["mse"] < row["mse_naive"] and row["mae"] < row["mse"] ** 0.5 for row in (nd, dense, wide))


def test_a_file_is_read_by_ett_s_columns(tmp_path: Path) -> None:
    table = series.seasonal(300, Context(1).generator("series"))
    path = ett(tmp_path, table)
    assert torch.allclose(series.stored(path), table)
    (row,) = measured(Params("nd", data=path, budget=1000, steps=5, batch=8))
    assert row["mse"] > 0 and row["mse_naive"] > 0


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (Params("nd", budget=30), r"smallest network, but got budget = 30 and width 1 of 'nd' has 57 numbers"),
        (
            Params("nd", data="ETTh1.csv"),
            r"data must be one of seasonal or a CSV file, but got 'ETTh1.csv', which is not there",
        ),
        (Params("nd", horizon=97), r"horizon must be at most 96 of the drawn series, but got 97"),
    ],
)
def test_params_that_mean_nothing_are_refused(params: Params, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        measured(params)


def test_broken_files_are_refused(tmp_path: Path) -> None:
    table = series.seasonal(300, Context(1).generator("series"))
    constant = table.clone()
    constant[:, 2] = 4.0
    cases = [
        (table[:, :6], series.COLUMNS[:6], r"OT is missing; add it"),
        (constant, series.COLUMNS, r"MUFL is constant; mend or drop it"),
        (table[:100], series.COLUMNS, r"a series must have 121 times for a horizon of 12, but has 100"),
    ]
    for number, (columns, names, message) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ValueError, match=message):
            measured(Params("nd", data=ett(folder, columns, names)))
