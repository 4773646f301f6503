"""How long a benchmark takes, and who may end it before."""

import contextlib
import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager

from edgecat.bench.clock import Plan
from edgecat.bench.openings import NUM_OPENINGS
from edgecat.errors import ConfigError

#: Photos: p99 needs at least 100 to be more than the maximum.
NUM_ROUNDS = 20 * NUM_OPENINGS

#: For a block, a function that says whether somebody asked for the end.
Stopping = AbstractContextManager[Callable[[], bool]]

#: Nobody does.
NEVER: Stopping = contextlib.nullcontext(lambda: False)


@dataclasses.dataclass(frozen=True)
class Effort:
    """For how long single photos are timed.

    Attributes:
        num_rounds: Timed photos of each variant, at least.
        margin_ratio: Go on until every ratio to the first variant is known within this share of it;
            0 to end after `NUM_OPENINGS`.
        max_s: With a margin: end then at the latest.
    """

    num_rounds: int = NUM_ROUNDS
    margin_ratio: float = 0.0
    max_s: float = 60.0

    def __post_init__(self) -> None:
        """Check the number.

        Raises:
            ConfigError: There is no photo to time.
        """
        if self.num_rounds < 1:
            raise ConfigError(f"num_rounds {self.num_rounds}: must be at least 1")

    def plan(self) -> Plan:
        """Return the openings that it takes."""
        if not self.margin_ratio:
            return Plan.fixed(NUM_OPENINGS, 0)
        return Plan(0, 0, min_rounds=NUM_OPENINGS, max_s=self.max_s, margin_ratio=self.margin_ratio)

    def to_settings(self) -> dict[str, float] | None:
        """Return what was asked for beyond a number of photos, if anything was."""
        if not self.margin_ratio:
            return None
        return {"margin_ratio": self.margin_ratio, "max_s": self.max_s}


#: What is taken if nobody says otherwise.
USUAL = Effort()
