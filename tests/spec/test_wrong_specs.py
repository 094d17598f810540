"""Wrong sweep files, each with the message that a user reads: file, line, key path, what must hold, what came, nearest name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from orchestrator.errors import SpecError
from orchestrator.spec import Spec, parse, read
from orchestrator.spec.checks import check_columns

BASE = """\
question: Does capacity grow exponentially?
source: Lemma 2.1
workload: khm.capacity
fixed: {code: optimal}
derive: {u: sqrt(ln(d))}
axes:
  d: [2, 3, 4]
  beta: {geom: [1, 16, 5]}
arms:
  angle: {fixed: {angle_deg: 60}}
  width: {fixed: {width: =2*d}}
seeds: 8
needs: {cpu: 1, gpu: 0}
limits: {seconds: 300, deadline: 8h}
track: {x: d}
claims:
  - {id: grows, fit: {law: power, x: d, y: capacity, by: [arm]}, compare: {exponent: angle - width}, expect: {at_least: 0.5}}
  - {id: bound, holds: capacity <= capacity_upper}
  - {id: better, prefer: {law: exponential, over: [power], x: d, y: capacity}}
  - {id: fitted, fit: {law: linear, x: d, y: capacity}, expect: {slope: {between: [1, 2]}}}
figures:
  - {kind: curve, x: d, y: capacity, log: [y]}
sizes:
  smoke: {seeds: 2, axes: {d: [2, 3]}}
