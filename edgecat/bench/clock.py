"""The one clock. Knows nothing of models: it times functions, in turns."""

import dataclasses
import gc
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from edgecat.scores.metrics import Z95

# Rounds whose median is compared with that of as many before, to tell whether it is steady. Of
# five, one that was disturbed does not count.
_WINDOW = 5

# Two medians of five rounds differ by as much on a quiet machine by chance alone.
_STEADY_RATIO = 0.05

# Rounds below which an interval is not believed enough to stop early: of six it is their range, and
# on a quiet machine any six in a row may lie close together.
_MIN_CERTAIN = 20


@dataclasses.dataclass(frozen=True)
class Plan:
    """When a measurement is warm, and when it is done.

    Attributes:
        max_warmup: Untimed rounds at most; it goes on to timed ones as soon as every function is
            as fast as it gets.
        min_warmup: Untimed rounds at least.
        max_rounds: Timed rounds at most.
        min_rounds: Timed rounds at least, however long they take.
        max_s: Seconds that all of it may take; a quarter of them, at most, to get warm.
        margin_ratio: It is done as soon as half the width of the 95 % interval of every function's
            time by that of the first is below this, as a share of the ratio; of a function alone,
            that of its time; 0 for never.
        is_stopping: Asked after each round; the end comes at once, whatever was measured.
    """

    max_warmup: int = 50
    min_warmup: int = 2 * _WINDOW
    max_rounds: int = 10_000
    min_rounds: int = 10
    max_s: float = math.inf
    margin_ratio: float = 0.0
    is_stopping: Callable[[], bool] = lambda: False

    @staticmethod
    def fixed(num_rounds: int, num_warmup: int) -> "Plan":
        """Return a plan of so many rounds, no more and no less."""
        return Plan(num_warmup, num_warmup, num_rounds, num_rounds)


def time_ms(action: Callable[[], object]) -> float:
    """Return how many milliseconds one call takes."""
    started_ns = time.perf_counter_ns()
    action()
    return (time.perf_counter_ns() - started_ns) / 1e6


