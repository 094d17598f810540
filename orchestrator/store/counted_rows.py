"""Turns the parts of a workload into one table without repeats: what to read lazily, and the few points that were settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.store import counting_rule, parts, point_ids
from orchestrator.store.parts import Part


@dataclass(frozen=True, kw_only=True)
class View:
    """The rows that count: those of all `groups` but the `contested` points', and the `settled` ones.

    A group is the parts of one version and format with the columns of the schema that can be read from them.
    """

    schema: pa.Schema
    groups: tuple[tuple[tuple[Part, ...], pa.Schema], ...]
    contested: pa.Array
    settled: pa.Table


def view(members: Sequence[Part]) -> View:
    """The rows of these parts that count; reads `point, step, final` to know which points are there twice."""
    schema = parts.unify(members)
    groups = tuple((group, parts.readable(group, schema)) for group in parts.by_file(members))
    nobody = pa.array([], point_ids.NUMBER)
    contested = nobody if parts.alone(members) else counting_rule.contested(parts.read(members, schema, counting_rule.WATCHED))
    pa.default_memory_pool().release_unused()  # who reads on does so by another allocator
    rows = parts.read(members, schema, schema.names, pc.field("point").isin(contested)) if len(contested) else None
    settled = schema.empty_table() if rows is None else counting_rule.settle(rows)
    return View(schema=schema, groups=groups, contested=contested, settled=settled)


def table(counted: View, columns: Sequence[str]) -> pa.Table:
    """Columns of the view's rows, read now."""
    members = [part for group, _ in counted.groups for part in group]
    uncontested = ~pc.field("point").isin(counted.contested) if len(counted.contested) else None
    return pa.concat_tables([parts.read(members, counted.schema, columns, uncontested), counted.settled.select(columns)])
