"""Brings Ray up and down in a thread of its own, so that the driver imports and judges meanwhile."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from orchestrator.driver.executors.executor import Cluster
from orchestrator.errors import SweepError


class Connection:
    """A Ray that is there from `wait` to `close`. Its servers die with the thread that began them, so that one stays."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._up, self._end = threading.Event(), threading.Event()
        self._error: SweepError | None = None
        self._thread = threading.Thread(target=self._live, name="lawsweep-ray", daemon=True)
        self._thread.start()

    def _live(self) -> None:
        from orchestrator.driver.executors import ray_cluster

        try:
            with ray_cluster.connected(self._cluster):
                self._up.set()
                self._end.wait()
        except SweepError as error:
            self._error = error
        finally:
            self._up.set()

    def wait(self) -> None:
        """Return once Ray is there; SweepError where it is not to be had."""
        self._up.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let Ray go down; returns at once."""
        self._end.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait until Ray is gone; but an error that came before it was up is told at once."""
        self.close()
        if kind is None or self._up.is_set():
            self._thread.join()


def under_way() -> bool:
    """Whether a Ray is still coming up or going down that nobody waits for."""
    return any(thread.name == "lawsweep-ray" for thread in threading.enumerate())
