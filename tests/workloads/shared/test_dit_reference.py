"""The diffusion transformer of Peebles and Xie 2023 as a formula and a module: parameters, products, silence at the start."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

# depth, width, heads; parameters and billions of multiplications at 256 pixels, that is 32 x 32 latent ones in patches of 2.
SIZES = {
    "S/2": (12, 384, 6, 32_865_056, 6.06),
    "B/2": (12, 768, 12, 130_315_808, 23.01),
    "L/2": (24, 1024, 16, 457_840_672, 80.70),
    "XL/2": (28, 1152, 16, 674_834_720, 118.62),
}


def parameters(depth: int, w: int, patch: int = 2, channels: int = 4, classes: int = 1000, features: int = 256) -> int:
    """Numbers learnt; positions are fixed. A block: 4 maps of attention, 2 four times as wide, 6 of the condition."""
    block = 18 * w**2 + 15 * w
    ends = (patch**2 * channels + 1) * w + (2 * patch**2 * channels) * (w + 1) + 2 * w * (w + 1)
    return depth * block + ends + (features + 1) * w + w * (w + 1) + (classes + 1) * w


class Block(nn.Module):
    """Attention and a wide layer, each scaled, shifted and gated by the condition; gates start at zero."""

    def __init__(self, w: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(w, 3 * w), nn.Linear(w, w)
        self.up, self.down = nn.Linear(w, 4 * w), nn.Linear(4 * w, w)
        self.condition = nn.Linear(w, 6 * w)
        self.norm = nn.LayerNorm(w, elementwise_affine=False)
        nn.init.zeros_(self.condition.weight)
        nn.init.zeros_(self.condition.bias)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """The tokens after the block."""
        shift, scale, gate, shift2, scale2, gate2 = self.condition(nn.functional.silu(c)).unsqueeze(1).chunk(6, -1)
        q, k, v = self.qkv(self.norm(x) * (1 + scale) + shift).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        mixed = torch.softmax(q @ k.mT / q.shape[-1] ** 0.5, -1) @ v
        x = x + gate * self.out(mixed.transpose(1, 2).flatten(2))
        return x + gate2 * self.down(nn.functional.gelu(self.up(self.norm(x) * (1 + scale2) + shift2)))


class Reference(nn.Module):
    """Patches of a 4-channel image, a time and a label to 8 channels a pixel; the last layer starts at zero."""

    def __init__(self, depth: int, w: int, heads: int, classes: int = 1000) -> None:
        super().__init__()
        self.patches, self.label = nn.Linear(16, w), nn.Embedding(classes + 1, w)
        self.time = nn.Sequential(nn.Linear(256, w), nn.SiLU(), nn.Linear(w, w))
        self.blocks = nn.ModuleList([Block(w, heads) for _ in range(depth)])
        self.norm, self.condition, self.last = nn.LayerNorm(w, elementwise_affine=False), nn.Linear(w, 2 * w), nn.Linear(w, 32)
        for layer in (self.condition, self.last):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, features: Tensor, label: Tensor) -> Tensor:
        """Predictions (images, tokens, 32) for patches (images, tokens, 16)."""
        tokens, c = self.patches(x), self.time(features) + self.label(label)
        for block in self.blocks:
            tokens = block(tokens, c)
        shift, scale = self.condition(nn.functional.silu(c)).unsqueeze(1).chunk(2, -1)
        found: Tensor = self.last(self.norm(tokens) * (1 + scale) + shift)
        return found


def on_meta(make: Callable[[], Reference]) -> Reference:
    """A module without numbers."""
    with torch.device("meta"):
        return make()


@pytest.mark.parametrize("name", SIZES)
def test_parameters_are_the_tabled_ones(name: str) -> None:
    depth, w, heads, count, _ = SIZES[name]
    made = on_meta(lambda: Reference(depth, w, heads))
    assert parameters(depth, w) == sum(p.numel() for p in made.parameters()) == count


@pytest.mark.parametrize("name", SIZES)
def test_multiplications_are_the_tabled_ones(name: str) -> None:
    depth, w, heads, _, billions = SIZES[name]
    made = on_meta(lambda: Reference(depth, w, heads))
    image = torch.empty(1, 256, 16, device="meta"), torch.empty(1, 256, device="meta"), torch.zeros(1, dtype=int, device="meta")
    with FlopCounterMode(display=False) as counted:
        made(*image)
    assert counted.get_total_flops() / 2e9 == pytest.approx(billions, abs=0.006)


def test_nothing_is_predicted_before_training() -> None:
    torch.manual_seed(0)
    made = Reference(2, 24, 3, classes=5)
    assert not bool(made(torch.randn(2, 9, 16), torch.randn(2, 256), torch.tensor([0, 4])).any())
