"""Wrong formulas planted into the mathematics of workloads, and what a sweep says once it is measured under them."""

from __future__ import annotations

import copy
import functools
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from orchestrator.driver import measure
from orchestrator.driver.measure import Where
from orchestrator.results.stored_sweep import StoredSweep, in_store
from orchestrator.spec import Spec, parse
from orchestrator.store import open_store
from workloads.icl.maths.layers import Products, Tokens
from workloads.shared.attention import operators

Function = Callable[..., Any]
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Planted:
    """A function of a module of `workloads`, and the wrong one in its place, made of the right one."""

    name: str
    target: str
    wrong: Callable[[Function], Function]


def scaled(factor: float) -> Callable[[Function], Function]:
    """A dropped or doubled factor."""
    return lambda right: lambda *args, **named: right(*args, **named) * factor


def raised(power: float) -> Callable[[Function], Function]:
    """A shifted exponent."""
    return lambda right: lambda *args, **named: right(*args, **named) ** power


def shrunk_input(factor: float) -> Callable[[Function], Function]:
    """The first argument times a factor."""
    return lambda right: lambda first, *args, **named: right(first * factor, *args, **named)


def _power_of_first(power: float) -> Callable[[Function], Function]:
    """The first argument to that power."""
    return lambda right: lambda first, *args, **named: right(first**power, *args, **named)


def _no_remainder(right: Function) -> Function:
    """No Taylor remainder at all: a cube that hardly falls with the degree."""
    return lambda x, degree: 1e-3 * np.abs(np.asarray(x, dtype=float)) ** 3 / (1 + degree)


def _hardest(right: Function) -> Function:
    """All weight on the largest score, whatever the temperature."""
    return lambda scores, alpha: (scores == scores.amax(-1, keepdim=True)).to(scores.dtype)


def _at_the_bound(right: Function) -> Function:
    """Largest scores as entries allow them, whatever is drawn."""
    return lambda *args: (-1.0, 1.0)


def _tenfold(right: Function) -> Function:
    """Ten times a formula that may have no value."""
    return lambda radius, eps: 10 * (right(radius, eps) or 1)


def _never_good(right: Function) -> Function:
    """A remainder that no degree brings down."""
    return lambda x, degree: right(x, degree) + np.minimum(1.0, 100 * np.abs(np.asarray(x, dtype=float)))


def _turned_weight(right: Function) -> Function:
    """The weight of one energy on the other."""
    return lambda known, weights, *args: right(known, 1 - weights, *args)


def _turned_temperature(right: Function) -> Function:
    """Hot for cold, and a normaliser that is far too large."""

    def wrong(known: Any, weights: Any, beta: float = 0.0) -> Any:
        best = right(known, weights, 1 / beta if beta else 0.0)
        return best if best.log_z is None else replace(best, log_z=best.log_z + 100)

    return wrong


def _changed(**given: Any) -> Callable[[Function], Function]:
    """Other params in place of those that the first argument has."""
    return lambda right: lambda p, *args: right(replace(p, **given), *args)


def _flat(maps: Any) -> Any:
    """Maps as ordinary matrices, in which a Kronecker product has full rank."""
    return maps.flatten(-4, -3).flatten(-2)


def _as_given(right: Function) -> Function:
    """Modes as they are written, whatever order is wanted."""
    return lambda order, *shapes: right("given", *shapes)


FORMS = {"renormalised": "zero_fill", "zero_fill": "unnormalised", "unnormalised": "renormalised"}


def _forms_swapped(right: Function) -> Function:
    """Another way than was asked for in which a mask meets the softmax."""
    return lambda scores, mask, form: right(scores, mask, FORMS.get(form, form))


def _forms_swapped_back(right: Function) -> Function:
    """The third way."""
    back = {value: key for key, value in FORMS.items()}
    return lambda scores, mask, form: right(scores, mask, back.get(form, form))


def _head_normalised(right: Function) -> Function:
    """Scores normalised over the axis of one head, as the official code does: each becomes its own sign."""
    return lambda scores, mask, form: right(scores.sign(), mask, form)


def _one_repeated(right: Function) -> Function:
    """Draws of one memory, again and again, in place of many."""
    return lambda *args: right(*args)[:, :1].expand(-1, args[2])


