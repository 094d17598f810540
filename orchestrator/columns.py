"""The columns that every row has, each with its type, unit and a sentence, and the statuses that a row can have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of the rows: `kind` is an Arrow type by name, `unit` is empty for a pure number or a label."""

    name: str
    kind: str
    unit: str
    says: str


@dataclass(frozen=True)
class Status:
    """How a row came about: whether it holds results, and whether it is a failure; a point can end as neither."""

    name: str
    says: str
    result: bool = False
    failure: bool = False


STATUSES = (
    Status("ok", "Measured; the row holds its results.", result=True),
    Status("error", "The workload raised, or gave what is no result of its kind.", failure=True),
    Status("oom", "Python, torch or the node ran out of memory.", failure=True),
    Status("timeout", "The point took longer than limits.seconds.", failure=True),
    Status("lost", "The process that measured the point died twice.", failure=True),
    Status("diverged", "A result that must be finite is not; the row holds the value.", failure=True),
    Status("stopped", "The sweep's 'stop' ended the point early, as it fell behind; that is no failure, and no result."),
)
OK = "ok"
"""The one status whose rows hold results; a test holds it to the table."""
NO_FAILURES = tuple(status.name for status in STATUSES if not status.failure)
"""A point with such a status needs no second try. A status that is not in the table counts as a failure: it is in no list."""


def failures(counts: Mapping[str, int]) -> dict[str, int]:
    """Of points counted by status, those that failed."""
    return {status: number for status, number in counts.items() if status not in NO_FAILURES}


def unfinished(counts: Mapping[str, int]) -> dict[str, int]:
    """Of points counted by status, those that have no result and yet did not fail."""
    return {status: number for status, number in counts.items() if status in NO_FAILURES and status != OK}


ENGINE_COLUMNS = (
    Column("point", "uint64", "", "Identity: hash of workload, version, params that differ from their defaults, and seed."),
    Column("workload", "string", "", "Workload that measured the row, as paper.measurement."),
    Column("version", "int64", "", "VERSION of the workload when the row was measured."),
    Column("seed", "int64", "", "Seed of the point; every random stream of the point derives from it."),
    Column("step", "int64", "", "Index of the row within its point, from 0; -1 for a failure without a result."),
    Column("final", "bool", "", "Whether this is the point's last row."),
    Column("status", "string", "", f"One of {', '.join(status.name for status in STATUSES)}."),
    Column("error", "string", "", "Error text or traceback of a row that is not ok; null otherwise."),
    Column("seconds", "float64", "s", "Wall time of the point up to this row; its share of the call where vectorised."),
    Column("pack", "string", "", "Pack (one Ray Tune trial) that measured the row."),
    Column("generation", "int64", "", "Number of the invocation that wrote the row, counted in the store."),
    Column("commit", "string", "", "Git commit of the code that ran, or 'none'."),
    Column("dirty", "bool", "", "Whether the working tree differed from the commit."),
    Column("host", "string", "", "Name of the machine that measured the row."),
    Column("device", "string", "", "Device the point was given: cpu, or cuda with the name of the GPU."),
    Column("threads", "int64", "", "Intra-op threads the point was given."),
    Column("torch", "string", "", "Version of torch in the worker, or 'none' where the workload did not import it."),
    Column("started", "timestamp[us, tz=UTC]", "UTC", "When the pack's chunk that holds the point began."),
)  # fmt: skip
ENGINE_NAMES = frozenset(column.name for column in ENGINE_COLUMNS) | {"arm", "sweep", "size"}
