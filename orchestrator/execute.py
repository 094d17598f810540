"""Measures the points of a batch: turns a workload and a batch into blocks of rows, whatever the workload does."""

from __future__ import annotations

import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, Protocol

import numpy as np

from orchestrator.batch import Batch, Outcome, Terms
from orchestrator.context import Context
from orchestrator.rows import NO_RESULT, Block, Row, to_table
from orchestrator.watch import PointAbandoned, PointTimeout, Watchdog
from orchestrator.workload import Workload

HAND_OVER = 1.0  # seconds after which rows leave the worker
CHUNK = 0.5  # seconds a vectorised call should take: it bounds how long a stop waits
FIRST_CHUNK = 32  # points of a shape whose cost is unknown


class Desk(Protocol):
    """Where a worker reports: what it is about to measure, what it has measured, and whether to go on."""

    def mark(self, start: int, stop: int) -> None:
        """The points from `start` up to `stop` of the batch are measured next."""

    def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
        """Keep these rows durably; `places` are the batch's points that they finish, `failures` counts the bad ones."""

    def stopping(self) -> bool:
        """Whether the run is being ended."""


@dataclass
class Pace:
    """Points per vectorised call for each shape, learnt as calls are made; `warm` after a process's first call."""

    sizes: dict[Any, int] = field(default_factory=dict)
    warm: bool = False

    def size(self, shape: Any) -> int:
        """How many points of the shape to measure in the next call."""
        return self.sizes.get(shape, FIRST_CHUNK)

    def learn(self, shape: Any, n: int, seconds: float) -> None:
        """A call on `n` points took `seconds`; grow at most eightfold, for a first call pays start-up."""
        self.sizes[shape] = max(1, int(n * min(8.0, CHUNK / max(seconds, 1e-6))))


def execute(workload: Workload, batch: Batch, terms: Terms, desk: Desk, watchdog: Watchdog, pace: Pace) -> Outcome:
    """Measure the batch and deliver its rows; the outcome counts them and lists what was handed back.

    A workload that raises, hangs or returns nonsense gives failure rows; errors of the desk are not caught.
    """
    run = _Run(workload, batch, terms, desk, watchdog, pace)
    place = 0
    try:
        for start, stop, shape in _stretches(batch, workload.shapes):
            place = start
            while place < stop and not run.over():
                place = run.advance(place, stop, shape)
            if place < stop:
                break
    except PointAbandoned:
        pass  # the run is stopping and this point took too long to wait for: it stays undone
    watchdog.rest()
    run.hand_back(place)
    run.flush()
    run.outcome.seconds = time.monotonic() - run.begun
    return run.outcome


def _stretches(batch: Batch, shapes: Sequence[str]) -> Iterator[tuple[int, int, Any]]:
    """Runs of neighbouring points of equal shape, as (start, stop, shape)."""
    columns = [batch.params[name] for name in shapes]
    keys = zip(*columns, strict=True) if columns else iter([()] * len(batch))
    start = 0
    for shape, members in groupby(keys):
        stop = start + sum(1 for _ in members)
        yield start, stop, shape
        start = stop


