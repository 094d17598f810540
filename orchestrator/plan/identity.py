"""Turns a point's workload, version, params and seed into its id."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping

from orchestrator.wording import SETTING_DIGITS
from orchestrator.workload.describe import Value, Workload

KEY_VERSION = 1  # raised only when the way ids are made changes: every stored row would be orphaned


class Identity:
    """Makes point ids: the hash of workload, version, params that differ from their defaults, and seed."""

    def __init__(self, workload: Workload, machine: str = "") -> None:
        self._fields = sorted(workload.params, key=lambda field: field.name)
        self._defaults = {f.name: canonical(f.default) for f in workload.params if not f.required}
        head = [str(KEY_VERSION), workload.name, str(workload.version), *([machine] if machine else [])]
        self._head = "\n".join(head)

    def points(self, values: Mapping[str, Value | None], seeds: range) -> Iterator[str]:
        """Ids of the points with these params and seeds."""
        differing = [(f.name, canonical(values[f.name])) for f in self._fields if values[f.name] != f.default]
        texts = [f"{name}={text}" for name, text in differing if text != self._defaults.get(name)]
        base = hashlib.blake2b("\n".join([self._head, *texts, ""]).encode(), digest_size=8)
        for seed in seeds:
            point = base.copy()
            point.update(str(seed).encode())
            yield point.hexdigest()


def canonical(value: Value | None) -> str:
    """One text for one value: floats by their first 12 significant digits, the rest as JSON."""
    return f"{value + 0.0:.{SETTING_DIGITS}g}f" if isinstance(value, float) else json.dumps(value)  # + 0.0: -0.0 is 0.0


def machine(device: str, threads: float) -> str:
    """What the cost of a point depends on beside its params: host class, device and threads."""
    return f"{platform.machine()}/{os.cpu_count()}cpu/{device}/{threads:g}threads"
