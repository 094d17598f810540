"""What the doctor finds on this machine, and what it says to do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from orchestrator.check import machine


def found(store: Path) -> dict[str, machine.MachineCheck]:
    """All checks by name."""
    return {check.check: check for check in machine.checks(store)}


def test_a_machine_that_runs_these_tests_has_what_it_needs(tmp_path: Path) -> None:
    checks = found(tmp_path)
    assert {checks[name].good for name in ("Python", *machine.NEEDED, "processors", "store")} == {"yes"}
    assert checks["Python"].found == sys.version.split()[0] and checks["processors"].found == str(os.cpu_count())


def test_what_is_good_needs_nothing_done(tmp_path: Path) -> None:
    assert {check.do for check in found(tmp_path).values() if check.good == "yes"} == {""}


def test_a_store_that_is_not_there_yet_is_judged_by_the_folder_above(tmp_path: Path) -> None:
    assert found(tmp_path / "a" / "b")["store"].good == "yes"


def test_a_missing_package_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "NEEDED", ("no-such-package-of-anyone",))
    check = found(tmp_path)["no-such-package-of-anyone"]
    assert (check.found, check.good, check.do) == ("not installed", "NO", "pip install no-such-package-of-anyone")


def test_too_little_room_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "ROOM", 1 << 60)
    check = found(tmp_path)["disk of the store"]
    assert (check.good, check.do) == ("NO", "free some room, or choose another --store") and "GiB free" in check.found
