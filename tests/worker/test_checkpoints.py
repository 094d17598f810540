"""Long points: rows as they come, states that survive, and points that pause and go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator.driver import measure
from orchestrator.driver.progress import Show
from orchestrator.errors import StoreError
from orchestrator.store import open_store
from orchestrator.store.checkpoints import Checkpoints
from orchestrator.worker import execute, states
from orchestrator.worker.batch import Batch, Outcome
from orchestrator.worker.pace import Pace
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload import shared_states
from orchestrator.workload.describe import Workload
from tests.helpers.points import name_of
from tests.helpers.running import HEAD, Basket, batch_of, home, made, terms_of

WALK = """
STEPS = "i"

def walk(start, steps, ctx):
    state = ctx.load() or {"step": 0, "at": torch.zeros(1, dtype=torch.float64), "draws": ctx.generator("walk").get_state()}
    draws, at = torch.Generator(), state["at"].clone()
    draws.set_state(state["draws"])
    for step in range(state["step"], steps):
        at += torch.randn(1, generator=draws, dtype=torch.float64)
        ctx.save({"step": step + 1, "at": at, "draws": draws.get_state()})
        yield step, at
"""
SINGLE = (
    "import torch\n"
    + WALK
    + """
def run(params, ctx):
    for step, at in walk(0, params.i, ctx):
        yield step, Result(half=float(at))
"""
)
PACKED = (
    "import torch\n"
    + WALK
    + """
def run_pack(params, ctxs):
    walks = [walk(0, p.i, c) for p, c in zip(params, ctxs)]
    for at in range(100):
        live = [(i, next(w, None)) for i, w in enumerate(walks)]
        live = [(i, found) for i, found in live if found is not None]
        if not live:
            return
        yield {"index": [i for i, _ in live], "step": [f[0] for _, f in live],
               "half": [float(f[1]) for _, f in live], "whole": [None] * len(live)}
"""
)

ONE_SHAPE = HEAD.replace('{"shape": True}', "{}").replace('"what it is scaled by"', '"what it is scaled by", {"shape": True}')


def run(workload: Workload, batch: Batch, desk: Basket) -> tuple[Outcome, list[dict[str, Any]]]:
    watchdog = Watchdog(None)
    outcome = execute.execute(workload, batch, terms_of(), desk, watchdog, Pace())
    watchdog.close()
    return outcome, desk.rows


def finals(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The value of each point that has ended, by its name."""
    return {name_of(row["point"]): row["half"] for row in rows if row["final"]}


