"""Every workload that is here keeps the contract; a new module in the package, or a new entry point, is tested unasked."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import workloads
from orchestrator.check import contract
from orchestrator.check.contract import ContractCheck
from orchestrator.workload import describe

FOLDER = Path(workloads.__path__[0])
PAPERS = sorted(folder.name for folder in FOLDER.iterdir() if (folder / "__init__.py").exists() and folder.name != "shared")
MOST = 15  # modules in one folder
SHIPPED = describe.shipped()
MODULE = re.compile(r"\A[^\n]+\n.*^Source: .+^Symbols: ", re.S | re.M)


@functools.cache
def findings(name: str) -> dict[str, ContractCheck]:
    return {check.name: check for check in contract.check(name)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_workload_keeps_the_contract(name: str) -> None:
    broken = [f"{check.name}: {check.text}" for check in findings(name).values() if not check.passed]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_workload_says_what_it_measures_with_source_and_symbols(name: str) -> None:
    assert MODULE.search(describe.load(name).module.__doc__ or "")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_workload_that_measures_values_is_tried_in_several_shapes(name: str) -> None:
    described = describe.load(name)
    points = contract.choose(described, ())
    assert len({tuple(params[n] for n in described.shapes) for params, _ in points}) > 1


def test_the_package_holds_workloads() -> None:
    assert SHIPPED


def modules(folder: Path) -> set[str]:
    """Names of the modules that stand directly in a folder."""
    return {path.stem for path in folder.glob("*.py")} - {"__init__"}


def imported(folder: Path) -> Iterator[str]:
    """Names of packages of `workloads` that modules below a folder import, each as its first part."""
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            parts = (node.module or "").split(".") if isinstance(node, ast.ImportFrom) else []
            if parts[:1] == ["workloads"]:
                yield from parts[1:2] or [alias.name for alias in node.names]  # type: ignore[attr-defined]


@pytest.mark.parametrize("paper", PAPERS)
def test_every_public_module_of_a_paper_is_a_measurement(paper: str) -> None:
    assert {name for name in SHIPPED if name.startswith(f"{paper}.")} == {f"{paper}.{m}" for m in modules(FOLDER / paper)}


@pytest.mark.parametrize("paper", PAPERS)
def test_no_mathematics_bears_the_name_of_a_measurement(paper: str) -> None:
    assert not modules(FOLDER / paper) & modules(FOLDER / paper / "maths")


@pytest.mark.parametrize("paper", PAPERS)
def test_a_paper_imports_itself_and_what_is_shared(paper: str) -> None:
    assert set(imported(FOLDER / paper)) <= {paper, "shared"}


def test_what_is_shared_imports_no_paper() -> None:
    assert set(imported(FOLDER / "shared")) == {"shared"}


def test_no_folder_is_too_full_to_be_read_at_a_glance() -> None:
    folders = [FOLDER, *(path for path in FOLDER.rglob("*") if path.is_dir() and path.name != "__pycache__")]
    assert not {str(folder.relative_to(FOLDER)) for folder in folders if len(modules(folder)) > MOST}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_module_has_one_way_to_measure_or_two_that_differ(name: str) -> None:
    """A `run` that only calls its module's `run_pack` would be compared with itself."""
    tree = ast.parse(Path(str(describe.load(name).module.__file__)).read_text())
    runs = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "run"]
    names = {node.id for run in runs for node in ast.walk(run) if isinstance(node, ast.Name)}
    assert "run_pack" not in names
