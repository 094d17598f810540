"""What is stored against what is measured again, and one side against another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from orchestrator.check.audit import ALONE, PACKED, audit, devices
from orchestrator.claims import judging
from orchestrator.cli import cli
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.errors import QueryError, SpecError
from orchestrator.report.page import write
from orchestrator.results.diff import diff, side
from orchestrator.results.stored_sweep import in_store
from orchestrator.spec import read
from orchestrator.store import open_store
from tests.helpers.running import HEAD, RUN, SWEEP

NOISY = "def run(params, ctx):\n    yield 0, Result(half=params.i / 2 + np.random.random())\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "halves.py").write_text(HEAD + RUN)
    (tmp_path / "halves.yaml").write_text(SWEEP + "seeds: 4\n")
    monkeypatch.chdir(tmp_path)
    np.random.seed(1)  # the noise of these tests goes on from here, so what they find is found again
    swept(tmp_path)
    return tmp_path


def swept(folder: Path, store: str = "store") -> None:
    measure.run(read(folder / "halves.yaml"), folder / store, Where(executor="inline", progress="quiet"))


def judged(folder: Path, store: str) -> None:
    swept(folder, store)
    judging.judge(in_store(read(folder / "halves.yaml"), open_store(folder / store)))


def audited(folder: Path, **options: Any) -> Any:
    return audit(read(folder / "halves.yaml"), open_store(folder / "store"), **options)


def test_an_audit_of_the_same_code_agrees_bit_for_bit(folder: Path) -> None:
    found = audited(folder, fraction=0.5)
    assert (found.points, found.agreeing, found.tolerance, found.mismatches) == (6, 6, 0.0, ())


def test_an_audit_names_the_points_that_came_out_otherwise(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + RUN.replace("/ 2", "/ 2 + (params.i == 3)"))
    found = audited(folder, fraction=1.0)
    assert (found.points, found.agreeing) == (12, 8)
    assert {(row["params"]["i"], row["column"], row["again"] - row["stored"]) for row in found.mismatches} == {(3, "half", 1.0)}


def test_an_audits_sample_depends_on_its_seed_alone(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + RUN.replace("/ 2", "/ 2 + 1"))
    points = [[row["point"] for row in audited(folder, fraction=0.3, seed=seed).mismatches] for seed in (1, 1, 2)]
    assert points[0] == points[1] != points[2]


def test_a_difference_within_the_tolerance_agrees(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + "TOLERANCE = 1e-9\n" + RUN.replace("+ ctx.seed", "* (1 + 1e-12) + ctx.seed"))
    assert audited(folder, fraction=1.0).passed and not audited(folder, fraction=1.0, tolerance=0.0).passed


def test_draws_of_one_distribution_agree_and_a_shift_does_not(folder: Path) -> None:
    for body, passed in ((NOISY, True), (NOISY.replace("/ 2 +", "/ 2 - 5 +"), False)):
        (folder / "halves.py").write_text(HEAD.replace('"value"', '"sample"') + body)
        (folder / "halves.yaml").write_text(SWEEP + "seeds: 20\n")
        swept(folder) if passed else None
        assert audited(folder, fraction=1.0).passed == passed


def test_a_sample_among_values_is_audited_by_its_distribution(folder: Path) -> None:
    noted = HEAD.replace("class Params:", 'class Params:\n    source: Annotated[str, "of noise", {"sample": "os"}]', 1)
    for source, passed in (("os", True), ("seed", False)):
        (folder / "halves.py").write_text(noted + NOISY)
        (folder / "halves.yaml").write_text(SWEEP + f"fixed: {{source: {source}}}\nseeds: 20\n")
        swept(folder, source)
        found = audit(read(folder / "halves.yaml"), open_store(folder / source), fraction=1.0)
        assert (found.passed, found.measures) == (passed, "sample" if passed else "value")


def test_a_result_that_its_pack_changes_is_found(folder: Path) -> None:
    body = "def run_pack(params, ctxs):\n    for i, p in enumerate(params):\n        y = p.i / 2 + ctxs[i].seed"
    (folder / "halves.py").write_text(f"{HEAD}{body} + (len(params) - 1) / 64\n        yield i, 0, Result(half=y)\n")
    found = audited(folder, fraction=1.0)
    assert [(way["how"], way["agreeing"] == 12) for way in found.ways] == [(ALONE, True), (PACKED, False)]
    assert {row["way"] for row in found.mismatches} == {f"{PACKED} on cpu"}


@pytest.mark.parametrize(
    ("asked", "there", "stored", "tried"),
    [
        (None, True, "cpu", ["cpu", "cuda"]),
        (None, True, "cuda:0", ["cuda", "cpu"]),
        (None, False, "cuda:0", ["cpu"]),
        ("cuda", False, "cpu", ["cuda"]),
    ],
)
def test_a_sample_is_measured_on_the_other_device_too(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, there: bool, stored: str, tried: list[str]
) -> None:
    monkeypatch.setattr("orchestrator.check.audit._accelerated", lambda: there)
    assert devices(asked, [stored]) == tried


def test_an_audit_stands_in_the_report_at_once(folder: Path) -> None:
    sweep = in_store(read(folder / "halves.yaml"), open_store(folder / "store"))
    page = write(sweep, judging.judge(sweep)).markdown
    assert "No sample was measured again" in page.read_text()
    said = CliRunner().invoke(cli, ["audit", "halves.yaml", "--store", "store"])
    assert said.exit_code == 0 and "each point alone on cpu: 1 of 1, bit for bit" in said.output
    assert "1 of 1 points, a random 0.05 of all, came out the same" in page.read_text()


def test_an_audit_is_kept_where_the_pages_find_it(folder: Path) -> None:
    audited(folder)
    kept = json.loads((folder / "store" / "audits" / "halves.json").read_text())
    assert kept["sweep"] == "halves" and kept["agreeing"] == kept["points"] == 1


def test_a_fraction_that_is_none_is_refused(folder: Path) -> None:
    with pytest.raises(SpecError, match="must lie above 0 and up to 1, but got 2"):
        audited(folder, fraction=2)


def test_two_stores_are_compared_pair_by_pair(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + RUN.replace("/ 2", "/ 2 + 0.25"))
    judged(folder, "other")
    judged(folder, "store")
    found = diff(side("halves", str(folder / "store")), side(f"{folder / 'other'}:halves", str(folder / "store")))
    (half,) = [column for column in found.columns if column.column == "half"]
    assert half.whole is not None and half.whole.estimate == pytest.approx(-0.25) and len(half.settings) == 3
    assert found.verdicts == ()  # refuted on both sides


def test_verdicts_that_changed_are_told(folder: Path) -> None:
    (folder / "halves.py").write_text(HEAD + RUN.replace("+ ctx.seed", ""))
    judged(folder, "other")
    judged(folder, "store")
    found = diff(side(f"{folder / 'other'}:halves", "store"), side("halves", str(folder / "store")))
    assert found.verdicts == ({"claim": "half", "left": "supported", "right": "refuted"},)


def test_a_side_may_be_the_rows_of_one_device(folder: Path) -> None:
    same = diff(side("halves@device=cpu", str(folder / "store")), side("halves", str(folder / "store")))
    assert same.columns[0].whole is not None and same.columns[0].whole.estimate == 0


def test_a_filter_must_name_a_column_of_the_engine(folder: Path) -> None:
    with pytest.raises(QueryError, match="but got 'devise=cpu'; did you mean 'device'"):
        side("halves@devise=cpu", str(folder / "store"))


def test_a_side_without_rows_is_told(folder: Path) -> None:
    with pytest.raises(QueryError, match="halves@device=tpu: it must have rows, but has none"):
        diff(side("halves@device=tpu", str(folder / "store")), side("halves", str(folder / "store")))


def test_the_commands_say_what_they_found(folder: Path) -> None:
    runner = CliRunner()
    told = runner.invoke(cli, ["diff", "halves", "halves", "--store", "store"])
    assert "half" in told.output and "verdicts changed: 0" in told.output
    (folder / "halves.py").write_text(HEAD + RUN.replace("/ 2", "/ 2 + 1"))
    told = runner.invoke(cli, ["audit", "halves", "--store", "store", "--fraction", "1", "--json"], standalone_mode=False)
    assert told.return_value == 1 and json.loads(told.stdout)["agreeing"] == 0


OTHER = HEAD.replace("half:", "third:").replace("whole:", "part:")


def test_sweeps_that_share_nothing_are_told_apart(folder: Path) -> None:
    (folder / "thirds.py").write_text(OTHER + RUN.replace("half=", "third=").replace("whole=", "part="))
    (folder / "thirds.yaml").write_text(
        (folder / "halves.yaml").read_text().replace("halves", "thirds").replace("half", "third")
    )
    runner = CliRunner()
    runner.invoke(cli, ["run", str(folder / "thirds.yaml"), "--inline", "--no-mlflow", "--store", str(folder / "store")])
    told = runner.invoke(cli, ["diff", "halves", "thirds", "--store", str(folder / "store")], standalone_mode=False)
    assert "share nothing" in told.output and "verdicts changed" not in told.output and told.return_value == 2


def test_a_claim_of_one_side_has_not_changed(folder: Path) -> None:
    judged(folder, "store")
    (folder / "halves.yaml").write_text((folder / "halves.yaml").read_text().replace("id: half", "id: other"))
    judged(folder, "other")
    found = diff(side("halves", str(folder / "store")), side(f"{folder / 'other'}:halves", str(folder / "store")))
    assert found.verdicts == () and found.claims == () and found.claims_apart == 2 and found.shared
