"""How the house is built: rooms of few modules, no circle of imports, a sentence for each room, names that say something."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[2]
TREES = ("orchestrator", "dashboards", "workloads", "tests")
MOST = 15
"""Modules in one folder; with more, a newcomer no longer sees which to open."""
WORDS = """
found kept known told said given one others there left place made held seen asked wanted drawn shown tried taken named
chosen listed noted written gone rest both those these thing stuff
"""
VAGUE = frozenset(WORDS.split())
"""Names that say nothing of what they hold: write `rows`, `verdicts`, `claim`, `record` instead."""
STILL = {"orchestrator": 93, "dashboards": 0, "workloads": 56}
"""Vague names that each tree still binds. These numbers may only fall."""


def folders() -> Iterator[Path]:
    """Every folder that holds modules."""
    for tree in TREES:
        yield from sorted({path.parent for path in (ROOT / tree).rglob("*.py")})


def bound(tree: ast.Module) -> Iterator[str]:
    """Every name that a module binds: variables, arguments, functions, classes and aliases, without leading underscores."""
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                yield name.strip("_")
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                yield name.strip("_")


@pytest.mark.parametrize("folder", [*folders()], ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folder_has_few_modules(folder: Path) -> None:
    modules = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(modules) <= MOST, modules


def test_no_imports_run_in_a_circle() -> None:
    graph = grimp.build_graph("orchestrator", "dashboards", "workloads", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        tuple(TopologicalSorter(imports).static_order())
    except CycleError as error:
        pytest.fail(f"imports run in a circle: {' -> '.join(error.args[1])}")


def test_every_room_says_its_purpose_in_one_sentence() -> None:
    rooms = [path for tree in ("orchestrator", "dashboards", "workloads") for path in (ROOT / tree).rglob("__init__.py")]
    sentences = {str(path.relative_to(ROOT)): ast.get_docstring(ast.parse(path.read_text())) or "" for path in rooms}
    assert {path for path, text in sentences.items() if not re.fullmatch(r"[^.?]+[.?].*", text.split("\n")[0])} == set()


@pytest.mark.parametrize("tree", STILL)
def test_names_say_what_they_hold(tree: str) -> None:
    paths = sorted((ROOT / tree).rglob("*.py"))
    names = {path: list(bound(ast.parse(path.read_text()))) for path in paths}
    vague = Counter(f"{path.relative_to(ROOT)}: {name}" for path in paths for name in names[path] if name in VAGUE)
    assert vague.total() <= STILL[tree], vague.most_common(20)
    assert vague.total() == STILL[tree], f"only {vague.total()} are left: write that into STILL, the number may only fall"


def test_a_class_name_stands_once_in_the_engine() -> None:
    homes = Counter(
        node.name
        for path in (ROOT / "orchestrator").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    )
    assert {name: count for name, count in homes.items() if count > 1} == {}
