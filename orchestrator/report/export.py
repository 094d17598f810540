"""Turns a judged sweep into files for a paper: tables as CSV, Parquet and LaTeX, figures as PDF, and where they come from."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import polars as pl

from orchestrator.claims import Verdict
from orchestrator.claims.verdict import summary_parts
from orchestrator.columns import OK
from orchestrator.figures.draw import printed
from orchestrator.figures.drawing import Drawing
from orchestrator.figures.of_sweep import drawings
from orchestrator.fitting.aggregates import expression
from orchestrator.report import latex
from orchestrator.report.bibliography import citations
from orchestrator.results import frames
from orchestrator.results.described import Columns, aggregate
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store import durable, kept_texts
from orchestrator.wording import Tell, untold
from orchestrator.workload.describe import FILE

PRINTED = ("says", "verdict", "basis", "found", "expected")
"""What a paper prints of the verdicts; the files for machines hold all."""


@dataclass(frozen=True, kw_only=True)
class StatedSource:
    """Where the rows of a sweep come from: commits, versions and the records of the runs that measured them."""

    commits: tuple[str, ...]
    runs: tuple[dict[str, Any], ...]

    @property
    def text(self) -> str:
        """The commits, one a line."""
        return "".join(f"{commit}\n" for commit in self.commits)


def write(
    sweep: StoredSweep, verdicts: Sequence[Verdict], out: Path, *, bundle: bool = False, tell: Tell = untold
) -> tuple[Path, ...]:
    """Write tables and figures into the folder; with `bundle` also captions, data, spec, commit, environment and BibTeX.

    What was there under other names stays. Gives the files back, sorted; `tell` hears what is made next.
    """
    tell("tables")
    files = dict(_tables(sweep, verdicts))
    figures = drawings(sweep, verdicts)
    for i, drawing in enumerate(figures, 1):
        tell(f"figure {i} of {len(figures)}")
        files[f"{drawing.name}.pdf"] = printed(drawing)
    if bundle:
        files |= {name: text.encode() for name, text in _bundle(sweep, verdicts, figures)}
        files |= kept_code(sweep)
    for name, data in files.items():
        durable.write(out / name, data)
    return tuple(sorted(out / name for name in files))


def _tables(sweep: StoredSweep, verdicts: Sequence[Verdict]) -> Iterator[tuple[str, bytes]]:
    """All rows as CSV and Parquet; what a paper prints (summary, verdicts, boundaries, fronts) as LaTeX too."""
    yield from _files("results", frames.shown(sweep.measured))
    of_searches = {"boundaries": sweep.boundaries, "fronts": sweep.fronts}
    tables = {"summary": summary(sweep.rows, sweep.fields), "verdicts": judged(verdicts), **of_searches}
    for name, table in tables.items():
        if table is not None and table.width:
            yield from _files(name, table)
            short = table.select(PRINTED) if name == "verdicts" else table
            yield f"{name}.tex", latex.table(short.columns, short.rows(), f"{sweep.name}: {name}").encode()


def _files(name: str, table: pl.DataFrame) -> Iterator[tuple[str, bytes]]:
    import io

    buffer = io.BytesIO()
    table.write_parquet(buffer)
    yield f"{name}.parquet", buffer.getvalue()
    yield f"{name}.csv", table.write_csv().encode()


def summary(rows: pl.DataFrame, fields: Columns) -> pl.DataFrame:
    """A row an assignment: arm, the params that vary, how many seeds gave a result, each result combined as its column says."""
    ok = rows.filter(pl.col("final") & (pl.col("status").cast(pl.String) == OK))
    params = [name for name, field in fields.items() if field.role == "param" and name in ok.columns]
    varied = ["arm", *(name for name in params if ok[name].n_unique() > 1)]
    results = [
        name for name, field in fields.items() if field.role == "result" and name in ok.columns and ok[name].dtype.is_numeric()
    ]
    combined = [expression(pl.col(name), aggregate(fields, name)) for name in results]
    return ok.group_by(varied, maintain_order=True).agg(pl.col("seed").n_unique().alias("seeds"), *combined).sort(varied)


def judged(verdicts: Sequence[Verdict]) -> pl.DataFrame:
    """A row a claim: its sentence, the verdict, whose claim it is, what was found against what is expected."""
    keys = ("id", "says", "verdict", "basis", "source", "found", "expected", "rows", "seeds", "reasons", "sql")
    records = []
    for v in verdicts:
        numbers = "; ".join(dict.fromkeys(text for finding in v.findings for text, _ in summary_parts(finding.numbers)))
        row = {**{key: getattr(v, key, None) for key in keys}, "found": numbers, "reasons": "; ".join(v.reasons)}
        records.append(row)
    return pl.DataFrame(records, schema={key: pl.Int64 if key in ("rows", "seeds") else pl.String for key in keys})


def _bundle(sweep: StoredSweep, verdicts: Sequence[Verdict], figures: Sequence[Drawing]) -> Iterator[tuple[str, str]]:
    """What stands beside the figures in a paper's folder."""
    source, cited = sourced(sweep), citations(sweep.spec)
    for drawing in figures:
        yield f"{drawing.name}.tex", latex.figure(drawing.name, drawing.title, drawing.caption)
        yield f"{drawing.name}.csv", pl.DataFrame(drawing.data, infer_schema_length=None).write_csv() if drawing.data else ""
    yield "spec.yaml", kept_texts.spec_text(sweep.store, sweep.record) or sweep.spec.text
    yield "commit.txt", source.text
    yield "environment.json", json.dumps(list(source.runs), indent=1, default=str) + "\n"
    yield "sources.bib", cited
    yield "claims.sql", "".join(f"-- {v.id}: {v.verdict}\n{v.sql};\n\n" for v in verdicts)
    yield "requirements.lock", installed()
    yield "README.md", _readme(sweep, figures)


