"""The command line: what each command prints, with what exit code it leaves, and what it says to a wrong word."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
import yaml

from orchestrator.cli import COMMANDS, cli, main
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.results import frames
from orchestrator.spec import read, shipped
from orchestrator.spec.json_schema import text as schema_text
from orchestrator.store import open_store
from tests.helpers.running import HEAD, RUN, SWEEP, home

ROOT = Path(__file__).parents[2]

GOLDEN = Path(__file__).parents[1] / "golden" / "help.txt"
ACCEPT = "ACCEPT=1 .venv/bin/python -m pytest tests/cli/test_cli.py"
ODD = "def run(params, ctx):\n    assert params.i % 2 == 0, 'odd'\n    yield 0, Result(half=params.i / 2)\n"
SIZED = SWEEP + "sizes: {more: {axes: {i: [1, 2, 3, 4]}}}\n"


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


Lawsweep = Callable[..., Said]


@pytest.fixture
def lawsweep(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Lawsweep:
    """Runs a command line in this process."""
    monkeypatch.setenv("COLUMNS", "300")

    def run(*words: str | Path) -> Said:
        with pytest.raises(SystemExit, match=r"^\d+$") as left:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return Said(int(left.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweep `halves`, and a store with its three points, two of which failed."""
    made = tmp_path_factory.mktemp("cli")
    measure.run(read(home(made, ODD, SIZED)), made / "store", Where(executor="inline", progress="quiet"))
    return made


# Help


