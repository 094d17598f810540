"""Tries the SQL of a spec on a table without rows, so that a wrong column is refused before the first trial."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from orchestrator.claims import sql
from orchestrator.parts import row_schema

if TYPE_CHECKING:
    from orchestrator.spec import Spec
    from orchestrator.workload import Workload


def check(spec: Spec, workload: Workload) -> None:
    """Raise SpecError, with file, line and the nearest column, for a condition of a claim or figure that SQL refuses."""
    import polars as pl

    schema = row_schema(workload)
    derived = {name for grid in spec.grids() for name in grid.derive if name not in schema.names}
    labels = [pa.field(name, pa.string()) for name in ("arm", "sweep", "size")]
    whole = pa.schema([*labels, *schema, *(pa.field(name, pa.float64()) for name in sorted(derived))])
    rows = pl.from_arrow(whole.empty_table())
    assert isinstance(rows, pl.DataFrame)
    for where, condition in _conditions(spec):
        sql.truths(rows, condition, where)


def _conditions(spec: Spec) -> Iterator[tuple[str, str]]:
    """Every SQL text of the spec with the place where it stands."""
    for index, claim in enumerate(spec.claims):
        for key in ("where", "holds", "unmet_if"):
            if (text := getattr(claim, key)) is not None:
                yield spec.where("claims", index, key), text
    for index, figure in enumerate(spec.figures):
        if figure.where is not None:
            yield spec.where("figures", index, "where"), figure.where
