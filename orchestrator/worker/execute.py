"""Measures the points of a batch: turns a workload and a batch into blocks of rows, whatever the workload does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from itertools import chain, groupby, starmap
from operator import attrgetter
from typing import Any

from orchestrator.columns import OK, failures
from orchestrator.worker.attempt import Failed, attempt
from orchestrator.worker.batch import Batch, Outcome, Terms
from orchestrator.worker.desk import Desk
from orchestrator.worker.pace import CHUNK, Pace
from orchestrator.worker.row_collector import Intake, Taken
from orchestrator.worker.row_table import NO_RESULT, Row, RowBlock, to_table
from orchestrator.worker.states import Shelf
from orchestrator.worker.surroundings import Surroundings
from orchestrator.worker.watchdog import PointAbandoned, Watchdog
from orchestrator.workload.context import Context
from orchestrator.workload.describe import Workload

HAND_OVER = 1.0  # seconds after which rows leave the worker
LOOK = 0.005  # seconds between two looks at clock and stop flag, at the least: points may be a thousand times as cheap


def execute(workload: Workload, batch: Batch, terms: Terms, desk: Desk, watchdog: Watchdog, pace: Pace) -> Outcome:
    """Measure the batch and deliver its rows; the outcome counts them and lists what was handed back.

    A workload that raises, hangs or returns nonsense gives failure rows; errors of the desk are not caught.
    """
    workload.enter()
    run = _Run(workload, batch, terms, desk, watchdog, pace)
    position = 0
    try:
        for start, stop, shape in _stretches(batch, workload.shapes):
            position = start
            while position < stop and not run.over():
                position = run.advance(position, stop, shape)
            if position < stop:
                break
    except PointAbandoned:
        pass  # the run is stopping and this point took too long to wait for: it stays undone
    finally:
        watchdog.rest()
        run.surroundings.settle()
        run.surroundings.close()
    run.hand_back(position)
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
        self._blocks: list[RowBlock] = []
        self._flushed = time.monotonic()
        self._at_desk = False
        self._spare: _Call | None = None
        self.surroundings = Surroundings()
        self._ended: list[int] = []  # the places whose final rows were delivered
        self._here = 0, 0  # the place to measure next, and the rows of the places before it
        self._since = 0.0  # when the point at that place was begun
        self._values = _reader([f.called for f in self.workload.results])
        self._rows = self.workload.stream
        # Looked up once: a cheap point takes as long as a dozen look-ups.
        module: Any = self.workload.module
        self._params = _maker(module.Params, list(self.batch.params), self.workload)
        self._given = list(zip(*self.batch.params.values(), strict=True)) or [()] * len(self.batch)
        self._seeds, self._device = self.batch.seeds, self.terms.device

    def over(self) -> bool:
        """Whether to measure no further point: the run stops, or the pack's time is used up."""
        return self.desk.stopping() or (time.monotonic() - self.begun > self.batch.seconds and bool(self.outcome.done))

    def advance(self, start: int, stop: int, shape: Any) -> int:
        """Measure points from `start` on, one call or half a second's worth; the place after the last one."""
        begun = time.monotonic()
        if self.workload.vectorised:
            stop = min(stop, start + self.pace.size(shape, self.batch.together))
            self._shape = shape
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

    def hand_back(self, position: int) -> None:
        """Leave to another pack what is not measured from `position` on; an abandoned call may have measured some of it."""
        waiting = (at for block in self._blocks for at, final in zip(block.at, block.final, strict=True) if final)
        measured = {at for at in chain(self._ended, waiting) if at >= position}
        self.outcome.done += len(measured)
        self.outcome.left = [i for at, i in enumerate(self.batch.index) if at >= position and at not in measured]

    def flush(self) -> None:
        """Deliver what was measured so far."""
        self._flushed = time.monotonic()
        self.watchdog.part()
        blocks, self._blocks = [b for b in self._blocks if len(b)], []
        if not blocks:
            return
        table = to_table(blocks, self.batch, self.workload, self.terms)
        # Only the table knows which values were no numbers of their kind: the blocks still say that those went well.
        failed = failures(Counter(table.filter(table["final"])["status"].to_pylist()))
        self.outcome.failures = dict(Counter(self.outcome.failures) + Counter(failed))
        places = [at for b in blocks for at, final in zip(b.at, b.final, strict=True) if final]
        self.desk.deliver(table, places, failed)
        self._ended += places

    def _call(self, start: int, stop: int) -> _Call:
        intake = Intake(stop - start, [f.name for f in self.workload.results], self._values)
        return _Call(start, stop, intake, Shelf(self.batch.ids[start:stop], self.desk, away=self._away))

    def _lone_call(self, at: int) -> _Call:
        """A call on one point. An empty call object is used again, because creating one costs as much as a cheap point."""
        call = self._spare
        if call is None or call.shelf.busy or call.intake:
            call = self._spare = self._call(at, at + 1)
        call.start, call.stop, call.shelf.ids = at, at + 1, (self.batch.ids[at],)
        return call

    def _singles(self, start: int, stop: int) -> int:
        """Measure points one by one until half a second has passed; the place after the last one."""
        block = RowBlock(started=time.time())
        rows: list[Row] = []
        self._here = start, 0
        end = time.perf_counter() + CHUNK
        try:
            while self._here[0] == start or (self._here[0] < stop and time.perf_counter() <= end and not self.desk.stopping()):
                failed = self._attempt(lambda: self._stretch(rows, stop, end))
                if failed:
                    at, nothing = self._here[0], (None,) * len(self.workload.results)
                    rows.append((at, NO_RESULT, failed.status, failed.error, time.perf_counter() - self._since, nothing))
                    self._here = at + 1, len(rows)
        finally:  # an abandoned point must not take the measured ones with it
            at, first = self._here
            block.fill(rows[:first])
            self._blocks.append(block)  # only now: what is handed over in the middle of a long point must not forget it
        return at

    def _stretch(self, rows: list[Row], stop: int, end: float) -> None:
        """Measure points from here on, all under one guard, which costs as much as a cheap point: until one of them fails."""
        at, _ = self._here
        self._since = look = time.perf_counter()
        mark, begin, stopping, restore = self.desk.mark, self.watchdog.begin, self.desk.stopping, self.surroundings.restore
        while at < stop:
            mark(at, at + 1)
            begin()
            self._steps(rows, at)
            restore()
            at += 1
            self._here = at, len(rows)  # in one go: no signal comes in between, so a point is done with its rows or not at all
            self._since = now = time.perf_counter()
            if now > look:
                look = now + LOOK
                self.desk.listen()
                if now > end or stopping():
                    return

    def _steps(self, rows: list[Row], at: int) -> None:
        """Append what `run` yields at one point: a row is one append, which no signal splits. A long point is streamed."""
        first, before, call = len(rows), -1, self._lone_call(at)
        begun = call.begun = self._since
        context = Context(self._seeds[at], self._device, call.shelf)
        stream = self._rows(self._params(*self._given[at]), context)
        for step, result in stream:
            _check_step(before, step)
            spent = time.perf_counter() - begun
            if call.shelf.busy or self.batch.until is not None or spent > HAND_OVER:
                call.intake.enter([(row[1], row[5]) for row in rows[first:]])
                del rows[first:]
                return self._flow(call, ((0, *item) for item in chain([(step, result)], stream)))
            rows.append((at, step, OK, None, spent, self._values(result)))
            before = step
        if call.shelf.busy:
            self._flow(call, iter(()))
        elif before < 0:
            raise ValueError("run gave no result; yield at least one (step, Result).")

    def _packed(self, start: int, stop: int) -> None:
        """Measure points in one call; where it fails, in halves, down to the point that is at fault."""
        self.desk.mark(start, stop)
        call = self._call(start, stop)

        def measure() -> None:
            params = list(starmap(self._params, self._given[start:stop]))
            ctxs = [Context(self._seeds[at], self._device, call.shelf, at - start) for at in range(start, stop)]
            stream = self.workload.module.run_pack(params, ctxs)
            self._flow(call, map(self._inner, stream) if self.workload.claimed else stream)

        failed = self._attempt(measure)
        if failed and stop - start > 1:
            if self.desk.stopping():
                raise PointAbandoned  # no time to find which point is at fault: none of them is blamed
            middle = (start + stop) // 2
            if failed.status == "oom":
                self.pace.cap(self._shape, middle - start)
            self._packed(start, middle)
            self._packed(middle, stop)
        elif failed:
            block = _failure_block(call.started, range(start, stop), failed, len(self.workload.results))
            block.seconds = [time.perf_counter() - call.begun]
            self._blocks.append(block)

    def _inner(self, item: Any) -> Any:
        """Columns that run_pack yields, with claimed names as they are inside."""
        claimed = self.workload.claimed
        return {claimed.get(name, name): column for name, column in item.items()} if isinstance(item, Mapping) else item

    def _flow(self, call: _Call, stream: Iterable[Any]) -> None:
        """Take in the rows of a call as they come, and hand over what waits too long; the last rows are final."""
        for item in stream:
            call.prime()
            call.intake.take(item)
            if call.paused(self.batch.until):
                self._keep(call)
                self.outcome.paused += self.batch.index[call.start : call.stop]
                return
            if self.desk.stopping() and call.shelf.busy:
                self._keep(call)
                raise PointAbandoned
            if call.shelf.due():
                self._keep(call)
            elif time.monotonic() - self._flushed > HAND_OVER:
                self._blocks.append(call.block(call.intake.partial(everything=False)))
                self._hand_over()
        call.prime()
        self._blocks.append(call.block(call.intake.whole()))

    def _keep(self, call: _Call) -> None:
        """Make what a call came to so far durable: its rows first, then the states that go on from them."""
        self._blocks.append(call.block(call.intake.partial(everything=True)))
        self._hand_over(call)

    def _hand_over(self, call: _Call | None = None) -> None:
        """Deliver in the middle of a point, and the states of the call if it is given."""
        with self._away():
            self.flush()
            if call is not None:
                call.shelf.write(call.intake.kept())

    @contextmanager
    def _away(self) -> Iterator[None]:
        """A context in the middle of a point in which its time does not run, and what goes wrong is not its fault."""
        self._at_desk = True  # and it stays so where this fails
        with self.watchdog.away():
            yield
        self._at_desk = False

    def _attempt(self, measure: Callable[[], None]) -> Failed | None:
        """What went wrong in a measurement; what goes wrong at the desk is raised."""
        self._at_desk = False
        try:
            return attempt(measure, self.watchdog, lambda: self._at_desk)
        finally:
            self.surroundings.settle()
            self.desk.listen()


