"""Turns a sweep's rows and verdicts into a page of results: Markdown, one offline HTML file, and figures as PNG and SVG."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from orchestrator.claims import Verdict
from orchestrator.claims.outlook.remedies import why
from orchestrator.claims.queries import select_rows
from orchestrator.claims.sentences import label
from orchestrator.claims.verdict import Finding, check_tally, owner, summary_parts, tallies, tally_text
from orchestrator.columns import ENGINE_NAMES, OK
from orchestrator.figures.draw import render
from orchestrator.figures.drawing import Drawing
from orchestrator.figures.interval_bar import Geometry, interval_bar
from orchestrator.figures.of_sweep import drawings, saved
from orchestrator.figures.theme import NIGHT
from orchestrator.report import limitations
from orchestrator.results.derived_columns import ABSENT
from orchestrator.results.described import Columns, Described
from orchestrator.results.sources.kept_sweeps import command
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.spec import Spec
from orchestrator.store import durable
from orchestrator.wording import level_text, shown, span
from orchestrator.workload.describe import table_name

if TYPE_CHECKING:
    from jinja2 import Template


COUNTS = (
    f"SELECT arm, count(*) AS points, count(*) FILTER (status = '{OK}') AS ok, count(DISTINCT seed) AS seeds FROM {{table}} "
    "WHERE final AND size = '{size}' GROUP BY arm ORDER BY arm"
)
FORMS = ("html", "md")
GEOMETRY = Geometry(indent=4, width=172, margin=0.25, thinnest=1.5)
SEVERAL = 3
"""Groups of a claim that one paragraph tells of; more are a list."""
MANY = 8
"""Values of a param that are listed one by one; more are given by their ends and their number."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """The files of a report: `page` is HTML and needs no other file; `figures` are PNG, each with an SVG beside."""

    page: Path
    markdown: Path
    figures: tuple[Path, ...]


def prepare() -> None:
    """Read the templates, so that the first report need not wait for that."""
    for form in FORMS:
        _template(form)


def write(sweep: StoredSweep, verdicts: Sequence[Verdict], out: Path | None = None) -> Report:
    """Write the report of a sweep under `reports/<sweep>/` of its store, over the one before, and into `out` if given.

    That of each size is kept beside it too, under `reports/<sweep>.<size>/`.
    """
    folder = sweep.store.path / "reports" / sweep.name
    rendered = [(drawing, *render(drawing)) for drawing in drawings(sweep, verdicts)]
    view = page(sweep, verdicts, [(drawing, inline(svg)) for drawing, _, svg in rendered])
    files = {f"{drawing.name}.png": png for drawing, png, _ in rendered}
    files |= {f"{drawing.name}.svg": svg.encode() for drawing, _, svg in rendered}
    files |= {f"report.{form}": _template(form).render(view).encode() for form in FORMS}
    targets = [folder.with_name(f"{sweep.name}.{sweep.size}"), folder, *([out] if out else [])]
    for target in targets:
        for name, data in files.items():
            durable.write(target / name, data)
    folder = targets[-1]
    return Report(
        page=folder / "report.html",
        markdown=folder / "report.md",
        figures=tuple(folder / f"{drawing.name}.png" for drawing, *_ in rendered),
    )


def refresh(sweep: StoredSweep) -> Report | None:
    """The report once more from the verdicts as they were saved, where there is one; None where nothing was judged yet."""
    verdicts = saved(sweep)
    return write(sweep, verdicts) if verdicts else None


def paths(report: Report) -> dict[str, str]:
    """The files by what they are, to print: report, markdown, figure 1, …"""
    figures = {f"figure {i}" if len(report.figures) > 1 else "figure": str(p) for i, p in enumerate(report.figures, 1)}
    return {"report": str(report.page), "markdown": str(report.markdown), **figures}


def page(sweep: StoredSweep, verdicts: Sequence[Verdict], figures: Sequence[tuple[Drawing, str]]) -> dict[str, Any]:
    """All that the templates print, as plain values; figures come with their SVG."""
    spec, rows, fields, audit = sweep.spec, sweep.rows, sweep.fields, sweep.audit or {}
    arms = _arms(rows)
    params = [_params(rows, fields, mine) for _, mine in arms]
    shared = _shared(params)
    return {
        "name": spec.name,
        "size": sweep.size,
        "question": spec.question,
        "source": spec.source,
        "workload": spec.workload,
        "verdicts": [_verdict(v) for v in sorted(verdicts, key=lambda v: v.basis != "quoted")],
        "tally": tally_text(tallies((v.basis, v.verdict) for v in verdicts)) or "no claim",
        "checks": sweep.checks,
        "guarded": check_tally(sweep.checks),
        "headline": limitations.headline(rows),
        "limitations": limitations.limitations(sweep, verdicts),
        "audit": limitations.audit_text(sweep.audit),
        "mismatches": [_mismatch(row) for row in audit.get("mismatches", [])[:MANY]],
        "spent": limitations.spent(sweep),
        "measured": _measured(rows, arms, params, dict(shared)),
        "shared": shared,
        "counts": COUNTS.format(table=f"sweeps.{table_name(spec.name)}", size=sweep.size),
        "columns": [_column(f) for f in fields.values()],
        "figures": [_figure(spec, i, drawing, svg, rows) for i, (drawing, svg) in enumerate(figures)],
        "failures": _failures(rows),
        "commands": [
            *(command(sweep.store, words, spec.name, spec.size) for words in ("run", "claims", "report")),
            command(sweep.store, "export", spec.name, spec.size, " --bundle"),
        ],
        "query": f'lawsweep query "…" --store {shlex.quote(str(sweep.store.path.resolve()))}',
        "provenance": _provenance(rows),
        "text": spec.text.strip(),
        "night": night(),
    }


def night() -> str:
    """Style that gives a figure inside a dark page the colours that stand for its own there."""
    rules = (f"figure svg [{of}='{day}' i] {{ {of}: {dark} }}" for day, dark in NIGHT.items() for of in ("fill", "stroke"))
    return "\n  ".join(rules)


@lru_cache
def _template(form: str) -> Template:
    """The page's template in HTML or Markdown."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("orchestrator.report"),
        autoescape=form == "html",
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template(f"report.{form}.j2")


