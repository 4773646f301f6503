"""The latency of engines: all of them in turn, on the same photos."""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from edgecat.bench.clock import Plan, take_turns, time_ms
from edgecat.bench.turn import NUM_UNTIMED
from edgecat.photos.input import InputSpec
from edgecat.runtime.engine import Engine


def measure_latencies_ms(
    engines: Mapping[str, Engine],
    spec: InputSpec,
    num_rounds: int,
    num_warmup: int,
    *,
    size: int = 1,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Return the milliseconds of each timed call, by name, as `take_turns` does.

    Args:
        engines: By name, open.
        spec: What they take.
        num_rounds: Timed calls of each.
        num_warmup: Calls of each before, not timed.
        size: Photos a call.
        on_round: Called after each round, outside of any timing.
    """
    plan = Plan.fixed(num_rounds, num_warmup)
    return take_turns(time_on_noise(engines, spec, size), plan, on_round)


def time_on_noise(
    engines: Mapping[str, Engine], spec: InputSpec, size: int = 1
) -> dict[str, Callable[[], float]]:
    """Return, by name, what gives each engine its turn and returns the milliseconds of an answer.

    Args:
        engines: By name, open.
        spec: What they take.
        size: Photos a call.
    """
    actions = answer_noise(engines, spec, size)
    return {name: partial(_time_turn, action) for name, action in actions.items()}


def answer_noise(
    engines: Mapping[str, Engine], spec: InputSpec, size: int = 1
) -> dict[str, Callable[[], object]]:
    """Return, by name, what lets each engine answer once.

    Args:
        engines: By name, open.
        spec: What they take.
        size: Photos a call.
    """
    # Noise, seeded: the time of a convolution does not depend on the picture.
    rng = np.random.default_rng(0)
    batch = rng.integers(0, 256, (size, *spec.shape), dtype=np.uint8)
    return {name: partial(engine.run, batch) for name, engine in engines.items()}


def _time_turn(answer: Callable[[], object]) -> float:
    for _ in range(NUM_UNTIMED):
        answer()
    return time_ms(answer)
