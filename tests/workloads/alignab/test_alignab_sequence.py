"""Residues alone: the published tables, the language model's arithmetic and its files, and designs that follow preferences."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from aaindex import aaindex1, aaindex3

from orchestrator.workload.context import Context
from workloads.alignab import sequence
from workloads.alignab.maths import contacts, language, residue_policies

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *contacts.RESIDUES, "[HUMAN]", "[HEAVY]"]


def row(**given: object) -> sequence.Result:
    p = sequence.Params(**{"steps": 120, "pool": 256, "rounds": 2, "positions": 6, **given})  # type: ignore[arg-type]
    ((_, result),) = sequence.run(p, Context(seed=0))
    return result


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A language model of chance in IgLM's format."""
    config = {"n_embd": 16, "n_inner": 32, "n_layer": 2, "n_head": 2, "n_positions": 160, "vocab_size": len(WORDS)}
    shapes = language._shapes(config)
    generator = torch.Generator().manual_seed(0)
    weights = {f"transformer.{name}": 0.2 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    torch.save(weights, tmp_path / "pytorch_model.bin")
    (tmp_path / "config.json").write_text(json.dumps(config))
    (tmp_path / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return tmp_path


def test_contacts_are_those_that_were_published() -> None:
    table, at = contacts.contacts(), contacts.RESIDUES.index
    assert torch.equal(table, table.T) and bool((table > 0).all())
    assert [table[at(a), at(b)].item() for a, b in ("AA", "CC", "AL", "LA")] == [2.72, 5.44, 4.91, 4.91]


def test_tables_are_those_of_the_index() -> None:
    energies, volumes = aaindex3["MIYS960101"]["matrix"], aaindex1["KRIW790103"]["values"]
    assert [volumes[letter] for letter in contacts.RESIDUES] == [*contacts.VOLUMES]
    assert [[-energies[a][b] for b in contacts.RESIDUES] for a in contacts.RESIDUES] == contacts.contacts().tolist()


def test_the_exact_front_is_that_of_all_sequences() -> None:
    att, rep = contacts.options("FK", 2, 60.0)
    pairs = [*itertools.product(range(20), repeat=2)]
    every = torch.tensor([[att[0, a] + att[1, b], rep[0, a] + rep[1, b]] for a, b in pairs])
    best = [not bool(((every <= one).all(1) & (every < one).any(1)).any()) for one in every]
    reference = 2 * (contacts.LARGEST - 60) / 100
    points = sorted({tuple(one.tolist()) for one, at_front in zip(every, best, strict=True) if at_front})
    edges = [point[0] for point in points[1:]] + [0.0]
    area = sum((edge - x) * (reference - y) for (x, y), edge in zip(points, edges, strict=True))
    assert row(positions=2, epitope="FK", method="best_of").hypervolume_exact == pytest.approx(area, rel=1e-9)


def test_alignment_follows_its_labels() -> None:
    untrained, pulled, small = row(method="best_of"), row(method="attraction"), row(method="repulsion")
    assert pulled.energy_att < untrained.energy_att - 3 and small.energy_rep < 0.5 * untrained.energy_rep
    assert untrained.log_likelihood == pytest.approx(-2.995732, abs=1e-5) and untrained.composition_shift == 0
    assert pulled.evaluations == untrained.evaluations == 3 * 256 and small.composition_shift > 0.2
    assert row(weight=0.75).energy_att < row(weight=0.25).energy_att


def test_a_language_model_is_a_law_over_residues(folder: Path) -> None:
    policy = residue_policies.policy(str(folder), 2)
    every = torch.tensor([*itertools.product(range(20), repeat=2)])
    assert policy.log_prob(policy.begin, every).exp().sum().item() == pytest.approx(1.0, abs=1e-4)
    drawn = policy.sample(policy.begin, 2000, torch.Generator().manual_seed(1))
    shares = torch.bincount(drawn[:, 0], minlength=20) / 2000
    law = policy.log_prob(policy.begin, every).exp().view(20, 20).sum(1)
    assert (shares - law).abs().max() < 0.04


def test_no_token_sees_what_comes_after_it(folder: Path) -> None:
    model = language.read(str(folder))
    tokens = torch.randint(0, len(WORDS), (1, 12), generator=torch.Generator().manual_seed(2))
    changed = torch.cat([tokens[:, :8], (tokens[:, 8:] + 1) % len(WORDS)], 1)
    first, second = (language.logits(model.weights, 2, 2, each) for each in (tokens, changed))
    assert torch.allclose(first[:, :8], second[:, :8]) and not torch.allclose(first[:, 8:], second[:, 8:])


def test_a_language_model_is_aligned(folder: Path) -> None:
    result = row(policy=str(folder), pool=128, steps=2, rounds=1, positions=2, method="attraction")
    assert result.hypervolume > 0 and result.log_likelihood < 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"epitope": "FLBX"}, "an epitope must be letters of .*, but got 'FLBX'; mend B, X"),
        ({"epitope": ""}, "an epitope must be letters"),
        ({"weight": 0.01}, r"weight must be in \[0.05, 1\] for poea"),
        ({"pool": 100}, "pool must hold two batches of 64 pairs, but got pool = 100"),
        ({"policy": "nowhere"}, "policy must be 'uniform' or a folder with pytorch_model.bin, config.json and vocab.txt"),
    ],
)
def test_bad_params_are_told(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        row(**given)


def test_wrong_weights_and_code_are_refused(folder: Path) -> None:
    weights = torch.load(folder / "pytorch_model.bin", weights_only=True)
    torch.save({**weights, "transformer.wpe.weight": torch.zeros(3, 16)}, folder / "pytorch_model.bin")
    with pytest.raises(
        ValueError, match=r"'wpe.weight' must have the shape \(160, 16\) that config.json says, but has \(3, 16\)"
    ):
        language.read(str(folder))
    torch.save({"wte.weight": Path("code")}, folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="must hold tensors alone, but holds something else"):
        language.read(str(folder))
    torch.save(weights, folder / "pytorch_model.bin")
    (folder / "vocab.txt").write_text("[PAD]\n")
    with pytest.raises(ValueError, match=r"vocab\.txt must have"):
        language.read(str(folder))
