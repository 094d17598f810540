"""Bookkeeping of rounds that every proposer needs: what was measured, and how many assignments the next round may have."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.search.proposal import Rounds, Seen, Value


def measured(rounds: Rounds) -> list[Seen]:
    """Every assignment of the rounds, oldest first."""
    return [assignment for one_round in rounds for assignment in one_round]


def room(count: int, size: int, most: int) -> int:
    """How many assignments the next round may have, after `count` of at most `most`, in rounds of `size`."""
    return max(min(size, most - count), 0)


def key(values: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    """What tells assignments apart, whatever the order of their params."""
    return tuple(sorted(values.items()))