def inline(svg: str) -> str:
    """An SVG to stand inside a page: without its XML head, its size left to the page."""
    return re.sub(r"^<\?xml[^>]*\?>|<!DOCTYPE[^>]*>| xmlns(:\w+)?=\"[^\"]*\"", "", svg).strip()


def _verdict(verdict: Verdict) -> dict[str, Any]:
    groups = [_group(verdict, finding.group, finding.verdict, finding.numbers) for finding in verdict.findings]
    failed = ", ".join(f"{n} {status}" for status, n in verdict.failed.items())
    return {
        "id": verdict.id,
        "says": verdict.says or verdict.expected,
        "verdict": verdict.verdict,
        "expected": verdict.expected,
        "basis": verdict.basis or "none given",
        "source": verdict.source,
        "sentence": verdict.sentence,
        "owner": f"{owner(verdict.basis, verdict.source)} is {verdict.verdict}:",
        "each": [_finding_text(finding) for finding in verdict.findings] if len(verdict.findings) > SEVERAL else [],
        "foreseen": _foreseen(verdict),
        "reasons": why(verdict.record()),
        "groups": groups,
        "found": "; ".join(dict.fromkeys(line["text"] for g in groups for line in g["lines"])),
        "sql": verdict.sql,
        "rests": f"{verdict.rows} row{'s' * (verdict.rows != 1)} and {verdict.seeds} seed{'s' * (verdict.seeds != 1)}",
        "failed": failed,
        "level": level_text(verdict.level),
        "hash": verdict.claim_hash,
        "changed": verdict.changed,
    }


def _finding_text(finding: Finding) -> str:
    """What the rows of one group say, as a sentence."""
    head = f"{label(finding.group)} ({finding.verdict}): " if finding.group else ""
    return f"{head}{finding.sentence}."


def _foreseen(verdict: Verdict) -> str:
    """Whether the verdict is the one that the sweep was made to show; nothing where it foresees none."""
    if not verdict.foreseen:
        return ""
    return "as foreseen" if verdict.verdict == verdict.foreseen else f"foreseen: {verdict.foreseen}"