def take_turns(
    actions: Mapping[str, Callable[[], float]],
    plan: Plan,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Call functions A B C A B C ... that time themselves, until a plan is fulfilled.

    So a machine's drift hits all of them alike: position i of all lists is one round. Garbage
    collection waits until the end, so that no function pays for another's litter.

    Args:
        actions: Each returns how many milliseconds its work took; the first is the reference.
        plan: When they are warm, and when it is done.
        on_round: Called after each round, outside of any timing.

    Returns:
        What each returned, by name, in order, without the warm-up.
    """

    def take_round() -> dict[str, float]:
        return {name: action() for name, action in actions.items()}

    if not actions:
        return {}
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        times = take_rounds(take_round, plan, on_round)
    finally:
        if was_enabled:
            gc.enable()
    return {name: times.get(name, []) for name in actions}


def take_rounds(
    take_round: Callable[[], Mapping[str, float]],
    plan: Plan,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Take rounds, whatever one is, until a plan is fulfilled.

    Args:
        take_round: Returns milliseconds by name, of the same names each time; the first is the
            reference.
        plan: When they are warm, and when it is done.
        on_round: Called after each round, outside of any timing.

    Returns:
        What rounds returned, by name, in order, without the warm-up.
    """
    started = time.monotonic()

    def take_until(
        is_done: Callable[[Plan, dict[str, list[float]], float], bool],
    ) -> dict[str, list[float]]:
        times: dict[str, list[float]] = {}
        while not is_done(plan, times, time.monotonic() - started) and not plan.is_stopping():
            for name, duration_ms in take_round().items():  # whole rounds only
                times.setdefault(name, []).append(duration_ms)
            on_round()
        return times

    take_until(_is_warm)
    return take_until(_is_done)


def each_second(on_second: Callable[[], object]) -> Callable[[], None]:
    """Return a function that, called again and again, calls another one for each second gone."""
    told = time.monotonic()

    def tick() -> None:
        nonlocal told
        while time.monotonic() - told >= 1:
            told += 1
            on_second()

    return tick


def _count_rounds(times: Mapping[str, Sequence[float]]) -> int:
    return min(map(len, times.values()), default=0)


def _is_warm(plan: Plan, times: Mapping[str, Sequence[float]], duration_s: float) -> bool:
    num_rounds = _count_rounds(times)
    if num_rounds >= plan.max_warmup or duration_s >= plan.max_s / 4:
        return True
    return num_rounds >= plan.min_warmup and all(map(is_steady, times.values()))


def is_steady(times_ms: Sequence[float]) -> bool:
    """Return whether a function is as fast as it gets: not faster than a moment before."""
    before, now = times_ms[-2 * _WINDOW : -_WINDOW], times_ms[-_WINDOW:]
    if len(before) < _WINDOW:
        return False
    return float(np.median(now)) >= (1 - _STEADY_RATIO) * float(np.median(before))


def _is_done(plan: Plan, times: Mapping[str, Sequence[float]], duration_s: float) -> bool:
    num_rounds = _count_rounds(times)
    if num_rounds >= plan.max_rounds:
        return True
    if num_rounds < plan.min_rounds:
        return False
    return duration_s >= plan.max_s or _is_told_apart(plan, list(times.values()))


def _is_told_apart(plan: Plan, times: Sequence[Sequence[float]]) -> bool:
    if not plan.margin_ratio or not times or len(times[0]) < _MIN_CERTAIN:
        return False
    told = [ratios_by_round(other, times[0]) for other in times[1:]] or times
    return all(median_margin(each) < plan.margin_ratio for each in told)


def percentiles(
    times_ms: Sequence[float], percents: Sequence[int] = (50, 95, 99)
) -> dict[str, float]:
    """Return "p50", "p95" and "p99" of timed calls, or others, in their unit."""
    return {f"p{percent}": float(np.percentile(times_ms, percent)) for percent in percents}


def ratios_by_round(times_ms: Sequence[float], reference_ms: Sequence[float]) -> list[float]:
    """Return, round by round, one function's time by another's."""
    return [time / reference for time, reference in zip(times_ms, reference_ms, strict=True)]


def median_ratio(times_ms: Sequence[float], reference_ms: Sequence[float]) -> float:
    """Return the median over rounds of one function's time by another's of the same round."""
    return float(np.median(ratios_by_round(times_ms, reference_ms)))


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % interval of a median, low and high; of fewer than six, all of their range.

    It lies between two of the values, whatever their distribution: how many of them are below the
    median is binomial, here by the normal distribution with its correction for continuity, without
    which it would hold 92 % for some numbers of values. It takes them to be independent; what slows
    a machine for minutes it cannot see. Source: Conover, "Practical Nonparametric Statistics" (3rd
    ed., 1999), 3.2.

    Args:
        values: One or more.
    """
    ordered, num = sorted(values), len(values)
    rank = max(0, math.floor((num - 1 - Z95 * math.sqrt(num)) / 2))
    return ordered[rank], ordered[num - 1 - rank]


def interval_margin(interval: Sequence[float], median: float) -> float:
    """Return half the width of a median's interval, as a share of that median."""
    return (interval[1] - interval[0]) / 2 / median


def median_margin(values: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of a median, as a share of it."""
    return interval_margin(median_interval(values), float(np.median(values)))


Speed = Literal["faster", "slower", "same"]


@dataclasses.dataclass(frozen=True)
class Median:
    """A median and its 95 % interval, both of numbers above 0."""

    value: float
    interval: tuple[float, float]

    @staticmethod
    def of(values: Sequence[float]) -> "Median":
        """Return that of one or more values, with what `median_interval` says."""
        return Median(float(np.median(values)), median_interval(values))

    def by(self, other: "Median") -> "Median":
        """Return this by another one.

        Both are taken to be independent, so that distances, as logarithms, add up as squares: those
        below this median with those above the other one. Each side counts for itself, since what
        lies in memory in two ways has two times, and its median at an end of its interval. Source:
        Zou, Donner, "Construction of confidence limits about effect measures: a general approach",
        Statistics in Medicine 27 (2008).
        """
        (below, above), (other_below, other_above) = self._distances(), other._distances()
        ratio = self.value / other.value
        low = ratio / math.exp(math.hypot(below, other_above))
        return Median(ratio, (low, ratio * math.exp(math.hypot(above, other_below))))

    def _distances(self) -> tuple[float, float]:
        """Return how far below and above the ends are, as logarithms, 0 or more."""
        low, high = self.interval
        below, above = self.value / min(low, self.value), max(high, self.value) / self.value
        return math.log(below), math.log(above)


def judge_speed(ratio: Median) -> Speed:
    """Return what a time by an earlier one says; "same" where its interval cannot tell."""
    low, high = ratio.interval
    if low > 1:
        return "slower"
    return "faster" if high < 1 else "same"
