"""Ray as an executor. Ray itself is imported, started and shut down in a thread, so that the driver works meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from orchestrator.driver import shipping
from orchestrator.driver.executors.executor import STARTER, Resources
from orchestrator.driver.progress import Show
from orchestrator.driver.session import Session
from orchestrator.errors import ClusterError, SweepError
from orchestrator.spec.sweep_model import Needs
from orchestrator.workload.describe import Workload


def first_line(error: BaseException) -> str:
    """What an error says first."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")


def last_line(error: BaseException) -> str:
    """What an error says last, where Ray puts the cause."""
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "no message")


class RayTune:
    """Packs as trials of Ray Tune: on a Ray of this machine that ends with the run, or on a cluster that is there."""

    light = False

    def __init__(self, resources: Resources) -> None:
        self.remote = bool(resources.address)
        self._resources = resources
        self._connection: _Connection | None = None

    def begin(self, workloads: Sequence[Workload]) -> None:
        """Let Ray come up; the nodes of a cluster get the code of the workloads."""
        code = dict.fromkeys(file for workload in workloads for file in shipping.code(workload)) if self.remote else ()
        self._connection = self._connection or _Connection(self._resources, tuple(code))

    def slots(self, needs: Needs) -> int:
        """How many packs Ray has room for at once, as soon as it is up."""
        if self._connection is not None:
            self._connection.wait()
        from orchestrator.driver.executors import ray_cluster

        return ray_cluster.slots(needs.cpu, needs.gpu)

    def run(self, session: Session, show: Show) -> None:
        """Measure every pack of the session on Ray; ClusterError where Ray itself fails meanwhile."""
        from ray.exceptions import RayError
        from ray.tune.error import TuneError

        from orchestrator.driver.executors import ray_tune

        try:
            ray_tune.run_packs(session, show)
        except (RayError, TuneError) as error:
            raise ClusterError(
                f"Ray failed under this run: {type(error).__name__}: {last_line(error)}; every recorded row is kept: "
                "run the same command again and it finishes the rest."
            ) from error

    def close(self) -> None:
        """Let Ray go down; returns at once."""
        if self._connection is not None:
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Wait until Ray is gone; but an error that came before it was up is told at once."""
        self.close()
        if self._connection is not None and (kind is None or self._connection.up):
            self._connection.join()


class _Connection:
    """Ray, started in a thread of its own. The thread lives until `close`: Ray's servers end with the one that began them."""

    def __init__(self, resources: Resources, code: tuple[str, ...]) -> None:
        self._resources, self._code = resources, code
        self._up, self._end = threading.Event(), threading.Event()
        self._error: SweepError | None = None
        self._thread = threading.Thread(target=self._live, name=STARTER, daemon=True)
        self._thread.start()

    def _live(self) -> None:
        from orchestrator.driver.executors import ray_cluster

        try:
            with ray_cluster.connected(self._resources, self._code):
                self._up.set()
                self._end.wait()
        except SweepError as error:
            self._error = error
        except Exception as error:  # Ray raises whatever it likes; it is told where the driver waits
            self._error = SweepError(
                f"Ray did not come up: {type(error).__name__}: {first_line(error)}; mend that, or measure with --inline."
            )
        finally:
            self._up.set()

    @property
    def up(self) -> bool:
        """Whether Ray has come up, or is known not to."""
        return self._up.is_set()

    def wait(self) -> None:
        """Return once Ray is there; SweepError where it is not to be had."""
        self._up.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """Let Ray go down; returns at once."""
        self._end.set()

    def join(self) -> None:
        """Return once Ray is gone."""
        self._thread.join()
