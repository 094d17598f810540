"""What a release of strings spends: counted by brute force, and proved from outputs; and who answers best at what cost."""

from __future__ import annotations

import math

import pytest
import torch

from orchestrator.workload.context import Context
from orchestrator.workload.describe import load
from workloads.dp_strings import audit, cost, phase
from workloads.dp_strings.audit import Params, Result
from workloads.dp_strings.maths import codes, ledger, sketch, tree
from workloads.dp_strings.maths.flips import probability
from workloads.dp_strings.maths.methods import Method, method


def measured(params: Params, seed: int = 0) -> Result:
    ((_, result),) = audit.run(params, Context(seed=seed))
    return result


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def moved(own: Method) -> list[int]:
    """Clean bits that differ when bit p is changed, of real sketches."""
    hashed, string = sketch.hashes(own, stream()), torch.randint(2, (own.n,), generator=stream(1))
    changed = string ^ torch.eye(own.n, dtype=torch.int64)
    differ = sketch.encode(changed, hashed) ^ sketch.encode(string[None], hashed)
    found: list[int] = differ.sum((1, 2)).tolist()
    return found


@pytest.mark.parametrize(
    ("variant", "sizes"),
    [("practical", (4, 6, 8)), ("practical", (3, 2, 2)), ("mean", (2, 6, 2)), ("parity", (None, None, 20))],
)
def test_the_ledger_counts_what_a_changed_bit_moves(variant: str, sizes: tuple[int | None, int | None, int | None]) -> None:
    own = method(variant, 8, 60, 1.0, sizes)
    assert ledger.moved_by_sketch(sketch.hashes(own, stream())).tolist() == moved(own)


@pytest.mark.parametrize(("hashed", "m1"), [("offset", 5), ("rabin", 20)])
def test_the_ledger_counts_what_a_changed_bit_moves_in_a_tree(hashed: str, m1: int) -> None:
    own, shape = codes.code(hashed, m1, 4), tree.Shape(21)
    words = codes.words(own, 21, stream())
    changed = torch.eye(21, dtype=torch.bool).numpy()[None]  # each row: a string that differs in one place
    differ = tree.differences(changed, words[:, None], shape)
    exact = [sum(int(w).bit_count() for w in differ[:, 0, p].flatten()) for p in range(21)]
    assert ledger.moved_by_tree(words, shape).tolist() == exact


@pytest.mark.parametrize(
    "params",
    [
        Params("paper", 16, 4.0, runs=4),
        Params("paper", 64, 1000.0, runs=4),
        Params("practical", 16, 4.0, m1=4, runs=4),
        Params("mean", 16, 4.0, runs=4),
        Params("parity", 16, 4.0, runs=4),
        Params("flat", 16, 4.0, runs=4),
    ],
)
def test_a_sketch_spends_exactly_its_budget(params: Params) -> None:
    found = measured(params)
    assert found.attained
    assert found.eps_hashes == pytest.approx(params.eps, abs=1e-12 * max(1, params.eps))


@pytest.mark.parametrize(("hashed", "m1"), [("offset", 16), ("rabin", 40)])
def test_a_tree_spends_no_more_than_its_budget(hashed: str, m1: int) -> None:
    found = measured(Params("tree", 12, 100.0, hash=hashed, m1=m1, runs=4))
    assert found.eps_bit == pytest.approx(100, rel=1e-12)
    assert found.eps_hashes <= found.eps_bit


@pytest.mark.parametrize("k", [16, 64])
def test_the_literal_reading_spends_twenty_times_its_budget(k: int) -> None:
    assert measured(Params("literal", k, 2.0, runs=4)).eps_hashes == pytest.approx(40, abs=1e-10)


# What 10^4, 10^5 and 10^6 outputs prove that had no part in choosing the event, by rows M1 and budget.
TABLE = {(1, 1.0): (0.93, 0.98, 0.993), (1, 4.0): (3.83, 3.95, 3.98), (4, 4.0): (2.96, 3.66, 3.89), (4, 16.0): (7.6, 9.9, 11.6),
         (40, 16.0): (3.9, 5.0, 5.8)}  # fmt: skip


@pytest.mark.parametrize(("m1", "eps"), TABLE)
def test_the_power_of_audits_is_that_of_the_table(m1: int, eps: float) -> None:
    flipped = ledger.Mechanism(2 * m1, probability(eps / (2 * m1)))
    found = [ledger.expected(flipped, 2 * runs, 0.95).epsilon for runs in (10**4, 10**5, 10**6)]
    assert found == pytest.approx(TABLE[m1, eps], rel=0.015, abs=0.01)


