"""Merging: rows, plans and runs of two stores in one, and what they contradict each other in."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pyarrow as pa
import pytest

from orchestrator.errors import StoreError
from orchestrator.store import Store, kept_texts, logs
from orchestrator.store.merge import Conflict, merge
from orchestrator.store.row_format import row_schema
from tests.helpers import storing
from tests.helpers.points import name_of, names_of
from tests.helpers.storing import NAME, Row, changed, counting, echo, new, plan, put, row


def two(folder: Path, mine: list[Row], theirs: list[Row]) -> tuple[Store, Store]:
    """Two stores with those rows."""
    return new(folder / "mine", *mine), new(folder / "theirs", *theirs)


def disagreements(folder: Path, mine: Row, theirs: Row) -> tuple[Conflict, ...]:
    """What two stores of one row each disagree in."""
    return merge(*two(folder, [mine], [theirs]))


def test_rows_of_both_are_there(tmp_path: Path) -> None:
    mine, theirs = [row("a"), row("b", pack="1")], [row("b", pack="2"), row("c")]
    store, other = two(tmp_path, mine, theirs)
    assert merge(store, other) == ()
    assert storing.read(store) == counting([*mine, *theirs])


def test_the_same_merge_again_changes_nothing(tmp_path: Path) -> None:
    store, other = two(tmp_path, [row("a")], [row("b")])
    for made in (store, other):
        made.begin({"sweep": made.path.name})
        plan(made, {"all": ["a"]}, sweep=made.path.name)
    merge(store, other)
    before = {p.relative_to(store.path): p.read_bytes() for p in store.path.rglob("*.*") if p.is_file()}
    merge(store, other)
    assert {p.relative_to(store.path): p.read_bytes() for p in store.path.rglob("*.*") if p.is_file()} == before


def test_a_disagreement_is_told_with_both_values_and_hosts(tmp_path: Path) -> None:
    (found,) = disagreements(tmp_path, row("a", delay=1.0, host="here"), row("a", delay=1.0 + 1e-16 + 2e-16, host="there"))
    assert (name_of(found.point), found.step, found.column, found.host, found.other_host) == ("a", 0, "delay", "here", "there")
    assert found.value == 1.0 and found.other_value != 1.0
    assert str(found).startswith(
        f"echo.sound: point {found.point}, step 0: 'delay' must be the same wherever measured, but it is 1.0 on here and"
    )


def test_a_text_may_disagree_too(tmp_path: Path) -> None:
    (found,) = disagreements(tmp_path, row("a", word="ho"), row("a", word=None))
    assert (found.column, found.value, found.other_value) == ("word", "ho", None)


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (row("a", delay=math.nan, word=None), row("a", delay=math.nan, word=None)),
        (row("a", seconds=1.0, host="x"), row("a", seconds=9.0, host="y")),
        (row("a", delay=1.0), row("a", delay=2.0, status="error", step=-1)),
        (row("a", delay=1.0), row("b", delay=2.0)),
        (row("a", delay=1.0, step=0), row("a", delay=2.0, step=1)),
    ],
    ids=["both NaN", "engine columns", "a failure", "other points", "other steps"],
)
def test_what_does_not_contradict_is_not_told(tmp_path: Path, mine: Row, theirs: Row) -> None:
    assert disagreements(tmp_path, mine, theirs) == ()


def test_samples_may_differ(tmp_path: Path) -> None:
    sample = changed()
    about = {**json.loads(sample.metadata[b"lawsweep"]), "measures": "sample"}
    sample = sample.with_metadata({b"lawsweep": json.dumps(about).encode()})
    store, other = new(tmp_path / "mine"), new(tmp_path / "theirs")
    put(store, row("a", delay=1.0), schema=sample)
    put(other, row("a", delay=2.0, pack="q"), schema=sample)
    assert merge(store, other) == ()


def test_samples_among_values_may_differ(tmp_path: Path) -> None:
    fields = [f.with_metadata({**(f.metadata or {}), "sample": "os"}) if f.name == "source" else f for f in sourced()]
    schema = pa.schema(fields, metadata=sourced().metadata)
    store, other = new(tmp_path / "mine"), new(tmp_path / "theirs")
    for made, delay in ((store, 1.0), (other, 2.0)):
        put(made, row("a", delay=delay, source="os"), row("b", delay=delay, source="seed"), schema=schema, name=str(delay))
    assert {name_of(clash.point) for clash in merge(store, other)} == {"b"}


def sourced() -> pa.Schema:
    """The echo's schema with a param that says where noise came from."""
    schema = row_schema(echo())
    return schema.append(pa.field("source", pa.string(), metadata={"role": "param", "says": "source", "unit": ""}))


