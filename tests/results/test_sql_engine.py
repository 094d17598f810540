"""The one DuckDB that SQL of others runs in, and the one walk over what its parser makes of a query."""

from __future__ import annotations

import duckdb
import pytest

from orchestrator.results import sql_engine


@pytest.mark.parametrize(
    "sql", ["select * from '/etc/passwd'", "set threads = 1", "set enable_external_access = true", "load httpfs", "reset all"]
)
def test_a_shut_connection_reaches_and_sets_nothing(sql: str) -> None:
    connection = sql_engine.connection()
    connection.execute("create table a as select 1 as b")
    sql_engine.shut(connection)
    assert connection.sql("select b from a").fetchall() == [(1,)]
    with pytest.raises(duckdb.Error):
        connection.execute(sql)
    connection.close()


def test_what_is_no_select_says_so_and_a_select_comes_back_as_text() -> None:
    assert sql_engine.parsed("drop table a")["error"]
    tree = sql_engine.parsed("select A + 1 as b from c")
    assert not tree["error"] and sql_engine.text(tree) == "SELECT (A + 1) AS b FROM c"


def test_the_walk_knows_which_names_a_lambda_binds() -> None:
    tree = sql_engine.parsed("select list_transform(a, lambda X: x + b), x, t.c")
    columns = [(sql_engine.column(node), sorted(bound)) for node, bound in sql_engine.nodes(tree) if sql_engine.column(node)]
    assert columns == [("a", []), ("X", ["x"]), ("x", ["x"]), ("b", ["x"]), ("x", [])]
