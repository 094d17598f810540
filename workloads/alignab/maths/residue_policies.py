"""Policies over residues alone, a table of independent positions or a language model that fills in a loop; their alignment.

A policy's parameters are a mapping of tensors; what it samples and how probable a design is are functions of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from workloads.alignab.maths import alignment, language, preference
from workloads.alignab.maths.contacts import RESIDUES

Parameters = Mapping[str, Tensor]
PAIRS = 64


class Policy(Protocol):
    """What alignment asks of a policy."""

    @property
    def rate(self) -> float:
        """Its learning rate."""

    @property
    def begin(self) -> Parameters:
        """Its parameters before alignment."""

    def sample(self, parameters: Parameters, count: int, generator: torch.Generator) -> Tensor:
        """Designs (count, positions)."""

    def log_prob(self, parameters: Parameters, designs: Tensor) -> Tensor:
        """ln of the probability of each design (N, positions)."""


@dataclass(frozen=True)
class Table:
    """Independent positions, each with logits of its own; uniform at first."""

    positions: int
    rate: float = 0.02

    @property
    def begin(self) -> Parameters:
        """No preference."""
        return {"logits": torch.zeros(self.positions, len(RESIDUES))}

    def sample(self, parameters: Parameters, count: int, generator: torch.Generator) -> Tensor:
        """Designs (count, positions)."""
        return torch.multinomial(parameters["logits"].softmax(-1), count, replacement=True, generator=generator).T

    def log_prob(self, parameters: Parameters, designs: Tensor) -> Tensor:
        """ln of the probability of each design (N, positions)."""
        logs = parameters["logits"].log_softmax(-1).expand(len(designs), -1, -1)
        return logs.gather(-1, designs[..., None])[..., 0].sum(-1)


@dataclass(frozen=True)
class Infill:
    """A language model that fills in a loop of so many residues, residue by residue, and nothing but residues."""

    model: language.Model
    positions: int
    rate: float = 1e-4

    @property
    def begin(self) -> Parameters:
        """The model as it came."""
        return self.model.weights

    def sample(self, parameters: Parameters, count: int, generator: torch.Generator) -> Tensor:
        """Designs (count, positions)."""
        designs = torch.zeros(count, 0, dtype=torch.long)
        for _ in range(self.positions):
            law = self._logs(parameters, designs)[:, -1].exp()
            designs = torch.cat([designs, torch.multinomial(law, 1, generator=generator)], 1)
        return designs

    def log_prob(self, parameters: Parameters, designs: Tensor) -> Tensor:
        """ln of the probability of each design (N, positions)."""
        logs = self._logs(parameters, designs[:, :-1])
        return logs.gather(-1, designs[..., None])[..., 0].sum(-1)

    def _logs(self, parameters: Parameters, designs: Tensor) -> Tensor:
        """ln of the probabilities (N, L + 1, 20) of what follows the prompt and each residue."""
        prompt, residues = self.model.prompt, self.model.residues
        tokens = torch.cat([prompt.expand(len(designs), -1), residues[designs]], 1)
        whole = language.logits(parameters, self.model.heads, self.model.layers, tokens)
        return whole[:, len(prompt) - 1 :, residues].log_softmax(-1)


def policy(name: str, positions: int) -> Policy:
    """`uniform`, or the language model of a folder."""
    return Table(positions) if name == "uniform" else Infill(language.read(name), positions)


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How a policy is aligned: energies (positions, 20) of options, rounds, steps in all, weights of label and margin."""

    att: Tensor
    rep: Tensor
    rounds: int
    steps: int
    pool: int
    beta: float
    label_weight: float
    margin_weight: float

    def energies(self, designs: Tensor) -> tuple[Tensor, Tensor]:
        """Both energies (N,) of designs (N, positions)."""
        places = torch.arange(designs.shape[1])
        return self.att[places, designs].sum(-1), self.rep[places, designs].sum(-1)


def align(policy: Policy, rules: Rules, generator: torch.Generator) -> Parameters:
    """The parameters after all rounds, each of which is tied to the policy at its begin."""
    current = {name: part.clone() for name, part in policy.begin.items()}
    optimiser = torch.optim.Adam([part.requires_grad_() for part in current.values()], lr=policy.rate)
    done = 0
    for number in range(rules.rounds):
        anchor = {name: part.detach().clone() for name, part in current.items()}
        with torch.no_grad():
            pool = policy.sample(anchor, rules.pool, generator)
            before = policy.log_prob(anchor, pool)
        att, rep = (energy[0] for energy in alignment.normalised(*(energy[None] for energy in rules.energies(pool))))
        until = rules.steps * (number + 1) // rules.rounds
        for _ in range(done, until):
            first, second = torch.randint(rules.pool, (2, PAIRS), generator=generator)
            ratio = policy.log_prob(current, pool[torch.cat([first, second])]) - before[torch.cat([first, second])]
            z = preference.margin(
                rules.beta * (ratio[:PAIRS] - ratio[PAIRS:]), -(rep[first] - rep[second]), rules.margin_weight
            )
            labelled = rules.label_weight * att + (1 - rules.label_weight) * rep
            loss = preference.loss(z, alignment.labels(labelled[second] - labelled[first], None)).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        done = until
    return {name: part.detach() for name, part in current.items()}
