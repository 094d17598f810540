"""Wrong sweep files, each with the message that a user reads: file, line, key path, what must hold, what came, nearest name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from orchestrator.errors import SpecError
from orchestrator.spec import Spec, parse, read

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

WRONG = yaml.safe_load((Path(__file__).parent / "golden" / "wrong_specs.yaml").read_text())


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
        SpecError, match=r"^khm_capcity: a sweep must be a file or .*did you mean 'khm_capacity'\? Shipped: khm_capacity, khm_"
    ):
        read("khm_capcity")


def demo() -> Spec:
    return parse(BASE, "demo", path=Path("sweeps/demo.yaml"))


def test_an_unknown_column_is_told_the_nearest() -> None:
    with pytest.raises(
        SpecError, match=r"^sweeps/demo.yaml:17: claims\[0\].fit.y: a column must .*'capacity'; did you mean 'capcity'\?"
    ):
        demo().check_columns(["d", "beta", "capcity"])


def test_derived_and_engine_columns_are_known() -> None:
    spec = parse(BASE.replace("kind: curve, x: d", "kind: curve, x: d/u, color: arm, facet: seed"), "demo")
    spec.check_columns(["d", "capacity"])
