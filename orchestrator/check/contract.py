"""Turns a workload and a few of its points into findings: does it keep what the engine relies on?"""

from __future__ import annotations

import dataclasses
import random
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from orchestrator.columns import OK
from orchestrator.errors import SpecError, WorkloadError
from orchestrator.plan import expand
from orchestrator.results import conditions
from orchestrator.spec import parsing
from orchestrator.worker.batch import Batch, Terms
from orchestrator.worker.execute import execute
from orchestrator.worker.pace import Pace
from orchestrator.worker.states import HERE, MAKE
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload.describe import Value, Workload, load

POINTS = 12  # points that are measured together
BUDGET = 5.0  # seconds for the first pass over them; there are five
ROUNDED = 1e-9  # relative difference between seeds that is rounding
LIMIT = 120.0  # seconds a single point may take
Point = tuple[Mapping[str, Value | None], int]
Rows = list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ContractCheck:
    """One thing that every workload must hold to; `passed` is None where it could not be looked at."""

    name: str
    passed: bool | None
    text: str


@dataclass(frozen=True)
class WorkloadSubject:
    """A workload with the points it is tried on and the rows each gave alone."""

    workload: Workload
    points: tuple[Point, ...]
    alone: tuple[Rows, ...]
    folder: Path
    shared: Mapping[str, bytes]
    """What the points have made for all who ask, by name; each was measured beside none of it."""
    unlike: str = ""
    """The shared state that two points made differently; empty where there is none."""

    @property
    def tolerance(self) -> float:
        """The relative difference that the module allows between packs; 0 where it states none."""
        return float(getattr(self.workload.module, "TOLERANCE", 0.0))


def check(
    reference: Workload | str | types.ModuleType, points: Sequence[Point] = (), folder: Path | None = None
) -> tuple[ContractCheck, ...]:
    """What holds and what does not for a workload, or for that of a name, path or module.

    It is tried on the given `points` (params and seed), else on the module's `EXAMPLES: Sequence[Params]`, else on the smoke
    plans of the shipped sweeps that use it, else on its defaults. Points of several shapes say more than one.
    """
    here = folder or Path.cwd()
    try:
        workload = reference if isinstance(reference, Workload) else load(reference, here)
    except WorkloadError as error:
        return (ContractCheck(name=READS, passed=False, text=str(error)),)
    counts = f"{len(workload.params)} params and {len(workload.results)} results, VERSION {workload.version}"
    return (ContractCheck(name=READS, passed=True, text=counts), *_checks(workload, points, here))


READS = "columns are described, their names free"


def _checks(workload: Workload, points: Sequence[Point], folder: Path) -> Iterator[ContractCheck]:
    """The checks that measure points; the later ones only where the first finds that they can be measured."""
    sample = choose(workload, points)
    if not sample:
        says = f"{workload.name} has params without defaults and no shipped sweep; write EXAMPLES = (Params(...), ...) there."
        yield ContractCheck(name=ENDS, passed=False, text=says)
        return
    subject = _subject(workload, sample, folder)
    ended = _finding(ENDS, _ends(subject), _extent(subject))
    yield ended
    for name, complaint in CHECKS.items():
        if complaint is _runs_agree and (text := _only_one(workload)):
            yield ContractCheck(name=name, passed=True, text=text)
        else:
            yield (
                _finding(name, complaint(subject))
                if ended.passed
                else ContractCheck(name=name, passed=None, text="not looked at")
            )


def _only_one(workload: Workload) -> str:
    """Which of `run` and `run_pack` there is, where there is one: then nothing is compared, and the finding says so."""
    if not workload.vectorised:
        return "there is run alone: every point is measured by it"
    return "" if hasattr(workload.module, "run") else "there is run_pack alone: a single point is a pack of one"


ENDS = "every point ends with a row that is ok"


def _finding(name: str, complaint: str | None, text: str = "") -> ContractCheck:
    return ContractCheck(name=name, passed=not complaint, text=complaint or text)


