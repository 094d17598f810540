"""Contact energies of residue pairs and volumes of side chains, as published.

Energies e_ij in units of kT, here with their sign turned: Miyazawa and Jernigan, J. Mol. Biol. 256:623 (1996), table 3, AAindex
MIYS960101. Volumes in cubic angstrom: Krigbaum and Komoriya, Biochim. Biophys. Acta 576:204 (1979), AAindex KRIW790103.
"""

from __future__ import annotations

import torch
from torch import Tensor

RESIDUES = "ACDEFGHIKLMNPQRSTVWY"
VOLUMES = (
    27.5,
    44.6,
    40.0,
    62.0,
    115.5,
    0.0,
    79.0,
    93.5,
    100.0,
    93.5,
    94.1,
    58.7,
    41.9,
    80.7,
    105.0,
    29.3,
    51.3,
    71.5,
    145.5,
    117.3,
)
CONTACTS = """
2.72
3.57 5.44
1.70 2.41 1.21
1.51 2.27 1.02 0.91
4.81 5.80 3.48 3.56 7.26
2.31 3.16 1.59 1.22 4.13 2.24
2.41 3.60 2.32 2.15 4.77 2.15 3.05
4.58 5.50 3.17 3.27 6.84 3.78 4.14 6.54
1.31 1.95 1.68 1.80 3.36 1.15 1.35 3.01 0.12
4.91 5.83 3.40 3.59 7.28 4.16 4.54 7.04 3.37 7.37
3.94 4.99 2.57 2.89 6.56 3.39 3.98 6.02 2.48 6.41 5.46
1.84 2.59 1.68 1.51 3.75 1.74 2.08 3.24 1.21 3.74 2.95 1.68
2.03 3.07 1.33 1.26 4.25 1.87 2.25 3.76 0.97 4.20 3.45 1.53 1.75
1.89 2.85 1.46 1.42 4.10 1.66 1.98 3.67 1.29 4.04 3.30 1.71 1.73 1.54
1.83 2.57 2.29 2.27 3.98 1.72 2.16 3.63 0.59 4.03 3.12 1.64 1.70 1.80 1.55
2.01 2.86 1.63 1.48 4.02 1.82 2.11 3.52 1.05 3.92 3.03 1.58 1.57 1.49 1.62 1.67
2.32 3.11 1.80 1.74 4.28 2.08 2.42 4.03 1.31 4.34 3.51 1.88 1.90 1.90 1.90 1.96 2.12
4.04 4.96 2.48 2.67 6.29 3.38 3.58 6.05 2.49 6.48 5.32 2.83 3.32 3.07 3.07 3.05 3.46 5.52
3.82 4.95 2.84 2.99 6.16 3.42 3.98 5.78 2.69 6.14 5.55 3.07 3.73 3.11 3.41 2.99 3.22 5.18 5.06
3.36 4.16 2.76 2.79 5.66 3.01 3.52 5.25 2.60 5.67 4.91 2.76 3.19 2.97 3.16 2.78 3.01 4.62 4.66 4.17
"""
"""Of each residue with itself and those before it, in the order of RESIDUES."""
LARGEST = max(VOLUMES)


def contacts() -> Tensor:
    """How strongly two residues attract, (20, 20), above 0 in units of kT."""
    table = torch.zeros(len(RESIDUES), len(RESIDUES), dtype=torch.float64)
    for at, line in enumerate(CONTACTS.split("\n")[1:-1]):
        table[at, : at + 1] = torch.tensor([float(number) for number in line.split()], dtype=torch.float64)
    return torch.maximum(table, table.T)


def numbered(text: str) -> list[int]:
    """The places of residues in RESIDUES; ValueError for a letter that is none, or for no letter."""
    strange = sorted({letter for letter in text if letter not in RESIDUES})
    if strange or not text:
        raise ValueError(f"an epitope must be letters of {RESIDUES}, but got '{text}'; mend {', '.join(strange) or 'it'}.")
    return [RESIDUES.index(letter) for letter in text]


def options(epitope: str, positions: int, cap: float) -> tuple[Tensor, Tensor]:
    """Energies (positions, 20) of each residue at each position: attraction to the epitope, and volume over the cap.

    Position i touches residue i of the epitope, which begins again at its end. Volume counts in units of 100 cubic angstrom.
    """
    touched = torch.tensor(numbered(epitope)).repeat(positions // len(epitope) + 1)[:positions]
    volumes = torch.tensor(VOLUMES, dtype=torch.float64)
    bulk = (volumes - cap).clamp_min(0) / 100
    return -contacts()[touched], bulk.expand(positions, -1)