def _one_direction(right: Function) -> Function:
    """Orthogonal directions that are all the same, and independent ones that are not."""

    def wrong(kind: str, *args: Any) -> Any:
        drawn = right(kind, *args)
        return drawn if kind == "iid" else drawn[:, :1].expand_as(drawn)

    return wrong


class _Opposite(Products):
    """Products that are taken away where they should be added."""

    def __call__(self, tokens: Tokens) -> None:
        for left, right, out in self.factors:
            tokens.add(out, -tokens.read(left) * tokens.read(right))


def _wrong_sign(right: Function) -> Function:
    """A product layer with the wrong sign."""
    return lambda *args: _Opposite(right(*args).factors)


def _one_layer_less(right: Function) -> Function:
    """A step without its last layer, the box."""
    return lambda *args: right(*args)[:-1]


def _query_is_an_example(right: Function) -> Function:
    """A mask of 1 for every token."""

    def wrong(slots: Any) -> Products:
        unmasked = copy.copy(slots)
        unmasked.mask = slots.constant
        products: Products = right(unmasked)
        return products

    return wrong


def _never_above(right: Function) -> Function:
    """Nothing lies above anything."""
    return lambda value, limit: value > value


def _always_close(right: Function) -> Function:
    """Every result is its target."""
    return lambda off: (off == off).all(-1)


def _dense_in_its_place(right: Function) -> Function:
    """All scores made where a mask is known beforehand."""
    return lambda inputs, beta: operators.exact(inputs.queries, inputs.memories, beta).apply(inputs.values)


def _no_scores(right: Function) -> Function:
    """The largest scores known without making any."""
    return lambda inputs, beta, keep: inputs.values[:1].expand(len(inputs.queries), -1)


def _without_features(right: Function) -> Function:
    """Dense retrieval where features were asked for."""
    return lambda queries, keys, beta, kernel, omega: operators.exact(queries, keys, beta)


def _roots(right: Function) -> Function:
    """An interpolant of the root of the pieces that are asked for."""
    return lambda function, pieces, *args: right(function, max(2, round(pieces**0.5)), *args)


def _changed_deviation(change: Callable[[Any, Any], Any]) -> Callable[[Function], Function]:
    """Another deviation, made of params and the right one."""

    def planted(right: Function) -> Function:
        def wrong(p: Any, ctxs: Any) -> dict[str, Any]:
            values: dict[str, Any] = right(p, ctxs)
            return values | {"deviation": change(p, values["deviation"])}

        return wrong

    return planted


