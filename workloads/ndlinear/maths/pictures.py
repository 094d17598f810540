"""Turns the name of a data set, a folder or a file into flattened inputs, classes, and the natural shape of an input.

Source: digits and breast_cancer of scikit-learn (of the latter mean, error and worst of ten measurements); CIFAR-10 in its
python batches; a CSV whose column `label` holds the class, the others numbers, in the most square shape of two modes.
Symbols: N = examples · F = product of an input's shape.
"""

from __future__ import annotations

import functools
import importlib
import math
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from workloads.ndlinear.maths import tables
from workloads.ndlinear.maths.layer import Sizes

SHIPPED = ("digits", "breast_cancer")
LABEL = "label"
BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
SHAPES: dict[str, Sizes] = {"digits": (8, 8), "breast_cancer": (3, 10)}
COLOURS = (3, 32, 32)
"""Shape of a CIFAR picture as its file has it; the colours are moved to the end."""


@dataclass(frozen=True)
class Pictures:
    """Inputs (N, F), float32, their classes (N,), the shape of one input, and whether training rows set their scale."""

    inputs: Tensor
    targets: Tensor
    shape: Sizes
    scaled: bool = False

    @property
    def classes(self) -> int:
        """How many there are."""
        return int(self.targets.max()) + 1

    @property
    def test_size(self) -> int:
        """Rows of the test part: a fifth."""
        return math.ceil(len(self.targets) / 5)


@functools.lru_cache(maxsize=4)
def load(data: str) -> Pictures:
    """The data of a name or a path; ValueError where it is none, or where its file is broken."""
    if data in SHIPPED:
        bunch: Any = getattr(importlib.import_module("sklearn.datasets"), f"load_{data}")()
        inputs = torch.tensor(bunch.data, dtype=torch.float32)
        digits = data == "digits"
        return Pictures(inputs / 16 if digits else inputs, torch.tensor(bunch.target), SHAPES[data], scaled=not digits)
    path = tables.existing(data, ("dial", *SHIPPED), "a folder of CIFAR's python batches or a CSV file")
    return _cifar(path) if path.is_dir() else _csv(path)


def _csv(path: Path) -> Pictures:
    cells = tables.read(path)
    if LABEL not in cells:
        raise ValueError(f"{path}: a column '{LABEL}' must hold the class, but there are {', '.join(cells)}; rename one.")
    features = [name for name in cells if name != LABEL]
    classes = {name: number for number, name in enumerate(sorted({*cells[LABEL]}))}
    if len(classes) < 2:
        raise ValueError(f"{path}: column '{LABEL}' must hold two classes at least, but is constant; mend or drop it.")
    targets = torch.tensor([classes[cell] for cell in cells[LABEL]])
    return Pictures(tables.numbers(cells, features, path).float(), targets, square(len(features)), scaled=True)


def square(count: int) -> Sizes:
    """The two factors of a number that are nearest to each other, the smaller first; of a prime (p, 1), no structure."""
    small = max(k for k in range(1, math.isqrt(count) + 1) if count % k == 0)
    return (count, 1) if small == 1 else (small, count // small)


def _cifar(folder: Path) -> Pictures:
    missing = [name for name in BATCHES if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"{folder}: a folder must hold CIFAR's {', '.join(BATCHES)}, but {', '.join(missing)} is missing; add it."
        )
    batches = [_batch(folder / name) for name in BATCHES]
    pictures = np.concatenate([np.asarray(batch[b"data"]) for batch in batches]).reshape(-1, *COLOURS)
    inputs = torch.from_numpy(np.ascontiguousarray(pictures.transpose(0, 2, 3, 1))).flatten(1).float() / 255
    targets = torch.tensor([label for batch in batches for label in batch[b"labels"]])
    return Pictures(inputs, targets, (*COLOURS[1:], COLOURS[0]))


class _Arrays(pickle.Unpickler):
    """Reads arrays and plain values, and calls nothing else that a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """What rebuilds an array; UnpicklingError for anything else."""
        if name in ("_reconstruct", "ndarray", "dtype") and module.split(".")[0] == "numpy":
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"a batch must hold arrays and lists alone, but names {module}.{name}; take another file.")


def _batch(path: Path) -> dict[bytes, Any]:
    with path.open("rb") as file:
        batch = _Arrays(file, encoding="bytes").load()
    if not isinstance(batch, dict) or not {b"data", b"labels"} <= batch.keys():
        raise ValueError(
            f"{path}: a batch must be a dict of data and labels, but is another value; take CIFAR-10's python version."
        )
    return batch
