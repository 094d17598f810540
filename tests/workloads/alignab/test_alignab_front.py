"""The worlds' fronts and tilted laws to the digits of their closed forms, against grids, brute force and other libraries."""

from __future__ import annotations

import itertools

import moocore
import numpy as np
import pytest
import torch

from orchestrator.workload.context import Context
from workloads.alignab import design, front
from workloads.alignab.maths import trade_offs, world


def row(**given: object) -> front.Result:
    ((_, result),) = front.run(front.Params(**given), Context(seed=0))  # type: ignore[arg-type]
    return result


SMALL_BY_WEIGHT = [
    (0.1, -0.242961, -2.613419, 0.020423),
    (0.25, -0.702012, -3.385024, 0.192325),
    (0.5, -1.922252, -5.095260, 1.250756),
    (0.75, -3.798439, -5.889962, 2.476130),
    (0.9, -5.097818, -5.988337, 2.916855),
]
SMALL_TILTED = [
    (0.5, 1.0, -2.48950, 1.06806, 0.55072),
    (0.5, 0.25, -3.80213, 1.06274, 3.79652),
    (0.75, 0.25, -5.23184, 2.25934, 10.05570),
    (0.25, 0.25, -2.23149, 0.38842, 0.16750),
]


@pytest.mark.parametrize(("weight", "weighted", "att", "rep"), SMALL_BY_WEIGHT)
def test_the_small_world_has_its_least_energies(weight: float, weighted: float, att: float, rep: float) -> None:
    found = row(world="small", weight=weight, reference_rep=4.0)
    assert (found.energy_weighted, found.energy_att, found.energy_rep) == pytest.approx((weighted, att, rep), abs=5e-7)


@pytest.mark.parametrize(("weight", "beta", "att", "rep", "log_z"), SMALL_TILTED)
def test_the_small_world_has_its_tilted_law(weight: float, beta: float, att: float, rep: float, log_z: float) -> None:
    found = row(world="small", weight=weight, beta=beta, reference_rep=4.0)
    assert (found.energy_att, found.energy_rep, found.log_z) == pytest.approx((att, rep, log_z), abs=5e-6)


def test_a_hot_world_is_nature() -> None:
    found = row(world="small", beta=1000.0, reference_rep=4.0)
    assert (found.energy_att, found.energy_rep) == pytest.approx((-2.0, 1.233333), abs=2e-3)


def test_the_formula_world_has_its_energies_and_areas() -> None:
    assert row(weights=1999).hypervolume == pytest.approx(210.3229541754, abs=1e-9)
    assert row(weights=199).hypervolume == pytest.approx(210.2692829286, abs=1e-9)
    at_a_third, beyond_half = row(weight=0.3), row(weight=0.6)
    assert (at_a_third.energy_att, at_a_third.energy_rep) == pytest.approx((-14.99865487, 0.4350589966), abs=1e-8)
    assert (beyond_half.energy_att, beyond_half.energy_rep) == pytest.approx((-17.03773287, 2.131193329), abs=1e-8)
    tilted = row(beta=0.5)
    assert (tilted.energy_att, tilted.energy_rep, tilted.log_z) == pytest.approx((-9.4052198, 2.2045064, 4.3813586), abs=1e-7)


def test_the_small_front_and_its_grid() -> None:
    assert row(world="small", weights=1999, reference_rep=4.0).hypervolume == pytest.approx(21.14907, abs=5e-6)
    att, rep, _ = trade_offs.of_sums(*world.options(world.build("small", 0, 0, 0.0), 180))
    assert len(att) == 421 and trade_offs.hypervolume(att, rep, (0.0, 4.0)).item() == pytest.approx(21.12344, abs=5e-6)


@pytest.mark.parametrize(("shape", "reference", "points", "area"), [((8, 5), 72, 10, 3412), ((10, 20), 90, 12, 7916)])
def test_fronts_of_sums_are_those_that_are_known(shape: tuple[int, int], reference: int, points: int, area: int) -> None:
    rng = np.random.default_rng(0)
    drawn = {size: (rng.integers(1, 10, size), rng.integers(0, 10, size)) for size in ((8, 5), (10, 20))}
    gains, costs = (torch.from_numpy(each).double() for each in drawn[shape])
    att, rep, chosen = trade_offs.of_sums(-gains, costs)
    assert len(att) == points and trade_offs.hypervolume(att, rep, (0.0, float(reference))).item() == area
    places = torch.arange(shape[0])
    assert torch.equal(-gains[places, chosen].sum(-1), att) and torch.equal(costs[places, chosen].sum(-1), rep)


def test_a_front_of_sums_is_that_of_all_sums() -> None:
    gains, costs = torch.randint(0, 6, (2, 4, 5), generator=torch.Generator().manual_seed(1)).double()
    sums = [torch.tensor([part[range(4), choice].sum().item() for choice in itertools.product(range(5), repeat=4)])
            for part in (-gains, costs)]  # fmt: skip
    members = trade_offs.front(*sums)
    att, rep, _ = trade_offs.of_sums(-gains, costs)
    assert torch.equal(att, sums[0][members].double()) and torch.equal(rep, sums[1][members].double())


def test_an_area_is_that_of_the_other_library() -> None:
    points = torch.randn(3, 200, 2, generator=torch.Generator().manual_seed(0)).double()
    areas = trade_offs.hypervolume(points[..., 0], points[..., 1], (0.5, 1.0))
    assert areas.tolist() == pytest.approx([moocore.hypervolume(one.numpy(), ref=[0.5, 1.0]) for one in points], rel=1e-12)
    for att, rep in points.movedim(-1, 1):
        best = moocore.is_nondominated(torch.stack([att, rep], 1).numpy())
        assert {*trade_offs.front(att, rep).tolist()} == {*np.flatnonzero(best).tolist()}


def test_a_reference_that_nothing_reaches_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"must lie beyond some design, but got \(-20.0, 12.0\)"):
        row(reference_att=-20.0)
    with pytest.raises(ValueError, match="designs of world five have no angles"):
        row(world="five", angles=8, reference_rep=1.0)


def test_one_design_has_the_energies_of_its_parts() -> None:
    p = design.Params(s0=5, t0=0.0, s1=2, t1=1.0)
    (columns,) = (design.run_pack([p, design.Params(world="small", s0=2, t0=0.0, t1=float(np.pi / 2))], [Context(seed=0)] * 2),)
    first, second = list(columns)
    turned = np.array([0.0, 1.0, 0, 0, 0, 0]) - np.arange(6) * np.pi / 10
    pull = np.array([3.0, 1.5, 0.5, 0.5, 0.5, 0.5])
    assert first["energy_att"][0] == pytest.approx(-(pull * (1 + np.cos(turned)) / 2).sum(), abs=1e-12)
    assert second["energy_att"] == pytest.approx([-4.0])
    with pytest.raises(ValueError, match="world small has 2 positions of 3 types"):
        list(design.run_pack([design.Params(world="small", s0=3)], [Context(seed=0)]))
