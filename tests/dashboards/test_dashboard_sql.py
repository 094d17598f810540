"""SQL of whoever looks: what is answered, and a list of what is not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dashboards.data.sql_guard import ask
from orchestrator.errors import QueryError
from orchestrator.results.query import Results
from orchestrator.store import Store, open_store
from tests.helpers.toy_store import add, grid, plan, toy_rows

GOOD = {
    "select d, avg(capacity) from toy_capacity group by d; -- the mean": 3,
    "from sweeps.toy_capacity": 18,
    "with a as (select distinct d from toy_capacity) select * from a": 3,
    "describe workloads.toy_capacity": 23,
    "show tables": 8,
    "values (1), (2)": 2,
    "select unnest([1, 2, 3])": 3,
    "pivot toy_capacity on beta in (1.0, 2.0) using avg(capacity) group by d": 3,
    "select * from range(4)": 4,
    "select sweep, id, verdict from claims": 1,
}
HOSTILE = """
select * from read_csv('/etc/passwd')
select * from '/etc/passwd'
from '/etc/hosts.csv'
select * from read_text('/etc/passwd')
select * from read_blob('/etc/passwd')
select * from sniff_csv('/etc/passwd')
select * from parquet_metadata('x.parquet')
select * from glob('/*')
select * from 'http://127.0.0.1/x.parquet'
select * from read_parquet('s3://bucket/x.parquet')
copy (select 1) to 'lawsweep_stolen.csv'
copy toy_capacity to 'lawsweep_stolen.parquet'
export database 'lawsweep_stolen'
attach 'lawsweep_stolen.db'
install httpfs
load httpfs
set memory_limit = '100GB'
set enable_external_access = true
reset all
pragma enable_profiling
call pragma_version()
select * from duckdb_settings()
select (select count(*) from duckdb_settings())
with x as (from duckdb_settings()) from x
select 1 where exists (select 1 from pg_settings)
from pg_catalog.pg_settings
from information_schema.tables
select current_setting('memory_limit')
select list_transform([1], lambda x: current_setting('threads'))
select * from duckdb_secrets()
select * from which_secret('a', 'b')
select * from duckdb_extensions()
select * from duckdb_databases()
select * from duckdb_temporary_files()
select * from pragma_database_size()
select getenv('HOME')
select getvariable('x')
select * from query('select 1')
select * from query_table('duckdb_settings')
select * from json_execute_serialized_sql(json_serialize_sql('select 1'))
create table mine as select 1
create macro f() as 1
insert into claims values (1)
update claims set id = 'x'
delete from claims
drop view claims
alter table claims add column x int
prepare a as select 1
execute a
begin
checkpoint
vacuum
explain analyze select 1
pivot (from duckdb_settings()) on name in ('threads') using first(value)
select 1; select 2
select 1) ; drop view claims; (select 1
select 1 /*
;
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One store for all queries: none of them changes it."""
    made = open_store(tmp_path_factory.mktemp("asked") / "store", create=True)
    rows = toy_rows(grid())
    add(made, rows)
    plan(made, rows)
    made.save("verdicts", "toy_capacity", [{"id": "grows", "says": "capacity grows", "verdict": "supported"}])
    return made


@pytest.mark.parametrize(("sql", "rows"), GOOD.items())
def test_a_query_over_the_store_is_answered(store: Store, sql: str, rows: int) -> None:
    assert ask(Results(store), sql).table.num_rows == rows


@pytest.mark.parametrize("sql", HOSTILE.strip().splitlines())
def test_a_hostile_statement_is_refused(store: Store, sql: str) -> None:
    with pytest.raises(QueryError, match=r"query: "):
        ask(Results(store), sql)
    assert not list(Path().glob("lawsweep_stolen*"))


def test_an_empty_query_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="it must be one statement, but got 0"):
        ask(Results(store), " -- nothing")


def test_a_long_query_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match=r"at most 20,000 characters, but has 20,009"):
        ask(Results(store), f"select 1 {' ' * 20_000}")


def test_a_query_that_takes_too_long_is_interrupted(store: Store) -> None:
    begun = time.monotonic()
    with pytest.raises(QueryError, match=r"it must end within 0.5 s"):
        ask(Results(store), "select count(*) from range(100000000000) a, range(1000) b", seconds=0.5)
    assert time.monotonic() - begun < 20


def test_more_rows_than_are_wanted_are_left_out_and_told(store: Store) -> None:
    found = ask(Results(store), "select * from range(10000000)", rows=10)
    assert (found.table.num_rows, found.more) == (10, True)


def test_a_result_of_too_many_bytes_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="must be under 256 MB"):
        ask(Results(store), "select repeat('x', 100000000) as x from range(3)")


def test_a_hostile_query_changes_nothing_for_the_next(store: Store) -> None:
    with pytest.raises(QueryError, match="must be a SELECT"):
        ask(Results(store), "drop view claims")
    assert ask(Results(store), "select * from claims").table.num_rows == 1
