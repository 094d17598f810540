"""Turns a store and an address into what each page says, as plain values for the templates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import polars as pl
import yaml
from starlette.datastructures import QueryParams

from dashboards import asking, cards, choice, plots, sheet
from dashboards.choice import OPERATORS, Choice, address, numeric
from dashboards.shelf import Rows, Shelf, Sweep
from orchestrator.columns import ENGINE_COLUMNS, NO_FAILURES
from orchestrator.errors import QueryError, StoreError, SweepError, nearest
from orchestrator.figures import of_sweep
from orchestrator.results import sql_views
from orchestrator.results.paired_differences import Differences, paired
from orchestrator.wording import duration

View = dict[str, Any]
NAME = re.compile(r"[\w.-]+")
EXAMPLES = (
    "select sweep, size, count(*) as points from plans group by all order by sweep",
    "select status, count(*) as points from points group by status",
    "select sweep, id, verdict, sentence from claims",
    "show all tables",
)


def overview(shelf: Shelf, query: QueryParams) -> View:
    """All sweeps that a text, a state and a verdict of the address leave, the latest change first."""
    text, state, verdict = (query.get(name, "") for name in ("text", "state", "verdict"))
    found = [card(sweep) for sweep in shelf.sweeps()]
    kept = [
        c
        for c in found
        if text.lower() in f"{c['name']} {c['question']} {c['workload']} {c['source']}".lower()
        and state in ("", c["state"])
        and (not verdict or verdict in dict(c["tally"]))
    ]
    live = any(c["state"] == "running" or not c["counted"] for c in found)
    return {"sweeps": kept, "all": len(found), "text": text, "state": state, "verdict": verdict, "live": live}


def card(sweep: Sweep) -> View:
    """What the list and the head of a page say of a sweep."""
    standing = sweep.standing
    points = standing.points if standing else 0
    done = standing.done if standing else 0
    return {
        "name": sweep.name,
        "size": sweep.size,
        "sizes": sweep.sizes,
        "question": str(sweep.record.get("question") or ""),
        "source": str(sweep.record.get("source") or ""),
        "workload": str(sweep.record.get("workload") or ""),
        "state": sweep.state,
        "counted": standing is not None,
        "points": points,
        "done": done,
        "failed": standing.failed if standing else {},
        "unfinished": standing.unfinished if standing else {},
        "share": round(100 * done / points, 1) if points else 0.0,
        "tally": cards.tally(sweep.verdicts),
        "changed": sweep.changed.strftime("%Y-%m-%d %H:%M:%S"),
        "ago": ago(sweep.changed),
        "pace": pace(sweep),
        "seconds": duration(standing.seconds) if standing else "",
        "stamp": f"{done}-{len(standing.parts)}-{sweep.judged:.3f}" if standing else "counting",
    }


def pace(sweep: Sweep) -> str:
    """Points a second and the time to go of a sweep that runs."""
    if not sweep.running or sweep.standing is None or not sweep.runs:
        return ""
    run = sweep.runs[-1]
    begun = datetime.fromisoformat(str(run.get("started")))
    passed = max((datetime.now(UTC) - begun).total_seconds(), 1e-3)
    missing = sweep.standing.points - sweep.standing.done
    measured = int(run.get("todo") or 0) - missing
    if measured <= 0:
        return f"no point yet after {duration(passed)}"
    return f"{measured / passed:,.3g} points a second, {duration(missing * passed / measured)} to go"


def ago(then: datetime) -> str:
    """How long ago, in one unit."""
    seconds = max(0.0, (datetime.now(UTC) - then).total_seconds())
    for unit, length in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            number = int(seconds // length)
            return f"{number} {unit}{'s' * (number != 1)} ago"
    return "just now"


def sweep(shelf: Shelf, name: str, query: QueryParams) -> View:
    """All that the page of one sweep says; its figures are asked for on their own."""
    chosen = choice.read(query)
    found = shelf.sweep(name, chosen.size or None)
    rows = shelf.rows(found)
    fault, kept = _kept(chosen, rows)
    chosen = plots.completed(chosen, rows, found.record) if rows.fields else chosen
    params = [n for n, field in rows.fields.items() if field.role == "param" and n in rows.frame.columns]
    return {
        "sweep": card(found),
        "choice": chosen,
        "fault": fault,
        "verdicts": cards.cards(found.verdicts),
        "declared": _declared(found),
        "axes": plots.axes(rows, found.record) if rows.fields else {},
        "columns": [name for name in rows.frame.columns],
        "described": rows.described,
        "operators": OPERATORS,
        "sheet": sheet.sheet(rows, kept, chosen),
        "rows": len(rows.frame),
        "arms": sheet.arms(rows.frame, params),
        "failures": sheet.failures(rows.frame),
        "cost": sheet.cost(rows.frame),
        "provenance": sheet.provenance(rows.frame),
        "runs": [_run(run) for run in reversed(found.runs)],
        "boundaries": _boundaries(shelf, found),
        "audit": _audit(shelf, found),
        "spec": _yaml(found.record.get("spec") or {}),
        "sql": f"select * from sweeps.{sql_views.identifiers([found.name])[found.name]} limit 100",
        "report": _report(shelf, found),
        "commands": _commands(found),
    }


def _kept(chosen: Choice, rows: Rows) -> tuple[str, pl.DataFrame]:
    """What is wrong with the conditions, and the rows that they keep: all where something is wrong."""
    try:
        return "", chosen.filtered(rows.frame)
    except QueryError as error:
        return str(error), rows.frame


def _declared(found: Sweep) -> list[View]:
    figures = of_sweep.declared(found.record)
    return [{"index": i, "title": f.title or f"{f.y} over {f.x}"} for i, f in enumerate(figures)]


def _run(run: Mapping[str, Any]) -> View:
    names = ("generation", "size", "started", "ended", "todo", "measured", "why", "host", "commit")
    told = {name: run.get(name) if run.get(name) is not None else "" for name in names}
    return told | {"started": str(told["started"])[:19], "ended": str(told["ended"])[:19], "commit": str(told["commit"])[:10]}


def _boundaries(shelf: Shelf, found: Sweep) -> list[Mapping[str, Any]]:
    """What a search found; nothing where the sweep searches for nothing."""
    if not (found.record.get("spec") or {}).get("search"):
        return []
    name = found.name.replace("'", "''")
    rows: list[Mapping[str, Any]] = asking.ask(
        shelf.store, f"select * from boundaries where sweep = '{name}'"
    ).table.to_pylist()
    return [{key: value for key, value in row.items() if key not in ("sweep", "record")} for row in rows]


def _audit(shelf: Shelf, found: Sweep) -> Mapping[str, Any] | None:
    """What `lawsweep audit` found of the sweep at this size; None where it was not asked, or of another size."""
    said = shelf.store.load("audits", found.name) if NAME.fullmatch(found.name) else None
    return said if isinstance(said, dict) and said.get("size") == found.size else None


def _yaml(spec: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(json.loads(json.dumps(spec, default=str)), sort_keys=False, allow_unicode=True, width=110))


def _report(shelf: Shelf, found: Sweep) -> str:
    """Where the report at the size is that is shown, the latest where none was kept by its size; nothing without one."""
    folders = {f"{found.name}.{found.size}": found.size, found.name: None}
    for folder, size in folders.items():
        if "/" not in folder and (shelf.store.path / "reports" / folder / "report.html").exists():
            return address("sweep", found.name, "report", size=size)
    return ""


def _commands(found: Sweep) -> list[str]:
    option = "" if found.size == "base" else f" --size {found.size}"
    words = ["run", "claims", "report"] + (["status"] if found.standing and found.standing.failed else [])
    return [f"lawsweep {word} {found.name}{'' if word == 'status' else option}" for word in words]


def drawing(shelf: Shelf, name: str, query: QueryParams) -> tuple[str, View]:
    """A stamp of what a figure rests on, and the figure: a chart with its title and caption, or what is wrong."""
    chosen = choice.read(query)
    found = shelf.sweep(name, chosen.size or None)
    rows = shelf.rows(found)
    stamp = f"{rows.stamp}-{found.judged:.3f}"
    key = (found.name, found.size, str(found.record.get("generation")), stamp, str(query))
    drawn: View = shelf.once(key, lambda: _drawn(shelf, found, rows, chosen, query.get("figure", "")))
    return stamp, drawn


def _drawn(shelf: Shelf, found: Sweep, rows: Rows, chosen: Choice, figure: str) -> View:
    try:
        if figure.isdecimal() and int(figure) < len(of_sweep.declared(found.record)):
            if len(rows.frame) > plots.ROWS:
                raise QueryError(f"figure: it must rest on at most {plots.ROWS:,} rows, but there are {len(rows.frame):,}.")
            drawn = of_sweep.redraw(shelf.store, found.record, int(figure), rows.frame, rows.fields)
        else:
            chosen = plots.completed(chosen, rows, found.record)
            drawn = plots.explore(shelf.store, chosen, rows, chosen.filtered(rows.frame), found.record)
    except SweepError as error:
        return {"fault": str(error)}
    return {"chart": drawn.chart, "title": drawn.title, "caption": drawn.caption}


def point(shelf: Shelf, name: str) -> View:
    """All rows of one point, what its columns are, and how to measure it again; StoreError where there is none."""
    rows = shelf.point(name)
    if not rows:
        raise StoreError(f"point '{name}': the store must hold rows of it, but has none; see a sweep's table for its points.")
    last = rows[-1]
    described = shelf.describe(str(last["workload"]))
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
        "spec": again(str(last["workload"]), params, int(last["seed"])),
        "seed": last["seed"],
        "sweeps": [s for s in _planned(shelf, name)],
    }


def _planned(shelf: Shelf, name: str) -> list[View]:
    """The sweeps whose plan has the point."""
    found = []
    for sweep in shelf.sweeps():
        arms = shelf.planned_arms(sweep, name)
        found += [{"name": sweep.name, "size": sweep.size, "arms": ", ".join(arms)}] if arms else []
    return found


def again(workload: str, params: Mapping[str, Any], seed: int) -> str:
    """A sweep file that measures a point again: its params fixed, and its seed the last one."""
    said = {"question": "The same point again?", "workload": workload, "fixed": dict(params), "seeds": seed + 1}
    return _yaml(said)


def compare(shelf: Shelf, query: QueryParams) -> View:
    """Two sweeps side by side, and the paired differences of a result that both have."""
    listed = shelf.sweeps()
    known = [s.name for s in listed]
    first = query.get("a") or next(iter(known), "")
    names = [first, query.get("b") or _partner(listed, first)]
    view: View = {"known": known, "a": names[0], "b": names[1], "sides": [], "fault": "", "found": None, "y": "", "ys": []}
    if not all(names):
        return view | {"fault": "Two sweeps can be compared once the store holds two."}
    pair = [shelf.sweep(name, query.get(f"{side}_size") or None) for side, name in zip("ab", names, strict=True)]
    view["sides"] = [{**card(s), "verdicts": cards.cards(s.verdicts)} for s in pair]
    left, right = (shelf.rows(s) for s in pair)
    ys = [n for n in plots.axes(left)["y"] if n in plots.axes(right)["y"]] if left.fields and right.fields else []
    if pair[0].record.get("workload") != pair[1].record.get("workload"):
        ys = [n for n in ys if n in left.fields and n in right.fields]
    y = query.get("y") or next(iter(ys), "")
    if y not in ys:
        which = f"'{y}' must be a result of both sweeps, but is not{nearest(y, ys)}" if y else "the sweeps share no result."
        return view | {"fault": f"differences: {which}", "ys": ys, "y": y}
    found = paired(left.frame, right.frame, y, {**right.fields, **left.fields}, query.getlist("on"))
    shared = [n for n, f in left.fields.items() if f.role == "param" and n in right.frame.columns]
    chart = plots.of_differences(found) if found.settings else None
    return view | {"ys": ys, "y": y, "found": found, "chart": chart, "shared": shared, "verdict": _verdict(found)}


def _partner(listed: Sequence[Sweep], name: str) -> str:
    """The sweep to set beside another where none is asked for: one of the same workload, else any."""
    workload = next((s.record.get("workload") for s in listed if s.name == name), None)
    others = sorted((s for s in listed if s.name != name), key=lambda s: s.record.get("workload") != workload)
    return others[0].name if others else ""


def _verdict(found: Differences) -> str:
    """What the differences come to, as a sentence."""
    apart = sum(d.apart for d in found.settings)
    paired_on = f"seed and {', '.join(found.on)}" if found.on else "seed"
    if not found.settings:
        return f"No row of one sweep has a partner in the other: paired on {paired_on}."
    alone = (
        f" {found.only_left:,} and {found.only_right:,} rows have no partner." if found.only_left or found.only_right else ""
    )
    number = len(found.settings)
    return (
        f"Paired on {paired_on}: in {apart:,} of {number:,} setting{'s' * (number != 1)} the interval leaves zero out.{alone}"
    )


def sql(shelf: Shelf, query: QueryParams) -> View:
    """The page where one asks: the query, its result as a table and a chart, the tables that there are."""
    text = query.get("q", "").strip()
    view: View = {"q": text, "fault": "", "answer": None, "examples": EXAMPLES, "tables": _tables(shelf), "chart": None}
    if not text:
        return view
    try:
        answer = asking.ask(shelf.store, text)
    except SweepError as error:
        return view | {"fault": str(error)}
    frame = pl.from_arrow(answer.table)
    assert isinstance(frame, pl.DataFrame)
    return view | {"answer": answer, "frame": frame, "rows": frame.head(200).to_dicts(), **_charted(frame, query)}


def _charted(frame: pl.DataFrame, query: QueryParams) -> View:
    """The chart of a result: the axes asked for, else its first column and its last number."""
    numbers = numeric(frame, frame.columns)
    y = query.get("y") if query.get("y") in numbers else next(reversed(numbers), "")
    x = query.get("x") if query.get("x") in frame.columns else next((n for n in frame.columns if n != y), "")
    color = query.get("color", "") if query.get("color") in frame.columns else ""
    log = tuple(query.getlist("log"))
    chart = plots.of_result(frame, x, y, color, log) if x and y and len(frame) else None
    return {"chart": chart, "x": x, "y": y, "color": color, "log": log, "numbers": numbers, "names": frame.columns}


def _tables(shelf: Shelf) -> list[View]:
    """Each workload's table, and each sweep's view, with its columns in a sentence each."""
    found = []
    workloads = shelf.store.workloads()
    for name, identifier in sql_views.identifiers(workloads).items():
        found.append({"name": identifier, "kind": "workload", "columns": _described(shelf, name)})
    sweeps = [str(record["sweep"]) for record in shelf.store.plans()]
    found += [{"name": i, "kind": "sweep", "columns": []} for i in sql_views.identifiers(set(sweeps)).values()]
    return found + [{"name": n, "kind": "store", "columns": []} for n in ("points", "plans", "claims", "runs", "boundaries")]


@lru_cache(maxsize=64)
def _described_as(shelf: Shelf, workload: str, parts: int) -> tuple[Mapping[str, str], ...]:
    return shelf.describe(workload)


def _described(shelf: Shelf, workload: str) -> tuple[Mapping[str, str], ...]:
    """Columns of a workload, read again when parts have come."""
    return _described_as(shelf, workload, len(shelf.store.parts(workload)))


def link(*parts: str, **query: str | None) -> str:
    """An address for the templates."""
    return address(*parts, **query)
