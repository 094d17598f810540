"""The command that begins a sweep of one's own: a workload, a sweep file and a test, which pass as they are."""

from __future__ import annotations

import keyword
import sys
from pathlib import Path

import click

MODULE = '''"""How far a walk of fair steps gets: its distance from where it began, on average over many walks.

Replace the measurement by yours. A point is a function of its params and of the seed alone.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypedDict

import numpy as np

VERSION = 1  # raise it when the same params and seed give another result


class Measured(TypedDict):
    """What one point gives; a result that may be absent is `float | None`."""

    distance: Annotated[float, "root of the mean squared distance from the start, over the walks"]
    farthest: Annotated[float, "largest distance among the walks", {"aggregate": "max"}]


def measure(
    n: Annotated[int, "steps of a walk", {"at_least": 1}],
    seed: int,
    kind: Annotated[Literal["coin", "gauss"], "how a step is drawn: one to either side, or normal"] = "coin",
    walks: Annotated[int, "walks to average over", {"at_least": 1}] = 500,
) -> Measured:
    """One point: walks of n steps."""
    draws = np.random.default_rng(seed)
    steps = draws.choice([-1.0, 1.0], (walks, n)) if kind == "coin" else draws.normal(size=(walks, n))
    ends = abs(steps.sum(1))
    return {"distance": float(np.sqrt((ends**2).mean())), "farthest": float(ends.max())}
'''
SWEEP = """# lawsweep run NAME.yaml --inline
question: How far does a walk of fair steps get?
workload: ./NAME.py
axes:
  n: {pow2: [4, 9]}
  kind: [coin, gauss]
seeds: 6
claims:
  - id: grows_like_the_root
    says: the distance grows like the root of the number of steps, whatever the steps are
    basis: {kind: derived, source: variances of independent steps add up}
    fit: {law: power, x: n, y: distance, by: kind}
    expect: {exponent: {between: [0.45, 0.55]}}
  - id: no_farther_than_its_steps              # a row that breaks this is a bug
    says: a walk of unit steps is never farther away than it has steps
    basis: {kind: derived, source: the triangle inequality}
    where: kind = 'coin'
    holds: farthest <= n
figures: [{kind: curve, x: n, y: distance, color: kind, log: [x, y]}]
sizes:
  smoke: {seeds: 4}
"""
TEST = '''"""What must hold of the measurement whatever a sweep says: a closed form, a limit, an order."""

from __future__ import annotations

import NAME


def test_one_step_of_a_coin_is_one_away() -> None:
    assert NAME.measure(n=1, seed=0) == {"distance": 1.0, "farthest": 1.0}


def test_the_mean_square_is_the_number_of_steps() -> None:
    assert abs(NAME.measure(n=100, seed=0, walks=20_000)["distance"] / 10 - 1) < 0.03


def test_a_seed_gives_the_same_again() -> None:
    assert NAME.measure(n=50, seed=3, kind="gauss") == NAME.measure(n=50, seed=3, kind="gauss")
'''


@click.command("new")
@click.argument("name")
@click.option(
    "--folder", default=".", type=click.Path(file_okay=False, path_type=Path), help="Where to write, this folder if not given."
)
def new_command(name: str, folder: Path) -> None:
    """Write a workload NAME.py, a sweep NAME.yaml and a test of both; they pass, and are meant to be changed.

    \b
    Example:
      lawsweep new walk
      lawsweep run walk.yaml --inline
      python -m pytest test_walk.py
    """
    from orchestrator.errors import SweepError

    if not name.isidentifier() or not name.isascii() or keyword.iskeyword(name) or name in sys.stdlib_module_names:
        raise SweepError(f"new: a name must be one that Python can import and that is free, but got '{name}'; choose another.")
    files = {f"{name}.py": MODULE, f"{name}.yaml": SWEEP, f"test_{name}.py": TEST}
    existing = [file for file in files if (folder / file).exists()]
    if existing:
        raise SweepError(f"new: nothing that is there is written over, but {folder / existing[0]} exists; choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    for file, text in files.items():
        (folder / file).write_text(text.replace("NAME", name), encoding="utf-8")
    click.echo(f"wrote {', '.join(files)}\nnow: lawsweep run {folder / name}.yaml --inline")
