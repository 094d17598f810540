"""Times a command that does nothing beside a bare loop of `subprocess.run`: `python -m benchmarks.commands [POINTS]`.

Both call the same program as often, one after the other in one process, in turn; the least of three rounds is compared.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.spec import read

TARGET = 1.2
ROUNDS = 3
SWEEP = """\
question: What does a call cost?
command: [sh, -c, "echo '{{\\"y\\": {i}}}'"]
params: {i: {type: int, says: number of the call}}
results: {y: {type: float, says: the number}}
axes: {i: {range: [1, COUNT, 1]}}
"""


def bare(count: int) -> None:
    """The loop that one would write by hand."""
    for i in range(1, count + 1):
        subprocess.run(["sh", "-c", f"echo '{{\"y\": {i}}}'"], check=True, capture_output=True)


def swept(count: int) -> None:
    """The same calls as points of a sweep, without Ray: rows are durable at the end."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "calls.yaml"
        path.write_text(SWEEP.replace("COUNT", str(count)))
        summary = measure.run(read(path), Path(folder) / "store", Where(executor="inline", progress="quiet"))
        assert summary.measured == count and not summary.failures, summary


def seconds(call: Callable[[int], None], count: int) -> float:
    """Wall seconds of one round."""
    began = time.perf_counter()
    call(count)
    return time.perf_counter() - began


def main(count: int) -> None:
    """Print both, a call each."""
    swept(2)
    rounds = [(seconds(bare, count), seconds(swept, count)) for _ in range(ROUNDS)]
    loop, ours = (min(column) for column in zip(*rounds, strict=True))
    print(f"bare loop of subprocess.run  {1e3 * loop / count:7.2f} ms a call")
    print(f"lawsweep, inline             {1e3 * ours / count:7.2f} ms a call  {ours / loop:.2f} x (target {TARGET})")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
