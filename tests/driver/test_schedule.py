"""What a store says of a plan: points that are missing, their groups, and what they may cost."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.driver import remaining, shipping, stored_plan
from orchestrator.driver.session import gather
from orchestrator.plan import Plan, shape_groups
from orchestrator.store import Store, open_store
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.workload.describe import load
from tests.helpers.running import HEAD, RUN, Basket, made, measured, plan_of, spec_of

HALVES = made(RUN)
ODD = made("def run(params, ctx):\n    assert params.i % 2 == 0\n    yield 0, Result(half=params.i / 2)\n")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A new store."""
    return open_store(tmp_path / "store", create=True)


def kept(store: Store, plan: Plan, positions: list[int]) -> None:
    """Measure these points of the plan into the store."""
    desk = Basket()
    measured(plan.workload, gather(plan, "p", positions, 60.0), desk)
    for table in desk.tables:
        store.put(plan.workload.name, part_name(table), part_bytes(table))


def test_in_an_empty_store_all_is_missing(store: Store) -> None:
    assert remaining.missing(plan_of("{i: [1, 2, 3]}", HALVES), store) == [0, 1, 2]


def test_what_is_measured_is_not_missing(store: Store) -> None:
    plan = plan_of("{i: [1, 2, 3]}", HALVES)
    kept(store, plan, [0, 2])
    assert remaining.missing(plan, store) == [1]
    assert remaining.missing(plan, store, retry=True) == [1]


def test_points_of_another_sweep_are_not_missing(store: Store) -> None:
    kept(store, plan_of("{i: [1, 2, 3]}", HALVES), [0, 1, 2])
    assert remaining.missing(plan_of("{i: [3, 4]}", HALVES, "fixed: {scale: 1}"), store) == [1]


def test_failed_points_are_missing_only_for_a_retry(store: Store) -> None:
    plan = plan_of("{i: [1, 2, 3]}", ODD)
    kept(store, plan, [0, 1, 2])
    assert remaining.missing(plan, store) == []
    assert remaining.missing(plan, store, retry=True) == [0, 2]


def test_a_raised_version_makes_all_missing(store: Store) -> None:
    kept(store, plan_of("{i: [1, 2]}", HALVES), [0, 1])
    raised = made(RUN, head=HEAD.replace("VERSION = 1", "VERSION = 2"))
    assert remaining.missing(plan_of("{i: [1, 2]}", raised), store) == [0, 1]


@given(counts=st.permutations([0, 1, 2, 3, 4, 5]))
def test_groups_hold_equal_shapes_and_lose_nothing(counts: list[int]) -> None:
    plan = plan_of("{i: [1, 2, 3], scale: [1, 2]}", HALVES)
    found = shape_groups.groups(plan, counts)
    assert sorted(i for group in found for i in group) == list(range(6))
    assert [len({shape_groups.shape(plan, i) for i in group}) for group in found] == [1, 1, 1]


def test_rates_come_from_recorded_seconds_of_the_same_shape(store: Store) -> None:
    slow = made("def run(params, ctx):\n    time.sleep(0.02 * (params.i == 2))\n    yield 0, Result(half=0.0)\n")
    plan = plan_of("{i: [1, 2, 3], scale: [1, 2]}", slow)
    kept(store, plan, [0, 2])
    quick, long, unknown = remaining.rates(plan, shape_groups.groups(plan, [1, 3, 4, 5]), store)
    assert quick is not None and long is not None and unknown is None
    assert quick < 0.02 <= long < 0.1


def test_an_empty_store_has_no_rates(store: Store) -> None:
    plan = plan_of("{i: [1, 2]}", HALVES)
    assert remaining.rates(plan, [[0], [1]], store) == [None, None]


def test_where_no_param_is_a_shape_one_rate_holds_for_all(store: Store) -> None:
    flat = made(RUN, "flat", HEAD.replace('i: Annotated[int, "a number", {"shape": True}]', 'i: Annotated[float, "a number"]')
                .replace("    label: Annotated[str | None, \"a name for it\"] = None\n", ""))  # fmt: skip
    plan = plan_of("{i: [1, 2, 3]}", flat)
    kept(store, plan, [0])
    (rate,) = remaining.rates(plan, shape_groups.groups(plan, [1, 2]), store)
    assert rate is not None and rate > 0


def test_the_dearest_shape_is_started_first() -> None:
    plan = plan_of("{i: [1, 2, 3]}", HALVES)
    assert shape_groups.longest_first(plan, [[0], [1], [2]], [0.1, 0.3, None]) == [1, 0, 2]


def test_where_nothing_is_known_the_largest_shape_is_started_first() -> None:
    plan = plan_of("{i: [4, -900, 30]}", HALVES)
    assert shape_groups.longest_first(plan, [[0], [1], [2]], [None] * 3) == [1, 2, 0]


@pytest.mark.parametrize(
    ("first", "second", "seconds"), [(0.1, 0.2, 0.7), (0.1, None, 0.4), (None, None, None), (0.0, None, 0.0)]
)
def test_an_unknown_shape_is_taken_to_cost_the_mean(first: float | None, second: float | None, seconds: float | None) -> None:
    assert shape_groups.estimate([[0], [1, 2, 3]], [first, second]) == pytest.approx(seconds)
    assert shape_groups.estimate([], []) == 0.0


def test_a_plan_as_a_table_says_each_arm_of_a_point() -> None:
    plan = plan_of("{scale: [1]}", HALVES, "arms: {a: {axes: {i: [1, 2]}}, b: {axes: {i: [2, 3]}}}\nseeds: 2")
    table = stored_plan.table(plan)
    assert table["arm"].to_pylist() == ["a"] * 4 + ["b"] * 4
    assert table["point"].to_pylist()[2:4] == table["point"].to_pylist()[4:6]
    assert table["seed"].to_pylist() == [0, 1] * 4


def test_the_record_of_a_plan_parses_again(store: Store) -> None:
    spec = spec_of()
    record = stored_plan.record(spec, plan_of("{i: [1]}", HALVES), 3)
    store.save_plan(stored_plan.table(plan_of("{i: [1]}", HALVES)), record)
    (found,) = store.plans()
    wanted: dict[str, Any] = {"sweep": "halves", "workload": "halves", "version": 1, "points": 1, "generation": 3}
    assert wanted.items() <= found.items() and found["spec"] == spec.resolved()


def test_a_shipped_workload_needs_no_path_and_a_users_own_the_drivers() -> None:
    assert shipping.import_path(load("khm.capacity")) == ()
    assert set(shipping.import_path(HALVES)) == {entry or str(Path.cwd()) for entry in sys.path}


def test_the_code_for_other_nodes_is_the_engine_the_workloads_and_what_lies_beside_the_users_file(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(HEAD + RUN)
    *names, own = [Path(entry).name for entry in shipping.code(load("own.py", tmp_path))]
    assert names == ["orchestrator", "workloads"] and own.startswith("lawsweep_code_")
    assert [Path(entry).name for entry in shipping.code(load("khm.capacity"))] == names