@dataclass
class _Call:
    """One call of the workload on the points from `start` up to `stop` of the batch, while its rows come in."""

    start: int
    stop: int
    intake: Intake
    shelf: Shelf
    started: float = field(default_factory=time.time)
    begun: float = field(default_factory=time.perf_counter)
    _primed: bool = False

    def prime(self) -> None:
        """Once the workload has begun: take in the rows at which it was saved, should it go on from a checkpoint."""
        if not self._primed:
            self._primed = True
            self.intake.resume(self.shelf.rows())

    def paused(self, until: int | None) -> bool:
        """Whether every point has come to the step at which it is to pause."""
        return until is not None and bool((self.intake.steps() >= until).all())

    def block(self, collected: Taken) -> RowBlock:
        """The rows as a block; each took an equal share of the time so far."""
        share = (time.perf_counter() - self.begun) / (self.stop - self.start)
        n = len(collected.index)
        return RowBlock(
            started=self.started,
            at=(collected.index + self.start).tolist(),
            step=collected.step.tolist(),
            final=collected.final.tolist(),
            status=[OK] * n,
            error=[None] * n,
            seconds=[share] * n,
            values=collected.values,
        )


def _maker(params: type, names: Sequence[str], workload: Workload) -> Callable[..., Any]:
    """A function from a point's values, in the order of the names, to its params."""
    declared = fields(params)
    if any(field.members for field in workload.params):
        return lambda *values: params(**workload.inside(dict(zip(names, values, strict=True))))
    if [f.name for f in declared] == list(names) and not any(f.kw_only for f in declared):
        return params  # values by their place take half as long as by their name
    return lambda *values: params(**dict(zip(names, values, strict=True)))


def _reader(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function from a result to its values in declared order."""
    if len(names) == 1:
        get = attrgetter(names[0])
        return lambda result: (get(result),)
    return attrgetter(*names)


def _check_step(before: int, step: Any) -> None:
    if not isinstance(step, int) or step <= before:
        raise ValueError(f"a step must be an int above the one before ({before}), but got {step!r}; count up from 0.")


def _failure_block(started: float, places: Sequence[int], failed: Failed, results: int) -> RowBlock:
    n = len(places)
    return RowBlock(
        started=started,
        at=list(places),
        step=[NO_RESULT] * n,
        final=[True] * n,
        status=[failed.status] * n,
        error=[failed.error] * n,
        values=[[None] * n for _ in range(results)],
    )
