"""The claims of ndlinear_accuracy on planted trainings: none where both arms are dense, `structure` where axes have some."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from orchestrator.claims import judge_rows
from orchestrator.spec import parse
from tests.mutants.planted import ROOT, Function, Planted, measured, planted
from workloads.ndlinear.maths import dial, layer
from workloads.ndlinear.maths.network import Network
from workloads.shared.training.ensemble import Stack

OF_DENSE = "permuting_leaves_dense_alone"
"""The one claim of a dense layer alone, which is as true of two."""


@dataclass(frozen=True)
class OtherDense(Network):
    """A dense network that begins with other numbers than one of the same seed."""

    def initial(self, generator: torch.Generator) -> Stack:
        """The second that the generator gives."""
        super().initial(generator)
        return super().initial(generator)


def dense_under_all_names(right: Function) -> Function:
    """Dense networks, whatever the layer's name; those that are not called dense begin with other numbers."""

    def of_budget(shape: layer.Sizes, kind: str, terms: int, outputs: int, budget: int) -> Network:
        dense = right(shape, "dense", terms, outputs, budget)
        return dense if kind == "dense" else OtherDense(shape, "dense", terms, dense.width, outputs)

    return of_budget


def verdicts(folder: Path, size: dict[str, Any], text: str, wrong: Planted | None = None) -> dict[str, str]:
    """The words of all claims once the sweep file's text is measured at that size."""
    raw = yaml.safe_load(text)
    spec = parse(yaml.safe_dump({**raw, "sizes": {"cut": size}}), "ndlinear_accuracy", "cut")
    with planted(wrong):
        stored = measured(spec, folder)
    return {
        claim.id: verdict.verdict
        for claim, verdict in zip(spec.claims, judge_rows(spec, stored.rows, stored.fields), strict=True)
    }


def shipped() -> str:
    """The text of the sweep file."""
    return (ROOT / "sweeps" / "ndlinear_accuracy.yaml").read_text()


@pytest.mark.slow
def test_dense_against_dense_supports_no_claim(tmp_path: Path) -> None:
    size = {"seeds": 12, "fixed": {"steps": 120}, "arms": {name: {"axes": {"budget": [985]}} for name in ("nd", "dense")}}
    words = verdicts(
        tmp_path, size, shipped(), Planted("dense", "workloads.ndlinear.maths.network.of_budget", dense_under_all_names)
    )
    assert {claim for claim, word in words.items() if word == "supported"} <= {OF_DENSE}, words


def table(folder: Path, in_place: bool) -> str:
    """A CSV of 6 x 6 inputs whose class is the sign of a sum of units of a product; their places shuffled unless in place."""
    draw = torch.Generator().manual_seed(0)
    rows, columns = (dial.unit(3, 6, generator=draw) for _ in range(2))
    directions = torch.einsum("ai,bj->abij", rows, columns).reshape(9, 36)
    x = torch.randn(2500, 36, generator=draw, dtype=torch.float64)
    signs = dial.ridges(directions, torch.randn(9, generator=draw, dtype=torch.float64), x) > 0
    x = x if in_place else x[:, torch.randperm(36, generator=draw)]
    path = folder / f"table_{in_place}.csv"
    lines = np.column_stack([x.numpy(), signs.numpy()])
    np.savetxt(path, lines, delimiter=",", header=",".join([*(f"x{k}" for k in range(36)), "label"]), comments="", fmt="%.6g")
    return str(path)


@pytest.mark.slow
@pytest.mark.parametrize("in_place", [True, False])
def test_planted_structure_is_seen_and_gone_when_permuted(tmp_path: Path, in_place: bool) -> None:
    path = table(tmp_path, in_place)
    arms: dict[str, Any] = {name: {"fixed": {"n_train": 1500}, "axes": {"budget": [400]}} for name in ("nd", "dense")}
    gone = ("dial_nd", "dial_sum", "dial_dense", "cancer_nd", "cancer_dense")
    raw = yaml.safe_load(shipped().replace("data: digits", f"data: {path}").replace("data = 'digits'", f"data = '{path}'"))
    raw["claims"] = [claim for claim in raw["claims"] if claim["id"] in ("structure", "permuting_hurts_it")]
    raw["figures"] = []
    words = verdicts(tmp_path / "store", {"seeds": 12, "arms": {**arms, **dict.fromkeys(gone)}}, yaml.safe_dump(raw))
    assert {claim: word == "supported" for claim, word in words.items()} == dict.fromkeys(words, in_place), words
