"""Several sweeps in one command, of which one fails; and who is notified of what."""

from __future__ import annotations

import errno
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from orchestrator.cli import cli, crash, notify
from orchestrator.driver import measure
from orchestrator.errors import StoreError, SweepError
from orchestrator.store import durable, open_store
from tests.helpers.running import HEAD, RUN, SWEEP

BROKEN = {
    "no YAML": ("question: [", HEAD + RUN, 2),
    "an import error": (SWEEP.replace("halves", "broken"), "import nothing_of_that_name\n", 2),
    "an unknown param": (SWEEP.replace("halves", "broken").replace("{i: [", "{j: ["), HEAD + RUN, 2),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two good sweeps, and a list of the messages that would be sent."""
    for name in ("halves", "others"):
        (tmp_path / f"{name}.py").write_text(HEAD + RUN)
        (tmp_path / f"{name}.yaml").write_text(SWEEP.replace("halves", name))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What was posted, and where."""
    posted: list[tuple[str, dict[str, Any]]] = []
    monkeypatch.setattr(notify, "post", lambda url, message: posted.append((url, message)))
    return posted


def run(*specs: str, **options: Any) -> Result:
    command = ["run", *specs, "--inline", "--no-mlflow", "--store", "store"]
    extra = [f"--{name}" if value is True else f"--{name}={value}" for name, value in options.items()]
    return CliRunner().invoke(cli, [*command, *extra], standalone_mode=False)


def swept() -> set[str]:
    return {record["sweep"] for record in open_store("store").plans()}


@pytest.mark.parametrize("fault", BROKEN)
def test_the_others_run_and_the_exit_code_says_it(fault: str, folder: Path, sent: list[Any]) -> None:
    text, code, left = BROKEN[fault]
    (folder / "broken.yaml").write_text(text)
    (folder / "broken.py").write_text(code)
    done = run("halves.yaml", "broken.yaml", "others.yaml", notify="http://here/x")
    assert done.return_value == left and swept() == {"halves", "others"}
    assert "failed, the other sweeps go on" in done.stderr
    ((_, message),) = sent
    assert len(message["results"]) == 2 and [failed["exit_code"] for failed in message["failed"]] == [left]


def test_a_sweep_that_fails_while_it_runs_keeps_none_from_running(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = measure.run

    def broken(spec: Any, *more: Any, **named: Any) -> Any:
        if spec.name == "halves":
            raise RuntimeError("boom")
        return whole(spec, *more, **named)

    monkeypatch.setattr(measure, "run", broken)
    done = run("halves.yaml", "others.yaml")
    assert done.return_value == crash.CODE and swept() == {"others"} and "RuntimeError: boom" in done.stderr


def test_one_sweep_alone_raises_its_error(folder: Path) -> None:
    (folder / "halves.py").write_text("import nothing_of_that_name\n")
    assert isinstance(run("halves.yaml").exception, SweepError)


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on no row can be written."""
    write = durable.write

    def full(path: Path, data: bytes) -> None:
        if path.suffix == ".parquet" and "rows" in path.parts:
            raise durable.refusal(path, OSError(errno.ENOSPC, "No space left on device"))
        write(path, data)

    monkeypatch.setattr(durable, "write", full)


def crash_with(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a run raises that."""

    def broken(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(measure, "run", broken)


def test_a_full_disk_is_told(folder: Path, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    fill_the_disk(monkeypatch)
    done = run("halves.yaml", notify="http://here/x")
    assert isinstance(done.exception, StoreError)
    ((_, message),) = sent
    assert "No space left on device" in message["text"] and message["failed"][0]["exit_code"] == 2


@pytest.mark.parametrize("error", [RuntimeError("boom"), KeyboardInterrupt(), MemoryError()])
def test_a_crash_is_told(error: BaseException, folder: Path, sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    crash_with(error, monkeypatch)
    run("halves.yaml", notify="http://here/x")
    ((_, message),) = sent
    assert message["failed"][0]["exit_code"] == (130 if isinstance(error, KeyboardInterrupt) else crash.CODE)


def test_an_import_error_is_told(folder: Path, sent: list[Any]) -> None:
    (folder / "halves.py").write_text("import nothing_of_that_name\n")
    run("halves.yaml", notify="http://here/x")
    ((_, message),) = sent
    assert "nothing_of_that_name" in message["text"]


def test_slack_and_discord_get_the_text_that_they_take(sent: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    notify.tell("https://hooks.slack.com/services/a/b/c", "done", {"results": []})
    notify.tell("https://discord.com/api/webhooks/1/x", "done", {"results": []})
    assert [message for _, message in sent] == [{"text": "done"}, {"content": "done"}]


def test_an_address_that_nobody_knows_is_refused_before_the_first_trial(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    done = run("halves.yaml", notify="mailto://me@example.org")
    assert isinstance(done.exception, SweepError) and "lawsweep[notify]" in str(done.exception)
    assert not (folder / "store").exists()


def test_json_says_which_sweep_failed(folder: Path) -> None:
    (folder / "broken.yaml").write_text("question: [")
    done = run("broken.yaml", "halves.yaml", json=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[0]["sweep"] == "broken.yaml" and lines[0]["exit_code"] == 2 and lines[-1]["sweep"] == "halves"
