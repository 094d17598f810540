"""A pilot measures a few seeds aside, writes nothing, and says what would decide each claim; a store's rows say the same."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.check import pilot
from orchestrator.cli import cli
from orchestrator.spec import Spec, read
from orchestrator.sweep import run

NOISE = '''VERSION = 1

def run(p: float, seed: int) -> float:
    """A number.

    Returns:
        float: noise about p
    """
    import random
    return random.Random(f"{p} {seed}").gauss(p, 1.0)
'''
CLAIMS = """question: Is it above zero?
workload: ./noise.py
axes: {p: [0.5]}
seeds: 2
claims:
  - {id: above, mean: {y: value}, expect: {mean: {at_least: 0}}}
  - {id: far, mean: {y: value}, expect: {mean: {at_most: 50}}}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Spec:
    (tmp_path / "noise.py").write_text(NOISE)
    (tmp_path / "noise.yaml").write_text(CLAIMS)
    return read(tmp_path / "noise.yaml")


def test_a_pilot_tells_at_how_many_seeds_a_claim_is_decidable(sweep: Spec, tmp_path: Path) -> None:
    measured = pilot.outlook(sweep, tmp_path / "no_store", pilot=True)
    above, far = measured.claims
    assert above.by == "seeds" and above.seeds is not None and above.seeds > 4 and "decidable at about" in above.sentence
    assert far.word == "supported" and not far.by
    assert measured.rows.startswith("the 4 points of a pilot of 4 seeds") and not (tmp_path / "no_store").exists()


def test_rows_of_the_store_are_asked_where_there_are_any(sweep: Spec, tmp_path: Path) -> None:
    assert pilot.outlook(sweep, tmp_path / "s", pilot=False) == pilot.Outlook()
    run(sweep, store=tmp_path / "s", inline=True, mlflow=False)
    assert pilot.outlook(sweep, tmp_path / "s", pilot=False).rows == "the 2 points of the store"


def test_check_prints_what_a_pilot_tells(sweep: Spec) -> None:
    done = CliRunner().invoke(cli, ["check", str(sweep.path), "--pilot"])
    assert done.exit_code == 0, done.output
    assert "claim above: undecided by these rows, decidable at about" in done.output
    assert "claim far: supported by these rows" in done.output


def test_a_sweep_whose_points_depend_on_rows_has_no_pilot(sweep: Spec, tmp_path: Path) -> None:
    growing = sweep.path.read_text().replace(  # type: ignore[union-attr]
        "seeds: 2", "seeds: {min: 2, max: 8, until: {metric: value, rel_halfwidth: 0.1}}"
    )
    (tmp_path / "grows.yaml").write_text(growing)
    assert pilot.outlook(read(tmp_path / "grows.yaml"), None, pilot=True) == pilot.Outlook()
