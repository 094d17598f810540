"""What a place that measures packs offers to the driver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Where to run: a running cluster's `address`, or a local Ray with so many CPUs and GPUs (None: what is there)."""

    address: str | None = None
    cpus: int | None = None
    gpus: int | None = None
    code: tuple[str, ...] = ()  # folders and files with code that other nodes need
