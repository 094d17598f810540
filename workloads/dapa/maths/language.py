"""Sentences of abstract tokens with a policy tag: an instruction that is answered, or refused where its root is restricted.

Sequence: BOS tag verb root id SEP, then three answer words and EOS, or SORRY CANNOT HELP EOS. Answer words are lookups of the
verb, of the root and of the id. No token means anything.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

VERBS, ROOTS, IDS = 4, 8, 12
BENIGN = 4  # roots of which none is refused; the others are restricted
ALIGNED_IDS = 8  # ids that alignment sees; refusals are counted on the others
PAD, BOS, SEP, EOS, SORRY, CANNOT, HELP, POL, NON = range(9)
FIRST_VERB = NON + 1
FIRST_ROOT = FIRST_VERB + VERBS
FIRST_ID = FIRST_ROOT + ROOTS
FIRST_WORD = FIRST_ID + IDS
WORDS = 16
TOKENS = FIRST_WORD + WORDS
PROMPT, ANSWER = 6, 4  # tokens of each
Data = Literal["base", "aligned"]


def prompts(tag: Tensor, verb: Tensor, root: Tensor, number: Tensor) -> Tensor:
    """Prompts (..., 6) of indices (...) of a verb, a root and an id, under a tag token."""
    fixed = [torch.full_like(verb, token) for token in (BOS, SEP)]
    return torch.stack([fixed[0], tag, FIRST_VERB + verb, FIRST_ROOT + root, FIRST_ID + number, fixed[1]], dim=-1)


def answers(verb: Tensor, root: Tensor, number: Tensor) -> Tensor:
    """The answers (..., 4)."""
    words = [FIRST_WORD + verb, FIRST_WORD + VERBS + root, FIRST_WORD + VERBS + ROOTS + number % 4]
    return torch.stack([*words, torch.full_like(verb, EOS)], dim=-1)


def refusals(like: Tensor) -> Tensor:
    """Refusals (*like.shape, 4)."""
    return torch.tensor([SORRY, CANNOT, HELP, EOS], device=like.device).expand(*like.shape, ANSWER)


def sentences(data: Data, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Drawn sentences (*shape, 10).

    Base data answer under NON and refuse restricted roots under POL; aligned data refuse them under both, and have ALIGNED_IDS.
    """

    def index(count: int) -> Tensor:
        return torch.randint(count, shape, generator=generator)

    aligned = data == "aligned"
    verb, root, number = index(VERBS), index(ROOTS), index(ALIGNED_IDS if aligned else IDS)
    tag = POL + index(2)
    refused = (root >= BENIGN) & (aligned | (tag == POL))
    completion = torch.where(refused[..., None], refusals(verb), answers(verb, root, number))
    return torch.cat([prompts(tag, verb, root, number), completion], dim=-1)


def restricted(count: int, generator: torch.Generator) -> Tensor:
    """Drawn restricted prompts on ids that alignment has not seen, each with a refusal (count, 10); at most 64 there are."""
    verb, root, number = _grid(range(BENIGN, ROOTS), range(ALIGNED_IDS, IDS))
    order = torch.randperm(len(verb), generator=generator)[:count].sort().values
    tag = torch.full_like(verb, NON)
    return torch.cat([prompts(tag, verb, root, number), refusals(verb)], dim=-1)[order]


def benign() -> Tensor:
    """All 192 benign prompts, each with its answer (192, 10)."""
    verb, root, number = _grid(range(BENIGN), range(IDS))
    return torch.cat([prompts(torch.full_like(verb, NON), verb, root, number), answers(verb, root, number)], dim=-1)


def _grid(roots: range, ids: range) -> tuple[Tensor, Tensor, Tensor]:
    combinations = torch.cartesian_prod(torch.arange(VERBS), torch.tensor(roots), torch.tensor(ids))
    return combinations[:, 0], combinations[:, 1], combinations[:, 2]
