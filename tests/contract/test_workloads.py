"""Every workload that is here keeps the contract; a new module in the package, or a new entry point, is tested unasked."""

from __future__ import annotations

import functools
import re

import pytest

from orchestrator import contract, workload
from orchestrator.contract import Check

SHIPPED = workload.shipped()
MODULE = re.compile(r"\A[^\n]+\n.*^Source: .+^Symbols: ", re.S | re.M)


@functools.cache
def findings(name: str) -> dict[str, Check]:
    return {check.name: check for check in contract.check(name)}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_workload_keeps_the_contract(name: str) -> None:
    broken = [f"{check.name}: {check.text}" for check in findings(name).values() if not check.passed]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_workload_says_what_it_measures_with_source_and_symbols(name: str) -> None:
    assert MODULE.search(workload.load(name).module.__doc__ or "")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_workload_that_measures_values_is_tried_in_several_shapes(name: str) -> None:
    described = workload.load(name)
    points = contract.choose(described, ())
    assert len({tuple(params[n] for n in described.shapes) for params, _ in points}) > 1


def test_the_package_holds_workloads() -> None:
    assert SHIPPED
