"""All rows of one point, and how to measure it again."""

from __future__ import annotations

from starlette.requests import Request

from dashboards.blocks.spec_text import again
from dashboards.blocks.view import View
from dashboards.data.cache import Cache
from orchestrator.columns import ENGINE_COLUMNS, NO_FAILURES
from orchestrator.errors import StoreError
from orchestrator.results import frames, status
from orchestrator.results.sources import kept_sweeps

PATH = "/point/{point:path}"


def view(cache: Cache, request: Request) -> View:
    """What is there of the point of the address; see `point`."""
    return point(cache, request.path_params["point"])


def point(cache: Cache, name: str) -> View:
    """All rows of one point, what its columns are, and how to measure it again; StoreError where there is none."""
    rows = cache.point(name)
    if not rows:
        raise StoreError(f"point '{name}': the store must hold rows of it, but has none; see a sweep's table for its points.")
    last, planned = rows[-1], _planned(cache, name)
    described = cache.describe(str(last["workload"]))
    params = {d["name"]: last.get(d["name"]) for d in described if d["role"] == "param" and last.get(d["name"]) is not None}
    return {
        "point": name,
        "workload": str(last["workload"]),
        "params": params,
        "described": {d["name"]: d for d in described},
        "results": [d["name"] for d in described if d["role"] == "result"],
        "engine": [c.name for c in ENGINE_COLUMNS if c.name not in ("point", "workload", "error")],
        "rows": rows,
        "failed": any(row["counts"] and row["final"] and row["status"] not in NO_FAILURES for row in rows),
        "spec": again(planned[0]["loads"] if planned else str(last["workload"]), params, int(last["seed"])),
        "seed": last["seed"],
        "sweeps": planned,
        "logs": status.printed(cache.store, str(last["workload"]), name),
    }


def _planned(cache: Cache, name: str) -> list[View]:
    """The sweeps whose plan has the point."""
    sweeps = []
    for sweep in cache.sweeps():
        arms = frames.arms(cache.store, sweep.record, name)
        retry = kept_sweeps.command(cache.store, "run", sweep.name, sweep.size, " --retry")
        about = {"loads": kept_sweeps.workload_of(cache.store, sweep.record), "retry": retry}
        sweeps += [{"name": sweep.name, "size": sweep.size, "arms": ", ".join(arms), **about}] if arms else []
    return sweeps
