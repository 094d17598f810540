"""The columns that every row has, each with its type, unit and a sentence; a workload's own columns come after them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """One column of the rows: `kind` is an Arrow type by name, `unit` is empty for a pure number or a label."""

    name: str
    kind: str
    unit: str
    says: str


STATUSES = ("ok", "error", "oom", "timeout", "lost", "diverged", "stopped", "censored")

ENGINE_COLUMNS = (
    Column("point", "string", "", "Identity: hash of workload, version, params that differ from their defaults, and seed."),
    Column("workload", "string", "", "Workload that measured the row, as paper.measurement."),
    Column("version", "int64", "", "VERSION of the workload when the row was measured."),
    Column("seed", "int64", "", "Seed of the point; every random stream of the point derives from it."),
    Column("step", "int64", "", "Index of the row within its point, from 0; -1 for a failure without a result."),
    Column("final", "bool", "", "Whether this is the point's last row."),
    Column("status", "string", "", "One of ok, error, oom, timeout, lost, diverged, stopped, censored."),
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
