"""Specs: what a sweep file means, at each of its sizes."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import SpecError
from orchestrator.fitting import law_names, laws
from orchestrator.spec import Spec, parse, read, shipped
from orchestrator.spec.checks import check_columns, unsupported
from orchestrator.spec.columns_used import columns_used
from orchestrator.spec.expressions import Expression
from orchestrator.spec.parsing import find
from orchestrator.spec.sweep_model import IDENTITY, TRANSPORT

GOLDEN = Path(__file__).parents[1] / "golden" / "specs"
FILES = sorted(GOLDEN.glob("*.yaml"))
ACCEPT = "ACCEPT=1 .venv/bin/python -m pytest tests/spec/test_spec.py"
HEAD = "question: q\nworkload: khm.capacity\n"


def spec(text: str, size: str | None = None) -> Spec:
    return parse(HEAD + text, "demo", size)


def all_sizes(path: Path) -> dict[str, Any]:
    return {size or "": read(path, size).resolved() for size in (None, *read(path).sizes)}


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_an_example_of_the_grammar_resolves_as_recorded(path: Path) -> None:
    golden = path.with_suffix(".json")
    if os.environ.get("ACCEPT"):
        golden.write_text(json.dumps(all_sizes(path), indent=1, ensure_ascii=False) + "\n")
    changed = f"{path.stem} no longer resolves as {golden.name} says; if that is meant: {ACCEPT}"
    assert golden.is_file() and json.loads(golden.read_text()) == all_sizes(path), changed


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_resolved_spec_parses_to_itself(path: Path) -> None:
    for found in all_sizes(path).values():
        assert parse(json.dumps(found), path.stem).resolved() == found


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_a_resolved_spec_has_the_same_grids(path: Path) -> None:
    found = read(path)
    assert parse(json.dumps(found.resolved()), path.stem).grids() == found.grids()


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_order_of_keys_does_not_matter(path: Path) -> None:
    shuffled = parse(json.dumps(_shuffled(read(path).resolved())), path.stem)
    assert (shuffled.resolved(), shuffled.grids()) == (read(path).resolved(), read(path).grids())


def _shuffled(value: Any) -> Any:
    if isinstance(value, dict):
        items = list(value.items())
        random.Random(len(items)).shuffle(items)
        return {key: _shuffled(inner) for key, inner in items}
    return [_shuffled(inner) for inner in value] if isinstance(value, list) else value


names = st.sampled_from(["d", "m", "beta", "eps", "width"])
scalars = (
    st.integers(-9, 9) | st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 3)) | st.sampled_from(["on", "1", "a b"])
)
axis = st.lists(scalars, min_size=1, max_size=4, unique_by=lambda x: x) | st.builds(
    lambda a, n: {"lin": [a, a + 1, n]}, st.integers(-5, 5), st.integers(2, 9)
)
sweeps = st.fixed_dictionaries(
    {"question": st.just("q"), "workload": st.just("w.x"), "axes": st.dictionaries(names, axis, max_size=4)},
    optional={
        "seeds": st.integers(1, 99),
        "fixed": st.dictionaries(st.sampled_from(["code", "alpha"]), scalars),
        "arms": st.dictionaries(st.sampled_from(["x", "y-z"]), st.just({"fixed": {"kind": "=1+1"}}), min_size=1),
        "limits": st.fixed_dictionaries({"deadline": st.sampled_from(["8h", "90s", "2d", 5])}),
    },
)


@settings(max_examples=60, deadline=None)
@given(sweeps, st.randoms())
def test_any_sweep_means_the_same_in_any_order_and_resolved(raw: dict[str, Any], chance: random.Random) -> None:
    one = parse(json.dumps(raw), "demo")
    items = list(raw.items())
    chance.shuffle(items)
    for other in (parse(json.dumps(dict(items)), "demo"), parse(json.dumps(one.resolved()), "demo")):
        assert (other.resolved(), other.grids()) == (one.resolved(), one.grids())


def test_every_field_is_classified_as_identity_or_transport() -> None:
    fields = set(Spec.model_fields)
    assert fields == IDENTITY | TRANSPORT, (
        f"{sorted(fields ^ (IDENTITY | TRANSPORT))} must be in IDENTITY (it decides which points are measured) "
        "or in TRANSPORT (how they are run, read or shown); see orchestrator/spec.py"
    )
    assert not IDENTITY & TRANSPORT


def test_defaults_are_filled_in() -> None:
    found = spec("")
    assert (found.seeds.count, found.needs.cpu, found.pack.seconds, found.limits.points) == (1, 1.0, 5.0, 100_000)


def test_a_sweep_without_arms_has_one_grid_called_all() -> None:
    (grid,) = spec("axes: {d: [1, 2]}\nfixed: {code: a}\n").grids()
    assert (grid.arm, grid.fixed, grid.count) == ("all", {"code": "a"}, 2)


def test_an_arm_adds_to_the_params_of_the_sweep() -> None:
    grid = spec("axes: {d: [1, 2]}\narms: {x: {axes: {m: [1, 2, 3]}, fixed: {code: a}}}\n").grids()[0]
    assert (grid.names, grid.count) == (("code", "d", "m"), 6)


def test_a_sweep_without_axes_is_one_assignment() -> None:
    assert spec("fixed: {d: 3}\n").grids()[0].count == 1


def test_two_axes_of_a_trillion_are_counted_in_milliseconds() -> None:
    text = "axes: {d: {range: [1, 1e12, 1]}, m: {lin: [0, 1, 1000000000000]}}\n"
    began = time.process_time()
    assert spec(text).grids()[0].count == 10**24
    assert time.process_time() - began < 0.5


def test_expressions_are_ordered_by_what_they_need() -> None:
    grid = spec("axes: {n: [64]}\nderive: {w: v + 1, v: u + 1, u: log2(n)}\nfixed: {a: =w, b: =a*2}\n").grids()[0]
    assert grid.order == ("u", "v", "w", "a", "b")


def test_an_assignment_has_all_its_values() -> None:
    grid = spec("axes: {n: [64], b: [=u/2]}\nderive: {u: log2(n)}\nfixed: {a: =b + u}\n").grids()[0]
    (row,) = grid.axes[0].rows
    assert grid.assign({"n": 64, "b": row[0]}) == {"n": 64, "u": 6.0, "b": 3.0, "a": 9.0}


def test_a_searched_param_may_stand_in_expressions() -> None:
    text = "axes: {n: [64]}\nderive: {r: b/n}\nsearch: {boundary: {along: b, of: e, level: 0, between: [1, 2]}}\n"
    assert spec(text).grids()[0].searched == ("b",)


def test_a_derived_column_may_need_a_result() -> None:
    found = spec("axes: {beta: [8]}\nderive: {scaled: beta*delta, twice: 2*scaled}\n")
    assert found.grids()[0].assign({"beta": 8}) == {"beta": 8}
    check_columns(found, ["beta", "delta"])


def test_a_derived_column_of_an_unknown_result_is_told_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"^demo:4: derive\.scaled: a column must be .* got 'dleta'; did you mean 'delta'\?"):
        check_columns(spec("axes: {beta: [8]}\nderive: {scaled: beta*dleta}\n"), ["beta", "delta"])


def test_a_param_cannot_be_computed_from_a_result() -> None:
    with pytest.raises(
        SpecError, match=r"fixed\.w: an expression must name what arm 'all' has, but got 'scaled'\. It has beta\."
    ):
        spec("axes: {beta: [8]}\nderive: {scaled: beta*delta}\nfixed: {w: =scaled}\n")


def test_a_column_derived_from_results_needs_a_name_of_its_own() -> None:
    with pytest.raises(SpecError, match=r"^demo:4: derive\.gap: a column derived .* but 'gap' is the workload's; rename it"):
        check_columns(spec("axes: {beta: [8]}\nderive: {gap: 2*delta}\n"), ["beta", "delta", "gap"])


def test_an_expression_of_a_grid_knows_its_place() -> None:
    grid = spec("axes: {n: [0]}\nfixed:\n  a: =1/n\n").grids()[0]
    with pytest.raises(SpecError, match=r"^demo:5: fixed\.a: '1/n' must have a value at n = 0, but it divides by zero"):
        grid.assign({"n": 0})


def test_a_grid_knows_where_its_params_stand() -> None:
    grid = spec("axes:\n  d: [1]\narms:\n  x: {fixed: {code: a}}\n").grids()[0]
    assert grid.places == {"d": "demo:4: axes.d", "code": "demo:6: arms.x.fixed.code"}


@pytest.mark.parametrize(
    ("size", "key", "value"),
    [
        ("axes: {d: {range: [1, 3, 1]}}", "axes", {"d": {"range": [1, 3, 1]}, "m": [1]}),
        ("axes: {d: null}", "axes", {"m": [1]}),
        ("axes: {zip: {b: [5, 6]}}", "axes", {"d": {"pow2": [1, 4]}, "m": [1], "zip": {"a": [1, 2], "b": [5, 6]}}),
        ("needs: {gpu: 0.25}", "needs", {"cpu": 2.0, "gpu": 0.25}),
        ("needs: null", "needs", {"cpu": 1.0, "gpu": 0.0}),
        ("seeds: {min: 2, max: 8, until: {metric: e, rel_halfwidth: 0.1}}", "seeds", None),
        ("claims: [{id: b, holds: y > 0}]", "claims", None),
    ],
)
def test_a_size_is_laid_over_the_sweep(size: str, key: str, value: object) -> None:
    zipped = ", zip: {a: [1, 2], b: [3, 4]}" if "zip" in size else ""
    claims = "claims: [{id: a, holds: x > 0}, {id: c, holds: x > 1}]"
    base = f"axes: {{d: {{pow2: [1, 4]}}, m: [1]{zipped}}}\nneeds: {{cpu: 2}}\n{claims}\n"
    found = spec(f"{base}sizes: {{s: {{{size}}}}}\n", "s").resolved()[key]
    direct = {"seeds": {"min": 2, "max": 8, "until": {"metric": "e", "rel_halfwidth": 0.1, "confidence": 0.95}}}
    assert found == (value or direct.get(key) or spec("claims: [{id: b, holds: y > 0}]\n").resolved()["claims"])


def test_a_size_leaves_the_base_as_it_is() -> None:
    assert spec("seeds: 8\nsizes: {s: {seeds: 2}}\n").seeds.count == 8


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("8h", 28800), ("2d", 172800), ("1.5h", 5400), ("7", 7)]
)
def test_a_time_is_in_seconds(text: str, seconds: float) -> None:
    assert spec(f"limits: {{deadline: {text}}}\n").limits.deadline == seconds


def test_track_may_be_one_word() -> None:
    assert spec("track: points\n").track.points is True


def test_a_constant_formula_is_a_number() -> None:
    found = spec(
        "seeds: =2**3\nfixed: {w: =3*4}\nclaims: [{id: a, fit: {law: power, x: x, y: y}, expect: {decay: {at_least: =1/4}}}]\n"
    )
    assert (found.seeds.count, found.fixed, found.claims[0].expect["decay"].low) == (8, {"w": 12}, 0.25)


def test_an_expectation_may_depend_on_the_group() -> None:
    text = (
        "claims: [{id: a, fit: {law: power, x: m, y: e, by: d}, expect: {exponent: {between: [=-2.2/(d-1), =-1.8/(d-1)]}}}]\n"
    )
    claim = spec(text).claims[0]
    assert claim.expect is not None and claim.expect["exponent"].low == Expression("-2.2/(d-1)")


@pytest.mark.parametrize("text", ["by: [arm], fit: {law: power, x: x, y: y}", "fit: {law: power, x: x, y: y, by: arm}"])
def test_groups_may_stand_at_the_claim_or_in_its_fit(text: str) -> None:
    claim = spec(f"claims: [{{id: a, {text}, expect: {{exponent: {{at_least: 1}}}}}}]\n").claims[0]
    assert claim.fit is not None and claim.by == claim.fit.by == ("arm",)


def test_groups_that_differ_are_refused() -> None:
    with pytest.raises(SpecError, match=r"claims\[0\]\.fit\.by: groups must be given once, but 'by' is \['d'\] and \['m'\]"):
        spec("claims: [{id: a, by: d, fit: {law: power, x: x, y: y, by: m}, expect: {exponent: {at_least: 1}}}]\n")


def test_columns_used_are_told_with_their_keys() -> None:
    text = (
        "claims: [{id: a, collapse: {x: b/u, y: e, curves: n}}]\nfigures: [{kind: curve, x: n, y: e, lines: [{y: =2*beta}]}]\n"
    )
    found = columns_used(spec(text))
    assert found[:2] == ((("claims", 0, "collapse", "x"), "b"), (("claims", 0, "collapse", "x"), "u"))
    assert found[-1] == (("figures", 0, "lines", 0, "y"), "beta")


def test_another_sweeps_columns_are_not_checked_here() -> None:
    assert columns_used(spec("claims: [{id: a, from: 'sweep:other', collapse: {x: b, y: e, curves: n}}]\n")) == ()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_example_of_the_design_can_run(path: Path) -> None:
    told = unsupported(read(path))
    assert [text for text in told if "beside" not in text] == []


def test_the_laws_of_the_grammar_are_those_that_can_be_fitted() -> None:
    fitted = {name: tuple(parameter.name for parameter in law.parameters) for name, law in laws.LAWS.items()}
    assert fitted == {name: text.parameters for name, text in law_names.LAWS.items()}


def test_a_path_comes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "mine.yaml").write_text(HEAD)
    assert find("mine") == Path("sweeps/mine.yaml")
    (tmp_path / "mine").write_text(HEAD)
    assert find("mine") == Path("mine")


@pytest.mark.parametrize("name", shipped())
def test_a_shipped_sweep_is_found_from_any_folder(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read(name).name == name


@pytest.mark.slow
@pytest.mark.timed
def test_reading_specs_is_quick_to_import_and_imports_nothing_heavy() -> None:
    heavy = {"torch", "ray", "mlflow", "polars", "duckdb", "scipy", "sklearn", "numpy", "pandas", "pyarrow"}
    code = f"""