@dataclass
class _Run:
    """The state of one pack while it is measured."""

    workload: Workload
    batch: Batch
    terms: Terms
    desk: Desk
    watchdog: Watchdog
    pace: Pace

    def __post_init__(self) -> None:
        self.outcome = Outcome(pack=self.batch.pack)
        self.begun = time.monotonic()
        self._blocks: list[Block] = []
        self._flushed = time.monotonic()
        self._values = _reader([f.name for f in self.workload.results])
        # Looked up once: a cheap point takes as long as a dozen look-ups.
        module: Any = self.workload.module
        self._run: Any = getattr(module, "run", None)
        self._params = module.Params
        self._names = tuple(self.batch.params)
        self._given = list(zip(*self.batch.params.values(), strict=True)) or [()] * len(self.batch)
        self._seeds, self._device = self.batch.seeds, self.terms.device

    def over(self) -> bool:
        """Whether to measure no further point: the run stops, or the pack's time is used up."""
        return self.desk.stopping() or (time.monotonic() - self.begun > self.batch.seconds and bool(self.outcome.done))

    def advance(self, start: int, stop: int, shape: Any) -> int:
        """Measure points from `start` on, one call or half a second's worth; the place after the last one."""
        begun = time.monotonic()
        if self.workload.vectorised:
            stop = min(stop, start + self.pace.size(shape))
            self._packed(start, stop)
            self.pace.learn(shape, stop - start, time.monotonic() - begun)
        else:
            stop = self._singles(start, stop if self.pace.warm else start + 1)
        self.outcome.done += stop - start
        if not self.pace.warm:
            # The first call of a process pays for imports: it says nothing of what the next points cost.
            self.pace.warm = True
            self.begun, self.outcome.startup = time.monotonic(), self.outcome.done
            self.flush()  # the first rows show at once that the run goes well
        if time.monotonic() - self._flushed > HAND_OVER:
            self.flush()
        return stop

    def hand_back(self, place: int) -> None:
        """Leave to another pack what is not measured from `place` on; an abandoned call may have measured some of it."""
        measured = {at for block in self._blocks for at in block.at if at >= place}
        self.outcome.done += len(measured)
        self.outcome.left = [i for at, i in enumerate(self.batch.index) if at >= place and at not in measured]

    def flush(self) -> None:
        """Deliver what was measured so far."""
        import pyarrow as pa

        self._flushed = time.monotonic()
        blocks, self._blocks = [b for b in self._blocks if len(b)], []
        if not blocks:
            return
        table = pa.concat_tables([to_table(block, self.batch, self.workload, self.terms) for block in blocks])
        ends = [(at, s) for b in blocks for at, final, s in zip(b.at, b.final, b.status, strict=True) if final]
        failures = Counter(status for _, status in ends if status != "ok")
        self.outcome.failures = dict(Counter(self.outcome.failures) + failures)
        self.desk.deliver(table, [at for at, _ in ends], dict(failures))

    def _arguments(self, at: int) -> tuple[Any, Context]:
        """Params and context of one point of the batch."""
        return self._params(**dict(zip(self._names, self._given[at], strict=True))), Context(self._seeds[at], self._device)

    def _singles(self, start: int, stop: int) -> int:
        """Measure points one by one until half a second has passed; the place after the last one."""
        block = Block(started=time.time())
        rows: list[Row] = []
        self._blocks.append(block)
        end = time.monotonic() + CHUNK
        at = start
        try:
            while at < stop:
                self.desk.mark(at, at + 1)
                self._single(rows, at)
                at += 1
                if time.monotonic() > end or self.desk.stopping():
                    break
        finally:  # an abandoned point must not take the measured ones with it
            block.fill(rows)
        return at

    def _single(self, rows: list[Row], at: int) -> None:
        """Measure one point: its rows come to the others, the last one as final; none where it is abandoned."""
        first, begun = len(rows), time.perf_counter()
        try:
            failed = attempt(lambda: self._steps(rows, at, begun), self.watchdog)
        except PointAbandoned:
            del rows[first:]
            raise
        if failed:
            nothing = (None,) * len(self.workload.results)
            rows.append((at, NO_RESULT, True, failed.status, failed.error, time.perf_counter() - begun, nothing))
        else:
            rows[-1] = (*rows[-1][:2], True, *rows[-1][3:])

    def _steps(self, rows: list[Row], at: int, begun: float) -> None:
        """Append what `run` yields at one point: a row is one append, which no signal splits."""
        before = -1
        for step, result in self._run(*self._arguments(at)):
            _check_step(before, step)
            rows.append((at, step, False, "ok", None, time.perf_counter() - begun, self._values(result)))
            before = step
        if before < 0:
            raise ValueError("run gave no result; yield at least one (step, Result).")

    def _packed(self, start: int, stop: int) -> None:
        """Measure points in one call; where it fails, in halves, down to the point that is at fault."""
        self.desk.mark(start, stop)
        block = Block(started=time.time())
        begun = time.perf_counter()
        places = range(start, stop)

        def measure() -> None:
            arguments = [self._arguments(at) for at in places]
            given = self.workload.module.run_pack([p for p, _ in arguments], [c for _, c in arguments])
            _fill(block, list(given), [f.name for f in self.workload.results], self._values, start, len(places))

        failed = attempt(measure, self.watchdog)
        if failed and len(places) > 1:
            if self.desk.stopping():
                raise PointAbandoned  # no time to find which point is at fault: none of them is blamed
            middle = (start + stop) // 2
            self._packed(start, middle)
            self._packed(middle, stop)
            return
        share = (time.perf_counter() - begun) / len(places)
        if failed:
            block = _failure_block(block.started, places, failed, len(self.workload.results))
        block.seconds = [share] * len(block)
        self._blocks.append(block)


@dataclass(frozen=True)
class Failed:
    """How a measurement ended that gave no result: a status and the error's text."""

    status: str
    error: str


