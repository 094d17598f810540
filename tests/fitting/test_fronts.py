"""Which points none beats, and the volume that they dominate: against closed forms, grids of cells and another library."""

from __future__ import annotations

import itertools

import moocore
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fitting.fronts import hypervolume, non_dominated

THREE = [(1, 5), (2, 3), (4, 1)]


@pytest.mark.parametrize("beaten", [[], [(3, 3), (5, 5)], [(2, 3)], [(7, 0), (0, 7), (6, 1)]])
def test_what_is_beaten_doubled_or_outside_adds_nothing(beaten: list[tuple[float, float]]) -> None:
    assert hypervolume(np.array([*THREE, *beaten], dtype=float), np.array([6.0, 6.0])) == 17


@pytest.mark.parametrize(("points", "volume"), [(11, 12.744), (51, 13.224512), (201, 13.306533)])
def test_schaffers_front_dominates_what_is_known(points: int, volume: float) -> None:
    x = np.linspace(0, 2, points)
    assert hypervolume(np.stack([x**2, (x - 2) ** 2], axis=1), np.array([4.0, 4.0])) == pytest.approx(volume, abs=5e-7)


def test_unbounded_points_and_none_at_all() -> None:
    assert hypervolume(np.array([(-np.inf, 1.0)]), np.array([2.0, 2.0])) == np.inf
    assert hypervolume(np.empty((0, 3)), np.ones(3)) == 0 == hypervolume(np.array([[np.inf, 0.0], [np.nan, 0.0]]), np.ones(2))
    with pytest.raises(ValueError, match="2 and 3 goals, but got 4"):
        hypervolume(np.zeros((1, 4)), np.ones(4))


cells = st.integers(0, 5)


@given(st.integers(2, 3).flatmap(lambda goals: st.lists(st.tuples(*[cells] * goals), min_size=1, max_size=9)))
def test_a_volume_is_the_number_of_cells_below_the_reference_that_some_point_dominates(points: list[tuple[int, ...]]) -> None:
    array, goals = np.array(points, dtype=float), len(points[0])
    dominated = [
        cell
        for cell in itertools.product(range(5), repeat=goals)
        if any(all(p <= c for p, c in zip(q, cell, strict=True)) for q in points)
    ]
    assert hypervolume(array, np.full(goals, 5.0)) == len(dominated)
    beaten = [any(all(b <= a for a, b in zip(p, q, strict=True)) and q != p for q in points) for p in points]
    assert non_dominated(array).tolist() == [not each for each in beaten]


def test_another_library_agrees_in_three_dimensions() -> None:
    points = np.random.default_rng(0).random((60, 3))
    assert hypervolume(points, np.ones(3)) == pytest.approx(moocore.hypervolume(points, ref=np.ones(3)), rel=1e-12)
    assert non_dominated(points).tolist() == moocore.is_nondominated(points).tolist()
