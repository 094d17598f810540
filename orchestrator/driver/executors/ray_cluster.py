"""Starts or joins a Ray cluster, and tells how many workers it has room for."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray

from orchestrator import shipped
from orchestrator.driver.executors import ray_token
from orchestrator.driver.executors.executor import Resources
from orchestrator.errors import SweepError

# Ray adds this to the niceness of its workers and of the recorder. Its own 15 starves them beside anything else that runs.
os.environ.setdefault("RAY_worker_niceness", "0")
PATIENCE = 3.0
"""Seconds in which a machine must answer."""


@contextmanager
def connected(resources: Resources, code: tuple[str, ...]) -> Iterator[None]:
    """While inside, Ray is there: a local one, which ends afterwards, or a cluster, which gets `code` and stays.

    A Ray that this process has begun already is used as it is.
    """
    if ray.is_initialized():
        yield
        return
    token = ray_token.joined(resources.address) if resources.address else ""
    if resources.address:
        _listening(resources.address)
    try:
        with _bare():
            ray.init(**_settings(resources, code))
    except (ConnectionError, ray.exceptions.AuthenticationError) as error:
        raise SweepError(
            f"--address: a Ray cluster must answer at '{resources.address}', but {error}; begin one with 'ray start --head', "
            f"or leave --address out for a Ray of this machine. {ray_token.advice(token)}"
        ) from error
    if not resources.address:
        ray_token.shut()
    _hush()
    try:
        yield
    finally:
        ray.shutdown()


def _listening(address: str) -> None:
    """Refuse an address where nothing listens, before Ray tries it for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE).close()
    except OSError as error:
        raise SweepError(
            f"--address: a Ray cluster must answer at '{address}', but nothing listens there ({error}); begin one with "
            "'ray start --head', or leave --address out for a Ray of this machine."
        ) from error


def _hush() -> None:
    """Keep Tune's tables and tracebacks off the terminal: a dead worker is our business, and told in our words."""
    for name in ("ray.tune", "ray.air", "ray"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    # Ray prints what its raylet complains of to stdout, whatever the logging settings, and --json writes there.
    ray._private.worker.print_to_stdstream = lambda *args, **kwargs: None


@contextmanager
def _bare() -> Iterator[None]:
    """Start Ray without its monitor, log monitor and API server: each imports for seconds and delays shutdown."""
    node, names = ray._private.node.Node, ("start_monitor", "start_log_monitor", "start_api_server")
    attributes = {name: getattr(node, name) for name in names if hasattr(node, name)}
    for name in attributes:
        setattr(node, name, lambda *args, **kwargs: None)
    try:
        yield
    finally:
        for name, method in attributes.items():
            setattr(node, name, method)


def _settings(resources: Resources, code: tuple[str, ...]) -> dict[str, Any]:
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "configure_logging": True}
    quiet["job_config"] = _job(bool(resources.address))
    if resources.address:
        return {**quiet, "address": resources.address, "runtime_env": {"py_modules": list(code)}}
    local = {"include_dashboard": False, "object_store_memory": 500_000_000}
    return {**quiet, **local, "address": "local", "num_cpus": resources.cpus, "num_gpus": resources.gpus}


def _job(remote: bool) -> Any:
    """The settings of the job: workers find the engine by its place, whatever lies in the folder where the driver runs; those
    of other machines in what travels to them.
    """

    class Fixed(list[str]):
        """A path that Ray cannot extend by the driver's folders: a worker gets those of the run behind its own."""

        def extend(self, more: object) -> None:
            """Nothing."""

    job = ray.job_config.JobConfig()
    job._py_driver_sys_path = Fixed([] if remote else [str(shipped.ROOT)])
    return job


def slots(cpu: float, gpu: float) -> int:
    """How many packs the cluster can measure at once; SweepError where it cannot measure one."""
    have: dict[str, float] = ray.cluster_resources()
    for name, need in (("CPU", cpu), ("GPU", gpu)):
        if need > have.get(name, 0):
            raise SweepError(
                f"needs.{name.lower()}: a pack needs {need:g} {name}, but the cluster has {have.get(name, 0):g}; "
                f"choose another --size or cluster (--address), or declare it with --{name.lower()}s N to try the schedule."
            )
    return max(1, int(min(have["CPU"] / cpu if cpu else 10**6, have.get("GPU", 0) / gpu if gpu else 10**6)))


def local_servers() -> list[Any]:
    """Ray's own processes that this driver started."""
    import psutil

    return [p for p in psutil.Process().children() if p.name() in ("raylet", "gcs_server")]


def alive(servers: list[Any]) -> bool:
    """Whether all these processes still run."""
    import psutil

    return all(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in servers)
