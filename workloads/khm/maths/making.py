"""Turns a recipe and the random streams of many points into their codes, all points in one batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from workloads.khm.maths import search
from workloads.shared.hopfield import known_codes, separation

Streams = Callable[[str], Generator]

FREE = ("annealed", "ce", "known", "random")
MAPS = ("linear", "uhop", "uhop_plus")
METHODS = (*FREE, *MAPS)
ITERATIONS = {"annealed": 2000, "ce": 2000, "linear": 2000, "uhop": 100, "uhop_plus": 20}
VARIANTS = {"uhop": ("average", "max"), "uhop_plus": ("published", "shipped")}
# Inner products of one block of a batch: what stays in a core's cache, and what fits a GPU (1 GiB in float64).
BLOCK = {"cpu": 1 << 18, "cuda": 1 << 27}


@dataclass(frozen=True)
class Recipe:
    """How codes of m memories are made; d is the dimension of the data, `feature_dim` that of the features (None: d).

    Free methods place memories in feature space itself; maps take random unit memories in R^d there, linearly.
    """

    method: str
    d: int
    m: int
    feature_dim: int | None = None
    restarts: int = 8
    iterations: int | None = None
    variant: str | None = None
    bias: bool = False

    @property
    def features(self) -> int:
        """The dimension D of the feature space."""
        return self.d if self.feature_dim is None else self.feature_dim

    @property
    def dimension(self) -> int:
        """The dimension of the space that the code spans at most: a linear map of R^d reaches d, one with a bias d + 1."""
        return min(self.d + int(self.bias), self.features) if self.method in MAPS else self.features

    @property
    def steps(self) -> int:
        """Steps of the search; 0 for a method without one."""
        return ITERATIONS.get(self.method, 0) if self.iterations is None else self.iterations

    @property
    def tries(self) -> int:
        """Codes made per point: restarts of a search, draws of random memories; methods as published are run once."""
        return self.restarts if self.method in ("annealed", "ce", "linear", "random") else 1

    def check(self) -> None:
        """Nothing; ValueError where no such code can be made, with what to change."""
        _least(("d", self.d, 2), ("feature_dim", self.features, 2), ("m", self.m, 2), ("restarts", self.restarts, 1))
        _least(("iterations", self.steps, 0))
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(sorted(METHODS))}, but got {self.method!r}; choose one.")
        if self.variant is not None and self.variant not in VARIANTS.get(self.method, ()):
            choices = ", ".join(VARIANTS.get(self.method, ())) or "left out"
            raise ValueError(f"variant of method {self.method!r} must be {choices}, but got {self.variant!r}; change it.")
        if self.method in ("random", "uhop") and self.features != self.d:
            raise ValueError(
                f"feature_dim of method {self.method!r} must be d = {self.d}, but got {self.features}; leave it out."
            )
        if self.bias and self.method not in ("linear", "uhop_plus"):
            raise ValueError(
                f"bias must be false for method {self.method!r}, but got true; only linear and uhop_plus have one."
            )
        if self.method == "known" and known_codes.known_code(self.features, self.m) is None:
            raise ValueError(
                f"method 'known' must have coordinates of m = {self.m} in d = {self.features}, but has none; "
                f"beside m <= 2 d and d = 2 it has {', '.join(f'({d}, {m})' for d, m in sorted(known_codes.CODES))}."
            )


def deltas(recipe: Recipe, streams: Sequence[Streams], device: str = "cpu") -> Tensor:
    """The separation of every code made, (points, tries), on the CPU; codes are dropped as soon as they are measured."""
    return torch.cat([least(part) for part in codes_of(recipe, streams, device)]).view(len(streams), -1).cpu()


def raw_deltas(recipe: Recipe, streams: Sequence[Streams]) -> Tensor:
    """The separation of the random unit memories that a map starts from, (points,)."""
    recipe.check()
    size = max(1, BLOCK["cpu"] // recipe.m**2)
    return torch.cat([least(_memories(recipe, streams[k : k + size])) for k in range(0, len(streams), size)])


def codes_of(recipe: Recipe, streams: Sequence[Streams], device: str = "cpu") -> Iterator[Tensor]:
    """The codes (part, m, D), points outermost and tries innermost, in parts that fit into memory."""
    recipe.check()
    size = max(1, BLOCK["cpu" if device == "cpu" else "cuda"] // recipe.m**2)
    if recipe.method == "known":
        code = known_codes.known_code(recipe.features, recipe.m)
        assert code is not None
        yield from (code.to(device).unsqueeze(0) for _ in streams)
        return
    points = max(1, size // recipe.tries)
    for first in range(0, len(streams), points):
        block = streams[first : first + points]
        memories, starts = _memories(recipe, block).to(device), _starts(recipe, block).to(device)
        # Members are independent, so a batch of points and tries may be cut anywhere.
        for part in torch.arange(len(block) * recipe.tries, device=device).split(size):
            yield _code(recipe, memories[part // recipe.tries], starts[part])


def least(codes: Tensor) -> Tensor:
    """The separation of each code of a batch (batch, m, D), blocked where one Gram matrix is too large."""
    if codes.shape[1] ** 2 <= separation.BLOCK:
        return separation.delta(codes)
    return torch.tensor([separation.delta_blocked(code) for code in codes], dtype=codes.dtype)


def best_code(recipe: Recipe, streams: Streams, device: str = "cpu") -> Tensor:
    """The best of the codes made for one point, (m, D); of random memories the first."""
    codes = torch.cat(list(codes_of(recipe, [streams], device)))
    return codes[0] if recipe.method == "random" else codes[least(codes).argmax()]


def _memories(recipe: Recipe, streams: Sequence[Streams]) -> Tensor:
    """Random unit memories (points, m, d): one stream for all methods, so that arms share their data."""
    shape = (recipe.m, recipe.d)
    return separation.normalise(torch.stack([_normal(stream("memories"), shape) for stream in streams]))


def _starts(recipe: Recipe, streams: Sequence[Streams]) -> Tensor:
    """What the search starts from, one for each try: codes (points x tries, m, D), or maps (points x tries, d, D)."""
    shapes = {"annealed": recipe.m, "ce": recipe.m, "random": recipe.m, "linear": recipe.d + recipe.bias, "uhop": recipe.d}
    if recipe.method in shapes:
        shape = (recipe.tries, shapes[recipe.method], recipe.features)
        starts = torch.stack([_normal(stream("start"), shape) for stream in streams])
        if recipe.method == "random":
            starts = separation.normalise(starts)
            starts[:, 0] = _memories(recipe, streams)
        return starts.flatten(0, 1)
    if recipe.method == "uhop_plus":
        return torch.stack([kaiming(stream("start"), recipe.d, recipe.features, recipe.bias) for stream in streams])
    return torch.zeros(len(streams), 0)


def _code(recipe: Recipe, memories: Tensor, start: Tensor) -> Tensor:
    """The unit codes (batch, m, D) that the method makes of memories (batch, m, d) and its starts."""
    if recipe.method == "random":
        return start
    if recipe.method == "annealed":
        return search.anneal(start, search.Annealing(steps=recipe.steps))
    if recipe.method == "ce":
        return search.anneal(start, search.Annealing(steps=recipe.steps, slow=0.005, last=0.005), search.separation_pull)
    inputs = with_bias(memories) if recipe.bias else memories
    return separation.normalise(separation.even(inputs) @ separation.even(_map(recipe, inputs, start), 1))


def _map(recipe: Recipe, inputs: Tensor, start: Tensor) -> Tensor:
    """The trained linear map (batch, d, D)."""
    if recipe.method == "linear":
        return search.train_map(inputs, start, search.Annealing(steps=recipe.steps).rates(), search.lse_pull)
    if recipe.method == "uhop":
        return search.uhop(inputs, start, recipe.steps, recipe.variant or "average")
    return search.uhop_plus(inputs, start, recipe.steps, shipped=recipe.variant == "shipped")


def with_bias(memories: Tensor) -> Tensor:
    """The memories with a column of ones, (..., m, d + 1): an affine map of R^d is a linear one of these."""
    return torch.cat([memories, torch.ones_like(memories[..., :1])], dim=-1)


def kaiming(generator: Generator, d: int, features: int, bias: bool) -> Tensor:
    """The start of a linear layer, uniform in +-1 / sqrt(d), (d, D); with a bias one row more."""
    shape = (d + int(bias), features)
    return (2.0 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1.0) / d**0.5


def _normal(generator: Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def _least(*params: tuple[str, int, int]) -> None:
    for name, value, least in params:
        if value < least:
            raise ValueError(f"{name} must be at least {least}, but got {value}; raise it.")
