"""No traceback of ours reaches a user: an internal error is a sentence, an exit code of its own and a file."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator import cli
from orchestrator.cli import crash
from orchestrator.driver.executors import ray_cluster, ray_token
from orchestrator.driver.executors.executor import Resources
from orchestrator.driver.executors.ray_executor import RayTune
from orchestrator.errors import SweepError
from orchestrator.spec.sweep_model import Needs


class Panic(BaseException):
    """What a library written in Rust raises."""


@pytest.mark.parametrize(
    "error", [RuntimeError("boom\x1b[2J\nat line 2"), AssertionError(), RecursionError("deep"), Panic("x")]
)
def test_an_error_of_ours_is_a_sentence_a_code_and_a_file(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def broken(*_: Any) -> None:
        raise error

    monkeypatch.setattr(cli._Lazy, "get_command", broken)
    monkeypatch.setattr(crash.tempfile, "gettempdir", lambda: str(tmp_path))
    with pytest.raises(SystemExit) as left:
        cli.main(["list"])
    assert left.value.code == crash.CODE == 4
    said = capsys.readouterr().err
    assert said.startswith(f"lawsweep: an error of lawsweep itself, {type(error).__name__}: ") and said.count("\n") == 1
    (file,) = tmp_path.glob("lawsweep-error-*.txt")
    assert str(file) in said and "Traceback" not in said and "\x1b" not in said
    assert "Traceback (most recent call last)" in file.read_text() and "def broken" not in said


def test_a_file_that_cannot_be_written_is_the_users_to_mend(tmp_path: Path) -> None:
    error = FileNotFoundError(2, "No such file or directory", str(tmp_path / "none" / "x.csv"))
    text, code = crash.told(error)
    assert code == 2 and f"{tmp_path}/none/x.csv: No such file or directory; mend the path" in text


def test_a_ray_that_does_not_come_up_gives_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def failed(**_: Any) -> None:
        raise RuntimeError("the raylet\ndid not start")

    monkeypatch.setattr(ray_cluster.ray, "init", failed)
    executor = RayTune(Resources(address=None, cpus=1, gpus=None))
    executor.begin(())
    with pytest.raises(SweepError, match="Ray did not come up: RuntimeError: the raylet; mend that, or measure with --inline"):
        executor.slots(Needs())


def test_an_address_where_nothing_listens_is_told_at_once() -> None:
    with pytest.raises(SweepError, match="must answer at '127.0.0.1:1', but nothing listens there"):
        ray_cluster._listening("127.0.0.1:1")


@pytest.fixture
def token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The token of a home that a local run has left."""
    for name in (ray_token.MODE, ray_token.TOKEN, ray_token.FILE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / ".ray" / "auth_token"
    path.parent.mkdir()
    path.write_text("abc")
    path.chmod(0o644)
    return path


def test_the_token_of_a_home_is_sent_and_that_is_said(token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = "from orchestrator.driver.executors import ray_token; import os; ray_token.joined('auto'); print(os.environ['RAY_AUTH_MODE'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ}, check=True)
    assert done.stdout == "token\n" and f"with the token of {token}" in done.stderr


def test_a_mode_that_the_user_has_set_stays(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ray_token.MODE, "disabled")
    assert ray_token.joined("auto") == "" and "must not be 'disabled'" in ray_token.advice("")


def test_a_home_without_a_token_joins_without(token: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token.unlink()
    assert ray_token.joined("auto") == "" and os.environ.get(ray_token.MODE) is None
    assert re.search("copy its ~/.ray/auth_token here", ray_token.advice(""))


def test_nobody_else_may_read_the_token(token: Path) -> None:
    ray_token.shut()
    assert token.stat().st_mode & 0o777 == 0o600