def kept_code(sweep: StoredSweep) -> dict[str, bytes]:
    """The workload's own files as they were when it was run, below `workload/`; none where they were not kept."""
    folder = kept_texts.code_folder(sweep.store, str(sweep.record.get("code")))
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts]
    return {f"workload/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in paths}


def installed() -> str:
    """All packages that are installed here with their versions, as pip reads them."""
    versions = {str(d.metadata["Name"]): d.version for d in distributions() if d.metadata["Name"]}
    return "".join(f"{name}=={version}\n" for name, version in sorted(versions.items(), key=lambda item: item[0].lower()))


def _again(sweep: StoredSweep) -> str:
    """The command that measures a bundle's sweep again in the bundle's folder, with the workload that lies there."""
    spec, module = sweep.spec, str(sweep.record.get("module", ""))
    option = f" --size {spec.size}" if spec.size else ""
    if match := FILE.fullmatch(spec.workload):
        function = f":{match['function']}" if match["function"] else ""
        return f"lawsweep run spec.yaml --workload {shlex.quote(f'workload/{module}{function}')}{option}"
    shipped = module.startswith("workloads/")
    return f"{'' if shipped or not module else 'PYTHONPATH=workload '}lawsweep run spec.yaml{option}"


def _readme(sweep: StoredSweep, figures: Sequence[Drawing]) -> str:
    spec = sweep.spec
    lines = [f"# {spec.name}", "", spec.question, "", f"Source: {spec.source}. Workload `{spec.workload}`.", ""]
    lines += [f"- `{d.name}.pdf`: {d.caption} Data: `{d.name}.csv`; LaTeX: `{d.name}.tex`." for d in figures]
    lines += ["- `results`: all rows. `summary`: seeds combined. `verdicts`: claims. `claims.sql`: the rows of each claim.", ""]
    lines += [
        "- `workload`: the code that was measured. `requirements.lock`: all packages that were installed at the export.",
        "",
    ]
    lines += [
        "To measure it again in this folder, with the packages of `requirements.lock` (`pip install -r requirements.lock`),"
    ]
    lines += ["at the commit in `commit.txt` and with the versions in `environment.json`:", ""]
    return "\n".join([*lines, f"    {_again(sweep)}", ""])


def sourced(sweep: StoredSweep) -> StatedSource:
    """Commits and runs of the rows of the sweep."""
    rows = sweep.measured
    commits = rows["commit"].cast(pl.String).drop_nulls().unique().sort().to_list() if "commit" in rows.columns else []
    numbers = set(rows["generation"].drop_nulls().to_list()) if "generation" in rows.columns else set()
    runs = [run for run in sweep.store.runs() if run.get("generation") in numbers]
    return StatedSource(commits=tuple(commits), runs=tuple(runs))