def paused(batch: Batch, until: int | None) -> Batch:
    return Batch(**{**vars(batch), "until": until})


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every yield is a checkpoint."""
    monkeypatch.setattr(states, "EVERY", 0.0)
    monkeypatch.setattr(states, "SHARE", 1e9)


@pytest.mark.parametrize("body", [SINGLE, PACKED], ids=["one", "pack"])
def test_a_point_that_pauses_ends_as_if_it_had_not(body: str) -> None:
    workload = made(body)
    batch = batch_of(workload, 6)
    whole = finals(run(workload, batch, Basket())[1])
    desk = Basket()
    for until in (1, 3, None):
        rows = run(workload, paused(batch, until), desk)[1]
    assert finals(rows) == whole and len(whole) == 6


@pytest.mark.parametrize("body", [SINGLE, PACKED], ids=["one", "pack"])
def test_a_paused_point_is_told_and_has_no_final_row(body: str) -> None:
    workload = made(body)
    batch = Batch(**{**vars(batch_of(workload, 8)), "together": 2})
    outcome, rows = run(workload, paused(batch, 2), Basket())
    assert sorted(outcome.paused) == [103, 104, 105, 106, 107]
    assert not {name_of(batch.ids[i - 100]) for i in outcome.paused} & finals(rows).keys()


def test_every_step_is_a_row_once_though_points_pause() -> None:
    workload = made(PACKED)
    batch, desk = batch_of(workload, 4), Basket()
    for until in (0, 2, None):
        run(workload, paused(batch, until), desk)
    steps = {(f"{row['point']:016x}", row["step"]) for row in desk.rows if row["step"] >= 0}
    assert steps == {(point, s) for point, n in zip(batch.ids, batch.params["i"], strict=True) for s in range(int(n or 0))}


def test_a_point_saved_at_its_last_step_is_not_measured_again(eager: None) -> None:
    workload = made(SINGLE)
    batch = Batch(**{**vars(batch_of(workload, 1)), "params": {"i": [3], "scale": [1.0], "label": [None]}})
    desk = Basket()
    run(workload, batch, desk)
    again, rows = run(workload, batch, desk)
    assert again.done == 1 and rows[-1]["final"] and rows[-1]["step"] == 2


def test_a_state_is_whole_or_not_there(tmp_path: Path) -> None:
    kept = Checkpoints(open_store(tmp_path / "s", create=True), "w", 1)
    kept.keep(["a", "b"], b"one")
    kept.keep(["a"], b"two")
    again = Checkpoints(open_store(tmp_path / "s"), "w", 1)
    assert (again.kept("a"), again.kept("b"), again.kept("c")) == (b"two", b"one", None)


def test_states_of_points_that_are_final_are_removed(tmp_path: Path) -> None:
    kept = Checkpoints(open_store(tmp_path / "s", create=True), "w", 1)
    kept.keep(["a", "b"], b"one")
    kept.drop(["a"])
    assert kept.kept("b") == b"one"
    kept.drop(["b"])
    assert not list((tmp_path / "s" / "checkpoints").rglob("*.*"))


def test_a_state_that_is_code_is_refused() -> None:
    desk = Basket()
    shelf = states.Shelf(["a"], desk)
    desk.states["a"] = shared_states.as_bytes({"a": {"state": {"x": Path}, "step": 0, "values": []}})
    with pytest.raises(Exception, match="Weights only"):
        shelf.get(0)


def test_memory_that_ran_out_is_remembered() -> None:
    body = """
def run_pack(params, ctxs):
    SIZES.append(len(params))
    if len(params) > 3:
        raise MemoryError("out of memory")
    for i, p in enumerate(params):
        yield i, 0, Result(half=1.0)

SIZES = []
"""
    workload = made(body, head=ONE_SHAPE)
    batch = Batch(**{**vars(batch_of(workload, 16)), "together": 8})
    rows = run(workload, batch, Basket())[1]
    sizes = workload.module.SIZES
    assert len(finals(rows)) == 16 and sizes[:3] == [8, 4, 2] and max(sizes[7:]) <= 4


def test_a_desk_that_fails_in_the_middle_of_a_point_is_no_fault_of_the_point(eager: None) -> None:
    class Full(Basket):
        def keep(self, points: Any, data: bytes) -> None:
            raise StoreError("disk full")

    workload = made(SINGLE)
    with pytest.raises(StoreError, match="disk full"):
        run(workload, batch_of(workload, 3), Full())


def test_a_long_point_does_not_lose_the_quick_ones_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execute, "HAND_OVER", 0.05)
    body = """
def run(params, ctx):
    for step in range(3 if params.i == 4 else 1):
        time.sleep(0.06 if params.i == 4 else 0.0)
        yield step, Result(half=float(step))
"""
    workload = made(body, head=ONE_SHAPE)
    outcome, rows = run(workload, batch_of(workload, 8), Basket())
    assert sorted(finals(rows)) == [f"point{i}" for i in range(8)] and outcome.done == 8


def test_an_inline_run_shows_how_far_a_long_point_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[float] = []

    @contextmanager
    def heard(title: str, style: str) -> Iterator[Show]:
        yield lambda done, total, failures: said.append(done)

    monkeypatch.setattr(measure, "showing", heard)
    monkeypatch.setattr(execute, "HAND_OVER", 0.0)
    sweep = "question: q\nworkload: ./halves.py\naxes: {i: [4, 8]}\n"
    orchestrator.run(home(tmp_path, SINGLE, sweep), store=tmp_path / "store", inline=True, progress="quiet")
    assert any(done % 1 > 0 for done in said) and said[-1] == 2