def test_stores_that_disagree_about_a_type_are_left_alone(tmp_path: Path) -> None:
    store, other = new(tmp_path / "mine", row("a")), new(tmp_path / "theirs")
    put(other, row("b", delay="slow"), schema=changed(delay=pa.string()))
    with pytest.raises(StoreError, match=r"holds column 'delay' as .*VERSION of 'echo.sound' was not raised"):
        merge(store, other)
    assert names_of(store.finals(NAME)["point"]) == ["a"]


def test_a_store_is_not_merged_into_itself(tmp_path: Path) -> None:
    store = new(tmp_path / "s", row("a"))
    with pytest.raises(StoreError, match="must be merged into another store, but this is the same one"):
        merge(store, Store(tmp_path / "x" / ".." / "s"))


def test_the_later_of_two_plans_stays(tmp_path: Path) -> None:
    store, other = two(tmp_path, [row("a")], [row("b")])
    plan(store, {"all": ["a"]}, created="2026-01-02")
    plan(other, {"all": ["b"]}, created="2026-01-01")
    plan(other, {"all": ["b"]}, sweep="cave", created="2026-01-03")
    merge(store, other)
    assert [names_of(store.plan(name)["point"]) for name in ("well", "cave")] == [["a"], ["b"]]


def test_runs_get_free_numbers_and_plans_follow_them(tmp_path: Path) -> None:
    store, other = two(tmp_path, [row("a")], [row("b")])
    store.begin({"sweep": "well"})
    plan(other, {"all": ["b"]}, sweep="cave", generation=other.begin({"sweep": "cave"}))
    merge(store, other)
    assert [(r["generation"], r["sweep"]) for r in store.runs()] == [(1, "well"), (2, "cave")]
    assert store.latest("cave")["generation"] == 2
    assert store.begin({}) == 3


def test_claims_of_unknown_sweeps_come_along_and_known_ones_stay(tmp_path: Path) -> None:
    store, other = two(tmp_path, [row("a")], [row("b")])
    store.save("claims", "well", "mine")
    for sweep in ("well", "cave"):
        other.save("claims", sweep, "theirs")
    merge(store, other)
    assert (store.load("claims", "well"), store.load("claims", "cave")) == ("mine", "theirs")


def run_of(store: Store, host: str, *points: str, **given: object) -> int:
    """A run of the store on that host, with its rows; its number."""
    number = store.begin({"sweep": "well", "size": "smoke", "host": host})
    name = f"{number:06d}-0000"
    put(store, *(row(p, generation=number, host=host, pack=name, **given) for p in points))
    logs.keep(store, NAME, name, [{"text": f"said on {host}", "points": list(points)}])
    return number


def hosts(store: Store) -> dict[str, tuple[str, str, str]]:
    """Of each point: where its row says it was measured, where the row's run says so, and what its pack printed."""
    runs = {run["generation"]: run["host"] for run in store.runs()}
    said = {record["pack"]: record["entries"][0]["text"] for record in logs.of_workload(store, NAME)}
    return {r["point"]: (r["host"], runs[r["generation"]], said[r["pack"]]) for r in storing.read(store)}


def test_rows_point_to_their_own_runs_and_logs(tmp_path: Path) -> None:
    store, other = two(tmp_path, [], [])
    for point in ("a", "b", "c"):
        run_of(store, "here", point)
    run_of(other, "there", "d")
    for _ in range(2):
        merge(store, other)
        places = {point: place[:2] for point, place in hosts(store).items()}
        assert set(places.values()) == {("here", "here"), ("there", "there")}
        assert sum(place == ("there", "there", "said on there") for place in hosts(store).values()) == 1
        assert [run["generation"] for run in store.runs()] == [1, 2, 3, 4]


