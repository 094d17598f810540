"""Sweeps whose points depend on what others gave: searched, repeated, stopped; and begun again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch

import orchestrator
from orchestrator.claims import judging
from orchestrator.driver import measure
from orchestrator.driver.measure import Summary, Where
from orchestrator.errors import SpecError
from orchestrator.report import limitations
from orchestrator.results import query
from orchestrator.results.stored_sweep import in_store
from orchestrator.search.seen_rows import Readings
from orchestrator.spec import read
from orchestrator.store import Store, open_store, point_ids
from orchestrator.workload.describe import load
from tests.helpers.running import HEAD

COUNTED = """
from pathlib import Path

def run(params, ctx):
    log = Path(__file__).with_suffix(".log")
    with log.open("a") as file:
        file.write(f"{params.i} {params.scale} {ctx.seed}\\n")
    noise = torch.randn(1, generator=ctx.generator("noise")).item()
    yield 0, Result(half=params.i * params.scale**2 - 1.0 + (0.0 if params.label is None else float(params.label) * noise))
"""
SEARCH = """\
question: Where does it cross?
workload: ./halves.py
derive: {place: sqrt(1/i)}
axes: {i: [1, 4]}
search: {boundary: {along: scale, of: half, level: 0, between: [0.1, 2], tolerance: 0.001, round: 3}}
"""
LEARN = """
STEPS = "i"

