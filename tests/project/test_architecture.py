"""Who imports whom, what an import costs, and the few habits that a machine can hold."""

from __future__ import annotations

import ast
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "ray", "mlflow", "polars", "duckdb", "scipy", "sklearn", "altair")
LIGHT = (
    "orchestrator",
    "orchestrator.cli",
    "orchestrator.spec",
    "orchestrator.plan",
    "orchestrator.store",
    "orchestrator.worker.execute",
)


@cache
def graph() -> grimp.ImportGraph:
    """All imports of the engine, the workloads and the pages, those inside functions too."""
    return grimp.build_graph(
        "orchestrator",
        "workloads",
        "dashboards",
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )


def trees() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the engine, parsed, by its path below the project."""
    for path in sorted((ROOT / "orchestrator").rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def importers(package: str) -> set[str]:
    """Modules that import a package from outside."""
    return set(graph().find_modules_that_directly_import(package)) if package in graph().modules else set()


def test_one_folder_imports_ray() -> None:
    assert {module.rpartition(".")[0] for module in importers("ray")} == {"orchestrator.driver.executors"}


def test_one_file_imports_mlflow() -> None:
    assert importers("mlflow") == {"orchestrator.mirror.mlflow_server"}


def test_the_import_contracts_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_a_workload_imports_nothing_of_ours() -> None:
    ours = {m for m in graph().modules if m.startswith("workloads")}
    assert {
        target for m in ours for target in graph().find_modules_directly_imported_by(m) if target.startswith("orchestrator")
    } == set()


@pytest.mark.parametrize("module", LIGHT)
def test_its_import_is_light(module: str) -> None:
    code = f"import {module}, sys; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_takes_less_than_four_tenths_of_a_second() -> None:
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "orchestrator.cli", "--help"], cwd=ROOT, capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(spent) < 0.4


def catches_all(handler: ast.ExceptHandler) -> bool:
    """Whether an except clause takes every exception."""
    return handler.type is None or bool(
        {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} & {"Exception", "BaseException"}
    )


def test_five_places_catch_everything() -> None:
    """Where anybody's code may raise anything, or what nobody foresaw must be told; each place makes something of it."""
    broad = [path for path, tree in trees() for n in ast.walk(tree) if isinstance(n, ast.ExceptHandler) and catches_all(n)]
    assert sorted(broad) == [
        "orchestrator/claims/judging.py",  # a judge's error: that claim has no verdict, the others have theirs
        "orchestrator/cli/__init__.py",  # an error of ours: a sentence, a file with the rest, exit code 4
        "orchestrator/driver/executors/ray_executor.py",  # Ray comes up in a thread: the driver, which waits, raises it
        "orchestrator/sweep.py",  # one sweep of several: it is told, and the others run
        "orchestrator/worker/attempt.py",  # a workload's error: a row
    ]


def test_only_what_speaks_to_a_person_prints() -> None:
    # Answers for programs have one door; ray_tune prints when Ray is gone, as the last thing before the process leaves.
    allowed = {"orchestrator/answers.py", "orchestrator/driver/progress.py", "orchestrator/driver/executors/ray_tune.py"}
    calls = ((path, n.func) for path, tree in trees() for n in ast.walk(tree) if isinstance(n, ast.Call))
    printing = {path for path, call in calls if isinstance(call, ast.Name) and call.id == "print"}
    assert {path for path in printing if not path.startswith("orchestrator/cli/")} <= allowed


def test_every_module_opens_with_a_sentence() -> None:
    silent = [path for path, tree in trees() if not (ast.get_docstring(tree) or "").split("\n")[0].endswith((".", "?"))]
    assert silent == []


def test_no_committed_file_names_a_folder_of_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    home = f"{os.sep}root{os.sep}"
    told = [p for p in listed.split("\0") if p and (ROOT / p).is_file() and home in (ROOT / p).read_text(errors="ignore")]
    assert told == []
