"""An export is files for a paper: tables in three forms, figures as PDF, and with them where they come from."""

from __future__ import annotations

import json
import re
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from orchestrator.claims import judging
from orchestrator.cli import cli
from orchestrator.report import bibliography, export, latex
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import read
from tests.helpers.judging import KISSING, spec_of, stored

SWEEPS = Path(__file__).parents[2] / "sweeps"
FIT = {"law": "exponential", "x": "d", "y": "y"}
SPEC = spec_of(
    {"id": "rate", "says": "y grows at 60 % & more", "fit": FIT, "expect": {"rate": {"at_least": 0.5}}},
    source="arXiv:2410.23126",
    figures=[{"kind": "curve", "x": "d", "y": "y", "log": ["y"], "title": "Growth"}],
)
TABLES = {f"{name}.{form}" for name in ("results", "summary", "verdicts") for form in ("csv", "parquet")}
PAPER = {"summary.tex", "verdicts.tex", "figure_1.pdf"}
BUNDLE = {
    "figure_1.tex",
    "figure_1.csv",
    "spec.yaml",
    "commit.txt",
    "environment.json",
    "sources.bib",
    "requirements.lock",
    "claims.sql",
    "README.md",
}


def exported(tmp_path: Path, bundle: bool) -> Path:
    store = stored(tmp_path / "store", SPEC, lambda d, seed: KISSING[int(d)] * (1 + 0.01 * seed))
    store.begin({"sweep": SPEC.name, "size": "base", "packages": {"torch": "2.13"}})
    sweep = in_store(SPEC, store)
    export.write(sweep, judging.judge(sweep), tmp_path / "out", bundle=bundle)
    return tmp_path / "out"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bundle."""
    return exported(tmp_path_factory.mktemp("bundle"), bundle=True)


def test_tables_come_in_three_forms_and_figures_as_pdf(tmp_path: Path) -> None:
    assert {p.name for p in exported(tmp_path, bundle=False).iterdir()} == TABLES | PAPER


def test_a_bundle_holds_what_an_appendix_needs(bundle: Path) -> None:
    assert {p.name for p in bundle.iterdir()} == TABLES | PAPER | BUNDLE
    assert [p.name for p in bundle.iterdir() if not p.stat().st_size] == []


def test_a_figure_is_a_pdf(bundle: Path) -> None:
    assert (bundle / "figure_1.pdf").read_bytes().startswith(b"%PDF-")


def test_every_row_is_in_both_files(bundle: Path) -> None:
    rows = pl.read_parquet(bundle / "results.parquet")
    assert len(rows) == 56 == len(pl.read_csv(bundle / "results.csv")) and rows["y"].max() == 240 * 1.07


def test_a_summary_combines_seeds(bundle: Path) -> None:
    row = pl.read_csv(bundle / "summary.csv").filter(pl.col("d") == 8).to_dicts()[0]
    assert row["seeds"] == 8 and row["y"] == pytest.approx(240 * 1.035)


def test_the_data_of_a_figure_has_points_and_law(bundle: Path) -> None:
    data = pl.read_csv(bundle / "figure_1.csv")
    assert set(data["shows"]) == {"point", "law"} and data.filter(shows="point")["x"].to_list() == list(KISSING)


def test_the_papers_of_the_sweep_are_cited(bundle: Path) -> None:
    assert re.findall(r"^@\w+\{(\S+),", (bundle / "sources.bib").read_text(), re.M) == ["hu2024optimal"]


def test_the_spec_of_a_bundle_is_the_sweeps(bundle: Path) -> None:
    assert read(str(bundle / "spec.yaml")).claims == SPEC.claims


def test_commit_and_claims_can_be_looked_up(bundle: Path) -> None:
    assert re.fullmatch(r"([0-9a-z]+\n)+", (bundle / "commit.txt").read_text())
    assert "-- rate: supported\nSELECT" in (bundle / "claims.sql").read_text()


def test_every_paper_that_a_shipped_sweep_names_has_its_entry() -> None:
    named = {paper for path in SWEEPS.glob("*.yaml") for paper in bibliography.ARXIV.findall(path.read_text())}
    assert named - set(re.findall(r"eprint *= *\{(\S+)\}", bibliography.bibliography())) == set()


def test_every_entry_is_whole() -> None:
    entries = bibliography.ENTRY.findall(bibliography.bibliography())
    assert len(entries) == bibliography.bibliography().count("\n@") and len({e.split(",")[0] for e in entries}) == len(entries)
    assert [e for e in entries if e.count("{") != e.count("}")] == []


def test_no_entry_has_a_field_twice() -> None:
    fields = [re.findall(r"^ +(\w+) *=", entry, re.M) for entry in bibliography.ENTRY.findall(bibliography.bibliography())]
    assert [own for own in fields if len(set(own)) < len(own)] == [] and all(fields)


def test_signs_that_latex_reads_are_written_out() -> None:
    assert latex.escaped("50 % of a_b & √x ≤\n$1 {y} \\z") == r"50 \% of a\_b \& $\surd$x $\leq$ \$1 \{y\} \textbackslash{}z"


def test_a_short_table_floats_and_a_long_one_breaks() -> None:
    assert r"\begin{tabular}{lr}" in latex.table(["a", "b"], [("x", 1.5e-7)], "c")
    assert r"$1.5 \cdot 10^{-7}$" in latex.table(["a", "b"], [("x", 1.5e-7)], "c")
    assert r"\endhead" in latex.table(["a"], [(n,) for n in range(41)], "c")


def test_the_command_names_its_files(tmp_path: Path) -> None:
    exported(tmp_path, bundle=False)
    (tmp_path / "toy_sweep.yaml").write_text(SPEC.text)
    places = ["--store", str(tmp_path / "store" / "store"), "--out", str(tmp_path / "paper")]
    asked = ["export", str(tmp_path / "toy_sweep.yaml"), *places, "--json"]
    done = CliRunner().invoke(cli, asked)
    assert {Path(path).name for path in json.loads(done.stdout)} == TABLES | PAPER


MEASURED = '''"""Three seeds."""

from dataclasses import dataclass
from typing import Annotated

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    i: Annotated[int, "a number", {"shape": True}]


@dataclass(frozen=True)
class Result:
    miss: Annotated[float, "an error", {"aggregate": "rms"}]
    worst: Annotated[float, "the worst of all", {"aggregate": "max"}]
    middle: Annotated[float, "the middle one", {"aggregate": "median"}]
    count: Annotated[int, "a number of things"]


def run(params, ctx):
    value = (1.0, 2.0, 6.0)[ctx.seed]
    yield 0, Result(miss=value, worst=value, middle=value, count=int(value))
'''


def test_a_summary_combines_each_column_as_it_says_like_a_query(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "seeds.py").write_text(MEASURED)
    (tmp_path / "seeds.yaml").write_text("question: What?\nworkload: ./seeds.py\naxes: {i: [1]}\nseeds: 3\n")
    asked = "select sqrt(avg(miss ** 2)) as miss, max(worst) as worst, median(middle) as middle, avg(count) as count from seeds"
    invoked = {}
    for command in (
        ["run", "seeds.yaml", "--inline"],
        ["export", "seeds.yaml", "--out", "out"],
        ["query", asked, "--format", "csv"],
    ):
        done = CliRunner().invoke(cli, [*command, "--store", "store"])
        assert done.exit_code == 0, done.output
        invoked[command[0]] = done.output
    (row,) = pl.read_csv(tmp_path / "out" / "summary.csv").select("miss", "worst", "middle", "count").rows()
    assert row == pytest.approx((3.697, 6.0, 2.0, 3.0), abs=5e-4)
    assert row == pytest.approx(pl.read_csv(invoked["query"].encode()).row(0))
