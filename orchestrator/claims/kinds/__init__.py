"""One judge for each kind of claim: the module of the kind's name, with `judge` and `intervals`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.claims.case import Case
from orchestrator.claims.verdict import Finding
from orchestrator.kinds import module_of


@dataclass(frozen=True)
class Judge:
    """How claims of a kind are judged."""

    judge: Callable[[Case], list[Finding]]
    """A finding for each group of the claim, from rows of which there is at least one."""
    intervals: Callable[[Case], int]
    """How many intervals decide the claim, which share the error that a sweep's claims may have together; 0 of an exact one."""
    together: bool = False
    """Whether one finding has several intervals, at `Case.each` of their number; its module says `TOGETHER = True`."""


def judge_of(kind: str) -> Judge:
    """The judge of a kind of claim, from the module of its name."""
    module = module_of(__name__, kind)
    return Judge(module.judge, module.intervals, getattr(module, "TOGETHER", False))
