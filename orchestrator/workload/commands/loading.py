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


def described(path: Path) -> Definition:
    """The program that a file describes, its executable found here; WorkloadError where either is wrong."""
    try:
        program = definition(tree(path))
    except Misstated as fault:
        raise WorkloadError(f"{path}: {'.'.join(map(str, fault.keys))}: {fault.text}") from fault
    executable(program, path.parent)
    return program


def executable(program: Definition, folder: Path) -> str:
    """The program that is called: `python` is the one that runs the sweep, others are looked up as a shell does.

    Raises WorkloadError where nothing of that name can be run.
    """
    name, cwd = program.command[0], folder / program.cwd
    if name in PYTHONS:
        return sys.executable
    if not cwd.is_dir():
        raise WorkloadError(f"{folder}: 'cwd' must be a folder, but {cwd} is none; it counts from the sweep's folder.")
    path = shutil.which(str(cwd / name)) if os.sep in name else shutil.which(name)
    if path is None:
        raise WorkloadError(
            f"{folder}: command: the first word must be a program, but '{name}' is none that can be run here; install it or "
            "name its path."
        )
    return path


def files(path: Path) -> dict[str, Path]:
    """Files that a program's results depend on, by their place below its folder: those that the command names, and `code`.

    Raises WorkloadError where a pattern of `code` fits no file.
    """
    program, folder = described(path), path.parent
    paths = [(folder / program.cwd / word) for word in program.command if "{" not in word]
    for pattern in program.code:
        matches = [match for match in sorted(folder.glob(pattern)) if match.is_file()]
        if not matches:
            raise WorkloadError(f"{path}: code: '{pattern}' must fit a file below {folder}, but fits none; mend the pattern.")
        paths += matches
    inside = (candidate.resolve() for candidate in paths if candidate.is_file())
    return {candidate.relative_to(folder).as_posix(): candidate for candidate in inside if candidate.is_relative_to(folder)}


def texts(path: Path) -> dict[str, bytes]:
    """Of the file what describes its program: a claim that is reworded changes no code."""
    return {path.name: yaml.safe_dump(tree(path), allow_unicode=True).encode()}


def version(path: Path) -> int:
    """The file's `version`; where it has none, a number made of what it and the program's files hold.

    A changed script is another measurement then, and is measured anew without a question.
    """
    stated = described(path).version
    contents = {name: file.read_bytes() for name, file in files(path).items()} | texts(path)
    return stated if stated is not None else int(code_hash(contents)[:7], 16)


def module(path: Path) -> types.ModuleType:
    """The module of the program that the file describes."""
    program = described(path)
    workload_module = types.ModuleType(f"lawsweep_command_{path.stem}", f"What `{' '.join(program.command)}` answers.")
    result = functions.record("Result", program.results)
    workload_module.__dict__.update(
        VERSION=version(path),
        MEASURES=program.measures,
        COLUMNS=(program.params, program.results),
        Params=functions.record("Params", program.params),
        Result=result,
        run=lambda params, ctx: _run(program, path.parent, result, vars(params), ctx),
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


def _run(program: Definition, folder: Path, result: type, params: Mapping[str, Any], ctx: Context) -> Iterator[tuple[Any, Any]]:
    """The rows of one point: one call of the program."""
    values = {**params, "seed": ctx.seed, "device": ctx.device}
    with _results_file() as file:
        answers = Answers(program, file)
        own = {RESULTS: str(file), SEED: str(ctx.seed), DEVICE: ctx.device}
        words = [executable(program, folder), *program.called(values)[1:]]
        stdin = json.dumps({**params, "seed": ctx.seed}).encode() if program.stdin else None
        env = {**os.environ, **own, **program.environment(values)}
        for stream, line in process.lines(words, str(folder / program.cwd), env, stdin):
            if line:
                (sys.stdout if stream == process.OUT else sys.stderr).write(f"{line}\n")
            if line and stream == process.OUT:
                answers.hear(line)
            yield from ((step, result(**row)) for step, row in answers.rows())
        yield from ((step, result(**row)) for step, row in answers.last())