def helped(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The help of lawsweep and of every command, as on a terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    for words in ([], *([name] for name in COMMANDS)):
        print(f"$ lawsweep {' '.join([*words, '--help'])}")
        with pytest.raises(SystemExit, match="0"):
            main([*words, "--help"])
    return capsys.readouterr().out


def test_help_is_as_the_golden_file_says(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    found = helped(monkeypatch, capsys)
    if os.environ.get("ACCEPT"):
        GOLDEN.write_text(found)
    assert found == GOLDEN.read_text(), f"the help changed; if that is meant: {ACCEPT}"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and len(command.help or "") > 20
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert not [option.name for option in options if not option.help and option.name not in ("port", "form")]


@pytest.mark.parametrize("name", ["run", "plan", "check", "check-workload", "freeze", "query"])
def test_the_commands_one_begins_with_have_examples(name: str) -> None:
    command = cli.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None and re.search(rf"Examples?:\n +lawsweep {name} ", command.help or "")


def test_version_is_that_of_the_package(lawsweep: Lawsweep) -> None:
    assert re.fullmatch(r"lawsweep, version \d+\.\d+\.\d+\n", lawsweep("--version").out)


# Wrong words


def test_an_unknown_command_is_answered_with_the_nearest(lawsweep: Lawsweep) -> None:
    said = lawsweep("rnu")
    assert said.code == 2 and "there is no command 'rnu'; did you mean 'run'?" in said.err


def test_an_unknown_option_is_answered_with_the_nearest(lawsweep: Lawsweep) -> None:
    said = lawsweep("plan", "khm_capacity", "--pilto")
    assert said.code == 2 and "--pilto" in said.err and "--pilot" in said.err


WRONG = [
    (("plan", "SPEX"), "a sweep must be a file or the name of a shipped sweep, but nothing is here"),
    (("plan", "SPEC", "--size", "mor"), "did you mean 'more'?"),
    (("run", "SPEC", "--size", "mor", "--inline"), "did you mean 'more'?"),
    (("run", "SPEC", "--inline", "--address", "auto"), "--inline and --address: a sweep runs in this process or on a cluster"),
    (("status", "halfs", "STORE"), "did you mean 'halves'?"),
    (("query", "select hlf from halves", "STORE"), "half"),
    (("query", "select * from halvs", "STORE"), "halves"),
    (("query", "delete from points", "STORE"), "lawsweep: "),
    (("report", "halfs", "STORE"), "halfs"),
    (("run", "SPEC", "--inline", "--gpus", "1", "STORE"), "--cpus and --gpus must not be given; leave them out"),
    (("claims", "SPEC", "--size", "more", "STORE"), "must hold a plan of sweep 'halves' at size more"),
    (("status", "--store", "NOWHERE"), "it must be a folder that 'lawsweep run' made, but nothing is there"),
    (("check-workload", "khm.capacty"), "did you mean 'khm.capacity'?"),
    (("completion", "fisch"), "fisch"),
    (("merge", "NOWHERE", "STORE"), "does not exist"),
]


@pytest.mark.parametrize(("words", "told"), WRONG, ids=[" ".join(words) for words, _ in WRONG])
def test_a_mistake_leaves_with_two_and_is_told(lawsweep: Lawsweep, folder: Path, words: tuple[str, ...], told: str) -> None:
    places = {"SPEC": [folder / "halves.yaml"], "SPEX": [folder / "helves.yaml"], "NOWHERE": [folder / "nowhere"]}
    there = [
        place for word in words for place in places.get(word, ["--store", folder / "store"] if word == "STORE" else [word])
    ]
    said = lawsweep(*there)
    assert (said.code, said.out) == (2, "")
    assert told in said.err and "Traceback" not in said.err


def test_a_wrong_file_is_told_with_file_and_line(lawsweep: Lawsweep, tmp_path: Path) -> None:
    said = lawsweep("check", home(tmp_path, sweep=SWEEP + "seedz: 2\n"))
    assert said.code == 2
    assert said.err.startswith(f"lawsweep: {tmp_path}/halves.yaml:6: seedz: ") and "did you mean 'seeds'?" in said.err


# Before a run


def test_list_names_sweeps_and_workloads(lawsweep: Lawsweep) -> None:
    found = json.loads(lawsweep("list", "--json").out)
    assert {row["sweep"] for row in found["sweeps"]} == set(shipped()) and "khm.capacity" in found["workloads"]
    table = lawsweep("list").out
    assert all(name in table for name in (*shipped(), "khm.capacity"))


def test_check_counts_the_points_of_every_size(lawsweep: Lawsweep, folder: Path) -> None:
    assert lawsweep("check", folder / "halves.yaml").out == f"{folder}/halves.yaml: good; base 3 points, more 4 points\n"


def test_plan_says_what_a_run_would_do(lawsweep: Lawsweep, folder: Path) -> None:
    said = lawsweep("plan", folder / "halves.yaml", "--size", "more", "--store", folder / "store")
    assert said.code == 0
    assert "halves at size more, workload" in said.out
    assert re.search(r"points +4 \(all 4\)\n +done +3\n +to do +1 in 1 shapes\n", said.out)


@pytest.mark.parametrize(("words", "basis"), [((), "none"), (("--pilot",), "pilot")])
def test_plan_as_json_has_the_figures(lawsweep: Lawsweep, tmp_path: Path, words: tuple[str, ...], basis: str) -> None:
    found = json.loads(lawsweep("plan", home(tmp_path), "--json", "--store", tmp_path / "store", *words).out)
    assert (found["points"], found["todo"], found["basis"], found["packs"] is None) == (3, 3, basis, basis == "none")


def test_plan_prints_the_resolved_spec(lawsweep: Lawsweep, folder: Path) -> None:
    said = lawsweep("plan", folder / "halves.yaml", "--size", "more", "--resolved")
    assert json.loads(said.out) == read(folder / "halves.yaml", size="more").resolved()
    assert yaml.safe_load(said.out)["axes"] == {"i": [1, 2, 3, 4]}


@pytest.mark.parametrize(
    ("store", "pilot", "time"),
    [
        ("store", (), "none: every point is there"),
        ("other", (), "unknown: nothing of this shape was measured yet; --pilot measures one point of each"),
        ("other", ("--pilot",), "unknown: every point of the pilot failed"),
    ],
)
def test_plan_says_what_is_known_of_the_time(
    lawsweep: Lawsweep, folder: Path, tmp_path: Path, store: str, pilot: tuple[str, ...], time: str
) -> None:
    broken = home(tmp_path, "def run(params, ctx):\n    raise ValueError\n    yield\n")
    spec = folder / "halves.yaml" if store == "store" else broken
    assert time in lawsweep("plan", spec, "--store", folder / store, *pilot).out


def test_the_schema_is_printed(lawsweep: Lawsweep) -> None:
    assert lawsweep("schema").out.rstrip("\n") == schema_text().rstrip("\n")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_line_for_the_shell(lawsweep: Lawsweep, shell: str) -> None:
    assert f"_LAWSWEEP_COMPLETE={shell}_source lawsweep" in lawsweep("completion", shell).out


@pytest.mark.parametrize(
    ("line", "word"),
    [("lawsweep ru", "run"), ("lawsweep run --inl", "--inline"), ("lawsweep check-workload khm.cap", "khm.capacity")],
)
def test_completion_knows_commands_options_and_names(line: str, word: str) -> None:
    assert word in completed(line)


def completed(line: str, folder: Path | None = None) -> list[str]:
    """What a shell would offer at the end of the line."""
    words = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1), "_LAWSWEEP_COMPLETE": "bash_complete"}
    argv = [sys.executable, "-P", "-c", "from orchestrator.cli import main; main()"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **words}
    done = subprocess.run(argv, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    return [entry.split(",")[-1] for entry in done.stdout.split()]


def test_completion_knows_the_sizes_of_a_sweep_and_the_sweeps_of_a_store(tmp_path: Path) -> None:
    spec = home(tmp_path)
    spec.write_text(f"{spec.read_text()}sizes: {{small: {{seeds: 1}}, slow: {{seeds: 2}}}}\n")
    assert completed(f"lawsweep run {spec.name} --size s", tmp_path) == ["small", "slow"]
    measure.run(read(spec, "small"), tmp_path / "results", Where(executor="inline", progress="quiet"))
    spec.rename(tmp_path / "elsewhere.txt")
    assert completed("lawsweep claims hal", tmp_path) == ["halves"]
    assert completed("lawsweep claims halves --size s", tmp_path) == ["small"]


def test_check_workload_leaves_with_two_where_a_check_fails(lawsweep: Lawsweep, tmp_path: Path) -> None:
    (tmp_path / "halves.py").write_text(HEAD + "def run(params, ctx):\n    yield 0, Result(half=time.perf_counter())\n")
    said = lawsweep("check-workload", tmp_path / "halves.py")
    assert said.code == 2 and "NO" in said.out


# Runs


@pytest.mark.slow
def test_run_prints_json_lines(lawsweep: Lawsweep, tmp_path: Path) -> None:
    said = lawsweep("run", home(tmp_path), "--inline", "--json", "--store", tmp_path / "store")
    (line,) = map(json.loads, said.out.splitlines())
    assert (said.code, line["sweep"], line["measured"], line["verdicts"][0]["verdict"]) == (0, "halves", 3, "supported")


@pytest.mark.slow
def test_run_ends_with_verdicts_and_where_to_look(lawsweep: Lawsweep, tmp_path: Path) -> None:
    said = lawsweep("run", home(tmp_path), "--inline", "--store", tmp_path / "store")
    assert said.out.startswith("halves: 3 points; 3 measured in ")
    assert "supported" in said.out and "report.md" in said.out and f"lawsweep ui --store {tmp_path}/store" in said.out


@pytest.mark.slow
def test_run_tells_a_web_hook_that_it_ended(lawsweep: Lawsweep, good: Path) -> None:
    said = lawsweep("run", good / "halves.yaml", "--inline", "--quiet", "--store", good / "store", "--notify", "nowhere")
    assert said.code == 2 and "--notify: the URL must begin with http:// or https://, but got 'nowhere'" in said.err


@pytest.mark.slow
def test_run_leaves_with_three_where_points_failed(lawsweep: Lawsweep, tmp_path: Path) -> None:
    said = lawsweep("run", home(tmp_path, ODD), "--inline", "--store", tmp_path / "store")
    assert said.code == 3
    assert "failed: 2 error" in said.out and f"why: lawsweep status halves --store {tmp_path}/store" in said.out


@pytest.mark.slow
def test_run_strict_leaves_with_one_where_a_claim_is_refuted(lawsweep: Lawsweep, tmp_path: Path) -> None:
    file = home(tmp_path, sweep=SWEEP.replace("half <= i", "half > i"))
    said = lawsweep("run", file, "--inline", "--strict", "--quiet", "--store", tmp_path / "store")
    assert (said.code, said.out) == (1, "")


# Looking


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store whose three points are measured."""
    made = tmp_path_factory.mktemp("good")
    measure.run(read(home(made)), made / "store", Where(executor="inline", progress="quiet"))
    return made


def test_status_says_how_far_each_sweep_is(lawsweep: Lawsweep, folder: Path) -> None:
    said = lawsweep("status", "--store", folder / "store")
    assert re.search(r"halves +base +3 +3 +complete +2 error ", said.out)


def test_status_of_one_sweep_says_why_points_failed(lawsweep: Lawsweep, folder: Path) -> None:
    said = lawsweep("status", "halves", "--store", folder / "store")
    assert "error × 2, for example point " in said.out and "AssertionError: odd" in said.out
    (found,) = json.loads(lawsweep("status", "halves", "--json", "--store", folder / "store").out)
    assert found["failures"][0]["points"] == 2


QUERY = "select i, half from halves order by i"


def test_query_answers_as_a_table(lawsweep: Lawsweep, good: Path) -> None:
    assert lawsweep("query", QUERY, "--store", good / "store").out.split()[:4] == ["i", "half", "-", "----"]


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_query_writes_every_format(lawsweep: Lawsweep, good: Path, tmp_path: Path, form: str) -> None:
    lawsweep("query", QUERY, "--store", good / "store", "--format", form, "-o", tmp_path / "out")
    data = (tmp_path / "out").read_bytes()
    read_back: dict[str, Any] = {
        "json": lambda: [tuple(row.values()) for row in json.loads(data)],
        "csv": lambda: [(int(i), float(half)) for i, half in (line.split(",") for line in data.decode().split()[1:])],
        "parquet": lambda: [tuple(row.values()) for row in pq.read_table(io.BytesIO(data)).to_pylist()],
    }
    assert read_back[form]() == [(1, 0.5), (2, 1.0), (3, 1.5)]


def test_query_pipes_parquet(good: Path) -> None:
    argv = [sys.executable, "-m", "orchestrator.cli", "query", QUERY, "--format", "parquet", "--store", str(good / "store")]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert pq.read_table(io.BytesIO(done.stdout)).num_rows == 3


def test_claims_are_judged_again(lawsweep: Lawsweep, good: Path) -> None:
    said = lawsweep("claims", good / "halves.yaml", "--store", good / "store")
    assert said.code == 0 and "supported" in said.out
    (verdict,) = json.loads(lawsweep("claims", "halves", "--json", "--store", good / "store").out)
    assert (verdict["id"], verdict["verdict"]) == ("half", "supported") and "sql" in verdict


def test_claims_strict_leaves_with_one_where_one_is_refuted(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    (tmp_path / "halves.yaml").write_text(SWEEP.replace("half <= i", "half > i"))
    assert lawsweep("claims", tmp_path / "halves.yaml", "--strict", "--store", good / "store").code == 1


def test_a_broken_check_leaves_with_five(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    checks = "checks: [{id: whole, holds: half <= i}, {id: none, says: nothing is half, holds: half > i}]\n"
    (tmp_path / "halves.yaml").write_text(SWEEP + checks)
    said = lawsweep("claims", tmp_path / "halves.yaml", "--store", good / "store")
    assert said.code == 5 and re.search(r"none +broken +.*fails on 3 of 3 rows", said.out), said.out
    assert re.search(r"whole +passes", said.out) and lawsweep("claims", "halves", "--store", good / "store").code == 0
    (tmp_path / "halves.yaml").write_text(SWEEP + checks)
    judged = json.loads(lawsweep("claims", tmp_path / "halves.yaml", "--json", "--store", good / "store").out)
    assert [(entry["id"], entry.get("verdict"), entry.get("check")) for entry in judged] == [
        ("half", "supported", None), ("whole", None, "passes"), ("none", None, "broken"),
    ]  # fmt: skip


@pytest.mark.parametrize("strict", [(), ("--strict",)])
def test_a_run_with_a_broken_check_leaves_with_five(lawsweep: Lawsweep, good: Path, strict: tuple[str, ...]) -> None:
    spec = good / "halves.yaml"
    spec.write_text(SWEEP + "checks: [{id: none, holds: half > i}]\n")
    said = lawsweep("run", spec, "--inline", "--json", "--store", good / "store", *strict)
    assert said.code == 5 and json.loads(said.out.splitlines()[-1])["checks"][0]["check"] == "broken"


def test_check_warns_of_a_claim_that_measures_nothing(lawsweep: Lawsweep, tmp_path: Path) -> None:
    (tmp_path / "halves.py").write_text(HEAD.replace('"half of it"', '"half of it", {"formula": "halving"}') + RUN)
    (tmp_path / "halves.yaml").write_text(SWEEP)
    said = lawsweep("check", tmp_path / "halves.yaml")
    assert said.code == 0 and "warning" in said.err and "'half' comes from one function, halving" in said.err


def test_claims_strict_minds_what_was_foreseen(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    for text, code in (("half > i", 0), ("half <= i", 1)):
        claim = SWEEP.replace("half <= i", text).replace("id: half,", "id: half, foreseen: refuted,")
        (tmp_path / "halves.yaml").write_text(claim)
        assert lawsweep("claims", tmp_path / "halves.yaml", "--strict", "--store", good / "store").code == code


def test_a_report_is_written_from_the_store_alone(lawsweep: Lawsweep, good: Path) -> None:
    said = lawsweep("report", "halves", "--store", good / "store", "--json")
    paths = json.loads(said.out)["report"]
    assert said.code == 0 and all(Path(path).is_file() for path in paths.values() if path)


def test_the_doctor_leaves_with_zero_where_all_is_good(lawsweep: Lawsweep, tmp_path: Path) -> None:
    said = lawsweep("doctor", "--store", tmp_path)
    assert said.code == (2 if " NO " in said.out else 0) and "Python" in said.out and "pyarrow" in said.out


def test_the_store_may_come_from_the_environment(lawsweep: Lawsweep, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAWSWEEP_STORE", str(good / "store"))
    assert "halves" in lawsweep("status").out


# Keeping


def test_stores_are_merged_and_compacted(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    assert "0 conflicts" in lawsweep("merge", good / "store", "--store", tmp_path / "new").out
    assert lawsweep("compact", "--store", tmp_path / "new").code == 0
    assert frames.rows(open_store(tmp_path / "new"), "halves").collect().height == 3


def test_conflicts_of_a_merge_are_listed_and_leave_with_three(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    other = home(tmp_path, RUN.replace("/ 2", "/ 4"))
    measure.run(read(other), tmp_path / "store", Where(executor="inline", progress="quiet"))
    said = lawsweep("merge", good / "store", "--store", tmp_path / "store")
    assert said.code == 3 and "half" in said.out


def test_merged_sweeps_are_judged_and_reported_again(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    store = tmp_path / "new"
    assert "judging halves" in lawsweep("merge", good / "store", "--store", store).err
    assert (store / "verdicts" / "halves.json").exists() and (store / "reports" / "halves" / "report.html").exists()


@pytest.mark.parametrize("i", [1, 2])
def test_check_tells_values_of_arms_that_differ_in_the_last_digit(lawsweep: Lawsweep, tmp_path: Path, i: int) -> None:
    arms = "arms: {a: {axes: {i: [1], scale: [0.3]}}, b: {axes: {i: [%d], scale: [%r]}}}"
    home(tmp_path, sweep=SWEEP.replace("axes: {i: [1, 2, 3]}", arms % (i, 0.1 + 0.2)))
    said = lawsweep("check", tmp_path / "halves.yaml")
    assert said.code == 0 and "0.3 and 0.30000000000000004, which differ in their last digits alone" in said.err


@pytest.mark.slow
def test_mlflow_is_brought_up_to_date_and_gives_a_store_back(lawsweep: Lawsweep, good: Path, tmp_path: Path) -> None:
    assert lawsweep("merge", good / "store", "--store", tmp_path / "store").code == 0
    synced = lawsweep("sync", "--store", tmp_path / "store")
    assert synced.code == 0 and "halves" in synced.out
    again = lawsweep("import", "--tracking-uri", f"sqlite:///{tmp_path}/store/mlflow.db", "--store", tmp_path / "back")
    assert again.code == 0 and frames.rows(open_store(tmp_path / "back"), "halves").collect().height == 3