@pytest.mark.parametrize("runs", [1, 3])
def test_no_row_counts_because_its_store_had_counted_further(tmp_path: Path, runs: int) -> None:
    store, other = two(tmp_path, [], [])
    for _ in range(runs):
        run_of(store, "here", "a", delay=1.0)
    run_of(other, "there", "a", delay=2.0)
    assert len(merge(store, other)) == 1
    assert [r["delay"] for r in storing.read(store)] == [2.0]


def test_what_was_measured_beats_what_failed_in_either_store(tmp_path: Path) -> None:
    store, other = two(tmp_path, [], [])
    run_of(store, "here", "a")
    run_of(other, "there", "a", status="error", step=-1)
    merge(store, other)
    assert [r["status"] for r in storing.read(store)] == ["ok"]


def test_a_run_that_came_before_is_the_same_run_though_it_has_ended_since(tmp_path: Path) -> None:
    store, other = two(tmp_path, [], [])
    run_of(store, "here", "a")
    number = run_of(other, "there", "b")
    merge(store, other)
    other.finish(number, {"measured": 1})
    merge(store, other)
    assert [(r["generation"], r["host"], "ended" in r) for r in store.runs()] == [(1, "here", False), (2, "there", True)]


def test_rows_whose_run_has_no_record_get_one(tmp_path: Path) -> None:
    store, other = two(tmp_path, [], [])
    run_of(store, "here", "a")
    put(other, row("b", host="there"))
    merge(store, other)
    assert {r["host"]: r["generation"] for r in storing.read(store)} == {"here": 1, "there": 2}
    assert store.runs()[1]["host"] == "there" and "rows name it" in store.runs()[1]["why"]


def test_texts_boundaries_and_what_was_said_come_along(tmp_path: Path) -> None:
    store, other = two(tmp_path, [row("a")], [row("b")])
    plan(other, {"all": ["b"]}, sweep="cave", code_file="../echo.py")
    other.save_boundaries("cave", "smoke", pa.table({"at": [1.0]}))
    name = kept_texts.keep_spec(other, "question: how deep?")
    (kept_texts.code_folder(other, "c0de")).mkdir(parents=True)
    (kept_texts.code_folder(other, "c0de") / "echo.py").write_text("VERSION = 1")
    for kind in ("verdicts", "checks", "audits"):
        other.save(kind, "cave", [{"of": kind}])
    store.save("same_code", NAME, {"1": [["x", "y"]]})
    other.save("same_code", NAME, {"1": [["y", "z"]], "2": [["p", "q"]]})
    merge(store, other)
    assert store.boundaries_path("cave", "smoke").exists()
    assert kept_texts.spec_text(store, {"spec_text": name}) == "question: how deep?"
    assert (kept_texts.code_folder(store, "c0de") / "echo.py").read_text() == "VERSION = 1"
    assert [store.load(kind, "cave") for kind in ("verdicts", "audits")] == [[{"of": "verdicts"}], [{"of": "audits"}]]
    assert store.load("same_code", NAME) == {"1": [["x", "y"], ["y", "z"]], "2": [["p", "q"]]}
    assert (store.path / store.latest("cave")["code_file"]).resolve() == (tmp_path / "echo.py").resolve()


def book(since: str, size: str, **claims: str) -> dict[str, object]:
    """A record of claims, each entered on that day, with one look at that size."""
    entries = {name: {"hash": text, "since": since, "seen": True, "after_data": False} for name, text in claims.items()}
    sample = {"points": 3, "seeds": 1, "hash": size, "since": since, "seen": True}
    return {"claims": entries, "samples": {size: sample}, "seen": True, "looks": [{"size": size, **sample}]}


def test_of_a_claim_that_both_made_what_was_said_first_stays_and_all_looks_count(tmp_path: Path) -> None:
    store, other = two(tmp_path, [row("a")], [row("b")])
    store.save("claims", "well", book("2026-02-01", "smoke", deep="later", mine="m"))
    other.save("claims", "well", book("2026-01-01", "full", deep="first", theirs="t"))
    merge(store, other)
    joined = store.load("claims", "well")
    assert {name: entry["hash"] for name, entry in joined["claims"].items()} == {"deep": "first", "mine": "m", "theirs": "t"}
    assert [look["size"] for look in joined["looks"]] == ["full", "smoke"] and set(joined["samples"]) == {"smoke", "full"}
