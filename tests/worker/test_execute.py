"""How a batch becomes rows: whatever a workload does, each point gets its row, and only the guilty one a failure."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import StoreError
from orchestrator.worker.attempt import attempt
from orchestrator.worker.batch import Outcome
from orchestrator.worker.execute import execute
from orchestrator.worker.pace import CHUNK, FIRST_CHUNK, Pace
from orchestrator.worker.watchdog import Watchdog
from orchestrator.workload.describe import Workload
from tests.helpers.points import name_of
from tests.helpers.running import HEAD, RUN, Basket, batch_of, fault, made, measured, terms_of

PACK = "def run_pack(params, ctxs):\n"
SINGLY = fault("faulty")
PACKED = fault("faulty_packed")
ALL = "yield from ((k, 0, Result(half=0.)) for k in range(len(params)))"


def pack(body: str) -> Workload:
    """The halves, many in one call."""
    return made(PACK + "".join(f"    {line}\n" for line in body.splitlines()))


def faulty(workload: Workload, name: str, n: int = 8) -> list[dict[str, Any]]:
    """The rows of n points of which number 3 goes wrong in the way of that name."""
    return measured(workload, batch_of(workload, n, fault=[name] * n), Basket())[1]


def statuses(rows: list[dict[str, Any]]) -> list[str]:
    """Status of each point's final row, by the number of the point."""
    return [row["status"] for row in sorted(rows, key=lambda row: row["i"]) if row["final"]]


# Points one by one


def test_a_measured_point_is_an_ok_row() -> None:
    outcome, rows = measured(made(RUN), batch_of(made(RUN), 3), Basket())
    assert [(row["i"], row["half"], row["status"], row["step"], row["final"]) for row in rows] == [
        (i, i / 2, "ok", 0, True) for i in range(3)
    ]
    assert (outcome.done, outcome.left, outcome.failures) == (3, [], {})


SINGLE_FAULTS = [
    ("raise", "error", "ValueError: this point cannot be measured"),
    ("system_exit", "error", "SystemExit: a workload must not leave"),
    ("wrong_type", "error", "result 'half' must be of type float, but got 'not a number'"),
    ("wrong_result", "error", "AttributeError: 'Other' object has no attribute 'half'"),
    ("no_result", "error", "AttributeError: 'NoneType' object has no attribute 'half'"),
    ("no_row", "error", "ValueError: run gave no result; yield at least one (step, Result)."),
    ("second_row", "error", "ValueError: this point cannot be measured"),
    ("memory", "oom", "MemoryError"),
    ("tensor", "oom", "can't allocate memory"),
    ("nan", "diverged", ""),
    ("inf", "diverged", ""),
]


@pytest.mark.parametrize(("name", "status", "text"), SINGLE_FAULTS)
def test_a_point_that_goes_wrong_is_a_row_and_the_rest_are_measured(name: str, status: str, text: str) -> None:
    rows = faulty(SINGLY, name)
    assert statuses(rows) == ["ok"] * 3 + [status] + ["ok"] * 4
    (failed,) = (row for row in rows if row["i"] == 3 and row["final"])
    assert text in (failed["error"] or "")


def test_a_failure_without_a_result_has_no_step_and_no_values() -> None:
    (failed,) = (row for row in faulty(SINGLY, "raise") if row["status"] == "error")
    assert (failed["step"], failed["half"], failed["label"], failed["final"]) == (-1, None, None, True)


def test_an_error_has_its_traceback() -> None:
    (failed,) = (row for row in faulty(SINGLY, "raise") if row["status"] == "error")
    assert failed["error"].startswith("Traceback") and "in _raise" in failed["error"]


def test_a_point_that_takes_too_long_is_a_timeout() -> None:
    batch = batch_of(SINGLY, 5, fault=["sleep"] * 5)
    outcome, rows = measured(SINGLY, batch, Basket(), limit=0.05)
    assert statuses(rows) == ["ok", "ok", "ok", "timeout", "ok"]
    assert "longer than limits.seconds" in rows[3]["error"]
    assert (outcome.done, outcome.failures) == (5, {"timeout": 1})


