"""The queue of packs: every point leaves it measured, failed or still waiting, and only the guilty are blamed."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.driver import pack_queue
from orchestrator.driver.pack_queue import MAX_PACKS, PATIENCE, Death, OpenPack, Queue
from orchestrator.worker.batch import Failure

LOST = Death(status="lost", error="killed")


def drain(queue: Queue, killers: frozenset[int] = frozenset(), marked: bool = True) -> tuple[Counter[int], list[Failure]]:
    """Play a worker that measures in order and dies on a killer; points measured, and failures."""
    measured: Counter[int] = Counter()
    failures: list[Failure] = []
    while (pack := queue.take()) is not None:
        fatal = next((place for place, i in enumerate(pack.index) if i in killers), None)
        if fatal is None:
            measured.update(pack.index)
            queue.finished(pack.id, len(pack.index), 0.01 * len(pack.index), ())
        else:
            measured.update(pack.index[:fatal])
            death = Death(status="lost", error="killed", suspects=(fatal, fatal + 1) if marked else None)
            failures += queue.died(pack.id, pack.index[:fatal], death)
    return measured, failures


@settings(deadline=None, max_examples=60)
@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6),
    killers=st.sets(st.integers(0, 60), max_size=4),
    workers=st.integers(1, 5),
    marked=st.booleans(),
)
def test_every_point_is_measured_once_or_blamed_once(sizes: list[int], killers: set[int], workers: int, marked: bool) -> None:
    starts = [sum(sizes[:k]) for k in range(len(sizes))]
    groups = [list(range(start, start + size)) for start, size in zip(starts, sizes, strict=True)]
    guilty = frozenset(k for k in killers if k < sum(sizes))
    queue = Queue(groups=groups, workers=workers)
    measured, failures = drain(queue, guilty, marked)
    assert measured == Counter(set(range(sum(sizes))) - guilty)
    assert sorted(f.index for f in failures) == sorted(guilty)
    assert queue.exhausted


def test_a_marked_point_is_blamed_only_at_its_second_death() -> None:
    queue = Queue(groups=[[0, 1, 2]], workers=1, rates=[0.01])
    pack = queue.take()
    assert pack and queue.died(pack.id, [], Death(status="lost", error="killed", suspects=(1, 2))) == []
    left = [queue.take(), queue.take()]
    alone = next(p for p in left if p and p.index == (1,))
    assert queue.died(alone.id, [], LOST) == [Failure(index=1, status="lost", error="killed")]


def test_a_timeout_is_its_own_proof() -> None:
    queue = Queue(groups=[[0, 1]], workers=1, rates=[0.01])
    pack = queue.take()
    death = Death(status="timeout", error="too long", suspects=(0, 1))
    assert pack and queue.died(pack.id, [], death) == [Failure(index=0, status="timeout", error="too long")]


def test_the_death_of_a_node_blames_nobody() -> None:
    queue = Queue(groups=[[0]], workers=1, rates=[0.01])
    for _ in range(PATIENCE):
        pack = queue.take()
        assert pack and queue.died(pack.id, [], Death(status="lost", error="node", blame=False)) == []
    assert queue.waiting == 1


def test_points_handed_back_wait_again() -> None:
    queue = Queue(groups=[[0, 1, 2, 3]], workers=1, rates=[0.01])
    pack = queue.take()
    assert pack
    queue.finished(pack.id, len(pack.index) - 1, 1.0, pack.index[-1:])
    again = queue.take()
    assert again and pack.index[-1] in again.index


def packs_of(points: int, seconds: float, workers: int = 2) -> list[OpenPack]:
    """All packs of a queue whose points take so long."""
    queue = Queue(groups=[list(range(points))], workers=workers, rates=[seconds])
    packs = []
    while (pack := queue.take()) is not None:
        packs.append(pack)
        queue.finished(pack.id, len(pack.index), seconds * len(pack.index), ())
    return packs


def test_a_pack_takes_about_five_seconds_of_measured_time() -> None:
    assert len(packs_of(10_000, 0.01)[0].index) == 500


def test_the_last_packs_are_short_so_that_no_worker_waits() -> None:
    assert len(packs_of(1_000, 0.1)[-1].index) <= 5


@pytest.mark.parametrize("seconds", [1e-5, 6.0])
def test_a_run_has_no_more_packs_than_tune_can_keep(seconds: float) -> None:
    assert len(packs_of(20_000, seconds)) <= MAX_PACKS + 10


def test_a_pack_of_unknown_cost_leaves_work_for_the_others() -> None:
    queue = Queue(groups=[list(range(80))], workers=2)
    pack = queue.take()
    assert pack and len(pack.index) == 10


def test_small_groups_share_a_pack() -> None:
    queue = Queue(groups=[[i] for i in range(100)], workers=1, rates=[0.001] * 100)
    pack = queue.take()
    assert pack and len(pack.index) > 1


def test_a_pack_of_many_shapes_is_made_by_as_many_looks_at_their_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: Counter[str] = Counter()
    each = pack_queue._Rate.each
    monkeypatch.setattr(pack_queue._Rate, "each", lambda rate: looks.update(["each"]) or each(rate))
    groups = [[i] for i in range(5000)]  # a function of one whole number: each point has a shape of its own
    queue = Queue(groups=groups, workers=1, rates=[1e-6] * len(groups))
    assert drain(queue)[0].total() == len(groups)
    assert looks["each"] < 20 * len(groups)
