"""The one clock. Knows nothing of models: it times functions, in turns."""

import gc
import time
from collections.abc import Callable, Mapping

import numpy as np


def measure_interleaved_ms(
    actions: Mapping[str, Callable[[], object]],
    num_rounds: int,
    num_warmup: int,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Time functions A B C A B C ..., so that a machine's drift hits all of them alike.

    Garbage collection waits until the end, so that no function pays for another's litter.

    Args:
        actions: What to time, by name.
        num_rounds: Timed calls of each.
        num_warmup: Calls of each before, not timed.
        on_round: Called after each round, outside of any timing.

    Returns:
        Milliseconds of each timed call, by name, in order: position i of all lists is one round.
    """
    times: dict[str, list[float]] = {name: [] for name in actions}
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        for number in range(num_warmup + num_rounds):
            for name, action in actions.items():
                started_ns = time.perf_counter_ns()
                action()
                duration_ms = (time.perf_counter_ns() - started_ns) / 1e6
                if number >= num_warmup:
                    times[name].append(duration_ms)
            on_round()
    finally:
        if was_enabled:
            gc.enable()
    return times


def percentiles(times_ms: list[float]) -> dict[str, float]:
    """Return "p50", "p95" and "p99" of timed calls, in their unit."""
    return {f"p{percent}": float(np.percentile(times_ms, percent)) for percent in (50, 95, 99)}


def median_ratio(times_ms: list[float], reference_ms: list[float]) -> float:
    """Return the median over rounds of one function's time by another's of the same round."""
    return float(np.median(np.asarray(times_ms) / np.asarray(reference_ms)))