def choose(workload: Workload, points: Sequence[Point]) -> tuple[Point, ...]:
    """Up to POINTS points that differ in shape before anything else, filled up with further seeds; empty without example."""
    candidates = list(points) or _examples(workload) or list(planned(workload)) or _default(workload)
    if not candidates:
        return ()
    shapes: dict[tuple[Any, ...], list[Point]] = {}
    for params, seed in candidates:
        full = workload.resolve(params, f"example of {workload.name}")
        shapes.setdefault(tuple(full[name] for name in workload.shapes), []).append((full, seed))
    rounds = max(len(members) for members in shapes.values())
    spread = [members[i] for i in range(rounds) for members in shapes.values() if i < len(members)][:POINTS]
    highest = max(seed for _, seed in spread)
    more = [(params, seed + highest + 1) for params, seed in spread * POINTS]
    return tuple([*spread, *more][:POINTS])


def _examples(workload: Workload) -> list[Point]:
    """The examples that the module gives of itself, with two seeds each."""
    examples = getattr(workload.module, "EXAMPLES", ())
    return [(dataclasses.asdict(params), seed) for seed in range(2) for params in examples]


def planned(workload: Workload, size: str = "smoke") -> Iterator[Point]:
    """The points of every shipped sweep that uses the workload, at that size."""
    for name in parsing.shipped():
        base = parsing.read(name)
        spec = parsing.read(name, size) if size in base.sizes else base
        if spec.workload == workload.name and spec.search is None:
            plan = expand(spec, workload)
            yield from ((plan.point(i), plan.seeds[i]) for i in range(len(plan)))


def _default(workload: Workload) -> list[Point]:
    """The defaults, where every param has one."""
    return [] if any(f.required for f in workload.params) else [({}, 0)]


def _subject(workload: Workload, points: Sequence[Point], folder: Path) -> WorkloadSubject:
    """The points measured one by one, as many as the time allows but at least two."""
    alone: list[Rows] = []
    shared: dict[str, bytes] = {}
    unlike, begun = "", time.monotonic()
    for point in points:
        made_here: dict[str, bytes] = {}
        alone += measure(workload, [point], folder, shared=made_here)
        unlike = unlike or next((name for name, data in made_here.items() if shared.get(name, data) != data), "")
        shared |= made_here
        if len(alone) >= 2 and time.monotonic() - begun > BUDGET:
            break
    looked_at = tuple(points[: len(alone)])
    return WorkloadSubject(workload, looked_at, tuple(alone), folder, shared, unlike)


