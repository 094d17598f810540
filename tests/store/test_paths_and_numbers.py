"""A store works for a group and under any path; numbers keep what they are, or are refused before the first trial."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli
from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.errors import SpecError, SweepError, WorkloadError
from orchestrator.mirror import mlflow_server
from orchestrator.results import query
from orchestrator.spec import read
from orchestrator.store import durable
from tests.helpers.running import HEAD, RUN, Basket, batch_of, home, made, measured, plan_of, spec_of

AXIS = 'Annotated[int, "a number", {"shape": True}]'


def asked(*words: str) -> Result:
    return CliRunner().invoke(cli, list(words), standalone_mode=False)


def ran(store: str) -> Result:
    return asked("run", "halves.yaml", "--inline", "--no-mlflow", "--quiet", "--store", store)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a sweep, which is the home folder too."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    home(tmp_path)
    return tmp_path


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_files_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        durable.write(tmp_path / "written", b"x")
        durable.create(tmp_path / "created", b"x")
        with durable.lock(tmp_path / "locked", "a test"):
            pass
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o666 & ~mask}


def test_a_tilde_is_the_home_folder_for_every_reader(here: Path) -> None:
    assert ran("~/res").return_value == 0 and (here / "home/res/store.json").exists() and not (here / "~").exists()
    assert asked("query", "select count(*) from halves", "--store", "~/res", "--format", "csv").output.split()[-1] == "3"
    assert len(query.results("~/res").sweep("halves").collect()) == 3


@pytest.mark.parametrize("name", ["a%20b", "what?", "number#1", "two words", "größe", "k=v", "a[1]b", "x*"])
def test_any_path_is_read_by_every_reader(here: Path, name: str) -> None:
    assert measure.run(read("halves.yaml"), name, Where(executor="inline", progress="quiet")).measured == 3
    assert len(query.results(name).table("halves").collect()) == 3 == len(query.results(name).sql("select * from halves"))


@pytest.mark.parametrize("name", ["a%20b", "what?", "number#1", "two words", "größe"])
def test_the_address_of_a_database_leads_back_to_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / "mlflow.db"
    uri = mlflow_server._sqlite(file)
    assert mlflow_server._database(uri) == file and not {"?", "#", " "} & set(uri)


@pytest.mark.parametrize("number", ["1e19", "10000000000000000000", "9223372036854775808", "-9223372036854775809"])
def test_a_whole_number_past_64_bits_is_refused_with_its_place(number: str) -> None:
    with pytest.raises(SpecError, match=r"halves.yaml:3: axes.i.*64 bits|halves.yaml:3: axes.i.*-2\^63 and 2\^63 - 1"):
        plan_of(f"{{i: [{number}]}}", made(RUN))


@pytest.mark.parametrize("number", [2**53 + 1, 2**63 - 1, -(2**63)])
def test_a_whole_number_of_64_bits_is_kept(number: int) -> None:
    assert plan_of(f"{{i: [{number}]}}", made(RUN)).params["i"] == [number]


def test_a_whole_number_that_no_float_can_tell_is_refused() -> None:
    with pytest.raises(SpecError, match="scale must be a number that a float of 64 bits can tell"):
        plan_of("{i: [1], scale: [9007199254740993, 9007199254740992]}", made(RUN))


@pytest.mark.parametrize(
    "wrong", [AXIS + '\n    I: Annotated[int, "another"] = 1', AXIS + '\n    Status: Annotated[int, "another"] = 1']
)
def test_columns_that_differ_in_the_size_of_letters_are_refused(wrong: str) -> None:
    with pytest.raises(WorkloadError, match=r"differ|kept by the engine"):
        made(RUN, head=HEAD.replace(AXIS, wrong))


def test_null_stands_on_an_axis_and_under_fixed_and_is_kept_in_the_resolved_spec() -> None:
    workload = made(RUN, head=HEAD.replace("scale: Annotated[float,", "scale: Annotated[float | None,"))
    assert plan_of("{i: [1], scale: [null, 0.5]}", workload).params["scale"] == [None, 0.5]
    spec = spec_of("question: q\nworkload: w\naxes: {i: [1]}\nfixed: {scale: null}\narms: {a: {fixed: {label: null}}}\n")
    assert spec.resolved()["fixed"] == {"scale": None} and spec.resolved()["arms"]["a"]["fixed"] == {"label": None}
    assert spec_of(json.dumps(spec.resolved())).fixed == {"scale": None}


@pytest.mark.parametrize("value", ["np.array(1.5)", "np.array([1.5])", "np.float32(1.5)", "Tensor()"])
def test_a_tensor_array_or_scalar_of_one_number_is_that_number(value: str) -> None:
    tensor = "class Tensor:\n    shape = ()\n    def item(self):\n        return 1.5\n\n\n"
    run = f"def run(params, ctx):\n    yield 0, Result(half={value}, whole=np.array([3]))\n"
    (outcome, rows) = measured(workload := made(tensor + run), batch_of(workload, 2), Basket())
    assert [(row["status"], row["half"], row["whole"]) for row in rows] == [("ok", 1.5, 3)] * 2 and not outcome.failures


@pytest.mark.parametrize(
    ("value", "status"),
    [("np.array([1.0, 2.0])", "error"), ("'text'", "error"), ("None", "error"), ("float('nan')", "diverged")],
)
def test_what_is_no_result_is_counted_in_its_own_run(value: str, status: str) -> None:
    head = HEAD.replace('"half of it"]', '"half of it", {"finite": True}]')
    workload = made(f"def run(params, ctx):\n    yield 0, Result(half={value})\n", head=head)
    outcome, rows = measured(workload, batch_of(workload, 4), Basket())
    assert outcome.failures == {status: 4} and {row["status"] for row in rows} == {status}


def test_a_run_leaves_with_3_where_results_are_of_no_type(here: Path) -> None:
    (here / "halves.py").write_text(HEAD + "def run(params, ctx):\n    yield 0, Result(half='text')\n")
    done = ran("results")
    assert done.return_value == 3


def test_a_list_is_text_in_csv_and_a_file_that_cannot_be_is_one_sentence(here: Path) -> None:
    ran("results")
    assert '"[1, 2]"' in asked("query", "select [1, 2] as l", "--format", "csv").output
    done = asked("query", "select 1", "--format", "csv", "-o", "none/x.csv")
    assert isinstance(done.exception, SweepError) and "none/x.csv" in str(done.exception)
