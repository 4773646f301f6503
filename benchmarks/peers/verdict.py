"""Which of edgecat's variants dominates a peer: as right on the same photos, and not slower.

The rule, for one number of threads. A variant of edgecat dominates a peer if

- it is not shown to be less accurate: the 95 % interval of the top-1 that it loses against the
  peer, paired on the same photos, reaches down to 0 or below; and
- it is shown to be faster, or as fast: the 95 % interval of the peer's time by the variant's,
  opening by opening, does not reach below 1.

Of several, the one that has the most photos right is named; its losses are counted.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgecat.scores.metrics import paired_interval_pp

OURS = "edgecat/"


@dataclasses.dataclass(frozen=True)
class Duel:
    """A variant of edgecat against a peer.

    Attributes:
        variant: Of edgecat.
        num_lost: Photos that only the peer has right.
        num_gained: Photos that only the variant has right.
        drop_interval_pp: 95 % interval of the top-1 that the variant loses, percentage points.
        ratio: The peer's time by the variant's: above 1, the variant is faster.
        ratio_interval: Its 95 % interval.
    """

    variant: str
    num_lost: int
    num_gained: int
    drop_interval_pp: tuple[float, float]
    ratio: float
    ratio_interval: tuple[float, float]

    @property
    def dominates(self) -> bool:
        """Whether the rule above holds."""
        return self.drop_interval_pp[0] <= 0 and self.ratio_interval[0] >= 1


def find_dominating(
    row: dict[str, Any], ours: Sequence[dict[str, Any]], threads: str
) -> Duel | None:
    """Return the most accurate of edgecat's variants that dominates a peer; None if none does.

    Args:
        row: Of the peer, measured.
        ours: Rows of edgecat's variants.
        threads: A key of the row's "threads".
    """
    duels = [
        compare(row, own, threads) for own in ours if own["name"] in row["threads"][threads]["to"]
    ]
    winners = [duel for duel in duels if duel.dominates]
    return max(
        winners, key=lambda duel: (duel.num_gained - duel.num_lost, duel.ratio), default=None
    )


def compare(row: dict[str, Any], own: dict[str, Any], threads: str) -> Duel:
    """Return how a variant of edgecat stands against a peer."""
    theirs_right, own_right = _read_right(row), _read_right(own)
    num_lost, num_gained = (
        int((one & ~other).sum())
        for one, other in ((theirs_right, own_right), (own_right, theirs_right))
    )
    speed = row["threads"][threads]["to"][own["name"]]
    return Duel(
        own["name"],
        num_lost=num_lost,
        num_gained=num_gained,
        drop_interval_pp=paired_interval_pp(num_lost, num_gained, len(own_right)),
        ratio=speed["ratio"],
        ratio_interval=tuple(speed["ratio_interval"]),
    )


def _read_right(row: dict[str, Any]) -> npt.NDArray[np.bool_]:
    return np.array(list(row["right"])) == "1"