class _RowList:
    """Keeps the rows a worker would send away."""

    def __init__(self, shared: dict[str, bytes]) -> None:
        self.rows: Rows = []
        self._shared = shared

    def mark(self, start: int, stop: int, /) -> None:
        """Nothing watches from outside."""

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Keep the rows."""
        self.rows += table.to_pylist()

    def stopping(self) -> bool:
        """It never stops."""
        return False

    def listen(self) -> None:
        """Nothing: what is printed is seen."""

    def keep(self, points: Sequence[str], data: bytes) -> None:
        """Nothing: no point is measured again."""

    def kept(self, point: str) -> bytes | None:
        """No state was kept."""
        return None

    def borrow(self, name: str) -> tuple[str, bytes | None]:
        """The shared state where it is there; it is made at once where it is not."""
        return (HERE, self._shared[name]) if name in self._shared else (MAKE, None)

    def lend(self, name: str, data: bytes | None) -> None:
        """Keep the shared state."""
        if data is not None:
            self._shared[name] = data


def measure(
    workload: Workload,
    points: Sequence[Point],
    folder: Path,
    device: str = "cpu",
    pace: Pace | None = None,
    together: int | None = None,
    shared: dict[str, bytes] | None = None,
) -> list[Rows]:
    """The rows of each point, all measured by the engine in one pack; `pace` is what a worker has learnt, and learns.

    `shared` has the shared states that are there, by name, and takes up those that are made.
    """
    desk = _RowList({} if shared is None else shared)
    batch = Batch(
        pack="contract",
        index=list(range(len(points))),
        ids=[f"{i:016x}" for i in range(len(points))],
        seeds=[seed for _, seed in points],
        params={field.name: [params[field.name] for params, _ in points] for field in workload.params},
        seconds=float("inf"),
        together=together,
    )
    terms = Terms(
        workload=workload.name,
        folder=str(folder),
        generation=0,
        commit="none",
        dirty=False,
        host="here",
        device=device,
        device_name="cpu",
        threads=1,
        limit=LIMIT,
    )
    execute(workload, batch, terms.here(), desk, Watchdog(LIMIT), pace or Pace())
    # A row that went out with a checkpoint comes once more where it turns out to be the last: a final row hides a partial one.
    rows: dict[int, dict[int, dict[str, Any]]] = {i: {} for i in range(len(points))}
    for row in desk.rows:
        rows[row["point"]][row["step"]] = row
    return [list(of_point.values()) for of_point in rows.values()]


def _ends(subject: WorkloadSubject) -> str | None:
    """The first point whose last row is missing or not ok."""
    for point, rows in zip(subject.points, subject.alone, strict=True):
        if sum(row["final"] for row in rows) != 1 or not rows[-1]["final"]:
            return f"{_text(point)} must end with one final row, but gave {len(rows)} rows; yield each step once."
        if rows[-1]["status"] != OK:
            return f"{_text(point)} is {rows[-1]['status']}: {(rows[-1]['error'] or 'a finite result is not').splitlines()[-1]}"
    return None


def _twice(subject: WorkloadSubject) -> str | None:
    """Points measured again, one by one."""
    again = [rows for point in subject.points for rows in measure(subject.workload, [point], subject.folder)]
    return _differ(subject, again, "the first time", "the second time", 0.0)


def _filled_shelf(subject: WorkloadSubject) -> str | None:
    """Points measured beside what all of them have made to share; a state that two points made must be the same too."""
    if subject.unlike:
        return f"the shared state {subject.unlike} must be the same again, but was made twice and differs; mend its key."
    if not subject.shared:
        return None
    again = [measure(subject.workload, [p], subject.folder, shared={**subject.shared})[0] for p in subject.points]
    return _differ(subject, again, "where it makes what is shared", "where that is there", 0.0)


def _randomness(subject: WorkloadSubject) -> str | None:
    """Points measured again while every global generator stands elsewhere."""
    again = []
    for position, point in enumerate(subject.points):
        _stir(1_000 + position)
        again += measure(subject.workload, [point], subject.folder)
    return _differ(subject, again, "at first", "with other global random states", 0.0)


def _stir(seed: int) -> None:
    """Move the global generators that a workload could draw from by mistake."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _order(subject: WorkloadSubject) -> str | None:
    """Points measured last one first, those of a shape together as the engine would pack them."""
    shapes = [repr([params[name] for name in subject.workload.shapes]) for params, _ in subject.points]
    order = sorted(reversed(range(len(shapes))), key=lambda i: shapes[i])
    return _shuffled(subject, order, subject.workload)


def _pack(subject: WorkloadSubject) -> str | None:
    """Points measured in one call with others of other shapes, in an order of their own."""
    order = list(range(len(subject.points)))
    random.Random(0).shuffle(order)
    return _shuffled(subject, order, _Together(**vars(subject.workload)))


class _Together(Workload):
    """A workload whose points all go into one call, whatever their shapes."""

    @property
    def shapes(self) -> tuple[str, ...]:
        """None, so that nothing parts the points."""
        return ()


def _shuffled(subject: WorkloadSubject, order: Sequence[int], workload: Workload) -> str | None:
    measured = measure(workload, [subject.points[i] for i in order], subject.folder)
    again = [rows for _, rows in sorted(zip(order, measured, strict=True), key=lambda pair: pair[0])]
    return _differ(subject, again, "alone", f"in a pack of {len(order)}", subject.tolerance)


