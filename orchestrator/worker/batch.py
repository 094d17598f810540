"""What travels between the driver and a worker: the points of a pack, the terms of a run, and what became of a pack."""

from __future__ import annotations

import socket
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.workload.describe import Field, Reference, Value, Workload, load


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The points of one pack in columns; `index` holds their positions in the plan, `seconds` how long it may take.

    Points of one shape stand together. A worker that has used up `seconds` hands the rest back. With `until`, points pause
    once they have come to that step; with `together`, so many are measured in one vectorised call.
    """

    pack: str
    index: list[int]
    ids: list[str]
    seeds: list[int]
    params: dict[str, list[Value | None]]
    seconds: float
    until: int | None = None
    together: int | None = None

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What holds for every pack of a run: the code, the device, the limits and what each row says of its origin."""

    workload: Reference
    folder: str
    generation: int
    commit: str
    dirty: bool
    host: str
    device: str  # what torch calls it: cpu or cuda
    device_name: str  # what the rows say: cpu, or cuda with the name of the GPU
    threads: int
    limit: float | None  # seconds a point may take
    path: tuple[str, ...] = ()  # entries of the driver's sys.path that a worker on the same machine may import from
    results: tuple[Field, ...] = ()  # what a function gives that does not say so: learnt once, by the driver

    def load(self) -> Workload:
        """The workload, imported where this is called."""
        return load(self.workload, self._folder(), results=self.results)

    def _folder(self) -> Path:
        """The folder of the workload's file: as it is here, or among the code that came along."""
        places = [Path(entry) / self.folder for entry in sys.path if not Path(self.folder).is_absolute()]
        return next((candidate for candidate in places if candidate.is_dir()), Path(self.folder))

    def here(self) -> Terms:
        """The terms as they hold in this process: its host, and the device that it really has."""
        torch = sys.modules.get("torch")
        if torch is not None:
            torch.set_num_threads(self.threads)
        gpu = self.device == "cuda" and torch is not None and torch.cuda.is_available()
        name = f"cuda {torch.cuda.get_device_name()}" if gpu and torch is not None else "cpu"
        return replace(self, host=socket.gethostname(), device="cuda" if gpu else "cpu", device_name=name)


@dataclass(kw_only=True)
class Outcome:
    """What a worker says of its pack at the end; `left` are the positions in the plan that it hands back.

    `paused` are those that came to the step at which they were to pause.

    `seconds` are those of the points after the first `startup` ones, whose time went into imports.
    """

    pack: str
    done: int = 0
    startup: int = 0
    seconds: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)
    left: list[int] = field(default_factory=list)
    paused: list[int] = field(default_factory=list)
    halt: str = ""  # why the whole run has to stop: the store cannot be written, the workload does not import


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A point that ends without a result of its own, because every process that tried it died."""

    index: int
    status: str
    error: str