@pytest.mark.parametrize(
    "params",
    [
        Params("laplace", 16, 1.0),
        Params("laplace", 16, 4.0),
        Params("practical", 16, 1.0, m1=1),
        Params("practical", 16, 4.0, m1=4),
        Params("practical", 16, 16.0, m1=4),
    ],
)
def test_outputs_prove_what_they_should_whatever_the_seed(params: Params) -> None:
    found = [measured(Params(**{**vars(params), "runs": 100_000, "confidence": 0.95}), seed) for seed in range(6)]
    assert all(one.eps_lower >= 0.92 * one.eps_expected - 0.15 for one in found)
    assert sum(one.caught for one in found) <= 1  # each wrongly with a chance of at most 5 %


def test_an_audit_of_laplace_is_nearly_tight_whatever_the_seed() -> None:
    found = [measured(Params("laplace", 16, 1.0, runs=200_000), seed).eps_lower for seed in range(20)]
    assert min(found) >= 0.93 and sum(x > 1 for x in found) <= 3


@pytest.mark.parametrize(("eps", "m1", "table"), [(1.0, 1, 1.97), (4.0, 4, 6.81)])
def test_a_doubled_budget_is_caught(eps: float, m1: int, table: float) -> None:
    for seed in range(4):
        found = measured(Params("practical", 16, eps, m1=m1, bug="doubled_budget", runs=200_000), seed)
        assert found.caught and found.overspent and found.power == 1
        assert found.eps_expected == pytest.approx(table, abs=0.1)


@pytest.mark.parametrize("variant", ["practical", "parity", "flat", "laplace"])
def test_halved_noise_is_caught(variant: str) -> None:
    for seed in range(4):
        found = measured(Params(variant, 16, 1.0, m1=1, bug="halved_noise", runs=100_000), seed)
        assert found.caught and found.overspent and found.power == 1


def test_the_literal_reading_is_caught_by_its_outputs() -> None:
    found = [measured(Params("literal", 16, 1.0, runs=50_000), seed) for seed in range(4)]
    assert all(one.caught and one.power == 1 for one in found)


@pytest.mark.parametrize("params", [Params("paper", 16, 4.0), Params("parity", 16, 1.0), Params("tree", 12, 8.0)])
def test_the_chance_to_accuse_a_correct_release_is_stated(params: Params) -> None:
    assert measured(Params(**{**vars(params), "runs": 2000})).power <= 0.05


def test_outputs_of_many_small_losses_say_little() -> None:
    found = measured(Params("paper", 16, 16.0, runs=200_000))
    assert found.eps_lower < 6
    assert found.eps_expected == pytest.approx(5.0, abs=0.2)


@pytest.mark.parametrize(("runs", "ceiling"), [(20_000, 7.2), (200_000, 9.5), (2_000_000, 11.8)])
def test_the_most_that_any_outputs_prove(runs: int, ceiling: float) -> None:
    # The ceiling depends on the number of runs alone, so the release may be any.
    assert measured(Params("parity", 16, 1.0, runs=runs)).eps_ceiling == pytest.approx(ceiling, abs=0.06)


def test_few_correct_releases_are_accused() -> None:
    accused = sum(measured(Params("parity", 16, 1.0, runs=2000), seed).caught for seed in range(200))
    assert accused <= 18  # 5 % of 200 is 10, its standard deviation 3


@pytest.mark.parametrize(
    ("params", "match"),
    [(Params("paper", 16, 1.0, bug="typo"), "bug must be one of none"), (Params("trivial", 16, 1.0), "variant must be one of")],
)
def test_what_cannot_be_audited_is_refused(params: Params, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        measured(params)


def contest(k: int, n: int, eps: float) -> phase.Result:
    ((_, result),) = load(phase).run(phase.Params(k, n, eps), Context(seed=0))
    return result


@pytest.mark.parametrize(
    ("k", "n", "eps", "winner"), [(8, 4096, 0.5, "trivial"), (64, 65536, 2.0, "parity"), (64, 256, 4.0, "flat")]
)
def test_who_is_best(k: int, n: int, eps: float, winner: str) -> None:
    assert contest(k, n, eps).winner == winner


def test_where_constants_are_dropped_the_map_is_another() -> None:
    found = contest(64, 1 << 20, 8.0)
    assert found.eps_generous == pytest.approx(math.log(2**14) / (1 - 1 / 6))
    assert found.rmse_parity_wide < found.rmse_tuned


def spent(params: cost.Params) -> cost.Result:
    ((_, result),) = cost.run(params, Context(seed=0))
    return result


@pytest.mark.parametrize("params", cost.EXAMPLES, ids=lambda p: f"{p.variant} {p.hash}")
def test_every_time_is_taken(params: cost.Params) -> None:
    found = spent(params)
    assert found.query_us > 0
    assert (found.encode_ms > 0) == (params.variant != "edit")


def test_the_papers_sketch_is_larger_than_a_string_of_a_million_bits() -> None:
    assert not spent(cost.Params("parity", 1024, 512, repeats=1)).smaller
    assert method("paper", 16, 1 << 20, 1.0).bits > 8_000_000


def test_a_cost_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="strings and repeats must be at least 1"):
        spent(cost.Params("flat", 64, 4, strings=0))
