"""Turns a dimension and a number of memories into the best spherical code known, as coordinates and as its separation.

Sources: Sloane, Hardin, Smith et al., tables of spherical codes, d = 3 (best-known angles, degrees); Cohn, table of spherical
codes, MIT (cosines for d = 3); Cohn and Kumar 2007, table 1 (sharp codes); Conway and Sloane, SPLAG (root systems, Leech).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations, permutations, product

import torch
from torch import Tensor

from workloads.shared.hopfield import bounds, separation

GOLDEN = 0.5 * (1.0 + math.sqrt(5.0))
TRIBONACCI = (1.0 + (19.0 + 3.0 * math.sqrt(33.0)) ** (1 / 3) + (19.0 - 3.0 * math.sqrt(33.0)) ** (1 / 3)) / 3.0

# Best-known least angles in degrees for d = 3, m = 4..50 and 55, 60..130 (Sloane's tables).
SLOANE_FIRST = (
    109.4712206, 90.0, 90.0, 77.8695421, 74.8584922, 70.5287794, 66.146822, 63.4349488, 63.4349488, 57.1367031, 55.67057,
    53.6578501, 52.2443957, 51.0903285, 49.5566548, 47.6919141, 47.4310362, 45.6132231, 44.7401612, 43.7099642, 43.6907671,
    41.6344612, 41.0376616, 40.6776007, 39.3551436, 38.7136512, 38.5971159, 37.7098291, 37.475214, 36.254553, 35.8077844,
    35.3198076, 35.1897322, 34.422408, 34.2506607, 33.4890466, 33.1583563, 32.7290944, 32.5063863, 32.0906244, 31.983423,
    31.3230814, 30.9591635, 30.7818159, 30.7627855, 29.9235851, 29.7529564,
)  # fmt: skip
SLOANE_THEN = (
    28.2627914, 27.19283, 26.0698299, 25.17092, 24.3017225, 23.5530672, 22.7791621, 22.1540232, 21.5945501, 21.031202,
    20.5388524, 20.1113276, 19.6239931, 19.3240201, 18.8448151, 18.5103522,
)  # fmt: skip
SLOANE = dict(zip([*range(4, 51), *range(55, 131, 5)], SLOANE_FIRST + SLOANE_THEN, strict=True))

# Cosines of best-known codes that are known better than to seven decimals of a degree.
COSINES = {
    (3, 7): 0.2101383127, (3, 8): (2.0 * math.sqrt(2.0) - 1.0) / 7.0, (3, 9): 1 / 3, (3, 10): 0.4043943252,
    (3, 11): 1 / math.sqrt(5.0), (3, 12): 1 / math.sqrt(5.0),
    (3, 24): TRIBONACCI**2 / (TRIBONACCI**2 + TRIBONACCI**-2 + 1.0),
    (4, 10): 1 / 6, (4, 24): 0.5, (4, 120): 0.5 * GOLDEN, (5, 16): 0.2, (5, 40): 0.5, (6, 27): 0.25, (6, 72): 0.5,
    (7, 56): 1 / 3, (7, 126): 0.5, (8, 240): 0.5, (21, 162): 1 / 7, (22, 100): 1 / 11, (22, 275): 1 / 6, (22, 891): 0.25,
    (23, 552): 0.2, (23, 4600): 1 / 3, (24, 196560): 0.5,
}  # fmt: skip


def known_delta(d: int, m: int) -> float | None:
    """The separation of the best code known of m memories in R^d (exact where proved); None where this table has none."""
    best = bounds.exact(d, m)
    if best is not None:
        return best
    if (d, m) in COSINES:
        return 1.0 - COSINES[d, m]
    return bounds.delta_of(math.radians(SLOANE[m])) if d == 3 and m in SLOANE else None


def known_code(d: int, m: int) -> Tensor | None:
    """Coordinates (m, d) in float64 of the code behind `known_delta`; None where this module has no construction."""
    bounds.check(d, m, least=1)
    if m <= d + 1:
        return torch.nn.functional.pad(simplex(m), (0, d + 1 - m))
    if d == 2:
        return polygon(m)
    if m <= 2 * d:
        return orthoplex(d)[:m]
    build = CODES.get((d, m))
    return build() if build is not None else None


def simplex(m: int) -> Tensor:
    """The m corners of a regular simplex, (m, m - 1)."""
    corners = torch.zeros(m, m - 1, dtype=torch.float64)
    for k in range(m - 1):
        rest = m - k  # corners from k on form a simplex of their own
        corners[k, k] = math.sqrt(1.0 - float(corners[k, :k] @ corners[k, :k]))
        corners[k + 1 :, k] = -corners[k, k] / (rest - 1)
    return corners


def orthoplex(d: int) -> Tensor:
    """The 2d unit vectors along the axes, both signs, (2d, d)."""
    axes = torch.eye(d, dtype=torch.float64)
    return torch.cat([axes, -axes])


def polygon(m: int) -> Tensor:
    """The m corners of a regular polygon, (m, 2)."""
    turn = torch.arange(m, dtype=torch.float64) * (2.0 * math.pi / m)
    return torch.stack([turn.cos(), turn.sin()], dim=1)


def antiprism() -> Tensor:
    """The best 8 points of the sphere, (8, 3): a square antiprism with edges of one length."""
    cosine = COSINES[3, 8]
    ring, height = math.sqrt(1.0 - cosine), math.sqrt(cosine)  # corners of a square of the ring meet at `cosine`
    turn = torch.arange(8, dtype=torch.float64) * (math.pi / 4.0)
    up = torch.tensor([height, -height], dtype=torch.float64).repeat(4)
    return torch.stack([ring * turn.cos(), ring * turn.sin(), up], dim=1)


def icosahedron() -> Tensor:
    """The 12 corners of an icosahedron, (12, 3)."""
    pairs = [(0.0, a, b * GOLDEN) for a, b in product((1.0, -1.0), repeat=2)]
    return _unit([p[k:] + p[:k] for k in range(3) for p in pairs])


def snub_cube() -> Tensor:
    """The 24 corners of a snub cube, (24, 3)."""
    coordinates = (1.0, 1.0 / TRIBONACCI, TRIBONACCI)
    corners = []
    for order, signs in product(permutations(range(3)), product((1.0, -1.0), repeat=3)):
        # One hand of the two: even orders go with an even number of minus signs, odd orders with an odd one.
        if _parity(order) == signs.count(-1.0) % 2:
            corners.append(tuple(s * coordinates[k] for s, k in zip(signs, order, strict=True)))
    return _unit(corners)


def roots_d(d: int) -> Tensor:
    """The 2d(d-1) roots of D_d, normalised, (2d(d-1), d); the 24-cell at d = 4."""
    roots = []
    for i, j in combinations(range(d), 2):
        for a, b in product((1.0, -1.0), repeat=2):
            root = [0.0] * d
            root[i], root[j] = a, b
            roots.append(root)
    return _unit(roots)


def cell24() -> Tensor:
    """The 24 corners of the 24-cell, (24, 4)."""
    return roots_d(4)


def cell600() -> Tensor:
    """The 120 corners of the 600-cell, (120, 4)."""
    halves = [tuple(signs) for signs in product((0.5, -0.5), repeat=4)]
    golden = []
    for order, signs in product(permutations(range(4)), product((1.0, -1.0), repeat=3)):
        if _parity(order) == 0:
            value = (0.5 * GOLDEN * signs[0], 0.5 * signs[1], 0.5 / GOLDEN * signs[2], 0.0)
            golden.append(tuple(value[k] for k in order))
    return torch.cat([orthoplex(4), _unit([*halves, *golden])])


def e8() -> Tensor:
    """The 240 roots of E8, normalised, (240, 8)."""
    halves = [signs for signs in product((0.5, -0.5), repeat=8) if signs.count(-0.5) % 2 == 0]
    return torch.cat([roots_d(8), _unit(halves)])


def e7() -> Tensor:
    """The 126 roots of E7, normalised, (126, 7): the roots of E8 at right angles to one of them."""
    return derived(e8(), 0.0)


def e6() -> Tensor:
    """The 72 roots of E6, normalised, (72, 6): the roots of E8 at right angles to two that meet at 120 degrees."""
    roots = e8()
    first = roots[0]
    second = roots[(roots @ first + 0.5).abs() < 1e-9][0]
    orthogonal = roots[((roots @ first).abs() < 1e-9) & ((roots @ second).abs() < 1e-9)]
    return _shrunk(orthogonal)


def leech() -> Tensor:
    """The 196560 least vectors of the Leech lattice, normalised, (196560, 24); 38 MB, built in seconds."""
    words = golay()
    octads = words[words.sum(1) == 8].bool()
    signs = torch.tensor([s for s in product((2.0, -2.0), repeat=8) if s.count(-2.0) % 2 == 0], dtype=torch.float64)
    twos = torch.zeros(len(octads), len(signs), 24, dtype=torch.float64)
    for k, octad in enumerate(octads):
        twos[k][:, octad] = signs
    flipped = 1.0 - 2.0 * words.double()  # (4096, 24): a word's places change sign
    odd = flipped.unsqueeze(1) * (1.0 - 4.0 * torch.eye(24, dtype=torch.float64))  # one -3 or 3, else 1 or -1
    return torch.cat([4.0 * math.sqrt(2.0) * roots_d(24), twos.flatten(0, 1), odd.flatten(0, 1)]) / math.sqrt(32.0)


def golay() -> Tensor:
    """The 4096 words of the extended binary Golay code, (4096, 24), integers 0 and 1: quadratic residues mod 23."""
    residues = {k * k % 23 for k in range(1, 23)}
    row = torch.tensor([int(k in residues) for k in range(23)])
    rows = torch.stack([row.roll(k) for k in range(12)])
    rows = torch.cat([rows, rows.sum(1, keepdim=True) % 2], dim=1)
    choices = torch.tensor(list(product((0, 1), repeat=12)))
    return (choices @ rows) % 2


def derived(code: Tensor, cosine: float) -> Tensor:
    """The members that meet the first at `cosine`, seen from it: projected at right angles, one dimension less, unit length."""
    products = code @ code[0]
    layer = code[(products - cosine).abs() < 1e-9]
    return _shrunk(layer - cosine * code[0])


def _shrunk(x: Tensor) -> Tensor:
    """Vectors that span a subspace, on the unit sphere of that subspace's own coordinates."""
    _, values, axes = torch.linalg.svd(x, full_matrices=False)
    return separation.normalise(x @ axes[values > 1e-6 * values[0]].T)


