"""Queries: the tables there are, what SQL may not do, wrong names, and the formats of an answer."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestrator.errors import QueryError, StoreError
from orchestrator.results import query
from orchestrator.results.query import connect, run
from orchestrator.results.rendering import render
from orchestrator.store import Store
from orchestrator.store.compact import compact
from tests.helpers.storing import NAME, changed, new, plan, put, row


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with five points of one sweep in two arms, and a secret beside it."""
    (tmp_path / "secret.csv").write_text("a,b\n1,2\n")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "secret.parquet")
    made = new(tmp_path / "s", *(row(f"{n}", d=n, delay=float(n)) for n in range(5)))
    plan(made, {"near": ["0", "1"], "far": ["1", "2", "3"]})
    made.begin({"sweep": "well", "size": "smoke"})
    return made


def asked(store: Store, sql: str) -> list[tuple[object, ...]]:
    """The answer as tuples."""
    return [tuple(r.values()) for r in run(store, sql).to_pylist()]


def test_a_workload_is_a_table(store: Store) -> None:
    assert asked(store, "select d, avg(delay) from echo_sound group by d order by d limit 2") == [(0, 0.0), (1, 1.0)]


def test_a_sweep_is_its_plan_with_its_points(store: Store) -> None:
    found = asked(store, "select sweep, size, arm, d from well order by arm, d")
    assert found == [("well", "smoke", arm, d) for arm, d in (("far", 1), ("far", 2), ("far", 3), ("near", 0), ("near", 1))]


@pytest.mark.parametrize(("table", "count"), [("points", 5), ("plans", 5), ("runs", 1), ("claims", 0), ("boundaries", 0)])
def test_the_tables_of_the_store_are_there(store: Store, table: str, count: int) -> None:
    assert asked(store, f"select count(*) from {table}") == [(count,)]


def test_a_new_store_has_its_tables_too(tmp_path: Path) -> None:
    empty = new(tmp_path / "s")
    for table in ("points", "plans", "runs", "claims", "boundaries"):
        assert asked(empty, f"select count(*) from {table}") == [(0,)]


def test_verdicts_are_a_table(store: Store) -> None:
    store.save("verdicts", "well", [{"id": "deep", "verdict": "refuted", "rows": 5, "numbers": {"b": [1, 2]}}])
    assert asked(store, "select sweep, id, verdict, rows from claims") == [("well", "deep", "refuted", 5)]
    assert json.loads(str(asked(store, "select record from claims")[0][0]))["numbers"] == {"b": [1, 2]}


def test_a_sweep_of_its_workloads_name_wins_and_both_can_be_asked(store: Store) -> None:
    plan(store, {"one": ["0"]}, sweep="echo_sound")
    counts = (
        "select (select count(*) from echo_sound), (select count(*) from workloads.echo_sound), count(*) from sweeps.echo_sound"
    )
    assert asked(store, counts) == [(1, 5, 1)]


def test_a_sweep_named_as_a_table_does_not_hide_it(store: Store) -> None:
    plan(store, {"one": ["0"]}, sweep="runs")
    assert asked(store, "select (select count(sweep) from runs), arm from sweeps.runs") == [(1, "one")]


def test_sweeps_whose_names_are_one_in_sql_are_both_there(store: Store) -> None:
    plan(store, {"dash": ["0"]}, sweep="a-b")
    plan(store, {"line": ["0"]}, sweep="a_b")
    plan(store, {"large": ["0"]}, sweep="A_B")
    arms = [asked(store, f"select arm from {name}") for name in ("a_b", "a_b_2", "a_b_3")]
    assert arms == [[("large",)], [("dash",)], [("line",)]]


def test_a_sweep_without_rows_is_there_and_empty(store: Store) -> None:
    plan(store, {"all": ["x"]}, sweep="dry", workload="no.rows")
    assert asked(store, "select count(arm), count(status) from dry") == [(0, 0)]


def test_a_pivot_a_cte_and_a_description_are_queries(store: Store) -> None:
    assert run(store, "pivot well on arm using count(*) group by size").to_pylist() == [{"size": "smoke", "far": 3, "near": 2}]
    assert asked(store, "with a as (select 1 as b) select b from a") == [(1,)]
    assert ("delay", "DOUBLE") in [r[:2] for r in asked(store, "describe echo_sound")]
    assert run(store, "explain select * from well").num_rows > 0


