"""Turns a dimension into the codes known there: numbers of memories with their separation, and constructions by name.

Sources: kissing numbers, Nebe and Sloane's table, with d = 10, 11 and 14 of Ganzhinov 2022 (arXiv:2207.08266) and d = 17 to
21 of Cohn and Li 2024 (arXiv:2411.04916), lower bounds from d = 9 on; Cohn and Kumar 2007 (sharp codes); Nordstrom-Robinson,
Kerdock and Golay codes as points (±1)/√d, cosine 1 - 2w/d at distance w (Conway and Sloane, SPLAG).
"""

from __future__ import annotations

import functools
import math
from difflib import get_close_matches

from torch import Tensor

from workloads.shared.hopfield import bounds, known_codes

KISSING = {
    2: 6, 3: 12, 4: 24, 5: 40, 6: 72, 7: 126, 8: 240, 9: 306, 10: 510, 11: 592, 12: 840, 13: 1154, 14: 1932, 15: 2564, 16: 4320,
    17: 5730, 18: 7654, 19: 11692, 20: 19448, 21: 29768, 22: 49896, 23: 93150, 24: 196560,
}  # fmt: skip
# d, number of memories, largest cosine: Kerdock codes (real mutually unbiased bases) and a sharp code not listed elsewhere.
LINES = ((16, 288, 1 / 4), (64, 4224, 1 / 8), (21, 112, 1 / 9))
NAMED = ("simplex", "orthoplex", "polygon", "icosahedron", "cell24", "cell600", "e8", "leech")
# Codes of any d and m: random ones, the best one known, and those that a search or a trained map makes of a seed.
MADE = ("annealed", "linear", "uhop", "uhop_plus")
FREE = ("random", "optimal", *MADE)
WRITTEN = {"24cell": "cell24", "600cell": "cell600"}
SIZES = {"icosahedron": (3, 12), "cell24": (4, 24), "cell600": (4, 120), "e8": (8, 240), "leech": (24, 196560)}


@functools.cache
def table_codes() -> tuple[tuple[int, int, float], ...]:
    """(dimension, memories, separation) of every code known here by its numbers, no simplexes, orthoplexes or polygons."""
    rows = [(dim, m, 0.5) for dim, m in KISSING.items()]
    rows += [(dim, m, 1 - cosine) for (dim, m), cosine in known_codes.COSINES.items()]
    rows += [(3, m, bounds.delta_of(math.radians(angle))) for m, angle in known_codes.SLOANE.items()]
    rows += [(dim, m, 1 - cosine) for dim, m, cosine in LINES]
    return (*rows, *((dim, m, 2 * w / dim) for dim, m, w in _binary()))


@functools.cache
def sizes(d: int) -> tuple[tuple[int, float], ...]:
    """(memories, separation) of every code listed in R^d or a subspace of it, more than 2d memories."""
    return tuple(sorted({(m, delta) for dim, m, delta in table_codes() if dim <= d and m > 2 * d}))


@functools.lru_cache(maxsize=4096)
def smallest_dimension(m: int, delta: float) -> int | None:
    """The smallest d of 2 or more in which m memories of that separation are listed or shown to exist; None for none."""
    sufficient = bounds.dimension_sufficient(m, delta)
    dims = [dim for dim, size, own in table_codes() if size >= m and own >= delta * (1 - 1e-12)]
    return min([*dims, *([] if sufficient is None else [sufficient])], default=None)


def _binary() -> list[tuple[int, int, int]]:
    """(length, words, distance) of the shortened Golay, Nordstrom-Robinson and punctured Nordstrom-Robinson codes."""
    families = ((24, 12, 8, 7), (16, 8, 6, 4), (15, 8, 5, 4))
    return [(n - i, 2 ** (k - i), w) for n, k, w, times in families for i in range(times)]


def plain(code: str) -> str:
    """The name of a code in these modules, of one written as papers do: E8 is e8, 24-cell is cell24."""
    short = code.lower().replace("-", "")
    return WRITTEN.get(short, short)


def shape(code: str, d: int, m: int) -> tuple[int, int]:
    """(d, m) of a code by its plain name, where 0 asks for the code's own number.

    Raises ValueError for an unknown name and for a d or m that the code cannot have.
    """
    if code not in (*NAMED, *FREE):
        close = get_close_matches(code, (*NAMED, *FREE), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "."
        raise ValueError(f"code must be one of {', '.join((*FREE, *NAMED))}, but got '{code}'{hint}")
    if code in FREE or code == "polygon":
        own = (2 if code == "polygon" else d, m)
    elif code in ("simplex", "orthoplex"):
        own = _family(code, d, m)
    else:
        own = SIZES[code]
    if own[0] < 1 or own[1] < 2 or (d and d != own[0]) or (m and m != own[1]):
        raise ValueError(f"code '{code}' has {_rule(code)}, but got d = {d}, m = {m}; write 0 for a number that the code sets.")
    return own


def _family(code: str, d: int, m: int) -> tuple[int, int]:
    if code == "simplex":
        return (d, d + 1) if d else (m - 1, m)
    return (d, 2 * d) if d else (m // 2, 2 * (m // 2))


def _rule(code: str) -> str:
    rules = {
        "polygon": "d = 2 and any m of at least 2",
        "simplex": "m = d + 1",
        "orthoplex": "m = 2d",
    }
    if code in FREE:
        return "any d of at least 1 and m of at least 2"
    return rules[code] if code in rules else f"d = {SIZES[code][0]} and m = {SIZES[code][1]}"


def members(code: str, d: int, limit: int) -> list[tuple[int, float]]:
    """(memories, separation) of the codes of one named kind in R^d; an antipodal pair stands for their parts."""
    if code == "simplex":
        return [(m, m / (m - 1)) for m in range(2, d + 2)]
    if code == "polygon":
        return [(m, bounds.delta_of(2 * math.pi / m)) for m in range(2, limit + 1)]
    if code == "orthoplex":
        return [(2, 2.0), (2 * d, 1.0)]
    m = SIZES[code][1]
    return [(2, 2.0), (m, known_codes.known_delta(*SIZES[code]) or math.nan)]


@functools.lru_cache(maxsize=64)
def build(code: str, d: int, m: int) -> Tensor:
    """Coordinates (m, d), float64, of a named code or the optimal one; `d` and `m` as `shape` gives them.

    Raises ValueError where no coordinates of an optimal code are known here.
    """
    if code == "optimal":
        return _optimal(d, m)
    if code == "simplex":
        return known_codes.simplex(m)
    if code == "orthoplex":
        return known_codes.orthoplex(d)
    if code == "polygon":
        return known_codes.polygon(m)
    code_points: Tensor = getattr(known_codes, code)()
    return code_points


def _optimal(d: int, m: int) -> Tensor:
    code = known_codes.known_code(d, m)
    if code is None:
        table_codes = ", ".join(f"({a}, {b})" for a, b in sorted(known_codes.CODES))
        raise ValueError(
            f"code 'optimal' must have coordinates of m = {m} in d = {d}, but has none; beside m <= 2d and d = 2 "
            f"it has {table_codes}."
        )
    return code