def _unit(rows: list[tuple[float, ...]] | list[list[float]]) -> Tensor:
    return separation.normalise(torch.tensor(rows, dtype=torch.float64))


def _parity(order: tuple[int, ...]) -> int:
    """0 for an even permutation, 1 for an odd one."""
    return sum(a > b for a, b in combinations(order, 2)) % 2


def _gosset(steps: int) -> Tensor:
    """The code that comes from E8 by looking at neighbours `steps` times: 56, 27, 16, 10 points in R^7, R^6, R^5, R^4."""
    code, cosine = e8(), 0.5
    for _ in range(steps):
        code, cosine = derived(code, cosine), cosine / (1.0 + cosine)
    return code


CODES: dict[tuple[int, int], Callable[[], Tensor]] = {
    (3, 8): antiprism,
    (3, 11): lambda: icosahedron()[:11],
    (3, 12): icosahedron,
    (3, 24): snub_cube,
    (4, 10): lambda: _gosset(4),
    (4, 24): cell24,
    (4, 120): cell600,
    (5, 16): lambda: _gosset(3),
    (5, 40): lambda: roots_d(5),
    (6, 27): lambda: _gosset(2),
    (6, 72): e6,
    (7, 56): lambda: _gosset(1),
    (7, 126): e7,
    (8, 240): e8,
    (22, 891): lambda: derived(derived(leech(), 0.5), 1 / 3),
    (23, 4600): lambda: derived(leech(), 0.5),
    (24, 196560): leech,
}