def attempt(measure: Callable[[], None], watchdog: Watchdog) -> Failed | None:
    """What went wrong in a measurement; None where nothing did. The one place where any error is a row."""
    try:
        with watchdog.watching():
            measure()
    except PointTimeout:
        return Failed("timeout", "the point took longer than limits.seconds; raise the limit or make the point cheaper.")
    except (Exception, SystemExit) as error:
        return Failed(_status(error), traceback.format_exc(limit=-12).strip())
    return None


def _status(error: BaseException) -> str:
    """`oom` for every way in which Python and torch say that memory ran out, else `error`."""
    texts = ("can't allocate memory", "out of memory")
    memory = isinstance(error, MemoryError) or any(text in str(error) for text in texts)
    return "oom" if memory else "error"


def _reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from a result to its values in declared order."""
    if len(names) == 1:
        one = attrgetter(names[0])
        return lambda result: (one(result),)
    return attrgetter(*names)


def _check_step(before: int, step: Any) -> None:
    if not isinstance(step, int) or step <= before:
        raise ValueError(f"a step must be an int above the one before ({before}), but got {step!r}; count up from 0.")


def _failure_block(started: float, places: Sequence[int], failed: Failed, results: int) -> Block:
    n = len(places)
    return Block(
        started=started,
        at=list(places),
        step=[NO_RESULT] * n,
        final=[True] * n,
        status=[failed.status] * n,
        error=[failed.error] * n,
        values=[[None] * n for _ in range(results)],
    )


def _fill(
    block: Block, given: Sequence[Any], names: Sequence[str], values: Callable[[Any], tuple[Any, ...]], start: int, n: int
) -> None:
    """Put what run_pack gave into the block: rows one by one, or whole columns."""
    if given and all(isinstance(item, Mapping) for item in given):
        places, steps, *measured = _columns(given, ("index", "step", *names))
    else:
        places, steps = [item[0] for item in given], [item[1] for item in given]
        measured = list(zip(*(values(item[2]) for item in given), strict=True))
    index, step = _whole(places, "index"), _whole(steps, "step")
    _check_index(index, n)
    _check_steps(index, step)
    last = {at: row for row, at in enumerate(index.tolist())}
    final = np.zeros(len(index), dtype=bool)
    final[list(last.values())] = True
    block.at = (index + start).tolist()
    block.step = step.tolist()
    block.final = final.tolist()
    block.status = ["ok"] * len(index)
    block.error = [None] * len(index)
    block.values = measured


def _columns(given: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[Any]:
    """The columns of all parts, joined; ValueError where a part lacks one or has them of different lengths."""
    for part in given:
        lengths = {name: len(part[name]) for name in names if name in part}
        if len(lengths) < len(names) or len(set(lengths.values())) > 1:
            raise ValueError(
                f"run_pack must give the columns {list(names)}, all of one length, but got {lengths}; "
                f"{list(part)} stand in what it gave."
            )
    return [_joined([part[name] for part in given]) for name in names]


def _whole(column: Any, what: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The column as whole numbers; ValueError where it holds others."""
    array = np.asarray(column)
    if array.size and array.dtype.kind not in "iu":
        raise ValueError(f"run_pack's column '{what}' must hold ints, but got {array[:5].tolist()}; count from 0.")
    return array.astype(np.int64)


def _joined(parts: Sequence[Any]) -> Any:
    """One column out of its parts: an array where they are arrays or tensors, else a list."""
    if all(hasattr(part, "__array__") for part in parts):
        return np.concatenate([np.asarray(part) for part in parts])
    return [value for part in parts for value in part]


def _check_index(index: np.ndarray[Any, np.dtype[np.int64]], n: int) -> None:
    """Every point must have a row, and no row another point."""
    missing = np.setdiff1d(np.arange(n), index)
    strange = np.setdiff1d(index, np.arange(n))
    if len(missing) or len(strange):
        raise ValueError(
            f"run_pack must give rows for the indices 0 to {n - 1}, but {missing[:5].tolist()} have none and "
            f"{strange[:5].tolist()} are not there; yield (index, step, Result) for each point."
        )


def _check_steps(index: np.ndarray[Any, np.dtype[np.int64]], step: np.ndarray[Any, np.dtype[np.int64]]) -> None:
    """The steps of each point must count up, from 0 at the least."""
    order = np.argsort(index, kind="stable")
    again = np.diff(index[order]) == 0
    if step.min() < 0 or (again & (np.diff(step[order]) <= 0)).any():
        raise ValueError(
            f"run_pack's steps must count up for each index, from 0 at the least, but got {step[order][:10].tolist()} for the "
            f"indices {index[order][:10].tolist()}; number the rows of a point 0, 1, 2, …"
        )
