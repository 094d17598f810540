"""A small store of a toy workload's rows, made by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

from orchestrator.store import Store, open_store
from tests.helpers.toy_store import add, grid, plan, toy_rows

# Hypothesis fails an example that takes 200 ms, as the first one of a test may beside other work.
settings.register_profile("beside other work", deadline=None)
settings.load_profile("beside other work")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with one sweep of 18 points: capacity along d at two betas and three seeds."""
    made = open_store(tmp_path / "store", create=True)
    rows = toy_rows(grid())
    add(made, rows)
    generation = made.begin({"sweep": "toy_capacity", "size": "smoke"})
    plan(made, rows, generation=generation)
    made.save("verdicts", "toy_capacity", [{"id": "grows", "says": "capacity grows", "verdict": "supported"}])
    return made
