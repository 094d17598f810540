"""`import lawsweep`: light, and a store as frames; and the command in a folder that has packages called as ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

import lawsweep
from tests.helpers.running import home

ROOT = Path(__file__).parents[2]
SEARCHED = "question: Is a half a half?\nworkload: ./halves.py\naxes: {i: [1, 2, 3]}\nseeds: 2\n"
CLAIMS = "claims: [{id: half, says: it is less, basis: {kind: derived, source: us}, holds: half <= i + 1}]\n"
FIGURES = "figures: [{kind: curve, x: i, y: half}]\n"


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> lawsweep.Result:
    folder = tmp_path_factory.mktemp("door")
    path = home(folder, sweep=SEARCHED + CLAIMS + FIGURES)
    return lawsweep.run(path, store=folder / "results", inline=True, progress="quiet")


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = "{'ray', 'mlflow', 'torch', 'polars', 'duckdb', 'numpy', 'pandas', 'altair'}"
    code = (
        f"import sys, lawsweep; dir(lawsweep); sys.exit(str({heavy} & set(sys.modules)) if {heavy} & set(sys.modules) else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_result_shows_itself_and_its_rows(result: lawsweep.Result) -> None:
    assert "half" in result._repr_html_() and "6 points" in result._repr_html_()
    assert result.to_pandas().shape[0] == result.rows().height == 6


def test_a_store_is_asked_for_frames(result: lawsweep.Result) -> None:
    store = lawsweep.open(result.summary.store)
    assert store.verdicts("halves")["verdict"].to_list() == store.verdicts()["verdict"].to_list() == ["supported"]
    assert store.figures("halves").select("name", "title", "caption", "chart").height == 1
    assert dict(store.descriptions("halves").select("name", "says").iter_rows())["half"] == "half of it"
    assert store.sweeps()["sweep"].to_list() == ["halves"] and "halves" in store._repr_html_()
    assert store.boundaries("halves").height == 0
    assert store.sweep("halves").select(pl.len()).collect().item() == 6
    assert store.to_pandas("halves")["half"].max() == 2.5
    assert any("vegalite" in kind for kind in store.chart("halves")._repr_mimebundle_())


def test_xarray_is_optional(result: lawsweep.Result, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xarray", None)
    with pytest.raises(lawsweep.SweepError, match=r"pip install 'lawsweep\[notebook\]'"):
        lawsweep.open(result.summary.store).to_xarray("halves")


def test_a_dataset_has_the_params_that_vary(result: lawsweep.Result) -> None:
    dataset = lawsweep.open(result.summary.store).to_xarray("halves")
    assert dict(dataset.sizes) == {"i": 3, "seed": 2} and float(dataset.half.sel(i=3, seed=1)) == 2.5


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = "import lawsweep; lawsweep.main()"
    start = [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}", *words]
    return subprocess.run(start, cwd=folder, capture_output=True, text=True, check=False, timeout=240)


HOW = pytest.mark.parametrize("how", [["--inline"], pytest.param(["--cpus", "2"], marks=pytest.mark.slow)])


@HOW
def test_a_folder_with_packages_called_as_ours_works(tmp_path: Path, how: list[str]) -> None:
    for name in ("workloads", "sweeps", "dashboards", "orchestrator", "lawsweep"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('the wrong one')\n" if name != "workloads" else "")
    (tmp_path / "workloads" / "helper.py").write_text("WHO = 1.5\n")
    (tmp_path / "workloads" / "mine.py").write_text(
        "from workloads import helper\nfrom .helper import WHO\ndef measure(i: int) -> float:\n    return WHO + helper.WHO\n"
    )
    (tmp_path / "sweeps" / "mine.yaml").write_text("question: What?\nworkload: ../workloads/mine.py\naxes: {i: [1, 2]}\n")
    done = command(tmp_path, "run", "mine", *how, "--json", "--no-mlflow")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["measured"] == 2
    listed = command(tmp_path, "list", "--json")
    assert "khm_capacity" in listed.stdout and "khm.capacity" in listed.stdout, listed.stderr
    shipped = command(tmp_path, "plan", "khm_capacity", "--size", "smoke", "--json")
    assert json.loads(shipped.stdout)["points"] > 0, shipped.stderr


def test_a_notebook_in_such_a_folder_finds_ours(tmp_path: Path) -> None:
    (tmp_path / "orchestrator.py").write_text("raise ImportError('the wrong one')\n")
    words = [sys.executable, "-c", "import lawsweep; print(lawsweep.run.__module__)"]
    around = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(words, cwd=tmp_path, env=around, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "orchestrator.sweep", done.stderr
