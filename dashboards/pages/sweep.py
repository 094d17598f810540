"""All that there is to one sweep: verdicts, figures, rows, failures, cost, where it comes from, its spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl
from starlette.requests import Request
from starlette.responses import RedirectResponse

from dashboards.blocks import address, charts, row_table, verdict_cards
from dashboards.blocks.address import OPERATORS, PageChoice
from dashboards.blocks.spec_text import spec_text
from dashboards.blocks.sweep_card import card
from dashboards.blocks.view import View
from dashboards.data import sql_guard
from dashboards.data.cache import Cache, SweepRows, SweepState
from orchestrator.errors import QueryError
from orchestrator.figures import of_sweep
from orchestrator.results import sql_views
from orchestrator.results.sources import code_changes, kept_sweeps

PATH = "/sweep/{name:str}"


def view(cache: Cache, request: Request) -> View | RedirectResponse:
    """What the page says; the form that adds a filter is sent on to an address with the filter in it."""
    name, query = request.path_params["name"], request.query_params
    if {"column", "is", "value"} & {*query}:
        target = address.address("sweep", name) + address.read(query).but(page=1)
        return RedirectResponse(target.rstrip("?") + "#table", 303)
    choice = address.read(query)
    sweep = cache.sweep(name, choice.size or None)
    return _view(cache, sweep, cache.rows(sweep), choice)


def _view(cache: Cache, sweep: SweepState, rows: SweepRows, choice: PageChoice) -> View:
    fault, filtered = _filtered(choice, rows)
    choice = charts.completed(choice, rows, sweep.record) if rows.fields else choice
    params = [n for n, field in rows.fields.items() if field.role == "param" and n in rows.frame.columns]
    return {
        "sweep": card(sweep),
        "choice": choice,
        "fault": fault,
        "verdicts": verdict_cards.cards(sweep.verdicts),
        "bases": verdict_cards.by_basis(sweep.verdicts),
        "checks": verdict_cards.checks(sweep.checks),
        "declared": _declared(sweep),
        "axes": charts.axes(rows, sweep.record) if rows.fields else {},
        "columns": [name for name in rows.frame.columns],
        "described": rows.described,
        "operators": OPERATORS,
        "allowed": row_table.allowed(rows),
        "sheet": row_table.table_page(rows, filtered, choice),
        "rows": len(rows.frame),
        "arms": row_table.arms(rows.frame, params),
        "failures": row_table.failures(rows.frame),
        "cost": row_table.cost(rows.frame),
        "provenance": row_table.provenance(rows.frame),
        "runs": [_run(run) for run in reversed(sweep.runs)],
        "boundaries": _boundaries(cache, sweep),
        "audit": _audit(cache, sweep),
        "code_change": _code_change(cache, sweep),
        "spec": spec_text(sweep.record.get("spec") or {}),
        "sql": f"select * from sweeps.{sql_views.identifiers([sweep.name])[sweep.name]} limit 100",
        "report": _report(cache, sweep),
        "commands": _commands(cache, sweep),
    }


def _filtered(choice: PageChoice, rows: SweepRows) -> tuple[str, pl.DataFrame]:
    """What is wrong with the conditions, and the rows that they keep: all where something is wrong."""
    try:
        return "", choice.filtered(rows.frame)
    except QueryError as error:
        return str(error), rows.frame


def _declared(sweep: SweepState) -> list[View]:
    figures = of_sweep.declared(sweep.record)
    return [{"index": i, "title": f.title or f"{f.y} over {f.x}"} for i, f in enumerate(figures)]


def _run(run: Mapping[str, Any]) -> View:
    names = ("generation", "size", "started", "ended", "todo", "measured", "why", "host", "commit")
    values = {name: run.get(name) if run.get(name) is not None else "" for name in names}
    short = {name: str(values[name])[:length] for name, length in (("started", 19), ("ended", 19), ("commit", 10))}
    return values | short


def _boundaries(cache: Cache, sweep: SweepState) -> list[Mapping[str, Any]]:
    """What a search found; nothing where the sweep searches for nothing."""
    if not (sweep.record.get("spec") or {}).get("search"):
        return []
    name = sweep.name.replace("'", "''")
    first = sql_guard.ask(cache.results, f"select * from boundaries where sweep = '{name}'")
    rows: list[Mapping[str, Any]] = first.table.to_pylist()
    return [{key: value for key, value in row.items() if key not in ("sweep", "record")} for row in rows]


def _audit(cache: Cache, sweep: SweepState) -> Mapping[str, Any] | None:
    """What `lawsweep audit` found of the sweep at this size; None where it was not asked, or of another size."""
    audit = cache.document("audits", sweep.name)
    return audit if isinstance(audit, dict) and audit.get("size") == sweep.size else None


def _code_change(cache: Cache, sweep: SweepState) -> str:
    """What there is to say where the workload's code has changed since points were measured."""
    generations = sweep.standing.generations if sweep.standing else {}
    change = code_changes.code_change(cache.store, sweep.record, generations)
    return change.sentence if change else ""


def _report(cache: Cache, sweep: SweepState) -> str:
    """Where the report at the size is that is shown, the latest where none was kept by its size; nothing without one."""
    folders = {f"{sweep.name}.{sweep.size}": sweep.size, sweep.name: None}
    for folder, size in folders.items():
        if "/" not in folder and (cache.store.path / "reports" / folder / "report.html").exists():
            return address.address("sweep", sweep.name, "report", size=size)
    return ""


def _commands(cache: Cache, sweep: SweepState) -> list[str]:
    words = ["run", "claims", "report"] + (["status"] if sweep.standing and sweep.standing.failed else [])
    sizes = {"status": None}
    return [kept_sweeps.command(cache.store, word, sweep.name, sizes.get(word, sweep.size)) for word in words]