"""

WRONG = yaml.safe_load((Path(__file__).parents[1] / "golden" / "wrong_specs.yaml").read_text())


@pytest.mark.parametrize("case", WRONG, ids=[case["wrong"] for case in WRONG])
def test_a_wrong_spec_is_told_where_and_how_to_mend_it(case: dict[str, str]) -> None:
    assert BASE.count(case["was"]) == 1
    with pytest.raises(SpecError, match=f"^{re.escape(case['told'])}$"):
        parse(BASE.replace(case["was"], case["is"]), "demo", path=Path("sweeps/demo.yaml"))


def test_the_sweep_that_the_wrong_ones_are_made_of_is_right() -> None:
    assert parse(BASE, "demo", "smoke").seeds.count == 2


def test_every_fault_of_a_section_is_told_in_the_order_of_lines() -> None:
    wrong = BASE.replace("cpu: 1", "cpu: one").replace("track: {x: d}", "track: point")
    with pytest.raises(SpecError, match=r"^demo:13: needs\.cpu: .*\ndemo:15: track: .*'points'\?$"):
        parse(wrong, "demo")


def test_an_unknown_size_is_told_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"'smok'; did you mean 'smoke'\? The sweep has smoke\.$"):
        parse(BASE, "demo", "smok")


def test_a_size_of_a_sweep_without_sizes_is_refused() -> None:
    with pytest.raises(SpecError, match=r"but got 'gpu'\. The sweep has no sizes\.$"):
        parse(BASE[: BASE.index("sizes:")], "demo", "gpu")


def test_a_name_that_sql_cannot_hold_is_refused() -> None:
    with pytest.raises(
        SpecError, match=r"^my-sweep: a sweep's name must be letters, digits and _ .*'my-sweep'; rename the file"
    ):
        parse(BASE, "my-sweep")


def test_a_name_that_is_no_file_is_told_the_nearest_shipped_one() -> None:
    with pytest.raises(
        SpecError, match=r"^khm_capcity: a sweep must be a file or .*did you mean 'khm_capacity'\? Shipped: .*khm_capacity, khm"
    ):
        read("khm_capcity")


def demo() -> Spec:
    return parse(BASE, "demo", path=Path("sweeps/demo.yaml"))


def test_an_unknown_column_is_told_the_nearest() -> None:
    with pytest.raises(
        SpecError, match=r"^sweeps/demo.yaml:17: claims\[0\].fit.y: a column must .*'capacity'; did you mean 'capcity'\?"
    ):
        check_columns(demo(), ["d", "beta", "capcity"])


def test_derived_and_engine_columns_are_known() -> None:
    spec = parse(BASE.replace("kind: curve, x: d", "kind: curve, x: d/u, color: arm, facet: seed"), "demo")
    check_columns(spec, ["d", "capacity"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search: {level_set: {over: {b: [2, 1]}, of: e, level: 0}}", r"over\.b: an interval must go from the smaller"),
        ("search: {level_set: {over: {b: {geom: [0, 1]}}, of: e, level: 0}}", r"over\.b: a geom interval must lie above 0"),
        ("search: {level_set: {over: {b: {log: [1, 2]}}, of: e, level: 0}}", r"over\.b: an interval must be .* but got 'log'"),
        ("search: {level_set: {over: {b: [1]}, of: e, level: 0}}", r"over\.b: an interval must be .*; write its two ends"),
        ("search: {level_set: {over: {}, of: e, level: 0}}", r"over: 'over' must name a param, but is empty"),
        (
            "search: {boundary: {along: b, of: e, level: 0, between: [=u, 2]}}",
            r"between: an interval must be of what arm 'all' has, but",
        ),
        (
            "search: {optuna: {trials: 2, minimize: e, over: {b: [0, =v]}}}",
            r"over\.b: an interval must be .* but got 'v'\. It has nothing",
        ),
        (
            "search: {subset: {along: b, size: 0, of: e, level: 0}}",
            r"size: a number of units must be whole and at least 1, but got 0",
        ),
        ("search: {subset: {along: b, size: 2.5, of: e, level: 0}}", r"size: a number of units must be whole .* but got 2\.5"),
        ("search: {subset: {along: b, size: 4, of: e}}", "'subset' must have 'level' or 'share', but has neither"),
        ("search: {subset: {along: b, size: 4, of: e, level: 1, share: 1}}", "'subset' must have .* but has both"),
        ("search: {subset: {along: b, size: 4, of: e, share: 0}}", r"subset\.share"),
        ("search: {subset: {along: b, size: 4, of: e, share: 1.5}}", r"subset\.share"),
        ("search: {}", "search: 'search' must hold one of boundary, level_set, optuna, subset, but holds none"),
        (
            "claims: [{id: a, holds: x > 0, expect: {slope: {at_least: 1}}}]",
            "a claim of kind 'holds' must expect nothing, but got 'slope'",
        ),
        (
            "claims: [{id: a, collapse: {x: x, y: y, curves: n}, expect: {spred: {at_most: 1}}}]",
            "may expect spread, but got 'spred'; did",
        ),
        ("claims: [{id: a, compare: {exponent: a - b}}]", "'compare' of a fitted parameter must have a 'fit' beside it"),
        (
            "claims: [{id: a, fit: {law: power, x: x, y: y}, compare: {y: y, arms: a - b}}]",
            "'compare' of arms must stand alone",
        ),
        ("claims: [{id: a, compare: {y: y}}]", r"compare: 'compare' of arms must have y and arms, but got \['y'\]"),
        (
            "claims: [{id: a, compare: {y: y, arms: a - b, pairs: d}}]",
            r"compare\.pairs: a key must be one of .*; did you mean 'pair'",
        ),
        ("claims: [{id: a, compare: {}}]", r"'compare' must name one fitted parameter, or y and arms, but got \[\]"),
        (
            "claims: [{id: a, holds: x > 0, expect: {between: [1]}}]",
            r"expect\.between: 'between' must stand alone and have two ends",
        ),
        ("claims: [{id: a, holds: x > 0, expect: {}}]", "'expect' must name a quantity, but is empty"),
        ("claims: [{id: a, trend: {of: x, along: y, is: increasing}, se: z}]", r"\.se: 'se' must stand beside 'holds'"),
        ("claims: [{id: a, equals: {y: e, table: [{n: 1}]}}]", r"table\[0\]: a row of the table must hold 'e'"),
        ("claims: [{id: a b, holds: x > 0}]", r"claims\[0\]\.id: a name must be letters, digits, _ and -"),
        ("figures: [{kind: curve, x: 2*3, y: e}]", r"figures\[0\]\.x: a column must be named, but got '2\*3'"),
        (
            "figures: [{kind: curve, x: a+, y: e}]",
            r"figures\[0\]\.x: a column must be named, or computed from columns, but 'a\+'",
        ),
        ("derive: {u: true}", r"derive\.u: 'u' must be an expression, but got True"),
        ("fixed: [1]", r"fixed: 'fixed' must be a mapping of names to values, but got \[1\]"),
        ("fixed: {a: {b: 1}}", r"fixed\.a: a value must be a number, true, false, text or =expression"),
        ("limits: {points: =d}", r"limits\.points: a number here must not depend on params, but got '=d'"),
        ("axes: {zip: {a: [1, 2], seed: [1, 2]}}", r"axes\.zip\.seed: a name must be free, but 'seed' is set by 'seeds'"),
        ("axes: {d: [1], zip: {d: [1, 2], m: [1, 2]}}", r"axes\.zip\.d: a param must be given once"),
        ("axes: {d: {lin: [1, x, 3]}}", r"axes\.d\.lin\[1\]: a value must be a number or =expression, but got 'x'"),
        ("axes: {d: {lin: [1, 2, 1]}}", r"axes\.d\.lin\[2\]: 'lin' must have a whole number n of at least 2, but got 1"),
        ("seeds: {min: 4, max: 2}", r"seeds\.max: 'max' must be at least 'min', but got 4 to 2"),
        ("seeds: {min: 4}", r"seeds\.max: a value must stand here, but 'max' is missing"),
        ("arms: {x: 3}", r"arms\.x: a value must be a mapping of keys, but got 3"),
        ("claims: {id: a}", "claims: a value must be a list"),
    ],
)
def test_what_means_nothing_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse(f"question: q\nworkload: w.x\n{text}\n", "demo")
