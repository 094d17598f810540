"""What no wrong result turns is no test: every claim of every shipped sweep changes its verdict under some mutant.

Two kinds. *Planted*: a wrong formula stands in a workload's mathematics, and the sweep, or a cut of it, is measured again in
this process; this is what shows a claim both of whose sides come from one function. *Rewritten*: rows that were measured once
at size smoke lie in `rows/`, and one result column of them at a time is multiplied, raised to a power, shifted or shuffled.
That is cheap and serves for trainings, which take minutes, but it cannot show a tautology: it changes one side alone.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import polars as pl
import pytest

from orchestrator.claims.sources import Source, own, sources
from orchestrator.results.described import Described
from orchestrator.spec import Spec, read, shipped
from orchestrator.workload import describe
from tests.mutants.planted import PLANTED, cut, measured, planted
from tests.mutants.rewriting import Material, turned_by, word

ROWS = Path(__file__).parent / "rows"
NOT_JUDGED = {
    "dit_conditional_latent.ambient_dimension": "two dimensions of the space, four are asked for",
    "dit_conditional_latent.rate": "three sizes of data, four are asked for",
    "dit_latent_attention.time_at_length": "lengths end where the law is asked for",
    "dit_conditional_t0.generic": "the floor is more than half of the error",
    "dit_conditional_t0.strong": "the floor is more than half of the error",
    "dit_conditional_mask.same_rate": "two sizes of data, four are asked for",
    "icl_trained.deeper": "one number of blocks",
    "icl_trained.real_tables": "inputs of three dimensions, the table has ten",
    "dit_latent_rate.ambient_dimension": "two dimensions of the space, four are asked for",
}
"""Claims that size smoke does not judge, each with what is lacking: no value of a row can turn them."""
OTHER_MEANS: dict[str, str] = {}
"""Claims of planted sweeps that no formula planted here turns, each with what turns it instead."""


@lru_cache(maxsize=4)
def material(name: str) -> Material:
    """The kept rows of a sweep at size smoke."""
    spec = read(name, "smoke")
    others = {claim.from_ for claim in spec.claims if claim.from_.startswith("sweep:")}
    tables = [ROWS / f"{name}.parquet", ROWS / f"{name}.boundary.parquet"]
    rows, boundaries = (pl.read_parquet(path) if path.exists() else None for path in tables)
    assert rows is not None, f"{tables[0]} is missing: tests/mutants/keep.py writes it from a store"
    return Material(
        spec=spec, rows=rows, boundaries=boundaries, fields=_fields(spec), others={origin: _other(origin) for origin in others}
    )


def _fields(spec: Spec) -> dict[str, Described]:
    work = describe.load(spec.workload)
    roles = (("param", work.params), ("result", work.results))
    described = {}
    for role, fields in roles:
        for field in fields:
            notes = {name: getattr(field, name) for name in ("name", "says", "unit", "aggregate", "bound")}
            described[field.name] = Described(role=role, df=str(field.df), seedless=field.seedless_where, **notes)
    return described


def _other(origin: str) -> Source:
    spec = read(origin.removeprefix("sweep:"), "smoke")
    return own(spec, pl.read_parquet(ROWS / f"{spec.name}.parquet"), _fields(spec))


def table(name: str) -> list[tuple[str, str, str, str]]:
    """Of each claim of a sweep: its id, its unmutated verdict, the rewriting that turns it first, and what it turns it to."""
    whole = material(name)
    return [(claim.id, *turned_by(whole, claim)) for claim in whole.spec.claims]


@pytest.mark.long
@pytest.mark.parametrize("name", shipped())
def test_every_claim_is_turned_by_a_wrong_result(name: str) -> None:
    survivors = {f"{name}.{claim}": before for claim, before, how, _ in table(name) if not how}
    named = {claim: "unmet" for claim in NOT_JUDGED if claim.startswith(f"{name}.")}
    assert survivors == named, "no wrong result turns these: write them under 'checks', or let them speak of what is measured"


@pytest.mark.long
@pytest.mark.parametrize("name", PLANTED)
def test_every_claim_is_turned_by_a_wrong_formula(name: str, tmp_path: Path) -> None:
    assert {f"{name}.{claim}" for claim in untouched(name, tmp_path)} == {c for c in OTHER_MEANS if c.startswith(f"{name}.")}


def untouched(name: str, folder: Path) -> set[str]:
    """Claims of a sweep whose verdict is the same under all formulas planted for it."""
    spec = cut(name)
    words: list[dict[str, str]] = []
    for number, wrong in enumerate((None, *PLANTED[name])):
        with planted(wrong):
            stored = measured(spec, folder / str(number))
            whole = Material(
                spec=spec, rows=stored.rows, boundaries=stored.boundaries, fields=stored.fields,
                others={key: source for key, source in sources(stored).items() if key.startswith("sweep:")},
            )  # fmt: skip
            words.append({claim.id: word(whole, claim) for claim in spec.claims})
    right, *mutants = words
    return {claim for claim, before in right.items() if all(mutant[claim] == before for mutant in mutants)}