def test_a_workload_that_catches_everything_is_still_timed_out() -> None:
    stubborn = (
        "def run(params, ctx):\n    try:\n        time.sleep(60)\n    except Exception:\n        pass\n    yield 0, None\n"
    )
    rows = measured(made(stubborn), batch_of(made(stubborn), 1), Basket(), limit=0.05)[1]
    assert statuses(rows) == ["timeout"]


def test_rows_before_a_failure_are_kept() -> None:
    steps = fault("steps")
    rows = measured(steps, batch_of(steps, 1, terms=[5], stop=[3]), Basket())[1]
    assert [(row["step"], row["status"], row["final"]) for row in rows] == [
        (0, "ok", False),
        (1, "ok", False),
        (-1, "error", True),
    ]


def test_of_several_rows_the_last_is_final() -> None:
    steps = fault("steps")
    rows = measured(steps, batch_of(steps, 2, terms=[3, 2]), Basket())[1]
    assert [(row["i"], row["step"], row["final"]) for row in rows] == [
        (0, 0, False),
        (0, 1, False),
        (0, 2, True),
        (1, 0, False),
        (1, 1, True),
    ]
    assert rows[0]["seconds"] <= rows[1]["seconds"] <= rows[2]["seconds"]


@pytest.mark.parametrize("steps", ["(1, 1)", "(2, 1)", "(-1,)", "(0.5,)", "('a',)", "(None,)"])
def test_steps_count_up(steps: str) -> None:
    wrong = made(f"def run(params, ctx):\n    for step in {steps}:\n        yield step, Result(half=0.0)\n")
    rows = measured(wrong, batch_of(wrong, 1), Basket())[1]
    assert rows[-1]["status"] == "error"
    assert "a step must be an int above the one before" in rows[-1]["error"]


def test_a_result_outside_a_result_class_is_an_error() -> None:
    wrong = made("def run(params, ctx):\n    return 1.0\n")
    assert statuses(measured(wrong, batch_of(wrong, 2), Basket())[1]) == ["error", "error"]


def test_a_keyboard_interrupt_is_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    # A shell starts what runs in its background with SIGINT ignored.
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    leaves = made("def run(params, ctx):\n    raise KeyboardInterrupt\n    yield\n")
    with pytest.raises(KeyboardInterrupt):
        measured(leaves, batch_of(leaves, 1), Basket())


def test_a_desk_that_cannot_keep_rows_ends_the_run() -> None:
    class Full(Basket):
        def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
            raise StoreError("the disk is full")

    with pytest.raises(StoreError, match="the disk is full"):
        measured(made(RUN), batch_of(made(RUN), 2), Full())


def test_seed_and_device_come_from_the_batch_and_the_terms() -> None:
    tells = made("def run(params, ctx):\n    yield 0, Result(half=float(ctx.seed), whole=len(ctx.device))\n")
    rows = measured(tells, batch_of(tells, 1), Basket())[1]
    assert (rows[0]["half"], rows[0]["whole"]) == (0.0, 3)


# Points many at once

