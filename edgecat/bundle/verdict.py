"""Where a variant is worth running, and why not elsewhere."""

import dataclasses
import re
from collections.abc import Iterable, Mapping

from edgecat.scores.bounds import check_within

# Kinds of processors, see `edgecat.runtime.target`.
_TARGET = re.compile("[a-z0-9]{1,32}(-[a-z0-9]{1,32})*")

# Latencies, or instructions, of two models of one network; nothing differs a thousandfold.
_RATIOS = (1e-3, 1e3)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Whether a variant is worth running, for each kind of processor.

    Attributes:
        ships_to: Those targets (`edgecat.runtime.target`) for which it is.
        reasons: For the others that were judged, why it is not.
        measured_on: The target of the machine that measured the latency.
        latency_ratio: There, its latency by that of the bundle's first variant: single photos, one
            thread, median of rounds in turn.
    """

    ships_to: tuple[str, ...]
    reasons: dict[str, str]
    measured_on: str
    latency_ratio: float

    def __post_init__(self) -> None:
        """Check the targets and the latency.

        Raises:
            ValueError: A name that is none, a target that both is and is not, or one that is not
                judged; a ratio that no clock measures.
        """
        check_within("latency_ratio", self.latency_ratio, _RATIOS)
        judged = self.targets
        _check_targets(judged)
        if len(set(judged)) != len(judged):
            raise ValueError(f"targets {sorted(judged)}: each must stand there once")
        if self.measured_on not in judged:
            raise ValueError(f"measured_on {self.measured_on!r} is none of {sorted(judged)}")

    @property
    def targets(self) -> tuple[str, ...]:
        """Return all that were judged."""
        return (*self.ships_to, *self.reasons)

    def describe(self, reference: str) -> str:
        """Return the verdict as a line of text.

        Args:
            reference: The name of the bundle's first variant.
        """
        ships = f"ship to {', '.join(self.ships_to)}" if self.ships_to else "do not ship"
        by_reason: dict[str, list[str]] = {}
        for target, reason in self.reasons.items():
            by_reason.setdefault(reason, []).append(target)
        whys = [f"not {', '.join(targets)}: {why}" for why, targets in by_reason.items()]
        return (
            f"{self.latency_ratio:.2f}x the latency of {reference} on {self.measured_on}; "
            f"{'; '.join([ships, *whys])}"
        )


def check_ratios(ratios: Mapping[str, float]) -> None:
    """Check instructions of a variant, by target, by those of the reference.

    Raises:
        ValueError: A target that is no name; a ratio that nobody counts.
    """
    _check_targets(ratios)
    for target, ratio in ratios.items():
        check_within(f"instructions on {target}", ratio, _RATIOS)


def describe_worth(verdict: Verdict | None, ratios: Mapping[str, float], reference: str) -> str:
    """Return as a line of text where a variant is worth running, by the clock and by the rule.

    Args:
        verdict: What the clock said, where it could run.
        ratios: As `check_ratios` takes them.
        reference: The name of the bundle's first variant.
    """
    counts = ", ".join(
        f"{ratio:.2f}x those of {reference} on {target}" for target, ratio in ratios.items()
    )
    rule = f"instructions, a rule and no latency: {counts}" if counts else ""
    return "; ".join(filter(None, [verdict.describe(reference) if verdict else "", rule]))


def _check_targets(targets: Iterable[str]) -> None:
    for target in targets:
        if not _TARGET.fullmatch(target):
            raise ValueError(f"target {target!r} is no name such as 'x86-64'")
