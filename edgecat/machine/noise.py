"""How far the times of a run can be trusted."""

import dataclasses
from collections.abc import Iterable
from typing import Literal

from edgecat.machine.conditions import Conditions
from edgecat.machine.throttling import SINCE_START, name_flags

# A share of a ratio. Of a quiet machine's ratios 95 % intervals are half as wide on either side
# after 200 rounds; a tenth is what INT8 gains over fp32 on many a processor.
_QUIET_RATIO, _NOISY_RATIO = 0.02, 0.10

# The clock of a hot or saving processor changes by steps of about 100 MHz in 1 to 3 GHz.
_CLOCK_CHANGE_RATIO = 0.05


@dataclasses.dataclass(frozen=True)
class Noise:
    """A verdict on a run, to stand beside its numbers.

    Attributes:
        verdict: "quiet": differences of 2 % can be told; "noisy": only larger ones; "too noisy":
            not even of 10 %.
        margin_ratio: Half the width of the widest 95 % interval of a ratio, as a share of it:
            what differs by less is not told apart.
        reasons: What may be to blame.
    """

    verdict: Literal["quiet", "noisy", "too noisy"]
    margin_ratio: float
    reasons: tuple[str, ...] = ()

    def describe(self) -> str:
        """Return it as a line of text."""
        reasons = f"; {', '.join(self.reasons)}" if self.reasons else ""
        what = "nothing is told apart"
        if self.margin_ratio < 1:
            what = f"differences below {100 * self.margin_ratio:.1f} % are not told apart"
        return f"{self.verdict}: {what}{reasons}"


def judge_noise(
    margins: Iterable[float], before: Conditions, after: Conditions, num_cores: int
) -> Noise:
    """Return the verdict on a run.

    Args:
        margins: Half of each interval's width, as a share of its ratio.
        before: The machine, before.
        after: And after.
        num_cores: Of the machine.
    """
    widest = max(margins, default=0.0)
    verdict: Literal["quiet", "noisy", "too noisy"] = "quiet"
    if widest > _QUIET_RATIO:
        verdict = "noisy" if widest <= _NOISY_RATIO else "too noisy"
    return Noise(verdict, widest, tuple(_find_reasons(before, after, num_cores)))


def _find_reasons(before: Conditions, after: Conditions, num_cores: int) -> Iterable[str]:
    # The run's own work is not in the load before it.
    if before.load_1min is not None and before.load_1min > num_cores / 2:
        yield f"other programs were running (load {before.load_1min:.1f} on {num_cores} cores)"
    if names := name_flags(_flags_of_the_run(before.throttled or 0, after.throttled or 0)):
        yield f"the board reports {', '.join(names)}"
    if before.frequency_mhz and after.frequency_mhz:
        change = after.frequency_mhz / before.frequency_mhz - 1
        if change < -_CLOCK_CHANGE_RATIO:
            yield f"the clock fell from {before.frequency_mhz:.0f} to {after.frequency_mhz:.0f} MHz"


def _flags_of_the_run(before: int, after: int) -> int:
    """Return what was the case before, what is after, and what was noticed in between.

    That it was the case at some time stays set until the next start, so what was set before may be
    long over.
    """
    return before | after | (after & ~before) >> SINCE_START
