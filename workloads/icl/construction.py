"""How far the weights that a constructed transformer arrives at are from those of gradient descent.

Source: arXiv:2411.16549 (an explicit construction of a (2N+4)L-layer transformer that simulates L steps of an N-layer network).
What the paper builds with softmax attention, 4L layers by universal approximation, has no explicit weights and is not built.
Symbols: N = layers of the network · K = width · n = examples · L = steps · k = slope of the ramp · M = pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch
from torch import Tensor

from workloads.icl.maths import activations, construct, descent, problems
from workloads.icl.maths.activations import ACTIVATIONS, ReluSum
from workloads.icl.maths.construct import Construction
from workloads.icl.maths.descent import Weights
from workloads.icl.maths.problems import Problem
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
PRECISIONS = {"float32": torch.float32, "float64": torch.float64}
MOST = 1 << 28
"""Numbers of one layer above which tokens that hold everything are refused."""
AT_ONCE = 1 << 24
"""Numbers of one layer up to which problems are built together."""


@dataclass(frozen=True)
class Params:
    """A network to be trained, and the transformer that trains it."""

    depth: Annotated[int, "layers N of the network that is trained", {"shape": True, "at_least": 1}] = 2
    width: Annotated[int, "units K of each of its layers but the last", {"shape": True, "at_least": 1}] = 4
    dim: Annotated[int, "inputs d", {"shape": True, "at_least": 1}] = 3
    outputs: Annotated[int, "units of the last layer, at most width", {"shape": True, "at_least": 1}] = 1
    examples: Annotated[int, "examples n in the context", {"shape": True, "at_least": 1}] = 10
    steps: Annotated[int, "steps L of gradient descent", {"shape": True, "at_least": 1}] = 5
    rate: Annotated[float, "learning rate", {"above": 0}] = 0.1
    box: Annotated[float, "weights are projected onto [-box, box]", {"above": 0}] = 10.0
    ramp: Annotated[float, "slope k of the ramp that stands for the derivative of ReLU", {"above": 0}] = 1e6
    ramp_form: Annotated[
        Literal["shifted", "centred"], "shifted, relu(kt) - relu(kt - 1) | centred, from -1/2k to 1/2k", {"shape": True}
    ] = "shifted"
    activation: Annotated[
        Literal["relu", "sigmoid", "tanh", "softplus", "gelu"],
        "of every layer of the network; smooth ones, and their derivatives, are approximated by pieces",
        {"shape": True},
    ] = "relu"
    pieces: Annotated[int, "linear pieces M on [-8, 8] of a smooth activation", {"shape": True, "at_least": 2}] = 64
    problem: Annotated[
        Literal["random", "sines", "dyadic"],
        "random (weights, inputs and a teacher's targets) | sines (a formula's) | dyadic (exact in binary)",
        {"shape": True},
    ] = "random"
    tokens: Annotated[
        Literal["literal", "collapsed"],
        "literal (every token holds the weights, attention runs over all pairs) | collapsed (the same numbers once)",
        {"shape": True},
    ] = "collapsed"
    precision: Annotated[Literal["float64", "float32"], "floating type of both", {"shape": True}] = "float64"
    error_wanted: Annotated[float, "error that log_error_ratio compares with", {"above": 0}] = 1e-6


@dataclass(frozen=True)
class Result:
    """The transformer's weights beside those of gradient descent, and what the transformer consists of."""

    error_max: Annotated[float, "largest difference of any weight from gradient descent after all steps", {"finite": True}]
    error_first: Annotated[float, "the same after one step", {"finite": True}]
    log_error_ratio: Annotated[float, "log10(error_max / error_wanted)"]
    loss_first: Annotated[float, "loss of the starting weights"]
    loss_last: Annotated[float, "loss of the transformer's last weights"]
    loss_descent: Annotated[float, "loss of the last weights of gradient descent"]
    layers: Annotated[int, "layers of the transformer, counted as they are applied"]
    layers_expected: Annotated[int, "(2 depth + 4) steps", {"formula": "construct.layers_expected"}]
    heads: Annotated[int, "heads of attention in one step, all layers together"]
    token_dim: Annotated[int, "entries of a token"]
    reach_needed: Annotated[float, "largest size of a pre-activation on that path; pieces reach to 8"]
    least_active: Annotated[float, "least positive pre-activation on the path of gradient descent; infinite where none is"]
    ramp_needed: Annotated[float, "1 / least_active: a steeper shifted ramp is the derivative on the whole path"]
    ramp_share: Annotated[float, "share of the pre-activations on that path which lie between 0 and 1 / ramp"]
    query_moves: Annotated[float, "largest change of a weight when the query changes its sign and size"]


