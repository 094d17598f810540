"""Two sweeps side by side, and the paired differences of a result that both have."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.datastructures import QueryParams
from starlette.requests import Request

from dashboards.blocks import charts, verdict_cards
from dashboards.blocks.sweep_card import card
from dashboards.blocks.view import View
from dashboards.data.cache import Cache, SweepRows, SweepState
from orchestrator.errors import nearest
from orchestrator.results.paired_differences import Differences, paired

PATH = "/compare"
TAB = "Compare"


def view(cache: Cache, request: Request) -> View:
    """What the page says of the sweeps `a` and `b` of the address, or why they cannot be compared."""
    query = request.query_params
    sweeps = cache.sweeps()
    names = [sweep.name for sweep in sweeps]
    first = query.get("a") or next(iter(names), "")
    second = query.get("b") or _partner(sweeps, first)
    page: View = {"names": names, "a": first, "b": second, "sides": [], "fault": "", "differences": None, "y": "", "ys": []}
    if not first or not second:
        return page | {"fault": "Two sweeps can be compared once the store holds two."}
    pair = (cache.sweep(first, query.get("a_size") or None), cache.sweep(second, query.get("b_size") or None))
    page["sides"] = [{**card(sweep), "verdicts": verdict_cards.cards(sweep.verdicts)} for sweep in pair]
    rows = (cache.rows(pair[0]), cache.rows(pair[1]))
    ys = _shared_results(rows, pair[0].record.get("workload") == pair[1].record.get("workload"))
    return page | _compared(rows, ys, query)


def _shared_results(rows: tuple[SweepRows, SweepRows], same_workload: bool) -> list[str]:
    """What can be compared: numbers of both; of two workloads only what both measure or set."""
    if not all(side.fields for side in rows):
        return []
    first, second = (charts.axes(side)["y"] for side in rows)
    ys = [name for name in first if name in second]
    return ys if same_workload else [name for name in ys if all(name in side.fields for side in rows)]


def _compared(rows: tuple[SweepRows, SweepRows], ys: Sequence[str], query: QueryParams) -> View:
    """The differences in the result that is asked for, the first that both have by default; or why there are none."""
    y = query.get("y") or next((name for name in ys if all(_is_result(side, name) for side in rows)), "")
    if y not in ys:
        which = f"'{y}' must be a result of both sweeps, but is not{nearest(y, ys)}" if y else "the sweeps share no result."
        return {"fault": f"differences: {which}", "ys": ys, "y": y}
    first, second = rows
    differences = paired(first.frame, second.frame, y, {**second.fields, **first.fields}, query.getlist("on"))
    chart = charts.of_differences(differences) if differences.settings else None
    return {"ys": ys, "y": y, "differences": differences, "chart": chart, "verdict": _verdict(differences)}


def _is_result(side: SweepRows, name: str) -> bool:
    return name in side.fields and side.fields[name].role == "result"


def _partner(sweeps: Sequence[SweepState], name: str) -> str:
    """The sweep to set beside another where none is asked for: one of the same workload, else any."""
    workload = next((s.record.get("workload") for s in sweeps if s.name == name), None)
    partners = sorted((s for s in sweeps if s.name != name), key=lambda s: s.record.get("workload") != workload)
    return partners[0].name if partners else ""


def _verdict(differences: Differences) -> str:
    """What the differences come to, as a sentence."""
    apart = sum(d.apart for d in differences.settings)
    paired_on = f"seed and {', '.join(differences.on)}" if differences.on else "seed"
    if not differences.settings:
        return f"No row of one sweep has a partner in the other: paired on {paired_on}."
    counts = (differences.only_left, differences.only_right)
    alone = f" {counts[0]:,} and {counts[1]:,} rows have no partner." if any(counts) else ""
    number = len(differences.settings)
    return (
        f"Paired on {paired_on}: in {apart:,} of {number:,} setting{'s' * (number != 1)} the interval leaves zero out.{alone}"
    )
