"""From what a dead worker left behind to what its death says of the points of its pack."""

from __future__ import annotations

from orchestrator.driver.pack_queue import Death

LONGEST = 1000  # characters kept of what is said of a dead worker
Relic = tuple[tuple[int, int] | None, str]  # the marked places and the trace, as `read_relic` gives them


def death(relic: Relic | None, error: str, memory: bool = False) -> Death:
    """The death of a worker, of which `error` is said; `memory` where it was ended because memory ran out.

    Nobody is blamed where there is no relic: the machine is gone too, or the driver itself has ended the worker.
    """
    text = "\n".join(line for line in error.splitlines() if line.strip())[:LONGEST] or "the worker died and left no word"
    if relic is None:
        return Death(status="lost", error=text, blame=False)
    mark, trace = relic
    if trace:
        main = trace.strip().split("\n\n")[-1]  # faulthandler writes the main thread last
        return Death(status="timeout", error=f"the point took longer than limits.seconds and held on:\n{main}", suspects=mark)
    return Death(status="oom" if memory else "lost", error=text, suspects=mark)
