"""Sweeps, rows and stores made by hand for claims to be judged on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import pyarrow as pa
import yaml

from orchestrator.claims import Verdict, judging
from orchestrator.plan import expand
from orchestrator.results.described import Described
from orchestrator.spec import Spec, parse
from orchestrator.store import Store, open_store
from orchestrator.store.parts import part_bytes, part_name
from orchestrator.store.row_format import row_schema
from orchestrator.workload.describe import Workload, describe

VERSION, MEASURES = 1, "value"
KISSING = {2: 6, 3: 12, 4: 24, 5: 40, 6: 72, 7: 126, 8: 240}
# Upper brackets of ln(capacity) under the printed storage condition at beta = 8: growth saturates.
SATURATING = {2: 1.91, 4: 3.29, 8: 4.47, 16: 5.47, 32: 6.20, 64: 6.64}


@dataclass(frozen=True)
class Params:
    """Params of the toy."""

    d: Annotated[int, "dimension"]
    beta: Annotated[float, "inverse temperature"] = 8.0


@dataclass(frozen=True)
class Result:
    """Results of the toy."""

    y: Annotated[float, "Number of memories", {"unit": "memories"}]
    top: Annotated[float | None, "what y may not pass"] = None


def run(params: Params, ctx: Any) -> Any:
    """The toy's measurement."""
    yield 0, Result(y=2.0**params.d, top=4.0**params.d)


def toy() -> Workload:
    """The toy, described."""
    return describe(sys.modules[__name__], "toy.law")


FIELDS = {
    "d": Described(name="d", role="param", says="dimension"),
    "beta": Described(name="beta", role="param", says="inverse temperature"),
    "y": Described(name="y", role="result", says="Number of memories", unit="memories"),
    "top": Described(name="top", role="result"),
}


def spec_of(*listed: Mapping[str, Any], seeds: int = 8, name: str = "toy_sweep", **more: Any) -> Spec:
    """A sweep of the toy with those claims."""
    said = {"question": "How does it grow?", "source": "a paper", "workload": "toy.law", "seeds": seeds}
    axes = {} if "axes" in more or "arms" in more else {"axes": {"d": list(KISSING)}}
    return parse(yaml.safe_dump({**said, **axes, "claims": list(listed), **more}), name)


def rows_of(
    law: Callable[[float], float],
    xs: Iterable[float],
    seeds: int = 8,
    noise: float = 0.0,
    draw: int = 0,
    shift: float = 0.0,
    **more: Any,
) -> pl.DataFrame:
    """Rows of y = law(d), times lognormal noise of its own a point and a `shift` of its slope in ln d a seed."""
    rng = np.random.default_rng(draw)
    tilts = shift * rng.normal(size=seeds)
    rows = []
    for d in xs:
        for seed in range(seeds):
            y = law(d) * np.exp(noise * rng.normal() + tilts[seed] * np.log(d))
            rows.append({"arm": "all", "d": d, "beta": 8.0, "seed": seed, "y": float(y), "top": float(2 * y), **more})
    blank = {"final": True, "status": "ok", "error": None, "step": 0}
    return pl.DataFrame(rows).with_columns(
        **{k: pl.lit(v) for k, v in blank.items() if k not in more},
        point=pl.concat_str("arm", "d", "beta", "seed", separator="/"),
    )


def judged(claim: Mapping[str, Any], rows: pl.DataFrame, fields: Mapping[str, Described] = FIELDS, **more: Any) -> Verdict:
    """The verdict of one claim on those rows."""
    return judging.judge_rows(spec_of({"id": "c", **claim}, **more), rows, fields)[0]


def fill(
    store: Store, spec: Spec, y: Callable[[float, int], float], keep: Callable[[int, int], str | None] = lambda d, s: "ok"
) -> None:
    """Plan the spec in the store and put a row for each point, with the status that `keep` gives; None leaves the point out."""
    work, schema = toy(), row_schema(toy())
    plan = expand(spec, work)
    engine = {"workload": work.name, "version": 1, "pack": "p", "generation": 1, "commit": "abc", "dirty": False, "host": "h"}
    engine |= {"device": "cpu", "threads": 1, "torch": "none", "started": datetime(2026, 1, 1, tzinfo=UTC), "seconds": 0.1}
    rows = []
    for i, point in enumerate(plan.ids):
        status = keep(plan.params["d"][i], plan.seeds[i])
        ok = status == "ok"
        value = y(plan.params["d"][i], plan.seeds[i]) if ok else None
        what = {"point": int(point, 16), "seed": plan.seeds[i], "step": 0 if ok else -1, "final": True, "status": status}
        said = {"error": None if ok else "Traceback\nValueError: <too> large", "y": value, "top": value and 2 * value}
        if status is not None:
            rows.append({**engine, **what, **said, **plan.point(i)})
    table = pa.table({f.name: pa.array([r[f.name] for r in rows], f.type) for f in schema}, schema=schema)
    store.put(work.name, part_name(table), part_bytes(table))
    arms = [(arm, plan.ids[i], plan.seeds[i]) for arm, members in plan.arms for i in members]
    listed = pa.table(dict(zip(("arm", "point", "seed"), map(list, zip(*arms, strict=True)), strict=True)))
    store.save_plan(listed, {"sweep": spec.name, "size": spec.size, "workload": work.name, "generation": 1})


def stored(path: Path, spec: Spec, y: Callable[[float, int], float], **more: Any) -> Store:
    """A new store that holds the sweep."""
    store = open_store(path / "store", create=True)
    fill(store, spec, y, **more)
    return store