import sys, time
begun = time.process_time()
import pydantic.json_schema, yaml
pydantic.PlainValidator, pydantic.create_model("First", x=(int, 1))
between = time.process_time()
import orchestrator.spec
print((time.process_time() - between) / (between - begun), {heavy!r} & {{*sys.modules}})
"""
    runs = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(3)]
    shares, loaded = zip(*(run.split(" ", 1) for run in runs), strict=True)
    # Measured beside what it is made of (a first model loads what all models need): seconds hang on the machine.
    assert (min(map(float, shares)) < 0.75, {text.strip() for text in loaded}) == (True, {"set()"})


def test_a_spec_parses_in_milliseconds() -> None:
    text = (GOLDEN / "khm_capacity.yaml").read_text()
    began = time.process_time()
    for _ in range(5):
        parse(text, "khm_capacity")
    assert (time.process_time() - began) / 5 < 0.1


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_the_columns_of_an_example_are_checked_one_by_one(path: Path) -> None:
    found = read(path)
    engine = {"arm", "seed", "seconds"}
    columns = {name for _, name in columns_used(found)} - engine - {name for grid in found.grids() for name in grid.derive}
    check_columns(found, columns)
    for name in sorted(columns):
        with pytest.raises(SpecError, match=rf"a column must be of workload '.*' or derived, but got '{name}'"):
            check_columns(found, columns - {name})
