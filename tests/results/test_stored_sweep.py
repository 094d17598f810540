"""A stored sweep is one object: a report opens each file of it once, and those of other sweeps not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner

from orchestrator.cli import cli
from orchestrator.errors import SpecError, StoreError
from orchestrator.results.stored_sweep import StoredSweep, in_store, open_sweep
from orchestrator.store import Store
from tests.helpers.judging import KISSING, fill, spec_of, stored
from tests.helpers.opened_files import counted

CLAIM = {"id": "rate", "fit": {"law": "exponential", "x": "d", "y": "y"}, "expect": {"rate": {"at_least": 0.5}}}
FIGURE = {"kind": "curve", "x": "d", "y": "y", "log": ["y"]}
SPEC = spec_of(CLAIM, figures=[FIGURE, {**FIGURE, "log": []}])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store of two sweeps in two parts; one is at two sizes, has boundaries, and was judged at the other size."""
    made = stored(tmp_path, SPEC, lambda d, seed: KISSING[int(d)] * (1 + 0.01 * seed))
    fill(made, spec_of(name="elsewhere", axes={"d": [9]}), lambda d, seed: 1.0)
    record = {**made.latest(SPEC.name), "spec": SPEC.resolved()}
    made.save_plan(made.plan(SPEC.name), {**record, "size": "small"})
    made.save_plan(made.plan(SPEC.name), {**record, "size": "base", "generation": 2})
    found = {"arm": ["all"], "curve": ["all"], "d": [2], "beta": [0.5], "along": ["beta"], "evaluations": [9]}
    made.save_boundaries(SPEC.name, None, pa.table(found))
    made.save("verdicts", SPEC.name, [{"id": "rate", "verdict": "refuted", "size": "small"}])
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is of Linux")
def test_a_report_opens_each_file_of_its_sweep_once(store: Store) -> None:
    with counted(store.path) as opened:
        ended = CliRunner().invoke(cli, ["report", SPEC.name, "--store", str(store.path)], catch_exceptions=False)
    assert ended.exit_code == 0, ended.output
    sweep = SPEC.name
    once = (f"plans/{sweep}/base.json", f"plans/{sweep}/small.json", f"verdicts/{sweep}.json")
    assert {name: opened[name] for name in once} == dict.fromkeys(once, 1)
    # One read of Parquet opens a file for its footer, and for its columns.
    assert 1 <= opened[f"boundaries/{sweep}/base.parquet"] <= 2 and 1 <= opened[f"plans/{sweep}/base.parquet"] <= 2
    # A part's footer; point, step and final, to see which points are there twice; then all columns.
    parts = [number for name, number in opened.items() if name.startswith("rows/")]
    assert len(parts) == 2 and max(parts) <= 3
    # Of another sweep its records are read, which tell whether its points were seen under its name; no rows and no points.
    assert not [name for name in opened if "elsewhere" in name and not name.endswith(".json")]
    assert f"plans/{sweep}/small.parquet" not in opened


def test_what_is_asked_again_is_the_same_object(store: Store) -> None:
    sweep = in_store(SPEC, store)
    for name in ("spec", "plan", "measured", "rows", "fields", "boundaries", "verdicts_of_sizes"):
        assert getattr(sweep, name) is getattr(sweep, name)
    assert sweep.rows is sweep.measured and sweep.rows.height == 56


def test_verdicts_are_those_of_the_size(store: Store) -> None:
    base, small = (StoredSweep(store=store, record=store.latest(SPEC.name, size)) for size in ("base", "small"))
    assert base.verdicts == () and [v["verdict"] for v in small.verdicts] == ["refuted"]
    base.save_verdicts([{"id": "rate", "verdict": "supported", "size": "base"}])
    assert [v["verdict"] for v in store.verdicts(SPEC.name)] == ["refuted", "supported"]


def test_a_sweep_is_opened_by_its_name_at_its_latest_size(store: Store) -> None:
    sweep = open_sweep(SPEC.name, None, store.path)
    assert (sweep.size, sweep.spec.size, sweep.spec.claims) == ("base", None, SPEC.claims)
    assert open_sweep(SPEC.name, "small", store.path).spec.size == "small"
    with pytest.raises(StoreError, match="at size large, but it has only small, base"):
        open_sweep(SPEC.name, "large", store.path)


def test_a_plan_whose_spec_cannot_be_read_has_rows_but_no_claims(store: Store) -> None:
    store.save_plan(store.plan(SPEC.name), {**store.latest(SPEC.name), "spec": {"axes": 3}})
    sweep = StoredSweep(store=store, record=store.latest(SPEC.name, "base"))
    assert sweep.spec.claims == () and sweep.measured.height == 56
    with pytest.raises(SpecError):
        open_sweep(SPEC.name, None, store.path)


def test_a_name_that_leads_out_of_the_plans_has_none(store: Store) -> None:
    assert store.plans("../plans/elsewhere") == [] and len(store.plans("elsewhere")) == 1
