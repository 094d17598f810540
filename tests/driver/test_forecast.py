"""What `lawsweep plan` tells of a sweep before it is run: counts, and what is known of its cost."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.driver.forecast import PILOTS, Forecast, forecast
from orchestrator.driver.measure import Where, run
from orchestrator.errors import StoreError
from orchestrator.spec import read
from tests.helpers.running import RUN, SWEEP, home

SLEEPY = "def run(params, ctx):\n    time.sleep(0.01)\n    yield 0, Result(half=params.i / 2)\n"
BROKEN = "def run(params, ctx):\n    raise ValueError\n    yield\n"


def told(folder: Path, run_text: str = RUN, sweep: str = SWEEP, pilot: bool = False) -> Forecast:
    """The forecast of a sweep in the folder."""
    return forecast(read(home(folder, run_text, sweep)), folder / "store", pilot)


def test_counts_are_known_without_a_store(tmp_path: Path) -> None:
    arms = "seeds: 2\narms: {a: {fixed: {label: a}}, b: {fixed: {scale: 2}}}\n"
    found = told(tmp_path, sweep=SWEEP + arms)
    assert (found.points, found.arms, found.done, found.todo, found.shapes) == (12, {"a": 6, "b": 6}, 0, 12, 3)
    assert (found.packs, found.wall_seconds, found.gpu_hours, found.basis) == (None, None, None, "none")


def test_a_forecast_writes_nothing(tmp_path: Path) -> None:
    told(tmp_path, pilot=True)
    assert not (tmp_path / "store").exists()


def test_a_folder_that_is_no_store_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    with pytest.raises(StoreError, match=r"it must be a folder that 'lawsweep run' made, but no store\.json is in it"):
        told(tmp_path)


def test_a_pilot_measures_a_point_of_each_shape(tmp_path: Path) -> None:
    found = told(tmp_path, SLEEPY, SWEEP + "seeds: 10\nneeds: {cpu: 1, gpu: 0.5}\n", pilot=True)
    assert found.basis == "pilot" and found.worker_seconds is not None and found.gpu_hours is not None
    assert 0.3 <= found.worker_seconds < 1.0
    assert found.gpu_hours == pytest.approx(found.worker_seconds * 0.5 / 3600)
    assert found.wall_seconds == pytest.approx(found.worker_seconds / (os.cpu_count() or 1))


def test_a_pilot_of_many_shapes_measures_some(tmp_path: Path) -> None:
    counting = "def run(params, ctx):\n    open(params.label, 'a').write('x')\n    yield 0, Result(half=0.0)\n"
    sweep = SWEEP.replace("[1, 2, 3]", "{range: [1, 100, 1]}") + f"fixed: {{label: {tmp_path}/calls}}\n"
    told(tmp_path, counting, sweep, pilot=True)
    assert len((tmp_path / "calls").read_text()) <= 2 * PILOTS


@pytest.mark.parametrize("limit", ["", "limits: {seconds: 0.05}\n"])
def test_a_pilot_that_fails_knows_nothing(tmp_path: Path, limit: str) -> None:
    hangs = "def run(params, ctx):\n    time.sleep(60)\n    yield\n"
    found = told(tmp_path, hangs if limit else BROKEN, SWEEP + limit, pilot=True)
    assert (found.worker_seconds, found.basis) == (None, "pilot")


def test_recorded_seconds_are_the_estimate(tmp_path: Path) -> None:
    run(read(home(tmp_path, SLEEPY)), tmp_path / "store", Where(executor="inline", progress="quiet"))
    found = told(tmp_path, SLEEPY, SWEEP + "seeds: 11\n")
    assert (found.done, found.todo, found.basis) == (3, 30, "recorded")
    assert found.worker_seconds is not None and 0.3 <= found.worker_seconds < 1.0
    assert found.packs is not None and 1 <= found.packs <= 8


def test_where_all_is_done_nothing_is_left_to_cost(tmp_path: Path) -> None:
    run(read(home(tmp_path)), tmp_path / "store", Where(executor="inline", progress="quiet"))
    found = told(tmp_path, pilot=True)
    assert (found.done, found.todo, found.packs, found.wall_seconds) == (3, 0, 0, 0.0)
    assert found.as_json()["points"] == 3
