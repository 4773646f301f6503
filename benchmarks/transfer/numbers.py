"""What the raw result says in numbers: means over seeds with intervals, and the claims' scores."""

import dataclasses
import math
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt

Result = dict[str, Any]

#: The textbook's names of the ways to start, and what each means.
WAYS = {
    "scratch": "A, random everywhere",
    "full": "B, pretrained with the output layer",
    "transfer": "C, pretrained but the output layer",
    "head-only": "D, the output layer alone pretrained",
}

#: A run has learned most of what there is when it reaches this share of the best validation top-1
#: that any way reaches with the same seed.
TARGET_RATIO = 0.8

#: Pairs of breeds that count as often confused.
NUM_PAIRS = 10

# Student's t, two-sided 95 %, by degrees of freedom from 1 on.
# Source: NIST/SEMATECH e-Handbook of Statistical Methods, table 1.3.6.7.2.
_T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)


@dataclasses.dataclass(frozen=True)
class Mean:
    """A mean over seeds.

    Attributes:
        mean: Of the values.
        half_width: Of its 95 % interval; not a number of one seed.
    """

    mean: float
    half_width: float

    def __str__(self) -> str:
        """Return the mean with its interval; of one seed it has none."""
        if math.isnan(self.half_width):
            return f"{self.mean:.1f}"
        return f"{self.mean:.1f} ± {self.half_width:.1f}"


def mean_of(values: Sequence[float]) -> Mean:
    """Return the mean of a value for each seed, and its interval (Student's t)."""
    num = len(values)
    if num == 1:
        return Mean(values[0], math.nan)
    return Mean(mean(values), _T95[num - 2] * stdev(values) / math.sqrt(num))


def choose(result: Result, experiment: str, **fields: object) -> list[dict[str, Any]]:
    """Return the rows of an experiment with these values, one a seed, by seed."""
    rows = [
        row
        for row in result["rows"]
        if row["experiment"] == experiment and all(row[k] == v for k, v in fields.items())
    ]
    return sorted(rows, key=lambda row: row["seed"])


def list_nums(result: Result) -> list[int]:
    """Return the numbers of training photos a class that were compared."""
    rows = [row for row in result["rows"] if row["experiment"] == "little"]
    return sorted({row["num_train_per_class"] for row in rows})


def top1_percents(rows: list[dict[str, Any]], split: str = "test") -> list[float]:
    """Return the top-1 of each seed, 0-100."""
    return [100 * row[f"{split}_top1_ratio"] for row in rows]


def gap_pps(rows: list[dict[str, Any]]) -> list[float]:
    """Return by how much training photos are answered better than test photos, for each seed."""
    return [100 * (row["train_top1_ratio"] - row["test_top1_ratio"]) for row in rows]


def subtract(one: Sequence[float], other: Sequence[float]) -> list[float]:
    """Return the differences, seed by seed."""
    return [a - b for a, b in zip(one, other, strict=True)]


@dataclasses.dataclass(frozen=True)
class Reached:
    """When a way reached the target, in the seeds in which it did.

    Attributes:
        epochs: Until then.
        cpu_s: Processor time until then.
        num_seeds: All seeds.
        num_epochs: That a run had.
    """

    epochs: list[int]
    cpu_s: list[float]
    num_seeds: int
    num_epochs: int

    def __str__(self) -> str:
        """Return the means, and in how many seeds."""
        if not self.epochs:
            return f"in none of its {self.num_epochs} epochs"
        num = len(self.epochs)
        some = "" if num == self.num_seeds else f", in {num} of {self.num_seeds} seeds"
        return f"after {mean(self.epochs):.1f} epochs ({mean(self.cpu_s):.0f} CPU-s{some})"


def measure_reached(result: Result, init: str) -> Reached:
    """Return when a way to start reached the target."""
    epochs, cpu_s = [], []
    rows = choose(result, "ways", init=init)
    for row in rows:
        ways = choose(result, "ways", seed=row["seed"])
        target = TARGET_RATIO * max(max(way["val_top1_ratios"]) for way in ways)
        for epoch, ratio in enumerate(row["val_top1_ratios"], start=1):
            if ratio >= target:
                epochs.append(epoch)
                cpu_s.append(row["epochs_cpu_s"][epoch - 1])
                break
    return Reached(epochs, cpu_s, len(rows), len(rows[0]["val_top1_ratios"]))


def sum_confusions(result: Result, name: str) -> npt.NDArray[np.int64]:
    """Return the confusions of "before", "transfer" or "scratch", all seeds together: `[K, K]`."""
    confusions = [row["confusions"][name] for row in choose(result, "bias")]
    total: npt.NDArray[np.int64] = np.array(confusions, np.int64).sum(axis=0)
    return total


def rank_pairs(result: Result, name: str) -> list[tuple[str, str, int]]:
    """Return the pairs of breeds by how often one is taken for the other, most often first."""
    confusion = sum_confusions(result, name)
    both, labels = confusion + confusion.T, choose(result, "bias")[0]["labels"]
    rows, columns = np.triu_indices(len(labels), k=1)
    pairs = [
        (labels[i], labels[j], int(both[i, j]))
        for i, j in zip(rows.tolist(), columns.tolist(), strict=True)
    ]
    return sorted(pairs, key=lambda pair: -pair[2])


def inherited_ratio(result: Result, name: str) -> float:
    """Return the share of the mistakes that fall on the pairs most often confused before, 0-1."""
    often = {pair[:2] for pair in rank_pairs(result, "before")[:NUM_PAIRS]}
    pairs = rank_pairs(result, name)
    num_mistakes = sum(num for *_, num in pairs)
    return sum(num for *pair, num in pairs if tuple(pair) in often) / num_mistakes