def _runs_agree(subject: WorkloadSubject) -> str | None:
    """Points measured by `run`, in a module that has `run_pack` too."""
    module = subject.workload.module
    plain = types.ModuleType(module.__name__)
    plain.__dict__.update({name: value for name, value in vars(module).items() if name != "run_pack"})
    workload = dataclasses.replace(subject.workload, module=plain)
    again = [rows for point in subject.points for rows in measure(workload, [point], subject.folder)]
    return _differ(subject, again, "by run_pack", "by run", subject.tolerance)


def _seedless(subject: WorkloadSubject) -> str | None:
    """Points measured with another seed, where a result is said to be the same with every one."""
    conditions_of = {field.name: where for field in subject.workload.results if (where := field.seedless_where)}
    for (params, seed), before in zip(subject.points if conditions_of else (), subject.alone, strict=False):
        row = pl.DataFrame([params])
        try:
            steady = [n for n, where in conditions_of.items() if conditions.truths(row, where, f"{n}: seedless")[0]]
        except SpecError as error:
            return f"{subject.workload.name}.Result.{error}"
        after = measure(subject.workload, [(params, seed + 1)], subject.folder)[0][-1] if steady else {}
        for name in steady:
            if not equal(before[-1][name], after[name], ROUNDED):
                return (
                    f"{_text((params, seed))} gives {name} = {before[-1][name]!r}, but {after[name]!r} with seed {seed + 1}; "
                    "take 'seedless' off its notes, or say under which params it holds."
                )
    return None


CHECKS: dict[str, Callable[[WorkloadSubject], str | None]] = {
    "a point gives the same again": _twice,
    "who made what is shared does not matter": _filled_shelf,
    "global random states do not matter": _randomness,
    "the order of points does not matter": _order,
    "the pack of a point does not matter": _pack,
    "run and run_pack agree": _runs_agree,
    "what is said to be seedless does not depend on the seed": _seedless,
}


def _differ(subject: WorkloadSubject, again: Sequence[Rows], once: str, then: str, tolerance: float) -> str | None:
    """A sentence on the first value that is not what it was; values of samples and costs may change, their rows may not."""
    for point, before, after in zip(subject.points, subject.alone, again, strict=True):
        if [(r["step"], r["status"]) for r in before] != [(r["step"], r["status"]) for r in after]:
            steps = [[(row["step"], row["status"]) for row in rows] for rows in (before, after)]
            return f"{_text(point)} gives steps {steps[0]} {once}, but {steps[1]} {then}; a point is its params and seed alone."
        allowed = tolerance if subject.workload.measures_of(point[0]) == "value" else None
        for row, other in zip(before, after, strict=True):
            for field in subject.workload.results:
                a, b = row[field.name], other[field.name]
                if not equal(a, b, allowed):
                    return (
                        f"{_text(point)} gives {field.name} = {a!r} {once}, but {b!r} {then}; a point is its params and seed "
                        f"alone{f' (TOLERANCE = {tolerance:g})' if tolerance else ''}."
                    )
    return None


def equal(a: Any, b: Any, tolerance: float | None) -> bool:
    """Whether two values are one: floats within the relative tolerance, NaN like NaN; with None only absence counts."""
    if a is None or b is None:
        return a is b
    if tolerance is None or a == b or (a != a and b != b):
        return True
    return isinstance(a, float) and abs(a - b) <= tolerance * max(abs(a), abs(b))


def _text(point: Point) -> str:
    params, seed = point
    return f"point {', '.join(f'{name}={value!r}' for name, value in params.items())}, seed {seed}"


def _extent(subject: WorkloadSubject) -> str:
    shapes = len({tuple(params[name] for name in subject.workload.shapes) for params, _ in subject.points})
    return f"{len(subject.points)} points of {shapes} {'shape' if shapes == 1 else 'shapes'}"
