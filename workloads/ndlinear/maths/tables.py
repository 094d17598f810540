"""Turns a CSV file with a header into columns of numbers, and refuses columns that are missing, broken or constant."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


def read(path: Path) -> dict[str, list[str]]:
    """The cells of every column, by its name; ValueError where a line has more or fewer cells than the header."""
    with path.open(newline="") as file:
        header, *lines = list(csv.reader(file)) or [[]]
    wrong = [number for number, line in enumerate(lines, 2) if len(line) != len(header)]
    if wrong or not lines:
        came = f"line {wrong[0]} has another number" if wrong else "there is no line below the header"
        raise ValueError(f"{path}: every line must have {len(header)} cells as the header has, but {came}; mend the file.")
    return {name: [line[index] for line in lines] for index, name in enumerate(header)}


def numbers(cells: dict[str, list[str]], names: Sequence[str], path: Path) -> Tensor:
    """The named columns (rows, columns), float64; ValueError for one that is missing, holds no finite number or is constant."""
    missing = [name for name in names if name not in cells]
    if missing:
        raise ValueError(f"{path}: there must be columns {', '.join(names)}, but {', '.join(missing)} is missing; add it.")
    values = [[_number(cell) for cell in cells[name]] for name in names]
    broken = [name for name, column in zip(names, values, strict=True) if not all(map(math.isfinite, column))]
    constant = [name for name, column in zip(names, values, strict=True) if len({*column}) == 1]
    if broken or constant:
        what = f"{', '.join(broken)} holds a cell that is no number" if broken else f"{', '.join(constant)} is constant"
        raise ValueError(f"{path}: every column must hold numbers that differ, but {what}; mend or drop it.")
    return torch.tensor(values, dtype=torch.float64).mT.contiguous()


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return math.nan


def existing(data: str, shipped: Sequence[str], kinds: str) -> Path:
    """The file or folder that a param `data` names; ValueError where it is neither shipped nor there."""
    path = Path(data)
    if not path.exists():
        raise ValueError(
            f"data must be one of {', '.join(shipped)} or {kinds}, but got '{data}', which is not there; mend the path."
        )
    return path