EXAMPLES = (
    Params(),
    Params(problem="dyadic", width=2, dim=2, examples=4, steps=3),
    Params(problem="sines", tokens="literal"),
    Params(depth=1, width=2, outputs=2, ramp=100.0),
    Params(depth=3, activation="tanh", pieces=32),
    Params(depth=3, activation="gelu", pieces=8, ramp_form="centred", steps=2, box=2.5),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, list[Any]]]:
    """Columns for every point; seeds of one point are problems of one tensor."""
    for p in params:
        check(p)
    for p, indices in packs.groups(params, lambda p: p):
        for part in packs.chunks(indices, AT_ONCE // (layer_numbers(p) * 2)):
            # A lone matrix product sums in another order than one of several, so no problem is measured by itself.
            together = [ctxs[i] for i in part] + [ctxs[part[0]]] * (len(part) == 1)
            columns = {name: values[: len(part)] for name, values in _measure(p, together).items()}
            yield {"index": part, "step": [0] * len(part), **columns}


def check(p: Params) -> None:
    """Refuse params that contradict each other."""
    if p.outputs > p.width:
        raise ValueError(
            f"outputs must be at most width, for the targets are compared with the last of layers that wide, but got outputs = "
            f"{p.outputs} at width = {p.width}; raise width."
        )
    wrong = {name: size for name, size in problems.DYADIC.items() if getattr(p, name) != size}
    if p.problem == "dyadic" and wrong:
        raise ValueError(
            f"problem: dyadic has sizes of its own, but got {', '.join(f'{name} = {getattr(p, name)}' for name in wrong)}; "
            f"write {', '.join(f'{name}: {size}' for name, size in wrong.items())}, or problem: sines."
        )
    numbers = layer_numbers(p)
    if p.tokens == "literal" and numbers > MOST:
        raise ValueError(
            f"a layer of literal tokens may hold at most 2^28 = {MOST} numbers, but examples = {p.examples} with depth = "
            f"{p.depth} and width = {p.width} need {numbers}; write tokens: collapsed, which gives the same."
        )


def layer_numbers(p: Params) -> int:
    """Numbers that the largest attention layer holds for one problem: scores of all heads, and the keys of literal tokens."""
    sizes = problems.layer_sizes(p, p.outputs)
    units, heads = sum(sizes[1:]), 2 if p.activation == "relu" else p.pieces + 1
    tokens = p.examples + 1
    return tokens * units * (tokens * heads + max(sizes)) if p.tokens == "literal" else tokens * units * (heads + max(sizes))


def sums(p: Params, like: Tensor) -> tuple[ReluSum, ReluSum]:
    """The sums of ReLUs that stand for the activation and for its derivative."""
    if p.activation == "relu":
        return activations.relu_sum([(1.0, 0.0, 1.0)], like), activations.ramp(p.ramp, p.ramp_form, like)
    smooth = ACTIVATIONS[p.activation]
    value, slope = (activations.interpolant(f, p.pieces, activations.REACH, like) for f in (smooth.value, smooth.slope))
    return value, slope


def build(p: Params, like: Tensor) -> Construction:
    """The transformer of these params."""
    slots = construct.Slots(problems.layer_sizes(p, p.outputs), like.device)
    return Construction(slots, construct.layers_of_a_step(slots, *sums(p, like), p.rate, p.box))


def start(p: Params, ctxs: Sequence[Context]) -> Problem:
    """The problems of some contexts; a weight outside of the box is refused."""
    like = torch.empty(0, dtype=PRECISIONS[p.precision], device=ctxs[0].device)
    task = problems.build(p.problem, p, p.outputs, p.activation, ctxs).to(like)
    largest = max(float(weight.abs().max()) for weight in task.weights)
    if largest > p.box:
        raise ValueError(f"starting weights must lie in the box, but one is {largest:.4g} at box = {p.box}; raise box.")
    return task


@dataclass(frozen=True)
class Trace:
    """What a transformer did: the weights after its first and its last step, and the layers that it applied."""

    first: Weights
    last: Weights
    layers: int


def applied(p: Params, built: Construction, task: Problem, query: Tensor) -> Trace:
    """The transformer, all its steps one after the other, on tokens of the task's examples and a query."""
    tokens = built.tokens(task.weights, task.x, task.y, query, literal=p.tokens == "literal")
    layers, first = 0, task.weights
    for step in range(p.steps):
        layers += built.step(tokens)
        first = built.weights(tokens) if step == 0 else first
    return Trace(first, built.weights(tokens), layers)


def _measure(p: Params, ctxs: Sequence[Context]) -> dict[str, list[Any]]:
    task, activation = start(p, ctxs), ACTIVATIONS[p.activation]
    built = build(p, task.x)
    trace, other = (applied(p, built, task, query) for query in (task.query, 1.0 - 3.0 * task.query))
    path = descent.descend(task.weights, task.x, task.y, activation, rate=p.rate, box=p.box, steps=p.steps, width=1.0 / p.ramp)
    error = descent.largest_difference(trace.last, path.last)
    losses = {"loss_first": task.weights, "loss_last": trace.last, "loss_descent": path.last}
    measured = {name: descent.loss(weights, task.x, task.y, activation) for name, weights in losses.items()}
    measured |= {
        "error_max": error,
        "error_first": descent.largest_difference(trace.first, path.first),
        "reach_needed": path.reach,
        "least_active": path.least_active,
        "ramp_needed": 1.0 / path.least_active,
        "ramp_share": path.within,
        "query_moves": descent.largest_difference(trace.last, other.last),
    }
    columns: dict[str, list[Any]] = {name: values.double().tolist() for name, values in measured.items()}
    columns["log_error_ratio"] = [math.log10(max(e, 1e-300) / p.error_wanted) for e in columns["error_max"]]
    counts = {
        "layers": trace.layers,
        "layers_expected": construct.layers_expected(p.depth, p.steps),
        "heads": built.heads,
        "token_dim": built.slots.count,
    }
    return columns | {name: [count] * len(ctxs) for name, count in counts.items()}
