"""Turns a sweep in a store into a handful of files that say all of it, and such files into a store again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import StoreError
from orchestrator.results.stored_sweep import StoredSweep
from orchestrator.store import Store, counting_rule, durable, open_store, parts, point_ids, row_format
from orchestrator.store.merge import merge

if TYPE_CHECKING:
    import pyarrow as pa


ROWS, PLAN, ABOUT = "results.parquet", "plan.parquet", "sweep.json"
TABLES = (ROWS, PLAN)
FILES = (*TABLES, ABOUT)
BOUNDARIES = "boundaries.parquet"
FRONTS = "fronts.parquet"
CURVES = "curves.json"
SAID = ("claims", "verdicts")
PIECE = 65_536  # rows written at once
LABELS = ("arm", "sweep", "size")  # columns that a sweep's rows have before those of its workload


def tables(sweep: StoredSweep, folder: Path) -> None:
    """Write the sweep's rows and plan into the folder, as the files TABLES.

    People open them, so ids are letters, as in a store of format 1, and lawsweep of any version takes them in.
    """
    import pyarrow.parquet as pq

    _write(sweep, folder / ROWS)
    pq.write_table(point_ids.readable(sweep.store.planned(sweep.record)), folder / PLAN, compression="zstd")


def told(sweep: StoredSweep, folder: Path) -> dict[str, Path]:
    """Files with what is known and said of the sweep, and its report, by the name they should have."""
    store, name = sweep.store, sweep.name
    about = {
        "plan": dict(sweep.record),
        "runs": [run for run in store.runs() if run.get("sweep") in (None, name)],
        "claims": store.load("claims", name),
        "verdicts": list(sweep.verdicts) or None,
    }
    (folder / ABOUT).write_text(json.dumps(about, indent=1, default=str))
    of_searches = {BOUNDARIES: store.boundaries_path(name, sweep.size), FRONTS: store.fronts_path(name, sweep.size)}
    files = {ABOUT: folder / ABOUT, **{file: path for file, path in of_searches.items() if path.exists()}}
    own = store.path / "reports" / f"{name}.{sweep.size}"
    report = own if own.exists() else store.path / "reports" / name
    # A report that was not kept by its size is that of the size which was judged last.
    ours = own.exists() or sweep.verdicts or not sweep.verdicts_of_sizes
    report_files = {f"report/{p.relative_to(report)}": p for p in sorted(report.rglob("*")) if ours and p.is_file()}
    return {**files, **report_files}


def _write(sweep: StoredSweep, file: Path) -> None:
    """The sweep's rows with `arm, sweep, size` before them and every description in the metadata, as one Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    store, workload = sweep.store, str(sweep.record["workload"])
    schema = store.schema(workload) if store.parts(workload) else row_format.engine_schema()
    labels = [pa.field(name, pa.string(), metadata={"role": "engine"}) for name in LABELS]
    whole = pa.schema([*labels, *schema], metadata=_about(schema, sweep.record))
    settings = {"compression": "zstd", "use_dictionary": parts.repeating_columns(whole), "write_statistics": False}
    with pq.ParquetWriter(file, point_ids.in_letters(whole), **settings) as writer:
        # Piece by piece: as text, what is said in every row takes ten times the memory.
        for piece in sweep.measured.iter_slices(PIECE):
            writer.write_table(point_ids.readable(piece.to_arrow()).cast(point_ids.in_letters(whole)))


def _about(schema: pa.Schema, record: Mapping[str, Any]) -> dict[bytes, bytes]:
    """The schema's own description, with the VERSION that the sweep's points have."""
    about = json.loads((schema.metadata or {}).get(row_format.KEY, b"{}"))
    about = {
        **about,
        "workload": record["workload"],
        "version": record.get("version", about.get("version")),
        "format": 1,
        "deduplicated": False,
    }
    return {row_format.KEY: json.dumps(about).encode()}


def unpack(files: Path, store: Store) -> str:
    """Merge a sweep's files into the store; the sweep's name. StoreError where a file is not what it should be.

    What the store already says of the sweep's claims stays.
    """

    with tempfile.TemporaryDirectory() as folder:
        source = open_store(Path(folder) / "store", create=True)
        sweep = _rebuild(files, source)
        merge(store, source)
        for kind in SAID:
            if store.load(kind, sweep) is None and source.load(kind, sweep) is not None:
                store.save(kind, sweep, source.load(kind, sweep))
    return sweep


def _rebuild(files: Path, store: Store) -> str:
    """Make the store that the files were made of, as far as it is about their sweep."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        about = json.loads((files / ABOUT).read_text())
        plan, rows = (pq.read_table(files / name, partitioning=None) for name in (PLAN, ROWS))
        sweep, workload = str(about["plan"]["sweep"]), str(about["plan"]["workload"])
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise StoreError(
            f"{files}: it must hold {', '.join(FILES)} as lawsweep wrote them, but got '{error}'; mirror the sweep again."
        ) from error
    # A point of two arms has its rows twice.
    rows = point_ids.numbered(rows.drop_columns([name for name in LABELS if name in rows.column_names]))
    rows = counting_rule.once(rows, counting_rule.settle)
    if rows.num_rows:
        store.put(workload, parts.part_name(rows), parts.part_bytes(rows))
    for run in about["runs"]:
        durable.create(store.path / "runs" / f"{int(run['generation']):06d}.json", json.dumps(run).encode())
    store.save_plan(plan, about["plan"])
    for kind in SAID:
        if about.get(kind) is not None:
            store.save(kind, sweep, about[kind])
    return sweep