COLUMNS = """\
i = [p.i for p in params]
yield {"index": INDEX, "step": STEP, "half": HALF, "whole": WHOLE}
"""
FORMS = {
    "lists": ("list(range(len(i)))", "[0] * len(i)", "[k / 2 for k in i]", "[None] * len(i)"),
    "tuples": ("tuple(range(len(i)))", "(0,) * len(i)", "tuple(k / 2 for k in i)", "(None,) * len(i)"),
    "numpy": ("np.arange(len(i))", "np.zeros(len(i), int)", "np.array(i) / 2", "[None] * len(i)"),
    "narrow numpy": ("np.arange(len(i), dtype='i4')", "np.zeros(len(i), 'u1')", "np.array(i, 'f4') / 2", "[None] * len(i)"),
    "torch": ("torch.arange(len(i))", "torch.zeros(len(i), dtype=int)", "torch.tensor(i) / 2", "[None] * len(i)"),
    "ranges": ("range(len(i))", "[0] * len(i)", "[np.float64(k / 2) for k in i]", "[None] * len(i)"),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_columns_may_be(form: str) -> None:
    body = COLUMNS
    for name, text in zip(("INDEX", "STEP", "HALF", "WHOLE"), FORMS[form], strict=True):
        body = body.replace(name, text)
    columns = pack(f"import torch\n{body}")
    rows = measured(columns, batch_of(columns, 5), Basket())[1]
    assert [(row["i"], row["half"], row["whole"], row["status"]) for row in rows] == [(i, i / 2, None, "ok") for i in range(5)]


SHAPES_OF_ANSWERS = {
    "rows": "for k, p in enumerate(params):\n    yield k, 0, Result(half=p.i / 2)",
    "rows in another order": "for k in reversed(range(len(params))):\n    yield k, 0, Result(half=params[k].i / 2)",
    "a list of rows": "return [(k, 0, Result(half=p.i / 2)) for k, p in enumerate(params)]",
    "a part each": "for k, p in enumerate(params):\n    yield {'index': [k], 'step': [0], 'half': [p.i / 2], 'whole': [None]}",
    "columns with more than asked for": "yield {'index': range(len(params)), 'step': [0] * len(params), "
    "'half': [p.i / 2 for p in params], 'whole': [None] * len(params), 'more': []}",
}


@pytest.mark.parametrize("body", SHAPES_OF_ANSWERS.values(), ids=SHAPES_OF_ANSWERS)
def test_a_pack_may_answer_with(body: str) -> None:
    rows = measured(pack(body), batch_of(pack(body), 5), Basket())[1]
    assert [(row["i"], row["half"], row["final"]) for row in sorted(rows, key=lambda row: row["i"])] == [
        (i, i / 2, True) for i in range(5)
    ]


def test_of_several_rows_in_columns_the_last_of_each_point_is_final() -> None:
    columns = pack("yield {'index': [0, 1, 0, 1, 0], 'step': [0, 0, 1, 5, 2], 'half': [0.] * 5, 'whole': [1] * 5}")
    rows = measured(columns, batch_of(columns, 2, i=[1, 1]), Basket())[1]
    assert [(name_of(row["point"]), row["step"], row["final"]) for row in rows] == [
        ("point0", 0, False),
        ("point1", 0, False),
        ("point0", 1, False),
        ("point1", 5, True),
        ("point0", 2, True),
    ]


PACK_FAULTS = [
    ("raise", "error", "ValueError: this pack cannot be measured"),
    ("raise_late", "error", "ValueError: this pack cannot be finished"),
    ("no_row", "error", "must give rows for the indices 0 to 0, but [0] have none"),
    ("wrong_index", "error", "[10000] are not there; yield (index, step, Result) for each point."),
    ("wrong_type", "error", "result 'half' must be of type float, but got 'not a number'"),
    ("wrong_result", "error", "the columns ['index', 'step', 'half'], all of one length, but got {'index': 1, 'step': 1}"),
    ("wrong_length", "error", "but got {'index': 1, 'step': 1, 'half': 0}"),
    ("memory", "oom", "MemoryError"),
    ("nan", "diverged", ""),
]  # fmt: skip


@pytest.mark.parametrize(("name", "status", "text"), PACK_FAULTS)
def test_of_a_pack_only_the_guilty_point_fails(name: str, status: str, text: str) -> None:
    rows = faulty(PACKED, name, n=20)
    assert statuses(rows) == ["ok"] * 3 + [status] + ["ok"] * 16
    (failed,) = (row for row in rows if row["status"] != "ok")
    assert failed["i"] == 3 and text in (failed["error"] or "")


def test_a_pack_that_takes_too_long_is_halved_too() -> None:
    batch = batch_of(PACKED, 8, fault=["sleep"] * 8)
    assert statuses(measured(PACKED, batch, Basket(), limit=0.03)[1]) == ["ok"] * 3 + ["timeout"] + ["ok"] * 4


def test_time_at_the_desk_is_no_time_of_the_point() -> None:
    class Slow(Basket):
        def deliver(self, table: Any, places: list[int], failures: dict[str, int]) -> None:
            time.sleep(0.4)
            super().deliver(table, places, failures)

    steps = made(
        "def run(params, ctx):\n    for step in range(3):\n        time.sleep(0.6)\n        yield step, Result(half=0.0)\n"
    )
    outcome, rows = measured(steps, batch_of(steps, 1, i=[7]), Slow(), limit=2.0)
    assert [(row["step"], row["status"]) for row in rows] == [(0, "ok"), (1, "ok"), (2, "ok")]
    assert outcome.failures == {}


def test_a_second_point_that_takes_too_long_is_ended_as_soon_as_the_first() -> None:
    sleepy = made("def run(params, ctx):\n    time.sleep(60)\n    yield 0, None\n")
    began = time.monotonic()
    assert statuses(measured(sleepy, batch_of(sleepy, 3), Basket(), limit=0.05)[1]) == ["timeout"] * 3
    assert time.monotonic() - began < 1


def test_both_ways_to_end_a_point_at_once_harm_nobody_under_a_tracer() -> None:
    dog = Watchdog(0.2)

    def throw() -> None:
        dog._began -= 60
        dog.overdue()

    before = sys.gettrace()
    sys.settrace(lambda frame, event, argument: None)
    try:
        threading.Timer(0.1, throw).start()
        failed = attempt(lambda: time.sleep(5), dog)
    finally:
        sys.settrace(before)
        dog.close()
    assert failed is not None and failed.status == "timeout" and not dog._thrown


PARTS = "{'index': [0], 'step': [0], 'whole': [1]"
WRONG_PACKS = {
    "nothing": ("return []", "must give rows for the indices 0 to 0, but [0] have none"),
    "None": ("return None", "TypeError"),
    "rows and columns": ("yield {'index': [0]}\nyield 0, 0, Result(half=0.)", "Error"),
    "steps that stand still": ("yield 0, 0, Result(half=0.)\nyield 0, 0, Result(half=0.)", "must count up for each index"),
    "steps that go back": ("yield 0, 2, Result(half=0.)\nyield 0, 1, Result(half=0.)", "got [2, 1] for the indices [0, 0]"),
    "a step below zero": ("yield 0, -1, Result(half=0.)", "steps must count up for each index, from 0 at the least"),
    "half a step": ("yield 0, 0.5, Result(half=0.)", "column 'step' must hold ints, but got [0.5]"),
    "half an index": ("yield 0.5, 0, Result(half=0.)", "column 'index' must hold ints, but got [0.5]"),
    "a matrix": (f"yield {PARTS}, 'half': np.zeros((1, 2))}}", "must be of type float, but got array"),
    "complex numbers": (f"yield {PARTS}, 'half': np.array([1j])}}", "type float, but got 1j"),
    "a strange index": ("yield 0, 0, Result(half=0.)\nyield -1, 0, Result(half=0.)", "[-1] are not there"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "text"), WRONG_PACKS.values(), ids=WRONG_PACKS)
def test_a_pack_may_not_answer_with(body: str, text: str) -> None:
    rows = measured(pack(body), batch_of(pack(body), 1), Basket())[1]
    assert rows[-1]["status"] == "error" and text in rows[-1]["error"]


@settings(deadline=None, max_examples=30)
@given(killers=st.sets(st.integers(0, 40), max_size=5), n=st.integers(1, 41))
def test_whatever_fails_every_point_is_final_once(killers: set[int], n: int) -> None:
    body = f"if any(p.i in {killers or '()'} for p in params):\n    raise ValueError\n{ALL}"
    desk = Basket()
    outcome, rows = measured(pack(body), batch_of(pack(body), n), desk)
    assert statuses(rows) == ["error" if i in killers else "ok" for i in range(n)]
    assert sorted(desk.places) == list(range(n)) and outcome.done == n


def test_the_seconds_of_a_call_are_shared_by_its_points() -> None:
    slow = pack(f"time.sleep(0.05)\n{ALL}")
    rows = measured(slow, batch_of(slow, 4, i=[7] * 4), Basket())[1]
    (share,) = {row["seconds"] for row in rows}
    assert 0.05 <= 4 * share < 0.2


# Marks, chunks and pace


def test_each_point_is_marked_before_it_is_measured() -> None:
    desk = Basket()
    measured(made(RUN), batch_of(made(RUN), 3), desk)
    assert desk.marks == [(0, 1), (1, 2), (2, 3)]


def test_a_call_holds_points_of_one_shape_alone() -> None:
    body = f"assert len({{p.i for p in params}}) == 1\n{ALL}"
    desk = Basket()
    rows = measured(pack(body), batch_of(pack(body), 6, i=[1, 1, 1, 2, 2, 3]), desk)[1]
    assert statuses(rows) == ["ok"] * 6
    assert desk.marks == [(0, 3), (3, 5), (5, 6)]


QUICK = pack(
    "yield {'index': range(len(params)), 'step': [0] * len(params), 'half': [0.] * len(params), 'whole': [1] * len(params)}"
)


def test_calls_grow_eightfold_while_they_are_quick() -> None:
    desk = Basket()
    measured(QUICK, batch_of(QUICK, 3000, i=[1] * 3000), desk)
    sizes = [stop - start for start, stop in desk.marks]
    assert sizes == [FIRST_CHUNK, 8 * FIRST_CHUNK, 64 * FIRST_CHUNK, 3000 - 73 * FIRST_CHUNK]


@pytest.mark.parametrize(("seconds", "size"), [(CHUNK, 32), (2 * CHUNK, 16), (CHUNK / 4, 128), (0.0, 256), (1000.0, 1)])
def test_a_call_learns_to_take_half_a_second(seconds: float, size: int) -> None:
    pace = Pace()
    pace.learn("shape", 32, seconds)
    assert (pace.size("shape"), pace.size("other")) == (size, FIRST_CHUNK)


@pytest.mark.parametrize("workload", [QUICK, made(RUN)], ids=["packed", "one by one"])
def test_the_first_call_of_a_process_says_nothing_of_the_rate(workload: Workload) -> None:
    pace = Pace()
    startups = [measured(workload, batch_of(workload, 4), Basket(), pace=pace)[0].startup for _ in range(2)]
    assert startups == [1, 0] and pace.warm


def test_seconds_count_from_the_first_call_on() -> None:
    imports = made("def run(params, ctx):\n    time.sleep(0.2 if params.i == 0 else 0.01)\n    yield 0, Result(half=0.0)\n")
    outcome = measured(imports, batch_of(imports, 3), Basket())[0]
    assert 0.02 <= outcome.seconds < 0.15


# Ends


@pytest.mark.parametrize("workload", [made(RUN), QUICK], ids=["one by one", "packed"])
def test_what_does_not_fit_the_time_is_handed_back(workload: Workload) -> None:
    batch = batch_of(workload, 5, seconds=0.0)
    desk = Basket()
    outcome, rows = measured(workload, batch, desk)
    assert len(rows) == outcome.done >= 1
    assert outcome.left == batch.index[outcome.done :]


def test_a_stop_hands_back_what_was_not_begun() -> None:
    desk = Basket(stop_after=3)
    outcome, rows = measured(made(RUN), batch_of(made(RUN), 6), desk)
    assert (outcome.done, outcome.left, statuses(rows)) == (3, [103, 104, 105], ["ok"] * 3)


def test_a_stop_is_heard_between_points_that_keep_their_state() -> None:
    kept = made("def run(params, ctx):\n    ctx.save({'at': 1})\n    time.sleep(0.01)\n    yield 0, Result(half=0.0)\n")
    outcome, rows = measured(kept, batch_of(kept, 6, i=[1] * 6), Basket(stop_after=3))
    assert (outcome.done, outcome.left) == (2, [102, 103, 104, 105])
    assert [(row["scale"], row["final"]) for row in rows] == [(1.0, True), (1.0, True), (1.0, False)]


def test_points_on_both_sides_of_a_failure_are_measured() -> None:
    odd = made("def run(params, ctx):\n    yield 0, Result(half=1 / (params.scale - 2))\n")
    _, rows = measured(odd, batch_of(odd, 5, i=[1] * 5, scale=[0.0, 1.0, 2.0, 3.0, 4.0]), Basket())
    assert [(row["scale"], row["status"], row["final"]) for row in rows] == [
        (0.0, "ok", True), (1.0, "ok", True), (2.0, "error", True), (3.0, "ok", True), (4.0, "ok", True),
    ]  # fmt: skip


def test_a_stop_before_the_first_point_hands_back_all() -> None:
    outcome, rows = measured(made(RUN), batch_of(made(RUN), 3), Basket(stop_after=0))
    assert (outcome.done, outcome.left, rows) == (0, [100, 101, 102], [])


def test_a_stop_blames_no_point_of_a_call_that_failed() -> None:
    batch = batch_of(PACKED, 8, fault=["raise"] * 8)
    outcome, rows = measured(PACKED, batch, Basket(stop_after=2))
    assert set(statuses(rows)) <= {"ok"}
    assert sorted([*outcome.left, *(100 + row["i"] for row in rows)]) == batch.index
    assert outcome.done == len(rows)


def abandoned(workload: Workload, n: int) -> tuple[Outcome, list[dict[str, Any]]]:
    """Outcome and rows of n points whose run is abandoned after 0.1 s."""
    dog, desk = Watchdog(None), Basket()
    threading.Timer(0.1, dog.abandon).start()
    return execute(workload, batch_of(workload, n), terms_of(), desk, dog, Pace(warm=True)), desk.rows


def test_an_abandoned_point_stays_undone_and_those_before_it_are_kept() -> None:
    stuck = made("def run(params, ctx):\n    time.sleep(60 if params.i == 2 else 0)\n    yield 0, Result(half=0.)\n")
    outcome, rows = abandoned(stuck, 4)
    assert (statuses(rows), outcome.done, outcome.left) == (["ok", "ok"], 2, [102, 103])


def test_an_abandoned_call_keeps_the_halves_that_were_measured() -> None:
    body = "    if len(params) > 1:\n        raise ValueError\n    time.sleep(60 if params[0].i == 2 else 0)\n"
    head = HEAD.replace(', {"shape": True}', "").replace('"what it is scaled by"', '"what it is scaled by", {"shape": True}')
    outcome, rows = abandoned(made(f"{PACK}{body}    yield 0, 0, Result(half=0.)\n", head=head), 4)
    assert (statuses(rows), outcome.done, outcome.left) == (["ok", "ok"], 2, [102, 103])


def test_rows_leave_the_worker_while_it_works() -> None:
    slow = made("def run(params, ctx):\n    time.sleep(0.6 if params.i < 2 else 0)\n    yield 0, Result(half=0.0)\n")
    desk = Basket()
    measured(slow, batch_of(slow, 3), desk)
    assert [table.num_rows for table in desk.tables] == [1, 2]  # the first at once, then a second of them
    assert desk.places == [0, 1, 2]


def test_failures_are_counted_over_all_that_was_delivered() -> None:
    odd = made("def run(params, ctx):\n    yield 0, Result(half=1 / (params.i % 2))\n")
    outcome, _ = measured(odd, batch_of(odd, 6), Basket())
    assert outcome.failures == {"error": 3}


def test_a_measured_nan_is_ok() -> None:
    nan = made("def run(params, ctx):\n    yield 0, Result(half=float('nan'))\n")
    (row,) = measured(nan, batch_of(nan, 1), Basket())[1]
    assert row["status"] == "ok" and math.isnan(row["half"]) and row["whole"] is None
