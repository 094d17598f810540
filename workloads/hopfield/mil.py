"""How well bags are told apart by one Hopfield pooling over their instances, dense or efficient, beside mean and max pooling.

Source: Hu et al. 2024, arXiv:2404.03900, section 5 (multiple instance learning), by notes; settings are ours.
Symbols: bag = set of instances with one label · AUC = area under the curve of bags that were not trained on.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import torch

from workloads.hopfield.maths import bags, layer, pooling
from workloads.hopfield.maths.layer import Layer
from workloads.hopfield.maths.pooling import Judged, Model
from workloads.shared import packs

if TYPE_CHECKING:
    from orchestrator.workload.context import Context

VERSION = 1
MEASURES = "value"
# Relative; models that are trained together share matrix products, whose last digits depend on how many there are.
TOLERANCE = 1e-4
MOST = {"cpu": 64, "cuda": 256}
"""Models that are trained as one stack."""


@dataclass(frozen=True)
class Params:
    """A pooling, the bags it is trained on and how."""

    variant: Annotated[
        Literal["dense", "random", "top_k", "linear", "prf"], "what the pooling reads; masks are drawn anew at every step"
    ] = "dense"
    form: Annotated[
        Literal["renormalised", "unnormalised", "zero_fill"] | None, "how a mask meets the softmax; none means renormalised"
    ] = None
    data: Annotated[
        str, "bits | digits | musk1 | musk2 | elephant | ucsb_breast_cancer | a .csv of label, bag, features", {"shape": True}
    ] = "bits"
    bag: Annotated[int, "instances of a made bag", {"shape": True}] = 20
    bags: Annotated[int, "made bags that are trained on; 400 others are judged", {"shape": True}] = 200
    keep: Annotated[float | None, "share of a bag's instances that a mask keeps, rounded up; none means all"] = None
    features: Annotated[int | None, "random features of prf, orthogonal ones; none means 64"] = None
    beta: Annotated[float, "inverse temperature"] = 4.0
    normalise: Annotated[bool, "whether keys are brought to unit length"] = True
    width: Annotated[int, "width of a head", {"shape": True, "at_least": 1}] = 16
    heads: Annotated[int, "heads", {"shape": True, "at_least": 1}] = 4
    steps: Annotated[int, "training steps", {"shape": True, "at_least": 1}] = 400
    batch: Annotated[int, "bags of a step", {"shape": True, "at_least": 1}] = 32
    learning_rate: Annotated[float, "first rate of Adam, which a cosine takes to zero"] = 0.01
    fold: Annotated[int, "which fifth of a table's bags is judged", {"shape": True}] = 0


NOTE = {"range": (0, 1)}


@dataclass(frozen=True)
class Result:
    """What the trained pooling is worth on bags that it never saw."""

    auc: Annotated[float, "area under the curve", NOTE]
    accuracy: Annotated[float, "share of right answers", {"aggregate": "proportion"}]
    loss: Annotated[float, "cross-entropy", {"unit": "nats", "finite": True}]
    auc_mean_pool: Annotated[float, "area under the curve of the same model with the mean of the values", NOTE]
    auc_max_pool: Annotated[float, "that with their largest in each coordinate", NOTE]
    n_params: Annotated[int, "numbers that a model learns", {"seedless": True}]


EXAMPLES = (
    Params(bag=6, bags=20, steps=8, batch=8),
    Params("top_k", "zero_fill", "digits", bag=5, bags=20, keep=0.3, steps=8, batch=8),
    Params("random", bag=7, bags=20, keep=0.5, steps=8, batch=8, normalise=False),
    Params("prf", bag=6, bags=24, features=16, steps=8, batch=8),
    Params("linear", bag=6, bags=20, steps=8, batch=8, heads=2),
)


def refuse(p: Params) -> None:
    """Raise ValueError where the params ask for what there is not, and ImportError where a real set is not installed."""
    if p.variant not in layer.MASKED and (p.form is not None or p.keep is not None):
        raise ValueError(
            f"form and keep must stand beside {' or '.join(layer.MASKED)}, but got form = {p.form}, keep = {p.keep} for "
            f"{p.variant}; leave them out."
        )
    if p.keep is not None and not 0 < p.keep <= 1:
        raise ValueError(f"keep must be a share of the bag in (0, 1], but got {p.keep}; 0.2 keeps a fifth.")
    if p.features is not None and (p.features < 1 or p.variant != "prf"):
        raise ValueError(
            f"features must be at least 1 and of the variant prf, but got {p.features} for {p.variant}; leave them out."
        )
    if not (0 <= p.beta < math.inf and 0 < p.learning_rate < math.inf):
        raise ValueError(
            f"beta must be at least 0 and learning_rate above 0, both finite, but got {p.beta} and {p.learning_rate}."
        )
    bags.check(p.data, p.bag, p.bags, p.fold)


def run_pack(params: Sequence[Params], ctxs: Sequence[Context]) -> Iterator[dict[str, Any]]:
    """Columns for every point; models of one shape and layer are trained as one, controls once for all layers of a seed."""
    for p in params:
        refuse(p)
    controls = {}
    bare = [_bare(p) for p in params]
    for name in ("mean", "max"):
        pairs = list(dict.fromkeys(zip(bare, ctxs, strict=True)))
        controls[name] = _trained([p for p, _ in pairs], [ctx for _, ctx in pairs], name)
    own = _trained(params, ctxs)
    for i, (p, ctx) in enumerate(zip(params, ctxs, strict=True)):
        result = own[p, ctx.seed]
        yield {
            "index": [i],
            "step": [0],
            "auc": [result[0]],
            "accuracy": [result[1]],
            "loss": [result[2]],
            "auc_mean_pool": [controls["mean"][bare[i], ctx.seed][0]],
            "auc_max_pool": [controls["max"][bare[i], ctx.seed][0]],
            "n_params": [_model(p).layout(_inputs(p)).count],
        }


def _bare(p: Params) -> Params:
    """The params of the controls, which have no scores."""
    return dataclasses.replace(p, variant="dense", form=None, keep=None, features=None, beta=1.0, normalise=True)


def _model(p: Params) -> Model:
    return Model(p.heads, p.width, p.features or 64, p.steps, p.batch)


def _inputs(p: Params) -> int:
    return {"bits": bags.BITS, "digits": 64}.get(p.data) or bags.read(p.data).instances.shape[-1]


def _trained(
    params: Sequence[Params], ctxs: Sequence[Context], control: str | None = None
) -> dict[tuple[Params, int], tuple[float, float, float]]:
    """(AUC, accuracy, loss) of each point, trained with the layer of its params or as a control."""
    results: dict[tuple[Params, int], tuple[float, float, float]] = {}
    size = MOST["cpu" if ctxs[0].device == "cpu" else "cuda"]
    for key, indices in packs.groups(params, lambda p: dataclasses.replace(p, learning_rate=1.0)):
        pooling_layer = Layer(
            control or key.variant, key.form or "renormalised", 1.0 if key.keep is None else key.keep, key.beta, key.normalise
        )
        for part in packs.chunks(indices, size):
            members = [ctxs[i] for i in part]
            data = [bags.split(key.data, key.bag, key.bags, key.fold, ctx.generator("bags")) for ctx in members]
            worth = pooling.trained(_model(key), pooling_layer, data, [params[i].learning_rate for i in part], members)
            results |= {(params[i], ctxs[i].seed): row for i, row in zip(part, _rows(worth), strict=True)}
    return results


def _rows(worth: Judged) -> list[tuple[float, float, float]]:
    columns = torch.stack([worth.auc, worth.accuracy, worth.loss], 1).tolist()
    return [(auc, accuracy, loss) for auc, accuracy, loss in columns]
