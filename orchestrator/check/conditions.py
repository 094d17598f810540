"""Tries the SQL of a spec on a table without rows, so that a wrong column is refused before the first trial."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from orchestrator.errors import SpecError, nearest
from orchestrator.results import conditions
from orchestrator.spec.columns_used import boundary_columns
from orchestrator.spec.parsing import speaking
from orchestrator.store.row_format import row_schema

if TYPE_CHECKING:
    from orchestrator.spec import Spec
    from orchestrator.workload.describe import Workload

LIMITS = ("floor", "x", "y")
"""What `unmet_if` may name beside columns: the floor, and the claim's x and y."""


def check(spec: Spec, workload: Workload) -> None:
    """Raise SpecError, with file, line and the nearest name, for a condition of a claim or figure that SQL refuses,
    and for one that compares a param with a text that is none of its allowed values.
    """
    import polars as pl

    spec, schema = speaking(spec, workload.claimed), row_schema(workload)
    derived = {name for grid in spec.grids() for name in grid.derive if name not in schema.names}
    labels = [pa.field(name, pa.string()) for name in ("arm", "sweep", "size")]
    whole = pa.schema([*labels, *schema, *(pa.field(name, pa.float64()) for name in sorted(derived))])
    rows = pl.from_arrow(whole.empty_table())
    assert isinstance(rows, pl.DataFrame)
    limited_params = {field.name: field for field in workload.params if field.choices and field.kind is str}
    for where, condition, more in _conditions(spec):
        for name, value in conditions.compared(condition):
            if name in limited_params and value not in map(str, limited_params[name].choices):
                allowed = limited_params[name].allowed
                hint = nearest(value, map(str, limited_params[name].choices))
                raise SpecError(f"{where}: {name} is {allowed}, but is compared with {value!r}{hint}")
        missing = [pl.lit(None, dtype=pl.Float64).alias(name) for name in more if name not in rows.columns]
        conditions.truths(rows.with_columns(*missing), condition, where)


def _conditions(spec: Spec) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every SQL text of the spec with the place where it stands and the numbers it may name beside the rows' own columns.

    Another sweep's columns are not known here.
    """
    conditions_of = [(("claims", index), claim) for index, claim in enumerate(spec.claims)]
    conditions_of += [(("checks", index), check.claim) for index, check in enumerate(spec.checks)]
    for keys, claim in conditions_of:
        more = boundary_columns(spec) if claim.from_ == "boundary" else ()
        texts = {"where": claim.where, claim.kind: claim.condition, "unmet_if": claim.unmet_if}
        for key, text in texts.items() if not claim.from_.startswith("sweep:") else ():
            if text is not None:
                yield spec.where(*keys, key), text, (*more, *(LIMITS if key == "unmet_if" else ()))
    for index, figure in enumerate(spec.figures):
        if figure.where is not None:
            yield spec.where("figures", index, "where"), figure.where, ()
