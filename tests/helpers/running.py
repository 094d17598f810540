"""Small workloads and sweeps written as text, and what it takes to measure their points in this process."""

from __future__ import annotations

import sys
import types
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestrator.plan import Plan, expand
from orchestrator.spec import Spec, parse
from orchestrator.worker.batch import Batch, Outcome, Terms
from orchestrator.worker.execute import execute
from orchestrator.worker.pace import Pace
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload.describe import Workload, describe, load
from tests.helpers.points import id_of

FAULTS = Path(__file__).parents[1] / "faults" / "workloads"
HEAD = '''"""Half of a number."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated

import numpy as np

VERSION = 1
MEASURES = "value"


@dataclass(frozen=True)
class Params:
    i: Annotated[int, "a number", {"shape": True}]
    scale: Annotated[float, "what it is scaled by"] = 1.0
    label: Annotated[str | None, "a name for it"] = None


@dataclass(frozen=True)
class Result:
    half: Annotated[float, "half of it"]
    whole: Annotated[int | None, "its whole part, if asked"] = None


'''
RUN = "def run(params, ctx):\n    yield 0, Result(half=params.i / 2 * params.scale + ctx.seed)\n"
SWEEP = """\
question: Is a half a half?
workload: ./halves.py
axes: {i: [1, 2, 3]}
claims:
  - {id: half, says: a half is no more than the whole, holds: half <= i}
"""


def made(body: str, name: str = "halves", head: str = HEAD) -> Workload:
    """The workload whose module is `head` and `body`."""
    module = types.ModuleType(f"made_for_tests_{name}")
    sys.modules[module.__name__] = module  # string annotations are resolved there
    exec(compile(head + body, f"{name}.py", "exec"), vars(module))
    return describe(module, name)


def fault(name: str) -> Workload:
    """One of the workloads that go wrong on purpose."""
    return load(f"{name}.py", FAULTS)


def spec_of(text: str = SWEEP, name: str = "halves") -> Spec:
    """The spec of a text."""
    return parse(text, name, path=Path(f"sweeps/{name}.yaml"))


def plan_of(axes: str, workload: Workload, rest: str = "", machine: str = "") -> Plan:
    """The plan of a sweep with these axes and these further lines."""
    return expand(spec_of(f"question: What?\nworkload: w\naxes: {axes}\n{rest}"), workload, machine)


def home(folder: Path, run: str = RUN, sweep: str = SWEEP) -> Path:
    """The path of a sweep file in the folder, beside its workload."""
    (folder / "halves.py").write_text(HEAD + run)
    (folder / "halves.yaml").write_text(sweep)
    return folder / "halves.yaml"


def batch_of(workload: Workload, n: int, seconds: float = 60.0, **columns: Any) -> Batch:
    """The points i = 0 … n-1 with their default params, or the columns as given; positions in the plan start at 100."""
    given = {"i": list(range(n)), **columns}
    params = {f.name: given.get(f.name, [f.default] * n) for f in workload.params}
    ids = [id_of(f"point{k}") for k in range(n)]
    return Batch(pack="p", index=list(range(100, 100 + n)), ids=ids, seeds=[0] * n, params=params, seconds=seconds)


def terms_of(limit: float | None = None) -> Terms:
    """Terms of a run on this machine's CPU."""
    about = {"workload": "halves", "folder": ".", "generation": 7, "commit": "abc", "dirty": True, "host": "here"}
    return Terms(**about, device="cpu", device_name="cpu", threads=1, limit=limit)  # type: ignore[arg-type]


@dataclass
class Basket:
    """A desk that keeps what it is handed; it says stop once `stop_after` points were marked."""

    stop_after: int | None = None
    marks: list[tuple[int, int]] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    states: dict[str, bytes] = field(default_factory=dict)
    shared: dict[str, bytes] = field(default_factory=dict)

    def mark(self, start: int, stop: int) -> None:
        """Keep the mark."""
        self.marks.append((start, stop))

    def deliver(self, table: pa.Table, places: list[int], failures: dict[str, int]) -> None:
        """Keep the rows."""
        self.tables.append(table)
        self.places += places

    def stopping(self) -> bool:
        """Whether enough was marked."""
        return self.stop_after is not None and len(self.marks) >= self.stop_after

    def listen(self) -> None:
        """Nothing was printed."""

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Keep the states."""
        self.states.update(dict.fromkeys(points, data))

    def kept(self, point: str) -> bytes | None:
        """The states kept last."""
        return self.states.get(point)

    def borrow(self, name: str) -> tuple[str, bytes | None]:
        """The shared state; to be made where there is none."""
        return ("here", self.shared[name]) if name in self.shared else ("make", None)

    def lend(self, name: str, data: bytes | None) -> None:
        """Keep the shared state."""
        if data is not None:
            self.shared[name] = data

    @property
    def rows(self) -> list[dict[str, Any]]:
        """All rows that were delivered."""
        return [row for table in self.tables for row in table.to_pylist()]


def measured(
    workload: Workload, batch: Batch, desk: Basket, limit: float | None = None, pace: Pace | None = None
) -> tuple[Outcome, list[dict[str, Any]]]:
    """The outcome of measuring the batch, and the rows that came of it."""
    watchdog = Watchdog(limit)
    outcome = execute(workload, batch, terms_of(limit), desk, watchdog, pace or Pace())
    watchdog.close()
    return outcome, desk.rows
