"""All candidates take turns, each in a process of its own, and are timed against a reference."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from edgecat.bench.clock import (
    Plan,
    each_second,
    median_interval,
    median_ratio,
    percentiles,
    ratios_by_round,
    take_turns,
)
from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError, EngineError
from edgecat.machine.memory import read_free_memory
from edgecat.photos.pixels import Pixels
from edgecat.runtime.apart import Apart
from edgecat.runtime.tuning import Timing
from edgecat.tune.worker import Candidate, start_timer

# A heat is done when every ratio to the reference is known within this share of it, up and down.
_MARGIN_RATIO = 0.01

# Of fewer rounds even their range holds the median less often than in 95 %; of three, in 75 %.
_MIN_ROUNDS = 6

# What a process with an open variant takes. Source: benchmarks/results/*/memory.json, the largest.
_WORKER_BYTES = 140_000_000


@dataclasses.dataclass(frozen=True)
class Race:
    """How to race.

    Attributes:
        bundle: Verified.
        photos: uint8 `[N, H, W, 3]`, RGB, to be answered.
        max_s: Seconds that timing may take; more only where that is not enough for six rounds.
            To open candidates comes on top, or the last heats would have none left.
        is_stopping: Whether somebody asked for the end.
        on_second: Called after each second.
    """

    bundle: Bundle
    photos: Pixels
    max_s: float
    is_stopping: Callable[[], bool] = lambda: False
    on_second: Callable[[], object] = lambda: None


@dataclasses.dataclass
class Outcome:
    """What came of it so far.

    Attributes:
        timings: By candidate.
        dropped: Candidates that could not be measured, and why.
    """

    timings: dict[Candidate, Timing] = dataclasses.field(default_factory=dict)
    dropped: dict[Candidate, str] = dataclasses.field(default_factory=dict)

    @property
    def num_tried(self) -> int:
        """Return of how many candidates something is known."""
        return len(self.timings) + len(self.dropped)


class _DropOutError(Exception):
    """A candidate that failed under way: its two arguments are the candidate and the reason."""


def run_race(race: Race, reference: Candidate, others: Sequence[Candidate]) -> Outcome:
    """Time candidates, all at once; or in heats, where memory does not hold all of their processes.

    Args:
        race: How.
        reference: Takes part in every heat.
        others: To be timed against it.

    Raises:
        EngineError: The reference failed.
    """
    outcome, left_s = Outcome(), race.max_s
    size = _count_processes() - 1
    heats = [others[start : start + size] for start in range(0, len(others), size)] or [[]]
    for number, heat in enumerate(heats):
        if not race.is_stopping():
            with _start(race, [reference, *heat], outcome) as timers:
                started = time.monotonic()
                _run_heat(race, timers, started + left_s / (len(heats) - number), outcome)
                left_s = max(0.0, left_s - (time.monotonic() - started))
    return outcome


def _count_processes() -> int:
    """Return how many processes with a model may live at once, the reference's among them."""
    free = read_free_memory()
    # Half of what is free: the kernel's cache of files and other programs want some.
    return 16 if free is None else max(2, free.size_bytes // 2 // _WORKER_BYTES)


@contextlib.contextmanager
def _start(
    race: Race, candidates: Sequence[Candidate], outcome: Outcome
) -> Iterator[dict[Candidate, tuple[Apart, str]]]:
    """Open candidates, for as long as the block lasts: each one's process and precision.

    Raises:
        EngineError: The first one failed.
        BundleError: The same.
    """
    timers: dict[Candidate, tuple[Apart, str]] = {}
    with contextlib.ExitStack() as stack:
        for candidate in candidates:
            if race.is_stopping():
                break
            timer = stack.enter_context(start_timer(race.bundle, candidate, race.photos))
            try:
                timers[candidate] = timer, timer.call("describe_precision")
            except (BundleError, EngineError) as error:
                if candidate == candidates[0]:
                    raise
                outcome.dropped[candidate] = candidate.describe_fall(error)
        yield timers


def _run_heat(
    race: Race, timers: dict[Candidate, tuple[Apart, str]], ends: float, outcome: Outcome
) -> None:
    """Time open candidates until they are told apart; who fails drops out, the others go on.

    Raises:
        EngineError: The reference failed.
    """
    while timers:
        turns: dict[Candidate, list[list[float]]] = {candidate: [] for candidate in timers}
        actions = {
            candidate.describe(): partial(_take_turn, candidate, timer, turns[candidate])
            for candidate, (timer, _) in timers.items()
        }
        plan = Plan(
            max_s=max(0.0, ends - time.monotonic()),
            min_rounds=_MIN_ROUNDS,
            margin_ratio=_MARGIN_RATIO,
            is_stopping=race.is_stopping,
        )
        try:
            times = take_turns(actions, plan, each_second(race.on_second))
        except _DropOutError as fall:
            candidate, reason = fall.args
            if candidate == next(iter(timers)):
                raise EngineError(f"{candidate.describe()}: {reason}") from fall
            outcome.dropped[candidate] = reason
            del timers[candidate]
            continue
        reference_ms = next(iter(times.values()))
        if len(reference_ms) >= _MIN_ROUNDS:
            for (candidate, (_, precision)), own_ms in zip(
                timers.items(), times.values(), strict=True
            ):
                timed = turns[candidate][-len(own_ms) :]  # those before were the warm-up
                outcome.timings.setdefault(
                    candidate, _describe(candidate, precision, timed, reference_ms)
                )
        return


def _take_turn(candidate: Candidate, timer: Apart, turns: list[list[float]]) -> float:
    """Return the milliseconds of the photo of a turn that other programs disturbed least.

    Raises:
        _DropOutError: It failed.
    """
    try:
        times_ms: list[float] = timer.call("measure_ms")
    except EngineError as error:
        raise _DropOutError(candidate, candidate.describe_fall(error)) from error
    turns.append(times_ms)
    return min(times_ms)


def _describe(
    candidate: Candidate, precision: str, turns: Sequence[list[float]], reference_ms: list[float]
) -> Timing:
    own_ms = [min(turn) for turn in turns]
    all_ms = [duration_ms for turn in turns for duration_ms in turn]
    return Timing(
        variant=candidate.variant,
        threads=candidate.threads,
        precision=precision,
        latency_ms=percentiles(all_ms),
        ratio=median_ratio(own_ms, reference_ms),
        ratio_interval=median_interval(ratios_by_round(own_ms, reference_ms)),
        num_rounds=len(turns),
        num_photos=len(all_ms),
        device=candidate.device,
    )
