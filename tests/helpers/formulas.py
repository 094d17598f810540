"""Draws formulas of every kind of node, and rows to work them out on."""

from __future__ import annotations

from typing import Any

import polars as pl
from hypothesis import strategies as st

from orchestrator.spec.expressions import FUNCTIONS

SCHEMA = {"n": pl.Int64, "m": pl.Int64, "x": pl.Float64, "y": pl.Float64, "fresh": pl.Boolean, "code": pl.String}
ONE = sorted(set(FUNCTIONS) - {"max", "min"})


def _joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    operation = st.builds("({} {} {})".format, inner, st.sampled_from(["+", "-", "*", "/", "//", "%", "**"]), inner)
    comparison = st.builds("({} {} {})".format, inner, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner)
    return st.one_of(
        operation,
        operation,
        comparison,
        st.builds("({} < {} <= {})".format, inner, inner, inner),
        st.builds("({}{})".format, st.sampled_from(["-", "+", "not "]), inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
        st.builds("({} if {} else {})".format, inner, inner, inner),
        st.builds("{}({})".format, st.sampled_from(ONE), inner),
        st.builds("{}({}, {})".format, st.sampled_from(["max", "min"]), inner, inner),
        st.builds("round({}, {})".format, inner, st.integers(-2, 3)),
    )


LEAVES = st.one_of(
    st.sampled_from(["n", "m", "x", "y", "n", "m", "x", "y", "fresh", "code == 'a'", "'it''s' < code", "pi"]),
    st.integers(-4, 9).map(str),
    st.sampled_from(["0.5", "2.0", "1e-3", "0.1", "4611686018427387904", "True"]),
)
FORMULAS = st.recursive(LEAVES, _joined, max_leaves=8)


def rows(wild: bool) -> st.SearchStrategy[pl.DataFrame]:
    """Tables of a few rows; wild ones hold nulls, NaN, infinities and whole numbers near 64 bits."""
    whole: st.SearchStrategy[Any] = st.integers(-12, 40)
    real: st.SearchStrategy[Any] = st.integers(-40, 80).map(lambda n: n / 8)
    if wild:
        whole = whole | st.none() | st.sampled_from([2**62, -(2**63), 2**63 - 1, 2**53 + 1])
        real = real | st.none() | st.sampled_from([float("nan"), float("inf"), -float("inf"), 1e300, 1e-300, -0.0])
    row = st.tuples(whole, whole, real, real, st.booleans(), st.sampled_from(["a", "it's", "é"]))
    return st.lists(row, min_size=1, max_size=6).map(lambda found: pl.DataFrame(found, schema=SCHEMA, orient="row"))