WORLD, TRADE_OFFS, PREFERENCE = (f"workloads.alignab.maths.{name}" for name in ("world", "trade_offs", "preference"))
TILT = "workloads.alignab.tilt"
DEGREE, BOUNDS = "workloads.shared.attention.degree", "workloads.shared.hopfield.bounds"
NDLINEAR = "workloads.ndlinear.maths"
HOPFIELD = "workloads.hopfield.maths"
REMAINDERS = (
    Planted("a wrong remainder", f"{DEGREE}.taylor_error", _no_remainder),
    Planted("a remainder 1e4 too large", f"{DEGREE}.taylor_error", scaled(1e4)),
    Planted("a remainder 1e4 too small", f"{DEGREE}.taylor_error", scaled(1e-4)),
    Planted("scores of half the size", f"{DEGREE}.taylor_error", shrunk_input(0.5)),
)
PLANTED: Mapping[str, tuple[Planted, ...]] = {
    "khm_capacity": (
        Planted("another exponential", f"{BOUNDS}.greedy_count", lambda right: lambda d, angle: 1.01**d),
        Planted("a tenth of Hamming's count", f"{BOUNDS}.hamming_count", scaled(0.1)),
        Planted("the root of Hamming's count", f"{BOUNDS}.hamming_count", raised(0.5)),
        Planted("codes of a power", "workloads.khm.maths.best.sizes", lambda right: lambda d: [(float(d**2), 0.5)]),
        Planted("memories without end", "workloads.khm.maths.storage.memories_allowed", raised(8.0)),
    ),
    "lora_degree": (
        *REMAINDERS,
        Planted("degrees doubled", "workloads.lora.maths.minimax.least_degree", scaled(2)),
        Planted("a formula ten times too large", f"{DEGREE}.printed_degree", _tenfold),
    ),
    "lora_boundary": (*REMAINDERS, Planted("all data reach the bound", "workloads.lora.maths.data.extremes", _at_the_bound)),
    "alignab_front": (
        Planted("the other energy's weight", f"{WORLD}.best", _turned_weight),
        Planted("hot for cold", f"{WORLD}.best", _turned_temperature),
        Planted("one clash for all", f"{WORLD}.build", lambda right: lambda name, n, k, clash: right(name, n, k, 1.0)),
        Planted("half of all sums", f"{TRADE_OFFS}.of_sums", lambda right: lambda att, rep: right(0.5 * att, rep)),
    ),
    "alignab_tilt": (
        Planted("a margin without its weight", f"{PREFERENCE}.margin", lambda right: lambda z, other, w=1.0: right(z, other)),
        Planted("soft labels throughout", f"{TILT}._labels", lambda right: lambda reward, kind: right(reward, "soft")),
        Planted("both energies throughout", f"{TILT}._objective", _changed(method="weighted_sum")),
        Planted("one weight throughout", f"{TILT}._objective", _changed(weight=0.5)),
    ),
    "prompt_corner": REMAINDERS,
    "prompt_boundary": (Planted("a remainder that no degree brings down", f"{DEGREE}.taylor_error", _never_good),),
    "prompt_gate": (Planted("weights of the root", "workloads.prompt.maths.attention.attend", shrunk_input(0.5)),),
    "ndlinear_floor": (
        Planted("floors halved", f"{NDLINEAR}.kronecker.tail", scaled(0.5)),
        Planted("floors doubled", f"{NDLINEAR}.kronecker.tail", scaled(2)),
        Planted("floors one more", f"{NDLINEAR}.kronecker.tail", lambda right: lambda *args: right(*args) + 1),
        Planted("maps not rearranged", f"{NDLINEAR}.kronecker.rearranged", lambda right: _flat),
        Planted("errors one more", f"{NDLINEAR}.fitting.errors", lambda right: lambda *args: right(*args) + 1),
    ),
    "ndlinear_risk": (
        Planted("a product twice as large", f"{NDLINEAR}.regression.product", scaled(2)),
        Planted("a dense map half as large again", f"{NDLINEAR}.regression.dense", scaled(1.5)),
    ),
    "ndlinear_count": (
        Planted("numbers doubled", f"{NDLINEAR}.layer.n_params", scaled(2)),
        Planted("products doubled", f"{NDLINEAR}.layer.macs", scaled(2)),
        Planted("modes as given, whatever is asked", f"{NDLINEAR}.layer.modes", _as_given),
        Planted("first weights twice as large", f"{NDLINEAR}.layer.uniform", scaled(2)),
    ),
    "khm_error_beta": (
        Planted("a slower softmax", "workloads.shared.hopfield.retrieval.separate", shrunk_input(0.5)),
        Planted("the largest score alone", "workloads.shared.hopfield.retrieval.separate", _hardest),
        Planted("an error of half the exponent", "workloads.shared.hopfield.symmetric_codes.closed_error", raised(0.5)),
    ),
    "hopfield_bounds": (
        Planted("forms swapped", f"{HOPFIELD}.forms.weigh", _forms_swapped),
        Planted("forms swapped the other way", f"{HOPFIELD}.forms.weigh", _forms_swapped_back),
        Planted("nothing lies above anything", f"{HOPFIELD}.retrieving.above", _never_above),
    ),
    "hopfield_slope": (
        Planted("a slower softmax", f"{HOPFIELD}.forms.weigh", shrunk_input(0.5)),
        Planted("forms swapped", f"{HOPFIELD}.forms.weigh", _forms_swapped),
    ),
    "hopfield_ceiling": (
        Planted("scores normalised over one head", f"{HOPFIELD}.forms.weigh", _head_normalised),
        Planted("one memory for many", f"{HOPFIELD}.masks.subsets", _one_repeated),
        Planted("every result is its target", f"{HOPFIELD}.retrieving._close", _always_close),
    ),
    "hopfield_features": (
        Planted("twice the kernel", "workloads.hopfield.features.estimated", scaled(2)),
        Planted("one direction for all", f"{HOPFIELD}.kernels.directions", _one_direction),
    ),
    "hopfield_cost": (
        Planted("all scores behind a mask", f"{HOPFIELD}.calls._gathered", _dense_in_its_place),
        Planted("no scores behind the largest", f"{HOPFIELD}.calls._top", _no_scores),
        Planted("scores in place of features", f"{HOPFIELD}.kernels.attention", _without_features),
    ),
    "icl_construction": (
        Planted("a wrong sign in a product layer", "workloads.icl.maths.construct._signal_products", _wrong_sign),
        Planted("a step without its last layer", "workloads.icl.maths.construct.layers_of_a_step", _one_layer_less),
        Planted("a query that counts", "workloads.icl.maths.construct._first_products", _query_is_an_example),
        Planted("a ramp of a lower power", "workloads.icl.maths.activations.ramp", _power_of_first(0.1)),
        Planted("the root of the pieces", "workloads.icl.maths.activations.interpolant", _roots),
    ),
    "icl_pieces": (Planted("the root of the pieces", "workloads.icl.maths.activations.interpolant", _roots),),
    "icl_growth": (
        Planted("a bound that is far too small", "workloads.icl.growth.bound", scaled(1e-8)),
        Planted("a deviation of the root", "workloads.icl.growth._measure", _changed_deviation(lambda p, d: d**0.5)),
        Planted("a growing deviation", "workloads.icl.growth._measure", _changed_deviation(lambda p, d: 1.2**p.steps * d)),
    ),
    "icl_softmax": (
        Planted("a deviation of the root", "workloads.icl.softmax.deviation", raised(0.5)),
        Planted("a hundredth of the deviation", "workloads.icl.softmax.deviation", scaled(0.01)),
    ),
}  # fmt: skip
CUTS: Mapping[str, Mapping[str, Any]] = {
    "lora_boundary": {
        "arms": {
            "control": None, "control_real": None, "as_cheap": None, "growing_real": None,
            "growing": {"fixed": {"rows": 16}, "axes": {"seq_len": [64, 128, 256, 512, 1024, 2048, 4096]}},
            "planted": {"fixed": {"rows": 16}, "axes": {"seq_len": [64, 128, 256, 512, 1024, 2048, 4096]}},
            "random": {"fixed": {"rows": 16}, "axes": {"seq_len": [64, 128, 256]}},
        }
    },
    "alignab_front": {"arms": {"clash": {"fixed": {"angles": 36, "weights": 199}}}},
    "prompt_corner": {"fixed": {"rows": 8}},
    "ndlinear_floor": {"seeds": 3},
    "ndlinear_risk": {"seeds": 8, "search": {"boundary": {"tolerance": 0.002}}},
    "prompt_boundary": {
        "arms": {**dict.fromkeys(("quiet", "loud", "hybrid", "long")), "loud_read_context": {"axes": {"seq_len": [64]}}}
    },
    "prompt_gate": {"seeds": 1, "arms": {"random": {"axes": {"dim": [8], "prompt_len": [1, 8]}}, "zero": None, "blank": None}},
    "icl_construction": {"seeds": 32, "arms": dict.fromkeys(("wide", "literal", "ramps"))},
    "icl_pieces": {"seeds": 4},
    "icl_growth": {"seeds": 4},
}  # fmt: skip
"""What is laid over size smoke where that would take too long."""


def cut(name: str) -> Spec:
    """The sweep at size smoke, or at the cut of it."""
    text = (ROOT / "sweeps" / f"{name}.yaml").read_text()
    raw = yaml.safe_load(text)
    size = {**(raw["sizes"]["smoke"] or {}), **CUTS.get(name, {})}
    return parse(yaml.safe_dump({**raw, "sizes": {"cut": size}}), name, "cut")


@contextmanager
def planted(wrong: Planted | None) -> Iterator[None]:
    """The wrong function in place of the right one, and no value that the right one gave remembered."""
    module, _, function = (wrong.target if wrong else "math.pi").rpartition(".")
    home = importlib.import_module(module)
    right = getattr(home, function)
    if wrong is not None:
        setattr(home, function, wrong.wrong(right))
    _forget()
    try:
        yield
    finally:
        setattr(home, function, right)
        _forget()


def measured(spec: Spec, store: Path) -> StoredSweep:
    """The sweep, measured in this process."""
    measure.run(spec, store, Where(executor="inline", progress="quiet"))
    return in_store(spec, open_store(store))


def _forget() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("workloads."):
            for value in list(vars(module).values()):
                if isinstance(value, functools._lru_cache_wrapper):
                    value.cache_clear()
