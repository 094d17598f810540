"""How well networks whose hidden layer works mode by mode learn, beside dense and low-rank ones of as many parameters.

Source: arXiv:2503.17353; equal parameters, repeated seeds and permuted inputs are ours. One hidden layer, ReLU, dense head,
Adam with a rate that falls along a cosine, first weights as torch.nn.Linear has them.
Symbols: w = width of the hidden layer, of each of the first two modes of nd · r = terms · alpha = entangled share of the dial.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import torch
from torch import Tensor

from workloads.ndlinear.maths import dial, network, pictures, training
from workloads.ndlinear.maths.network import Kind, Network
from workloads.ndlinear.maths.training import Columns, Examples, Study, Values

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
STEPS = "steps"
TOLERANCE = 1e-3  # float32, and stacks of other sizes round otherwise, which steps amplify


@dataclass(frozen=True)
class Params:
    """Data, a network, and how it is trained."""

    data: Annotated[
        str,
        "digits | breast_cancer | dial | a folder of CIFAR-10's python batches | a CSV with a column label",
        {"shape": True},
    ]
    layer: Annotated[Kind, "hidden layer: nd | nd_sum (of terms) | dense | lowrank (of rank terms)", {"shape": True}]
    budget: Annotated[int, "parameters; the width is the one whose count comes nearest", {"shape": True, "at_least": 1}]
    terms: Annotated[int, "products of nd_sum, or rank of lowrank", {"shape": True, "at_least": 1}] = 2
    permute: Annotated[bool, "whether the inputs' places are permuted, by one permutation a seed"] = False
    n_train: Annotated[int, "training examples", {"shape": True, "at_least": 1}] = 1400
    alpha: Annotated[float, "entangled share of the dial's target", {"at_least": 0, "at_most": 1}] = 0.0
    steps: Annotated[int, "steps of Adam", {"shape": True, "at_least": 1}] = 300
    batch: Annotated[int, "examples a step, drawn with replacement", {"shape": True, "at_least": 1}] = 64
    learning_rate: Annotated[float, "the first rate of Adam", {"above": 0}] = 0.01
    every: Annotated[int, "steps between two rows; 0 for the last alone", {"shape": True, "at_least": 0}] = 0


@dataclass(frozen=True)
class Result:
    """What the network does on the test part, and how large it is."""

    accuracy: Annotated[float | None, "share of test examples whose class is right; null for the dial", {"range": [0, 1]}]
    loss: Annotated[
        float, "cross entropy, or squared error, on the test part", {"finite": True, "range": [0, None]}
    ]  # fmt: skip
    loss_over_variance: Annotated[
        float | None, "squared error over the variance of the test targets; null for classes", {"range": [0, None]}
    ]
    n_params: Annotated[int, "numbers that the network learns", {"seedless": True}]
    layer_width: Annotated[int, "width w", {"seedless": True}]
    macs: Annotated[int, "multiplications with an addition for one input", {"seedless": True}]


EXAMPLES = (
    Params("digits", "nd", 400, n_train=100, steps=12, batch=16),
    Params("digits", "dense", 800, n_train=100, steps=12, batch=16, permute=True),
    Params("breast_cancer", "nd_sum", 200, n_train=100, steps=12, every=6, batch=16),
    Params("dial", "lowrank", 200, n_train=64, steps=12, batch=16, alpha=0.5),
)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[Columns]:
    """Columns of rows as trainings reach them; networks of one shape are trained together."""
    for p in params:
        check(p)
    for columns in STUDY.columns(params, ctxs):
        yield columns | network.sizes([built(params[i]) for i in columns["index"]])


def check(p: Params) -> None:
    """Refuse params that mean nothing, or data that are not there; ValueError says which."""
    if p.data != "dial":
        table = pictures.load(p.data)
        most = len(table.targets) - table.test_size
        if p.n_train > most:
            raise ValueError(
                f"n_train must be at most {most} of '{p.data}', of which {table.test_size} rows are the test part, but got "
                f"n_train = {p.n_train}; take fewer."
            )
    shape, _ = _ends(p)
    if p.layer in ("nd_sum", "lowrank") and p.terms > math.prod(shape):
        raise ValueError(f"terms must be at most the {math.prod(shape)} inputs, but got terms = {p.terms}; take fewer.")
    built(p)


def _ends(p: Params) -> tuple[tuple[int, ...], int]:
    """The shape of an input, and the numbers that come out."""
    if p.data == "dial":
        return dial.SHAPE, 1
    table = pictures.load(p.data)
    return table.shape, table.classes


def built(p: Params) -> Network:
    """The network of a point."""
    shape, outputs = _ends(p)
    return network.of_budget(shape, p.layer, p.terms, outputs, p.budget)


def examples(p: Params, ctx: Context) -> Examples:
    """What a point's network learns from; of one seed all layers have the same."""
    if p.data == "dial":
        x, y = dial.sample(p.alpha, dial.TEST + p.n_train, ctx.generator("functions"), ctx.generator("points"))
        rows = torch.arange(len(x))
        whole = Examples(x, y, rows[dial.TEST :], rows[: dial.TEST])
    else:
        whole = split(pictures.load(p.data), p.n_train, ctx)
    features = whole.inputs.shape[1]
    columns = torch.randperm(features, generator=ctx.generator("permutation")) if p.permute else None
    return Examples(whole.inputs, whole.targets, whole.train, whole.test, columns)


def split(table: pictures.Pictures, n_train: int, ctx: Context) -> Examples:
    """A seed's training and test rows; where scales differ, inputs of mean 0 and variance 1 over the training rows."""
    order = torch.randperm(len(table.targets), generator=ctx.generator("split"))
    test, train = order[: table.test_size], order[table.test_size : table.test_size + n_train]
    inputs = table.inputs
    if table.scaled:
        deviation, mean = torch.std_mean(inputs[train], dim=0, correction=0)
        inputs = (inputs - mean) / deviation.clamp_min(1e-6)
    return Examples(inputs, table.targets, train, test)


def values(params: Sequence[Params], outputs: Tensor, targets: Tensor) -> Values:
    """Accuracy and losses (models,) of outputs (models, test, outputs)."""
    loss = training.losses(outputs, targets)
    if targets.is_floating_point():
        return {"loss": loss, "loss_over_variance": loss / targets.flatten(1).var(1, correction=0)}
    return {"loss": loss, "accuracy": (outputs.argmax(-1) == targets).double().mean(1)}


STUDY: Study[Params] = Study(
    names=("accuracy", "loss", "loss_over_variance"),
    free=("permute", "alpha", "learning_rate"),
    network=built,
    examples=examples,
    values=values,
)