HOSTILE = """
select * from '{secret}.csv'
select * from '{secret}.parquet'
select * from read_csv('{secret}.csv')
select * from read_text('{secret}.csv')
select * from read_blob('/etc/passwd')
select * from read_json('{secret}.csv')
select * from parquet_scan('{secret}.parquet')
select * from parquet_metadata('{secret}.parquet')
select * from parquet_schema('{part}')
select * from sniff_csv('{secret}.csv')
select * from read_duckdb('{secret}.db')
select * from glob('{folder}/*')
select * from read_csv('https://example.org/a.csv')
select * from read_xlsx('{secret}.csv')
select getenv('HOME')
describe select * from '{secret}.csv'
summarize '{secret}.parquet'
select * from query('copy (select 1) to ''{out}''')
select * from enable_logging(storage='file', storage_path='{out}')
select * from arrow_scan(1, 2, 3)
select * from sql_auto_complete('select * from ''/et')
with x as (insert into runs values (1)) select 1
copy (select 1) to '{out}'
copy (select 1) to '{part}'
copy runs from '{secret}.csv'
explain analyze copy (select 1) to '{out}'
attach '{out}' as x
attach ':memory:' as x
detach memory
export database '{out}'
import database '{out}'
install httpfs
load httpfs
load '{out}'
update extensions
set threads = 1
set enable_external_access = true
set lock_configuration = false
reset threads
set variable a = 1
pragma enable_profiling
pragma database_list
pragma threads = 3
call enable_logging(storage='file', storage_path='{out}')
checkpoint
create table t (a int)
create temp table t as select 1
create or replace view workloads.echo_sound as select 1
create macro f(a) as a
create secret (type s3)
drop view workloads.echo_sound
insert into runs values (1)
update points set status = 'ok'
delete from points
alter table runs add column b int
merge into runs using runs r on true when matched then delete
vacuum
use sweeps
begin transaction
prepare p as select 1
execute p
select 1; drop view points
select 1; select 2
""".strip().splitlines()


@pytest.mark.parametrize("sql", HOSTILE)
def test_sql_reads_the_stores_tables_and_nothing_else(store: Store, tmp_path: Path, sql: str) -> None:
    part = store.parts(NAME)[0].path
    names = {"secret": tmp_path / "secret", "folder": tmp_path, "out": tmp_path / "out", "part": part}
    before = part.read_bytes()
    with pytest.raises(QueryError, match=r"^query: .+[;.]"):
        run(store, sql.format(**names))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s", "secret.csv", "secret.parquet"]
    assert part.read_bytes() == before


