"""A number is what it was from the point that measured it to every place where somebody reads it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner

from dashboards.blocks.row_table import whole
from dashboards.data.cache import Cache
from dashboards.pages.point import point as point_page
from orchestrator.cli import cli
from orchestrator.errors import SpecError
from orchestrator.results import conditions
from orchestrator.results.query import results
from orchestrator.wording import digits_apart, setting, shown, text

WORKLOAD = '''
"""Numbers that are easily lost."""

WILD = [float("nan"), float("inf"), float("-inf"), -0.0, 0.1 + 0.2, 5e-324]


def measure(n: int, x: float = 1.0, seed: int = 0) -> {"y": float, "m": int}:
    return {"y": WILD[seed], "m": n}
'''
SWEEP = """
question: Is a number what it was?
workload: ./numbers_kept.py:measure
axes: {n: [9007199254740993, 9223372036854775807, -9223372036854775808, 3]}
seeds: 6
claims:
  - {id: above, says: y is above zero, holds: y > 0}
  - {id: same, says: m is n, holds: m == n}
  - {id: sums, says: a sum is past 64 bits, holds: m + 1 > n and m * n >= 0, where: n + 1 > 3}
  - {id: middle, says: y is small, mean: {y: y}, expect: {mean: {between: [0, 1]}}}
figures: [{kind: points, x: n, y: y}]
"""
WHOLE = [-(2**63), 3, 2**53 + 1, 2**63 - 1]
WILD = [math.nan, math.inf, -math.inf, -0.0, 0.1 + 0.2, 5e-324]


def asked(*words: str) -> str:
    done = CliRunner().invoke(cli, list(words), standalone_mode=False)
    assert done.exception is None, done.exception
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A folder, the working one, with a store that holds each number in each way."""
    made = tmp_path_factory.mktemp("numbers")
    (made / "numbers_kept.py").write_text(WORKLOAD)
    (made / "s.yaml").write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made)
        asked("run", "s.yaml", "--inline", "--no-mlflow", "--quiet")
        yield made


def alike(left: float, right: float) -> bool:
    return repr(float(left)) == repr(float(right))


def test_sql_csv_json_parquet_and_exports_have_every_digit(folder: Path) -> None:
    sql = "select n, seed, y, m from s order by n, seed"
    expected = [(n, seed, y, n) for n in WHOLE for seed, y in enumerate(WILD)]
    asked("query", sql, "--format", "parquet", "-o", "kept.parquet")
    asked("query", sql, "--format", "csv", "-o", "kept.csv")
    asked("export", "s", "--out", "exported")
    in_order = pl.col("n"), pl.col("seed")
    lines = json.loads(asked("query", sql, "--format", "json"))
    tables = [
        pl.read_parquet("kept.parquet"),
        pl.read_csv("kept.csv"),
        pl.DataFrame([{**line, "y": float(line["y"])} for line in lines]),
        pl.read_csv("exported/results.csv").select("n", "seed", "y", "m").sort(*in_order),
        pl.read_parquet("exported/results.parquet").select("n", "seed", "y", "m").sort(*in_order),
    ]  # fmt: skip
    for table in tables:
        for (n, seed, y, m), (n_kept, seed_kept, y_kept, m_kept) in zip(expected, table.iter_rows(), strict=True):
            assert (n, seed, m) == (n_kept, seed_kept, m_kept) and alike(y, y_kept)


def test_claims_are_judged_on_whole_numbers_of_64_bits_and_their_queries_run(folder: Path) -> None:
    records = {v["id"]: v for v in json.loads(asked("claims", "s", "--json"))}
    assert {name: v["verdict"] for name, v in records.items()} == {
        "above": "refuted", "same": "supported", "sums": "supported", "middle": "undecided"
    }  # fmt: skip
    for name in ("same", "sums"):
        rows = json.loads(asked("query", records[name]["sql"], "--format", "json"))
        assert {row["holds"] for row in rows} == {True} and len(rows) == records[name]["numbers"]["rows"]
    assert {row["y"] for row in records["above"]["numbers"]["offenders"]} == {"-Infinity", -0.0}
    assert records["middle"]["numbers"]["mean"]["low"] == "-Infinity"
    assert "mean 0.1 [-∞, ∞]" in asked("claims", "s")  # and the table of what JSON calls "Infinity" has it as a number
    assert asked("claims", "s").count("NaN") == 0


def test_a_point_s_page_and_the_report_have_every_digit(folder: Path) -> None:
    named = json.loads(asked("query", "select point, n, y, seed from s where n = 9007199254740993", "--format", "json"))
    cache = Cache(results("results"))
    cache.warm()
    for row in named:
        page = point_page(cache, row["point"])
        assert page["params"]["n"] == 2**53 + 1 and whole(page["rows"][0]["y"]) == repr(WILD[row["seed"]])
    report = (folder / "results/reports/s/report.md").read_text()
    assert "9007199254740993" in report and "9007199254740992" not in report


def test_values_that_agree_to_twelve_digits_are_refused_in_a_later_run_too(folder: Path) -> None:
    for name, value in (("first", 1 / 3), ("rounding", 1 / 3 + 5e-17), ("near", 1 / 3 + 2e-14)):
        Path(f"{name}.yaml").write_text(f"question: q\nworkload: ./numbers_kept.py:measure\naxes: {{n: [1], x: [{value!r}]}}\n")
    asked("run", "first.yaml", "rounding.yaml", "--inline", "--no-mlflow", "--quiet")
    done = CliRunner().invoke(cli, ["run", "near.yaml", "--inline", "--no-mlflow", "--quiet"], standalone_mode=False)
    assert isinstance(done.exception, SpecError) and "near.yaml:3: axes.x: values of 'x' must differ" in str(done.exception)
    assert repr(1 / 3) in str(done.exception) and repr(1 / 3 + 2e-14) in str(done.exception)


def test_whole_numbers_that_one_float_stands_for_are_told_where_they_are_an_x(folder: Path) -> None:
    Path("near_wholes.yaml").write_text(SWEEP.replace("[9007199254740993,", "[9007199254740993, 9007199254740992,"))
    done = CliRunner().invoke(cli, ["check", "near_wholes.yaml"], standalone_mode=False)
    assert "one float stands for 9007199254740992 and 9007199254740993" in done.output
    assert "one float" not in CliRunner().invoke(cli, ["check", "s.yaml"], standalone_mode=False).output


def test_a_sentence_says_nan_keeps_the_sign_of_zero_and_tells_settings_apart() -> None:
    assert (shown(math.nan), shown(math.inf), text(-0.0), text(0.0), shown(-0.0)) == ("NaN", "∞", "-0", "0", "0")
    assert (setting(1234567.0), setting(1234568.0), setting(0.1 + 0.2)) == ("1234567", "1234568", "0.3")
    assert digits_apart([0.12345, 0.12346]) == 5 and digits_apart([0.1, 0.2]) == 4 and digits_apart([0.3, 0.1 + 0.2]) == 4


def test_conditions_over_small_whole_numbers_are_as_they_were_written() -> None:
    rows = pl.DataFrame({"n": [1, 2**31], "m": [1, 2**31 + 1], "y": [0.5, 1e300]})
    assert conditions.large(rows) == {"m"} and conditions.widened("n < m", {"m"}) == "n < CAST(m AS HUGEINT)"
    assert conditions.truths(rows, "m * m * n > y", "here").to_list() == [True, False]
