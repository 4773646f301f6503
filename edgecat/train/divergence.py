"""Has a run gone wrong? Losses not finite or far above guessing, or answers no better than it.

A single bad batch is left out, and a bad epoch may be made good by the next: what ends a run has
to last. The limits stand between runs that diverge and runs that only begin slowly, both measured
(benchmarks/accuracy/divergence.py).
"""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from edgecat.errors import DivergedError
from edgecat.scores.metrics import Logits
from edgecat.train.recipe import Recipe

#: The loss of each step of an epoch: float64 `[steps]`, NaN where a step was left out.
Losses = npt.NDArray[np.float64]

#: Numbers of an epoch, by column of metrics.csv.
Row = Mapping[str, float]

# Steps in a row without a finite loss. The weights do not change meanwhile, so waiting is no cure.
_MAX_SKIPPED_IN_A_ROW = 5

# Median loss of an epoch's steps, in multiples of what guessing costs.
_MAX_LOSS_TO_GUESSING = 4

# Mean recall, from guessing at 0 to perfect at 1, below which a network knows nothing: it answers
# one class to all photos, or to all but a few.
_MIN_ADJUSTED_RECALL = 0.05

# Epochs in a row of that kind, after better ones.
_MAX_LOST_IN_A_ROW = 3


@dataclasses.dataclass(frozen=True)
class Divergence:
    """How a run went wrong.

    Attributes:
        epoch: In which; 0 is the head's phase.
        reason: What was seen.
        rates: The recipe's learning rates that were in use; `--resume` may change these.
    """

    epoch: int
    reason: str
    rates: dict[str, float]

    def __str__(self) -> str:
        """Return the message: what was seen, what to try."""
        start = "go on from the last good checkpoint" if self.epoch else "teach the head again"
        options = " ".join(self.lower_rates)
        advice = f"{start}, at a lower rate, by the same command and --resume {options}"
        if not self.high_rates:
            advice += ", or train for more epochs, in a new folder"
        return f"{self.describe()}; {advice}"

    def describe(self) -> str:
        """Return what was seen, without what to try."""
        given = " and ".join(f"{name} {rate:g}" for name, rate in self.rates.items())
        return f"the run has diverged in epoch {self.epoch}, with {given}: {self.reason}"

    @property
    def lower_rates(self) -> tuple[str, ...]:
        """Return the options with which to go on: ("--set", "rate=0.001")."""
        tries = {
            name: min(self.rates[name] / 10, getattr(Recipe(), name))
            for name in self.high_rates or self.rates
        }
        return tuple(word for name in tries for word in ("--set", f"{name}={tries[name]:g}"))

    @property
    def high_rates(self) -> list[str]:
        """Return which rates are above the default; if none is, time may have been too short."""
        return [name for name, rate in self.rates.items() if rate > getattr(Recipe(), name)]


def check_steps(recipe: Recipe, epoch: int, losses: Losses, num_steps: int) -> None:
    """End a run in which no step can be taken any more.

    Args:
        recipe: Of the run.
        epoch: The one that runs.
        losses: Of its steps so far.
        num_steps: How many it will have.

    Raises:
        DivergedError: Several steps in a row, or all of an epoch's, were left out.
    """
    num = min(_MAX_SKIPPED_IN_A_ROW, num_steps)
    if len(losses) >= num and np.isnan(losses[-num:]).all():
        _end(recipe, epoch, f"loss or gradients were not finite in {num} steps in a row")


def check_losses(
    recipe: Recipe, epoch: int, losses: Losses, num_classes: int, *, is_taught: bool = False
) -> None:
    """End a run that has become much worse than guessing.

    Guessing costs ln K by labels, and up to the squared temperature times that by the answers of a
    teacher, who may be sure of each (see `edgecat.train.loss`).

    Args:
        recipe: Of the run.
        epoch: The one that was.
        losses: Of its steps.
        num_classes: K.
        is_taught: Whether a teacher's answers are a part of them.

    Raises:
        DivergedError: Half of the steps are that bad, not just some.
    """
    weight = recipe.teacher_ratio if is_taught else 0.0
    guessing = (1 - weight + weight * max(1, recipe.temperature**2)) * math.log(num_classes)
    median = float(np.nanmedian(losses))
    if not median <= _MAX_LOSS_TO_GUESSING * guessing:
        _end(recipe, epoch, f"the loss is {median:.3g}, where guessing would give {guessing:.3g}")


def check_logits(recipe: Recipe, epoch: int, logits: Logits) -> None:
    """End a run whose network answers with numbers that are none.

    Raises:
        DivergedError: Some logits are not finite.
    """
    if not np.isfinite(logits).all():
        _end(recipe, epoch, "the network's answers to validation photos are not finite")


def is_lost(row: Row) -> bool:
    """Return whether the network told photos no better apart than by guessing, in an epoch."""
    return row.get("adjusted_recall_ratio", 1.0) < _MIN_ADJUSTED_RECALL


def check_history(recipe: Recipe, history: Sequence[Row]) -> None:
    """End a run whose network no longer tells anything apart.

    A network may begin like that: from random weights, on few photos, its first epochs answer one
    class. So this ends a run only after better epochs.

    Raises:
        DivergedError: It told classes apart before, and for some epochs now it does not.
    """
    last = history[-_MAX_LOST_IN_A_ROW:]
    if all(map(is_lost, last)) and not all(map(is_lost, history)):
        reason = f"for {len(last)} epochs the network has been no better than one answer to all"
        _end(recipe, len(history), reason)


def check_kept(recipe: Recipe, num_epochs: int, best_epoch: int) -> None:
    """End a run that leaves nothing worth keeping.

    Raises:
        DivergedError: In all its epochs the network was no better than guessing.
    """
    if not best_epoch:
        reason = "in no epoch was the network better than one answer to all photos"
        if recipe.head_rate > (usual := Recipe().head_rate):
            reason += (
                f" (head_rate {recipe.head_rate:g} may be why: begin again in a new folder with "
                f"{usual:g})"
            )
        _end(recipe, num_epochs, reason)


def _end(recipe: Recipe, epoch: int, reason: str) -> None:
    """Raise the error, with the record that `--resume` needs.

    Raises:
        DivergedError: Always.
    """
    names = ("rate", "backbone_rate") if epoch else ("head_rate",)
    raise DivergedError(Divergence(epoch, reason, {name: getattr(recipe, name) for name in names}))