def _group(verdict: Verdict, group: Mapping[str, Any], word: str, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """A group's numbers as lines of text, each interval with the drawing of it against what is expected."""
    lines = [{"text": text, "bar": bar(interval) if interval else ""} for text, interval in summary_parts(numbers)]
    return {"label": label(group) if group else "", "verdict": word, "lines": lines, "offenders": numbers.get("offenders", [])}


def bar(numbers: Mapping[str, Any]) -> str:
    """A small SVG: the expected region as a band, the interval as a line with its estimate as a dot."""
    places = interval_bar(numbers, GEOMETRY)
    if places is None:
        return ""
    return (
        '<svg class="bar" width="180" height="22" role="img" '
        f'aria-label="interval {span(numbers["low"], numbers["high"])}">'
        f'<rect x="{places.start}" y="3" width="{places.width}" height="16" class="wanted" fill="#cfe3f2"/>'
        f'<line x1="{places.low}" x2="{places.high}" y1="11" y2="11" class="span" stroke="#222" stroke-width="2"/>'
        f'<circle cx="{places.estimate}" cy="11" r="3.6" fill="#D55E00"/></svg>'
    )


def _figure(spec: Spec, index: int, drawing: Drawing, svg: str, rows: pl.DataFrame) -> dict[str, str]:
    return {
        "name": drawing.name,
        "title": drawing.title,
        "caption": drawing.caption,
        "svg": svg,
        "sql": figure_sql(spec, index, rows),
    }


def figure_sql(spec: Spec, index: int, rows: pl.DataFrame | None = None) -> str:
    """The query that gives the rows of a figure; of the sweep's `rows` it may know the values."""
    figure = spec.figures[index]
    names = [name for name in (figure.x, figure.y, figure.color, figure.facet) if name]
    table = "boundaries" if figure.about.source == "boundary" else "sweeps"
    own_rows = rows if table == "sweeps" else None
    return select_rows(spec, names, figure.where, f"{table}.{table_name(spec.name)}", own_rows)


def _mismatch(row: Mapping[str, Any]) -> str:
    params = ", ".join(f"{name} = {value}" for name, value in row.get("params", {}).items())
    return f"{row.get('column')} was {row.get('stored')} and came out {row.get('again')} at {params}, seed {row.get('seed')}"


Arms = Sequence[tuple[str, "pl.Series"]]


def _measured(
    rows: pl.DataFrame, arms: Arms, each: Sequence[dict[str, str]], shared: Mapping[str, str]
) -> list[dict[str, str]]:
    """One line an arm: its points, its seeds and the values of those params that the arms do not share."""
    lines = []
    for (arm, mine), params in zip(arms, each, strict=True):
        points, seeds = (rows[name].filter(mine).n_unique() for name in ("point", "seed"))
        ok = int((mine & (rows["status"] == OK)).sum())
        values = ", ".join(f"{name} = {text}" for name, text in params.items() if name not in shared)
        lines.append({"arm": arm, "points": f"{points:,}", "ok": f"{ok:,}", "seeds": str(seeds), "params": values})
    return lines


def _arms(rows: pl.DataFrame) -> Arms:
    """Every arm, and which rows are its final ones: of a million rows only a column at a time is copied."""
    arms = rows["arm"].filter(rows["final"]).unique(maintain_order=True).to_list()
    return [(str(arm), rows["final"] & (rows["arm"] == arm)) for arm in arms]


def _params(rows: pl.DataFrame, fields: Columns, mine: pl.Series) -> dict[str, str]:
    """The values of each param in these rows, as text."""
    names = [name for name, field in fields.items() if field.role == "param" and name in rows.columns]
    values = {name: rows[name].filter(mine).drop_nulls().unique().sort().to_list() for name in names}
    return {name: _values(listed_values) for name, listed_values in values.items() if listed_values}


def _shared(arms: Sequence[Mapping[str, str]]) -> list[tuple[str, str]]:
    """Params that have the same values in every arm, with those."""
    return [(name, text) for name, text in (arms[0].items() if arms else ()) if all(arm.get(name) == text for arm in arms)]


def _values(values: Sequence[Any]) -> str:
    texts = [shown(v) if isinstance(v, float) else str(v) for v in values]
    return ", ".join(texts) if len(texts) <= MANY else f"{texts[0]} … {texts[-1]} ({len(texts)} values)"


def _column(field: Described) -> dict[str, str]:
    notes = [field.aggregate if field.role == "result" else "", f"{field.bound} bound" if field.bound != "exact" else ""]
    return {
        "name": field.name,
        "role": field.role,
        "unit": field.unit,
        "says": field.says,
        "notes": ", ".join(note for note in notes if note),
    }


def _failures(rows: pl.DataFrame) -> list[dict[str, Any]]:
    """Points without a result by status, the most frequent first error of each kind beside its count."""
    lost = rows.filter(pl.col("final") & (pl.col("status") != OK))
    lines = []
    for status, part in lost.group_by("status", maintain_order=True):
        errors = part["error"].drop_nulls().to_list() if "error" in part.columns else []
        last = [str(error).strip().splitlines()[-1][:200] for error in errors if str(error).strip()]
        message = max(set(last), key=last.count) if last else "not measured yet" if status[0] == ABSENT else ""
        lines.append({"status": str(status[0]), "points": len(part), "error": message})
    return sorted(lines, key=lambda f: -int(f["points"]))


def _provenance(rows: pl.DataFrame) -> list[tuple[str, str]]:
    """Where the rows come from: version, commits, machines, when, and what they took."""
    final = rows["final"] & (rows["status"] != ABSENT)
    # A point may stand in two arms; where it is final it counts once.
    once = final & pl.select(pl.when(final).then(rows["point"])).to_series().is_first_distinct()
    return [(name, text) for name, text in _sources(rows, once) if text] if once.any() else []


def _sources(rows: pl.DataFrame, mine: pl.Series) -> Iterator[tuple[str, str]]:
    names = {
        "workload": "workload", "version": "version of the workload", "commit": "commit", "host": "host", "device": "device",
        "threads": "threads", "torch": "torch", "generation": "run",
    }  # fmt: skip
    for column, name in names.items():
        if column in rows.columns and column in ENGINE_NAMES:
            yield (
                name,
                ", ".join(str(v) for v in rows[column].filter(mine).drop_nulls().unique().sort().to_list()[:MANY]),
            )
    if "dirty" in rows.columns and rows["dirty"].filter(mine).any():
        yield "working tree", "changed since the commit"
    if "started" in rows.columns and (started := rows["started"].filter(mine).drop_nulls()).len():
        first, last = (str(t)[:16] for t in (started.min(), started.max()))
        yield "measured", f"{first} to {last} UTC"
    if "seconds" in rows.columns:
        yield "time of all points", f"{float(rows['seconds'].filter(mine).sum() or 0):.3g} s"