def run(params, ctx):
    state = ctx.load() or {"step": 0, "at": 0.0}
    for step in range(state["step"], params.i):
        at = state["at"] + params.scale
        state = {"step": step + 1, "at": at}
        ctx.save(state)
        yield step, Result(half=at)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "halves.py").write_text(HEAD + "import torch\n" + COUNTED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def swept(folder: Path, text: str) -> Summary:
    (folder / "cross.yaml").write_text(text)
    return measure.run(read(folder / "cross.yaml"), folder / "store", Where(executor="inline", progress="quiet"))


def calls(folder: Path) -> list[str]:
    return (folder / "halves.log").read_text().splitlines()


def boundaries(store: Store) -> list[dict[str, Any]]:
    return pq.read_table(store.boundaries_path("cross", None)).to_pylist()


def test_a_boundary_is_found_for_every_combination_of_the_other_axes(folder: Path) -> None:
    swept(folder, SEARCH)
    found = {row["i"]: row for row in boundaries(open_store(folder / "store"))}
    assert found[1]["scale"] == pytest.approx(1.0, abs=0.001) and found[4]["scale"] == pytest.approx(0.5, abs=0.001)
    assert all(row["scale_lower"] <= row["place"] <= row["scale_upper"] for row in found.values())


def test_a_search_that_is_finished_measures_nothing_again(folder: Path) -> None:
    first = swept(folder, SEARCH)
    before = calls(folder)
    again = swept(folder, SEARCH)
    assert calls(folder) == before and again.measured == 0 and again.points == first.points


def test_a_run_in_this_process_says_which_device_it_had(folder: Path) -> None:
    swept(folder, SEARCH + "needs: {gpu: 1}\n")
    parts = open_store(folder / "store").folder("halves").glob("*.parquet")
    rows = [row for part in parts for row in pq.read_table(part, columns=["status", "device"]).to_pylist()]
    told = f"cuda {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "cpu"
    assert {(row["status"], row["device"]) for row in rows} == {("ok", told)}


def test_a_search_that_was_cut_off_repeats_no_point(folder: Path) -> None:
    whole = swept(folder, SEARCH).points
    store = open_store(folder / "store")
    rows = sorted(store.folder("halves").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    for part in rows[2:]:
        part.unlink()
    kept = sum(pq.read_metadata(part).num_rows for part in rows[:2])
    again = swept(folder, SEARCH)
    assert again.points == whole and again.measured == whole - kept


def test_a_finer_search_begins_with_what_the_coarser_one_measured(folder: Path) -> None:
    first = swept(folder, SEARCH)
    finer = swept(folder, SEARCH.replace("0.001", "0.00001"))
    assert finer.held == first.points and 0 < finer.measured < first.points


def test_a_boundary_stands_in_sql_with_its_bracket_and_all_it_has(folder: Path) -> None:
    swept(folder, SEARCH)
    store = open_store(folder / "store")
    shared = query.run(store, "select curve, position, lower, upper, status from boundaries order by curve").to_pylist()
    assert [row["curve"] for row in shared] == ["i=1", "i=4"] and {row["status"] for row in shared} == {"found"}
    whole = query.run(store, "select i, scale, place from boundaries.cross where abs(scale - place) > 0.001")
    assert whole.num_rows == 0


LEVEL = """\
question: Where does it lie?
workload: ./halves.py
fixed: {label: "0"}
search: {level_set: {over: {scale: [0.1, 2], i: {int: [1, 8]}}, of: half, level: 0, round: 6, points: 18}}
"""
BEST = """\
question: Which is best?
workload: ./halves.py
fixed: {label: "0"}
search: {optuna: {sampler: random, trials: 9, round: 3, minimize: [half], over: {scale: [0.1, 2], i: {int: [1, 8]}}}}
"""


def test_a_level_set_is_followed_over_several_params(folder: Path) -> None:
    first = swept(folder, LEVEL)
    assert 6 < first.points <= 18 and swept(folder, LEVEL).measured == 0
    found = query.run(open_store(folder / "store"), "select * from boundaries.cross").to_pylist()
    assert found and all(abs(row["i"] * row["scale"] ** 2 - 1) < 0.5 for row in found)
    for row in found:  # on a line of the grid the curve lies between two ends, and its other param is that of the line
        assert all(row[f"{name}_lower"] <= row[name] <= row[f"{name}_upper"] for name in ("i", "scale"))
        assert sum(row[f"{name}_lower"] < row[f"{name}_upper"] for name in ("i", "scale")) == 1
        assert row["evaluations"] == first.points


UNITS = """
from pathlib import Path
from dataclasses import dataclass
from typing import Annotated

VERSION = 1
MEASURES = "value"

@dataclass(frozen=True)
class Params:
    kept: Annotated[str, "a letter a unit"]
    need: Annotated[int, "units that are needed, from the second on"] = 3

@dataclass(frozen=True)
class Result:
    passes: Annotated[float, "share of the needed units"]

def run(params, ctx):
    with Path(__file__).with_suffix(".log").open("a") as file:
        file.write(f"{params.kept} {params.need} {ctx.seed}\\n")
    yield 0, Result(passes=params.kept[1 : 1 + params.need].count("1") / params.need)
"""
SUBSET = """\
question: Which units matter?
workload: ./halves.py
axes: {need: [2, 3]}
search: {subset: {along: kept, size: =4*need, of: passes, share: 0.9, round: 4}}
claims:
  - {id: all_needed, says: as many units as are needed, from: boundary, holds: kept_units == need}
"""


@pytest.fixture
def units(folder: Path) -> Path:
    (folder / "halves.py").write_text(UNITS)
    return folder


def test_a_subset_is_found_for_every_combination_of_the_other_axes(units: Path) -> None:
    first = swept(units, SUBSET)
    rows = {row["need"]: row for row in boundaries(open_store(units / "store"))}
    assert {need: (row["kept"], row["kept_units"], row["status"]) for need, row in rows.items()} == {
        2: ("01100000", 2, "found"),
        3: ("011100000000", 3, "found"),
    }
    assert sum(row["evaluations"] for row in rows.values()) == first.points == len(set(calls(units))) == len(calls(units))
    shared = query.run(open_store(units / "store"), "select status, position from boundaries").to_pylist()
    assert shared == [{"status": "found", "position": None}] * 2
    (verdict,) = judging.judge(in_store(read(units / "cross.yaml"), open_store(units / "store")))
    assert verdict.verdict == "supported"


def test_another_share_measures_only_what_no_search_has_asked(units: Path) -> None:
    first = swept(units, SUBSET)
    other = swept(units, SUBSET.replace("0.9", "0.5"))
    assert other.measured < first.measured and len(set(calls(units))) == len(calls(units))


def test_a_subset_search_that_was_cut_off_repeats_no_point(units: Path) -> None:
    whole = swept(units, SUBSET).points
    store = open_store(units / "store")
    table = boundaries(store)
    rows = sorted(store.folder("halves").glob("*.parquet"), key=lambda path: path.stat().st_mtime_ns)
    for part in rows[2:]:
        part.unlink()
    kept = sum(pq.read_metadata(part).num_rows for part in rows[:2])
    again = swept(units, SUBSET)
    assert again.points == whole and again.measured == whole - kept and boundaries(store) == table


def test_units_on_a_param_that_is_no_text_are_refused(units: Path) -> None:
    text = SUBSET.replace("axes: {need: [2, 3]}", "fixed: {kept: '1'}").replace("along: kept", "along: need")
    with pytest.raises(SpecError, match=r"cross.yaml:4: search.subset.along: .* text, but 'need' is int"):
        swept(units, text.replace("=4*need", "4"))


def test_the_best_points_are_looked_for_in_rounds(folder: Path) -> None:
    summary = swept(folder, BEST)
    assert (summary.points, summary.note["rounds"]) == (9, 3) and swept(folder, BEST).measured == 0


def test_a_search_does_not_go_beyond_the_limit_of_points(folder: Path) -> None:
    result = swept(folder, SEARCH + "limits: {points: 10}\n")
    assert result.points <= 10 and result.note["full"]


def test_seeds_go_where_the_interval_is_wide(folder: Path) -> None:
    text = """\
question: How large is it?
workload: ./halves.py
fixed: {i: 2, scale: 3.0}
axes: {label: ["0.001", "10"]}
seeds: {min: 4, max: 60, until: {metric: half, rel_halfwidth: 0.1}}
"""
    result = swept(folder, text)
    table = orchestrator.open(folder / "store").sweep("cross").collect()
    seeds = dict(table.group_by("label").len().iter_rows())
    assert seeds["0.001"] == 4 and 20 < seeds["10"] <= 60 and len(calls(folder)) == sum(seeds.values())
    note = result.note
    assert 40 < note["fixed"] <= 120 and note["fixed_ratio"] == round(note["fixed"] / note["seeds"], 2)
    told = dict(limitations.spent(in_store(read(folder / "cross.yaml"), open_store(folder / "store"))))
    assert (told["seeds spent"], told["times as many"]) == (str(note["seeds"]), str(note["fixed_ratio"]))
    assert note["seeds"] == sum(seeds.values()) and swept(folder, text).measured == 0


HALVING = """\
question: Which learns fastest?
workload: ./halves.py
fixed: {i: 27}
axes: {scale: [1, 2, 3, 4, 5, 6, 7, 8, 9]}
stop: {halving: {of: half, goal: maximize, first: 3, factor: 3}}
"""


def test_points_that_fall_behind_are_stopped_and_marked(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + LEARN)
    result = swept(folder, HALVING)
    table = orchestrator.open(folder / "store").sweep("cross").collect()
    final = {row["scale"]: row for row in table.filter("final").to_dicts()}
    assert [s for s, row in final.items() if row["status"] == "ok"] == [9.0] and final[9.0]["half"] == 9.0 * 27
    assert table.filter(status="ok", scale=1.0)["step"].max() == 3 and result.exit_code == 0
    assert swept(folder, HALVING).measured == 0


def test_two_ways_of_proposing_points_are_refused_together(folder: Path) -> None:
    text = SEARCH + "seeds: {min: 2, max: 9, until: {metric: half, rel_halfwidth: 0.1}}\n"
    with pytest.raises(SpecError, match=r"'seeds\.until' beside 'search' must wait"):
        swept(folder, text)


def test_readings_know_a_points_results_by_step(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + LEARN)
    swept(folder, HALVING.split("stop:")[0].replace("27", "3"))
    store = open_store(folder / "store")
    readings = Readings(store, load(str(folder / "halves.py"), folder), ["half"])
    (point,) = point_ids.letters(store.finals("halves")["point"][:1]).to_pylist()
    assert readings.furthest(point) == 2 and readings.last(point) == readings.upto(point, 9)[2] != readings.upto(point, 1)[1]


def test_a_param_with_the_name_of_a_boundarys_column_is_refused(folder: Path) -> None:
    (folder / "halves.py").write_text((HEAD + "import torch\n" + COUNTED).replace("label", "level"))
    with pytest.raises(SpecError, match="a param must not be called 'level'; rename it in workload"):
        swept(folder, SEARCH)
