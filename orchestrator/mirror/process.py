"""Mirrors sweeps to MLflow in a second process, so that a run does not wait for MLflow's slow import and writes."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, Any

from orchestrator import shipped
from orchestrator.errors import SweepError
from orchestrator.mirror.mlflow_server import Mirrored, TrackError, imported, mirror, prepare
from orchestrator.store import Store, open_store

ADVICE = "the store has every row: give 'lawsweep sync' when MLflow is well."


class Background:
    """A process that imports MLflow, makes the database of the store it is given, and then mirrors sweeps as it is asked.

    It ends with its input, so also when this process is killed.
    """

    def __init__(self, uri: str | None = None) -> None:
        argv = shipped.command("orchestrator.mirror.process")
        self._folder = tempfile.TemporaryDirectory(prefix="lawsweep-mirror-", ignore_cleanup_errors=True)
        # The URI may hold a password, and every user of a machine may read command lines.
        surroundings = {**os.environ, **({"MLFLOW_TRACKING_URI": uri} if uri else {})}
        # A session of its own: Ctrl-C ends the sweep, and the mirror then still has its end to write.
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=surroundings,
            start_new_session=True,
        )

    def begin(self, store: Store) -> None:
        """Name the store that all sweeps to come are in; returns at once."""
        self._say(str(store.path))

    def folder(self) -> Path:
        """An empty folder for files that a request hands over; it goes with the mirror."""
        return Path(tempfile.mkdtemp(dir=self._folder.name))

    def ask(self, sweep: str, size: str | None = None, files: bool = True, ready: Path | None = None) -> None:
        """Have the sweep mirrored as it stands when its turn comes, without `files` its curves alone; returns at once.

        `ready` is a folder of `folder` with what `mlflow_server.mirror` need not make.
        """
        self._say([sweep, size, files, str(ready) if ready else None])

    def _say(self, what: Any) -> None:
        assert self._process.stdin is not None
        # A process that is gone is told of by `finish`.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(what) + "\n")
            self._process.stdin.flush()

    def finish(self, timeout: float = 300.0) -> tuple[Mirrored, ...]:
        """What was done, once all that was asked for is; the process is gone after that.

        Raises TrackError where the server could not be reached, or did not come to its end within `timeout` seconds.
        """
        try:
            answers, _ = self._process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            self.stop()
            raise TrackError(f"MLflow: the mirror must end within {timeout:.0f} s, but it has not; {ADVICE}") from error
        done = [json.loads(line) for line in answers.splitlines()]
        failed = [answer["error"] for answer in done if "error" in answer]
        if failed:
            raise TrackError(failed[0])
        if self._process.returncode:
            raise TrackError(
                f"MLflow: the mirror's process must end well, but gave exit code {self._process.returncode}; {ADVICE}"
            )
        return tuple(Mirrored(**answer) for answer in done)

    def stop(self) -> None:
        """End the process without waiting for what it was asked; nothing is left of what it was given."""
        self._process.kill()
        self._process.communicate()
        self._folder.cleanup()


def serve(requests: IO[str], answers: IO[str]) -> None:
    """Answer each line `[sweep, size, files, ready]` with a line that says what was done, or `{"error": why}`.

    The first line is the store's path.
    """
    gc.disable()  # full collections of what MLflow is made of cost a second in all
    imported()
    first = requests.readline()
    if not first:
        return  # the run came to nothing before it had a store
    store = open_store(json.loads(first))
    with contextlib.suppress(SweepError):
        prepare(store)
    gc.freeze()
    gc.enable()
    for line in requests:
        sweep, size, files, folder = json.loads(line)
        try:
            answer = dataclasses.asdict(mirror(store, sweep, size, files=files, ready=Path(folder) if folder else None))
        except SweepError as error:
            answer = {"error": str(error)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr) as _:
        serve(sys.stdin, sys.__stdout__ or sys.stdout)
    os._exit(0)  # all is written and said; taking MLflow down in order takes a second
