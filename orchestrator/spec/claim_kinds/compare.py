"""The claim that two groups differ: in a parameter of the fit beside it, or, pair by pair, in a column of two arms.

compare: {y: y, arms: wide - narrow, pair: [d]}
expect: {at_least: 0}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from orchestrator.errors import nearest
from orchestrator.fitting.law_names import LAWS, PARAMETERS
from orchestrator.spec.axes import Wrong, read_mapping
from orchestrator.spec.claim_kinds import Claimed, ClaimKind, Place, each, fit
from orchestrator.spec.field_types import column, label, several, told, wrong

DIFFERENCE = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*")
KEYS = ("y", "arms", "interaction", "pair")


@dataclass(frozen=True)
class Compare:
    """The difference `left - right` of a fitted parameter between groups, or, where `paired`, of a column between arms."""

    of: str
    left: str
    right: str
    paired: bool = False
    interaction: str | None = None
    pair: tuple[str, ...] = ()


def read_compare(raw: Any) -> Compare:
    """A comparison of `{exponent: a - b}` or `{y: column, arms: a - b, interaction: arm, pair: [seed]}`."""
    mapping = dict(read_mapping(raw, "compare", "differences"))
    if "arms" not in mapping and "y" not in mapping:
        return _of_parameter(mapping)
    for key in mapping:
        if key not in KEYS:
            raise Wrong(f"a key must be one of {', '.join(KEYS)}, but got '{key}'{nearest(key, KEYS)}", key)
    if not {"y", "arms"} <= mapping.keys():
        raise Wrong(f"'compare' of arms must have y and arms, but got {list(mapping)}; write {{y: column, arms: a - b}}.")
    interaction = None if mapping.get("interaction") is None else label(mapping["interaction"])
    pair = tuple(column(name) for name in several(mapping.get("pair", [])))
    return Compare(column(mapping["y"]), *_difference(mapping["arms"], "arms"), True, interaction, pair)


def _of_parameter(mapping: dict[str, Any]) -> Compare:
    if len(mapping) != 1:
        raise Wrong(f"'compare' must name one fitted parameter, or y and arms, but got {list(mapping)}; keep one.")
    ((of, difference),) = mapping.items()
    if of not in PARAMETERS:
        raise Wrong(
            f"a fitted parameter must be one of {', '.join(sorted(PARAMETERS))}, but got '{of}'{nearest(of, PARAMETERS)}", of
        )
    return Compare(of, *_difference(difference, of))


def _difference(raw: Any, key: str) -> tuple[str, str]:
    match = DIFFERENCE.fullmatch(raw) if isinstance(raw, str) else None
    if match is None or match[1] == match[2]:
        raise Wrong(
            f"a difference must name two groups, as in 'growing - control', but got {raw!r}; keep spaces around the minus.", key
        )
    return match[1], match[2]


def write_compare(compare: Compare) -> dict[str, Any]:
    """The comparison as a file would say it."""
    difference = f"{compare.left} - {compare.right}"
    if not compare.paired:
        return {compare.of: difference}
    extra = {"interaction": compare.interaction, "pair": list(compare.pair)}
    return {"y": compare.of, "arms": difference} | {key: value for key, value in extra.items() if value}


Comparison = Annotated[
    Compare,
    PlainValidator(told(read_compare)),
    PlainSerializer(write_compare),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "array"]}, "minProperties": 1}),
]


def _check(compare: Compare, claim: Claimed) -> None:
    """Refuse a comparison of arms with a fit, or of a fitted parameter without one that has it."""
    model = fit.KIND.get(claim)
    if compare.paired and model is not None:
        raise wrong("'compare' of arms must stand alone, but stands beside 'fit'; remove 'fit'.", "compare")
    if not compare.paired and model is None:
        raise wrong("'compare' of a fitted parameter must have a 'fit' beside it, but has none; add it.", "compare")
    if model is not None and compare.of not in LAWS[model.law].parameters:
        raise fit.no_parameter(model.law, compare.of, "compare")


def _columns(compare: Compare) -> Iterator[tuple[Place, str]]:
    if compare.paired:
        yield ("y",), compare.of
        yield from each("pair", names=compare.pair)


def _labels(compare: Compare, claim: Claimed) -> Iterator[tuple[Place, str, tuple[str, ...]]]:
    if compare.interaction is not None:
        yield ("interaction",), compare.interaction, ("arm",)
    columns = ("arm",) if compare.paired else claim.by or ("arm",)
    for name in (compare.left, compare.right):
        yield ("arms" if compare.paired else compare.of,), name, columns


def _expected(compare: Compare, claim: Claimed, bounds: Mapping[str, str]) -> str:
    difference = f"{compare.of}: {compare.left} - {compare.right} {bounds.get('difference', 'at least 0')}"
    third = f"; less {compare.interaction} - {compare.right} {bounds.get('interaction', 'at least 0')}"
    return difference + (third if compare.interaction else "")


KIND = ClaimKind[Compare](
    name="compare",
    key=Comparison,
    order=3,
    says="{parameter: a - b} of a fit, or {y: column, arms: a - b}",
    columns=_columns,
    axes=lambda compare, claim: (None, compare.of) if compare.paired else fit.KIND.axes(fit.KIND.of(claim), claim),
    expected=_expected,
    quantities=lambda compare, claim: ("difference", "interaction") if compare.interaction else ("difference",),
    laws=lambda compare, claim: () if compare.paired else (fit.KIND.of(claim).law,),
    groups=lambda compare, claim: claim.by or (() if compare.paired else ("arm",)),
    labels=_labels,
    check=_check,
    beside=("fit",),
    owns=(("require", "matched"),),
)
