"""Makes the module of a workload from the file that describes a program, and names the files that it depends on."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from orchestrator.errors import WorkloadError
from orchestrator.workload import functions
from orchestrator.workload.code_hash import code_hash
from orchestrator.workload.commands import process
from orchestrator.workload.commands.answers import Answers
from orchestrator.workload.commands.definition import Definition, Misstated, definition
from orchestrator.workload.commands.keys import KEYS
from orchestrator.workload.context import Context

SUFFIXES = (".yaml", ".yml")
PYTHONS = ("python", "python3")
RESULTS, SEED, DEVICE = "LAWSWEEP_RESULTS", "LAWSWEEP_SEED", "LAWSWEEP_DEVICE"
"""Variables that a program finds: the file that takes its JSON lines, its seed, and its device."""


def tree(path: Path) -> dict[str, Any]:
    """The keys of a file that describe its program.

    Raises WorkloadError where the file is no mapping or has no command.
    """
    try:
        raw = yaml.safe_load(path.read_text())
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise WorkloadError(f"{path}: a file that describes a command must be YAML, but {error}; mend it.") from error
    if not isinstance(raw, Mapping) or "command" not in raw:
        raise WorkloadError(
            f"{path}: a workload in YAML must have 'command', but has none; write command: [python, train.py, --lr, '{{lr}}']."
        )
    return {key: raw[key] for key in KEYS if key in raw}


@dataclass(frozen=True, kw_only=True)
class Program:
    """The program that a file describes, as it is now: its file read once, its executable found here."""

    path: Path
    definition: Definition
    executable: str
    texts: Mapping[str, bytes]
    """Of the file what describes its program: a claim that is reworded changes no code."""

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files that its results depend on, by their place below its folder: those that the command names, and `code`.

        Raises WorkloadError where a pattern of `code` fits no file.
        """
        folder = self.path.parent
        paths = [folder / self.definition.cwd / word for word in self.definition.command if "{" not in word]
        for pattern in self.definition.code:
            matches = [match for match in sorted(folder.glob(pattern)) if match.is_file()]
            if not matches:
                raise WorkloadError(
                    f"{self.path}: code: '{pattern}' must fit a file below {folder}, but fits none; mend the pattern."
                )
            paths += matches
        inside = (candidate.resolve() for candidate in paths if candidate.is_file())
        return {candidate.relative_to(folder).as_posix(): candidate for candidate in inside if candidate.is_relative_to(folder)}

    @cached_property
    def version(self) -> int:
        """The file's `version`; where it has none, a number made of what it and the program's files hold.

        A changed script is another measurement then, and is measured anew without a question.
        """
        if self.definition.version is not None:
            return self.definition.version
        return int(code_hash({name: file.read_bytes() for name, file in self.files.items()} | {**self.texts})[:7], 16)


def program(path: Path) -> Program:
    """The program that a file describes; WorkloadError where the file is wrong or its executable is not here."""
    keys = tree(path)
    try:
        described = definition(keys)
    except Misstated as fault:
        raise WorkloadError(f"{path}: {'.'.join(map(str, fault.keys))}: {fault.text}") from fault
    texts = {path.name: yaml.safe_dump(keys, allow_unicode=True).encode()}
    return Program(path=path, definition=described, executable=_executable(described, path.parent), texts=texts)


def _executable(described: Definition, folder: Path) -> str:
    """The program that is called: `python` is the one that runs the sweep, others are looked up as a shell does.

    Raises WorkloadError where nothing of that name can be run.
    """
    name, cwd = described.command[0], folder / described.cwd
    if not cwd.is_dir():
        raise WorkloadError(f"{folder}: 'cwd' must be a folder, but {cwd} is none; it counts from the sweep's folder.")
    if name in PYTHONS:
        return sys.executable
    path = shutil.which(str(cwd / name)) if os.sep in name else shutil.which(name)
    if path is None:
        raise WorkloadError(
            f"{folder}: command: the first word must be a program, but '{name}' is none that can be run here; install it or "
            "name its path."
        )
    return path


def module(path: Path) -> types.ModuleType:
    """The module of the program that the file describes."""
    called = program(path)
    described = called.definition
    workload_module = types.ModuleType(f"lawsweep_command_{path.stem}", f"What `{' '.join(described.command)}` answers.")
    result = functions.record("Result", described.results)
    workload_module.__dict__.update(
        VERSION=called.version,
        MEASURES=described.measures,
        COLUMNS=(described.params, described.results),
        Params=functions.record("Params", described.params),
        Result=result,
        run=lambda params, ctx: _run(called, result, vars(params), ctx),
        __file__=str(path),
    )
    return workload_module


@contextmanager
def _results_file() -> Iterator[Path]:
    """An empty file for JSON lines: one in memory where the system has them, for a folder is milliseconds to remove."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("lawsweep-results")
        try:
            yield Path(f"/proc/{os.getpid()}/fd/{number}")
        finally:
            os.close(number)
    else:
        with tempfile.NamedTemporaryFile(prefix="lawsweep-results-") as file:
            yield Path(file.name)


def _run(called: Program, result: type, params: Mapping[str, Any], ctx: Context) -> Iterator[tuple[Any, Any]]:
    """The rows of one point: one call of the program."""
    values = {**params, "seed": ctx.seed, "device": ctx.device}
    described = called.definition
    with _results_file() as file:
        answers = Answers(described, file)
        own = {RESULTS: str(file), SEED: str(ctx.seed), DEVICE: ctx.device}
        words = [called.executable, *described.called(values)[1:]]
        stdin = json.dumps({**params, "seed": ctx.seed}).encode() if described.stdin else None
        env = {**os.environ, **own, **described.environment(values)}
        for stream, line in process.lines(words, str(called.path.parent / described.cwd), env, stdin):
            if not line:  # between two looks at the streams; a look at the file for each line would cost more than the line
                yield from ((step, result(**row)) for step, row in answers.rows())
                continue
            (sys.stdout if stream == process.OUT else sys.stderr).write(f"{line}\n")
            if stream == process.OUT:
                answers.hear(line)
        yield from ((step, result(**row)) for step, row in answers.last())
