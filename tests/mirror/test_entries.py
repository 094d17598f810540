"""What MLflow should hold of a sweep, and the files that say all of it; without MLflow."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.mirror import notes, sweep_files
from orchestrator.mirror.entries import Entries, entries
from orchestrator.results import frames
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store import Store, counting_rule, open_store
from tests.helpers.toy_store import add, grid, plan, toy_rows

SWEEP = "toy_capacity"


def of(store: Store, sweep: str = SWEEP) -> Entries:
    """The entries of a sweep's latest plan."""
    return entries(latest(store, sweep))


def latest(store: Store, sweep: str = SWEEP) -> StoredSweep:
    """A sweep at the size of its latest plan."""
    return StoredSweep(store=store, record=store.latest(sweep))


def test_the_same_rows_make_the_same_entries(store: Store) -> None:
    first, second = of(store), of(store)
    assert [e.digest for e in (*first.curves, *first.invocations)] == [e.digest for e in (*second.curves, *second.invocations)]


def test_a_point_measured_again_changes_its_curve_alone(store: Store) -> None:
    before = [e.digest for e in of(store).curves]
    add(store, toy_rows([{"d": 2, "beta": 2.0, "seed": 0, "capacity": 99.0}], generation=2))
    after = [e.digest for e in of(store).curves]
    assert (before[0] == after[0], before[1] == after[1]) == (True, False)


def test_compacting_changes_no_entry(store: Store) -> None:
    from orchestrator.store.compact import compact

    add(store, toy_rows(grid((2,)), generation=1))
    before = [e.digest for e in of(store).curves]
    compact(store)
    assert [e.digest for e in of(store).curves] == before


def test_without_a_named_x_the_param_with_most_values_is_x(store: Store) -> None:
    plan(store, toy_rows(grid()), x=None)
    assert {e.tags["x"] for e in of(store).curves} == {"d"}


def test_a_curve_says_how_many_points_failed(store: Store) -> None:
    rows = toy_rows([{"d": 7, "seed": 0}, {"d": 7, "seed": 1, "status": "timeout", "capacity": None, "final": True}])
    add(store, rows)
    plan(store, rows, sweep="half")
    assert [(e.tags["seeds"], e.tags["failed"], e.failed) for e in of(store, "half").curves] == [("1", "1", False)]


def test_a_text_result_is_no_metric(store: Store) -> None:
    assert {key for e in of(store).curves for key, _, _ in e.metrics} == {
        "d", *(f"{name}{end}" for name in ("capacity", "distance", "ok_code") for end in ("", "_lo", "_hi")),
    }  # fmt: skip


def test_the_latest_invocation_carries_the_files(store: Store) -> None:
    plan(store, toy_rows(grid()), generation=7)
    assert (of(store).whole, [e.generation for e in of(store).invocations]) == (7, [1, 7])


def test_the_files_say_all_of_a_sweep(store: Store, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    sweep_files.tables(latest(store), tmp_path / "files")
    sweep_files.told(latest(store), tmp_path / "files")
    copy = open_store(tmp_path / "copy", create=True)
    sweep_files.unpack(tmp_path / "files", copy)
    assert frames.sweep(copy, SWEEP).collect().sort("point").equals(frames.sweep(store, SWEEP).collect().sort("point"))


def test_what_a_store_says_of_a_sweep_outlives_an_import(store: Store, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    sweep_files.tables(latest(store), tmp_path / "files")
    sweep_files.told(latest(store), tmp_path / "files")
    store.save("verdicts", SWEEP, [])
    sweep_files.unpack(tmp_path / "files", store)
    assert store.load("verdicts", SWEEP) == []


def test_a_point_of_two_arms_is_kept_once() -> None:
    import pyarrow as pa

    rows = toy_rows(grid((2,)))
    assert counting_rule.once(pa.concat_tables([rows, rows]), counting_rule.settle).equals(rows)


def test_the_note_lists_the_verdicts(store: Store) -> None:
    assert "- **supported** grows: capacity grows" in notes.note(latest(store))


@pytest.mark.parametrize("points", [True, False])
def test_a_spec_may_ask_for_an_entry_a_point(store: Store, points: bool) -> None:
    plan(store, toy_rows(grid()), spec={"track": {"points": points}})
    assert len(of(store).curves) == (18 if points else 2)


def test_verdicts_of_another_size_are_not_this_ones(store: Store) -> None:
    store.save("verdicts", SWEEP, [{"id": "grows", "verdict": "refuted", "size": "paper"}])
    assert latest(store).verdicts == ()


def test_what_a_search_found_is_a_curve_in_place_of_its_evaluations(store: Store) -> None:
    import pyarrow as pa

    found = {"arm": ["all", "all"], "d": [2, 3], "beta": [0.5, 0.7], "along": ["beta", "beta"], "evaluations": [9, 8]}
    store.save_boundaries(SWEEP, "smoke", pa.table(found))
    (entry,) = of(store).curves
    assert (entry.name, entry.kind, set(entry.metrics) >= {("beta", 0.5, 2), ("beta", 0.7, 3)}) == (
        "boundary: all", "boundary", True,
    )  # fmt: skip


def test_a_derived_x_is_the_axis_of_its_curves(store: Store) -> None:
    spec = {
        "question": "?",
        "workload": "toy.capacity",
        "derive": {"twice": "=2*d"},
        "axes": {"d": [2, 3, 4], "beta": [1.0, 2.0]},
    }
    plan(store, toy_rows(grid()), x="twice", spec=spec)
    assert {(m[0], m[2]) for e in of(store).curves for m in e.metrics if m[0] == "twice"} == {("twice", x) for x in (4, 6, 8)}


def test_an_interval_of_no_width_is_no_metric(store: Store) -> None:
    rows = toy_rows([{"d": d, "seed": seed, "capacity": 1.0} for d in (2, 3) for seed in range(3)], generation=2)
    add(store, rows)
    plan(store, rows, sweep="flat")
    assert {key for e in of(store, "flat").curves for key, _, _ in e.metrics if key.startswith("capacity")} == {"capacity"}


def test_a_curve_leads_to_its_rows_on_the_dashboard(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAWSWEEP_DASHBOARD", "https://pages.example/")
    assert "](https://pages.example/sweep/toy_capacity?size=smoke&where=arm%3Aeq%3Aall)" in of(store).curves[0].note


def test_markup_in_a_question_is_shown_as_text(store: Store) -> None:
    record = {**store.latest(SWEEP), "question": "is [this](http://x) <b>bold</b>?"}
    assert notes.note(StoredSweep(store=store, record=record)).startswith(r"is \[this\](http://x) \<b\>bold\</b\>?")


def test_a_run_says_what_its_search_noted(store: Store) -> None:
    plan(store, toy_rows(grid()), generation=store.begin({"sweep": SWEEP, "size": "smoke", "note": {"rounds": 7}, "why": ""}))
    last = of(store).invocations[-1]
    assert (last.tags["run.note.rounds"], "run.why" in last.tags) == ("7", False)
