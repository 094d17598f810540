"""A workload's file imports what lies beside it, its package, and classes it inherits from; two folders keep apart."""

from __future__ import annotations

from pathlib import Path

from orchestrator.workload import describe
from orchestrator.workload.context import Context
from orchestrator.workload.describe import Workload

MEASURE = "def measure(n: int = 1) -> str:\n    import late\n    return helper.WHO + late.WHO\n"
CLASSES = """
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Annotated as A


@dataclass(frozen=True)
class Base:
    x: A[int, "a number"] = 1
    made: A[int, "made by a factory"] = field(default_factory=lambda: 3)
    hidden: int = field(init=False, default=0)
"""
INHERITS = """
from __future__ import annotations
from dataclasses import dataclass
from typing import Annotated
from base import Base

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params(Base):
    y: Annotated[int, "another"] = 2


@dataclass(frozen=True)
class Result(Base):
    z: Annotated[int, "their sum"] = 0


def run(params, ctx):
    yield 0, Result(z=params.x + params.y + params.made)
"""


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/').replace('/init_', '/__init__')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def said(workload: Workload) -> object:
    workload.enter()
    ((_, row),) = workload.run(workload.module.Params(), Context(0))
    return row.value


def test_modules_beside_the_file_are_its_own(tmp_path: Path) -> None:
    here, there = (
        describe.load(
            "mine.py", write(tmp_path / who, mine="import helper\n" + MEASURE, helper=f"WHO = '{who}'", late=f"WHO = '{who}'")
        )
        for who in ("a", "b")
    )
    assert [said(here), said(there), said(here)] == ["aa", "bb", "aa"]


def test_a_file_of_a_package_imports_relatively(tmp_path: Path) -> None:
    write(tmp_path, pkg__init_="", pkg__helper="WHO = 'p'", pkg__mine="from . import helper\n" + MEASURE, late="WHO = 'q'")
    assert said(describe.load("./pkg/mine.py", tmp_path)) == "pq"


def test_a_package_called_as_one_of_ours_is_the_users(tmp_path: Path) -> None:
    write(tmp_path, workloads__init_="", workloads__helper="WHO = 'p'", late="WHO = 'q'")
    write(tmp_path, workloads__mine="from workloads import helper\n" + MEASURE)
    mine = describe.load("./workloads/mine.py", tmp_path)
    assert said(mine) == "pq"
    assert describe.load(describe.shipped()[0]).module.__name__.startswith("workloads.")
    assert said(mine) == "pq"


def test_dataclasses_inherit_and_make_their_defaults(tmp_path: Path) -> None:
    write(tmp_path, base=CLASSES, mine=INHERITS.replace("class Result(Base)", "class Result"))
    mine = describe.load("mine.py", tmp_path)
    assert [(f.name, f.default) for f in mine.params] == [("x", 1), ("made", 3), ("y", 2)]
    assert [row.z for _, row in mine.run(mine.module.Params(), Context(0))] == [6]