@pytest.fixture
def locked(store: Store) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection as the dashboard has it, without the check of statements before it."""
    connection = connect(store)
    yield connection
    connection.close()


@pytest.mark.parametrize("sql", [s for s in HOSTILE if "{" in s and "query(" not in s])
def test_the_connection_itself_reaches_no_file(
    store: Store, locked: duckdb.DuckDBPyConnection, tmp_path: Path, sql: str
) -> None:
    names = {"secret": tmp_path / "secret", "folder": tmp_path, "out": tmp_path / "out", "part": store.parts(NAME)[0].path}
    with pytest.raises(duckdb.Error, match=r"disabled|locked|not in the catalog|Unrecognized|does not exist|is not an table"):
        locked.execute(sql.format(**names)).fetchall()


def test_no_python_variable_is_a_table(store: Store) -> None:
    hidden = pa.table({"a": [1]})
    with pytest.raises(QueryError, match="table 'hidden' must be in the store"):
        run(store, "select * from hidden")
    assert hidden.num_rows == 1


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("select dela from echo_sound", "column 'dela' must be .*, but is not; did you mean 'delay'? There are point, "),
        ("select e.wort from echo_sound e", "column 'wort' .*; did you mean 'word'"),
        ("select * from echo_sound where stat = 'ok'", "column 'stat' .*; did you mean 'status'"),
        ("select * from echo_sond", "table 'echo_sond' must be .*, but is not; did you mean 'echo_sound'? There are bo"),
        ("select * from workloads.ecko_sound", "table '.*ecko_sound' .*; did you mean 'echo_sound'"),
        ("select w.d from well", "table 'w' must be in the store"),
        ("select zzzz from runs", r"column 'zzzz' must be in the tables asked, but is not\. There are generation, sweep, "),
        ("select armm from well", "did you mean 'arm'"),
        ("selec 1", "syntax error at or near"),
        ("", "must be one statement, but got 0"),
        ("select cast('a' as int)", "Could not convert string 'a'"),
    ],
)  # fmt: skip
def test_a_wrong_name_is_answered_with_the_nearest(store: Store, sql: str, told: str) -> None:
    with pytest.raises(QueryError, match=told.replace("?", r"\?").replace("(", r"\(")):
        run(store, sql)


def test_a_query_that_takes_too_long_is_stopped(store: Store) -> None:
    endless = "select sum(a.range * b.range) from range(10000000) a, range(10000000) b"
    with pytest.raises(QueryError, match=r"must end within 0\.2 s, but did not"):
        run(store, endless, seconds=0.2)


def test_columns_that_sql_takes_for_one_are_refused(store: Store) -> None:
    put(store, row("x", D=1), schema=changed(D=pa.int64()))
    with pytest.raises(QueryError, match=r"must differ in more than the size of letters, but it has \['d', 'D'\]"):
        run(store, "select 1")


def test_a_part_that_compact_took_away_is_looked_for_again(store: Store) -> None:
    put(store, row("x"))
    connection = connect(store)
    compact(store)
    with pytest.raises(FileNotFoundError), query._complaining(connection, "", 1.0):
        connection.sql("select sum(delay) from echo_sound").fetchall()
    assert asked(store, "select count(*) from echo_sound") == [(6,)]


def test_a_damaged_part_is_named(store: Store) -> None:
    bad = put(store, row("x"))
    bad.write_bytes(b"PAR1")
    with pytest.raises(StoreError, match=f"part .*{bad.stem}"):
        run(store, "select * from echo_sound")


ANSWER = pa.table({"n": [1, 2], "x": [1.0 / 3.0, math.nan], "who": ["a\tb", None]})


def test_a_table_is_aligned_and_counted() -> None:
    assert render(ANSWER) == "n         x  who\n-  --------  ----\n1  0.333333  a b\n2       nan  null\n(2 rows)"


def test_numbers_that_differ_are_never_shown_alike() -> None:
    table = pa.table({"x": [0.3, 0.1 + 0.2, 1 / 3, 0.0, -0.0]})
    assert render(table).splitlines()[2:7] == [
        "                0.3", "0.30000000000000004", "           0.333333", "                  0", "                 -0",
    ]  # fmt: skip


def test_json_tells_nan_from_null() -> None:
    made = json.loads(str(render(ANSWER, "json")))
    assert made == [{"n": 1, "x": 1 / 3, "who": "a\tb"}, {"n": 2, "x": "NaN", "who": None}]


def test_json_takes_lists_structs_and_infinities() -> None:
    nested = pa.table({"a": [{"b": [math.inf, -math.inf]}]})
    assert json.loads(str(render(nested, "json"))) == [{"a": {"b": ["Infinity", "-Infinity"]}}]


def test_csv_keeps_every_digit() -> None:
    assert str(render(ANSWER, "csv")).splitlines()[:2] == ['"n","x","who"', '1,0.3333333333333333,"a\tb"']


def test_parquet_comes_back_as_it_was() -> None:
    made = render(ANSWER, "parquet")
    assert isinstance(made, bytes)
    assert pq.read_table(io.BytesIO(made)).schema == ANSWER.schema


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(
        QueryError, match="--format: it must be one of table, json, csv, parquet, but got 'jsn'; did you mean 'json'"
    ):
        render(ANSWER, "jsn")


def test_results_give_frames_and_sql(store: Store) -> None:
    found = query.results(store.path)
    assert found.table(NAME).collect().height == found.sweep("well").collect().height == 5
    assert found.sql("select max(d) as d from well").rows() == [(3,)]
