"""An antibody language model of a user's own folder, as a plain GPT-2: weights are read, no code of the folder is run.

The format is IgLM's (Shuai et al. 2023): `pytorch_model.bin`, `config.json`, and `vocab.txt` there or in the folder above. The
licence of IgLM's own weights is academic and non-commercial, so they are no part of this and of no dependency.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from workloads.alignab.maths.contacts import RESIDUES

LEFT = "EVQLVESGGGLVQPGGSLRLSCAASGFTFSSYAMSWVRQAPGKGLEWVSAISGSGGSTYYADSVKGRFTISRDNSKNTLYLQMNSLRAEDTAVYYC"
RIGHT = "WGQGTLVTVSS"
"""The human germline IGHV3-23 before, and the end of IGHJ4 behind, the third loop of a heavy chain."""
PROMPT = ("[HEAVY]", "[HUMAN]")
BLOCK = {
    "ln_1.weight": "w", "ln_1.bias": "w", "attn.c_attn.weight": "w,3w", "attn.c_attn.bias": "3w", "attn.c_proj.weight": "w,w",
    "attn.c_proj.bias": "w", "ln_2.weight": "w", "ln_2.bias": "w", "mlp.c_fc.weight": "w,f", "mlp.c_fc.bias": "f",
    "mlp.c_proj.weight": "f,w", "mlp.c_proj.bias": "w",
}  # fmt: skip


@dataclass(frozen=True)
class Model:
    """Weights by name, heads, and the token of each word of the vocabulary."""

    weights: Mapping[str, Tensor]
    heads: int
    layers: int
    tokens: Mapping[str, int]

    @property
    def residues(self) -> Tensor:
        """Tokens (20,) of the residues, in the order of RESIDUES."""
        return torch.tensor([self.tokens[letter] for letter in RESIDUES])

    @property
    def prompt(self) -> Tensor:
        """What stands before an infill: chain, species, the frame with a mask for the loop, and the sign that it ends."""
        return torch.tensor([self.tokens[word] for word in (*PROMPT, *LEFT, "[MASK]", *RIGHT, "[SEP]")])


def read(folder: str) -> Model:
    """The model of a folder; ValueError for one without weights, of other shapes, or with more than tensors inside."""
    directory = Path(folder)
    names = ("pytorch_model.bin", "config.json")
    missing = [name for name in names if not (directory / name).is_file()]
    vocabulary = next((path for path in (directory / "vocab.txt", directory.parent / "vocab.txt") if path.is_file()), None)
    if missing or vocabulary is None:
        raise ValueError(
            f"policy must be 'uniform' or a folder with {', '.join(names)} and vocab.txt, but {directory} lacks one."
        )
    try:
        weights = torch.load(directory / names[0], weights_only=True, map_location="cpu")
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise ValueError(
            f"{directory / names[0]} must hold tensors alone, but holds something else; take another file."
        ) from error
    config = json.loads((directory / names[1]).read_text())
    tokens = {word: at for at, word in enumerate(vocabulary.read_text().split("\n")) if word}
    weights = {name.removeprefix("transformer."): part.float() for name, part in weights.items() if isinstance(part, Tensor)}
    shapes = _shapes(config)
    _check(weights, shapes, tokens, directory)
    return Model({name: weights[name] for name in shapes}, int(config["n_head"]), int(config["n_layer"]), tokens)


def logits(weights: Mapping[str, Tensor], heads: int, layers: int, tokens: Tensor) -> Tensor:
    """What comes after each token (N, L): logits (N, L, vocabulary)."""
    x = weights["wte.weight"][tokens] + weights["wpe.weight"][: tokens.shape[1]]
    for layer in range(layers):
        part = {name: weights[f"h.{layer}.{name}"] for name in BLOCK}
        mixed = _normed(x, part, "ln_1") @ part["attn.c_attn.weight"] + part["attn.c_attn.bias"]
        queries, keys, values = (each.unflatten(-1, (heads, -1)).transpose(1, 2) for each in mixed.chunk(3, -1))
        attended = F.scaled_dot_product_attention(queries, keys, values, is_causal=True).transpose(1, 2).flatten(2)
        x = x + attended @ part["attn.c_proj.weight"] + part["attn.c_proj.bias"]
        wide = F.gelu(_normed(x, part, "ln_2") @ part["mlp.c_fc.weight"] + part["mlp.c_fc.bias"], approximate="tanh")
        x = x + wide @ part["mlp.c_proj.weight"] + part["mlp.c_proj.bias"]
    return _normed(x, weights, "ln_f") @ weights["wte.weight"].T


def _normed(x: Tensor, part: Mapping[str, Tensor], name: str) -> Tensor:
    return F.layer_norm(x, x.shape[-1:], part[f"{name}.weight"], part[f"{name}.bias"])


def _shapes(config: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor that the model is made of; buffers and what is tied to others are left out."""
    width, wide = config["n_embd"], config.get("n_inner") or 4 * config["n_embd"]
    sizes = {"w": width, "3w": 3 * width, "f": wide}
    shapes: dict[str, tuple[int, ...]] = {
        "wte.weight": (config["vocab_size"], width), "wpe.weight": (config["n_positions"], width),
        "ln_f.weight": (width,), "ln_f.bias": (width,),
    }  # fmt: skip
    for layer in range(config["n_layer"]):
        shapes |= {f"h.{layer}.{name}": tuple(sizes[size] for size in text.split(",")) for name, text in BLOCK.items()}
    return shapes


def _check(
    weights: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], tokens: Mapping[str, int], directory: Path
) -> None:
    """Refuse weights of other shapes, and a vocabulary without the words of a prompt."""
    for name, shape in shapes.items():
        came = tuple(weights[name].shape) if name in weights else "none"
        if came != shape:
            raise ValueError(f"{directory}: '{name}' must have the shape {shape} that config.json says, but has {came}.")
    lacking = {*PROMPT, "[MASK]", "[SEP]", *RESIDUES} - {*tokens}
    if lacking:
        raise ValueError(f"{directory}: vocab.txt must have {', '.join(sorted(lacking))}, but has not; take another model.")
