"""Claims that were registered are written down once, and `--strict` refuses any others before anything is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.claims.registry import frozen
from orchestrator.claims.registry.meaning import digest
from orchestrator.cli import cli
from orchestrator.errors import SpecError
from orchestrator.spec import parsing

FILE = """\
question: How does it grow?
workload: khm.capacity
derive: {u: d**2}
axes: {d: [2, 3]}
arms: {angle: {fixed: {angle_deg: 60}}}
claims:
  - {id: rises, holds: u > 0}
  - {id: bounded, holds: capacity <= capacity_upper}
sizes: {smoke: {axes: {d: [2]}}}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(FILE)
    return path


def ask(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words], standalone_mode=False)


def test_freeze_writes_hash_date_and_commit_beside_the_file(file: Path) -> None:
    outcome = ask("freeze", file)
    record = json.loads((file.parent / "mine.frozen.json").read_text())
    assert outcome.exception is None and f"hash {record['hash']}" in outcome.output
    assert {*record} == {"sweep", "registered", "commit", "dirty", "hash", "sizes"} and record["commit"] == "none"
    assert {*record["sizes"]} == {"base", "smoke"} and {*record["sizes"]["base"]} == {"rises", "bounded"}


def test_a_registered_file_is_never_written_over(file: Path) -> None:
    ask("freeze", file)
    first = (file.parent / "mine.frozen.json").read_text()
    assert ask("freeze", file).exception is None
    file.write_text(FILE.replace("u > 0", "u > 1"))
    assert "must stay as they are" in str(ask("freeze", file).exception)
    assert (file.parent / "mine.frozen.json").read_text() == first
    assert ask("freeze", file, "-o", file.parent / "new.json").exception is None


@pytest.mark.parametrize(
    ("was", "now", "text"),
    [
        ("u > 0", "u > 1", "claim 'rises' changed (its words)"),
        ("d**2", "d**3", "claim 'rises' changed (a formula it speaks of)"),
        ("angle_deg: 60", "angle_deg: 90", "claim 'bounded' changed (what its arms fix or vary)"),
        ("  - {id: rises, holds: u > 0}\n", "", "claim 'rises' is withdrawn"),
        ("claims:\n", "claims:\n  - {id: late, holds: d > 0}\n", "claim 'late' was not registered"),
    ],
)
def test_strict_refuses_other_claims_before_anything_is_measured(file: Path, was: str, now: str, text: str) -> None:
    ask("freeze", file)
    frozen.check(parsing.read(file))
    file.write_text(FILE.replace(was, now))
    outcome = ask("run", file, "--strict", "--inline", "--store", file.parent / "store")
    assert isinstance(outcome.exception, SpecError) and text in str(outcome.exception)
    assert not (file.parent / "store").exists()


def test_a_size_that_was_not_registered_is_told(file: Path) -> None:
    ask("freeze", file)
    file.write_text(FILE.replace("sizes: {", "sizes: {paper: {axes: {d: [4]}}, "))
    with pytest.raises(SpecError, match="size 'paper' was not registered"):
        frozen.check(parsing.read(file, size="paper"))


def test_a_registered_file_that_was_edited_is_refused(file: Path) -> None:
    ask("freeze", file)
    path = file.parent / "mine.frozen.json"
    path.write_text(path.read_text().replace('"says": ""', '"says": "otherwise"'))
    with pytest.raises(SpecError, match="it was edited"):
        frozen.check(parsing.read(file))
    path.write_text("[]")
    with pytest.raises(SpecError, match="'lawsweep freeze' wrote"):
        frozen.check(parsing.read(file))


def test_without_a_registered_file_strict_is_as_it_was(file: Path) -> None:
    frozen.check(parsing.read(file))


def test_claims_of_a_shipped_sweep_are_registered_in_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ask("freeze", "khm_capacity").exception is None
    assert [path.name for path in tmp_path.iterdir()] == ["khm_capacity.frozen.json"]
    frozen.check(parsing.read("khm_capacity", size="smoke"))
    path = tmp_path / "khm_capacity.frozen.json"
    record = json.loads(path.read_text())
    del record["sizes"]["smoke"]
    path.write_text(json.dumps({**record, "hash": digest(record["sizes"])}))
    with pytest.raises(SpecError, match="size 'smoke' was not registered"):
        frozen.check(parsing.read("khm_capacity", size="smoke"))
