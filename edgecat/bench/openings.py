"""Models that are opened anew again and again: for the clock, an opening is a round.

A model that is open lies somewhere in memory, and keeps for its whole life a time that is up to 5 %
another one than that of the same model opened again; of four in a process, the one opened first is
1 to 2 % slower than the last one. Rounds of one opening know nothing of that, and the more of them
there are, the surer they are of a wrong ratio. Source: Mytkowicz et al., "Producing Wrong Data
Without Doing Anything Obviously Wrong!" (ASPLOS 2009); measured in benchmarks/device/openings.py.
"""

import contextlib
import dataclasses
import statistics
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

from edgecat.bench.clock import Plan, median_margin, ratios_by_round, take_rounds, take_turns
from edgecat.bench.latency import time_on_noise
from edgecat.photos.input import InputSpec
from edgecat.runtime.engine import Engine

#: As many as give a 95 % interval that one odd opening on either side does not move
#: (`edgecat.bench.clock.median_interval`), and that two, three or four models share evenly.
NUM_OPENINGS = 12

# Of fewer openings not even their range is a 95 % interval of their median.
_MIN_OPENINGS = 6

# Photos of an opening that are not timed: the first answers allocate memory.
_NUM_WARMUP = 5


@dataclasses.dataclass(frozen=True)
class Timed:
    """A model to time.

    Attributes:
        open: Opens it for a block.
        input: What it takes.
    """

    open: Callable[[], AbstractContextManager[Engine]]
    input: InputSpec


@dataclasses.dataclass(frozen=True)
class Openings:
    """How long a photo takes, in milliseconds, by model.

    Attributes:
        medians_ms: Of each opening; position i of all lists is one opening.
        photos_ms: Of each timed photo.
    """

    medians_ms: dict[str, list[float]]
    photos_ms: dict[str, list[float]]

    def list_ratios(self, name: str, reference: str) -> list[float]:
        """Return, opening by opening, one model's time by another's."""
        return ratios_by_round(self.medians_ms[name], self.medians_ms[reference])

    def list_margins(self) -> list[float]:
        """Return half the width of each ratio's 95 % interval, as a share; the first one has none.

        Of a single model, that of its own times. Of too few openings for an interval, 1.
        """
        first, *others = self.medians_ms
        if len(self.medians_ms[first]) < _MIN_OPENINGS:
            return [1.0]
        compared = [self.list_ratios(name, first) for name in others] or [self.medians_ms[first]]
        return [median_margin(one) for one in compared]


def time_openings(
    models: Mapping[str, Timed],
    num_photos: int,
    plan: Plan | None = None,
    on_opening: Callable[[], object] = lambda: None,
) -> Openings:
    """Open models anew again and again, and let them answer single photos in turns.

    Args:
        models: By name; the first one is the reference. Each opening starts with another one.
        num_photos: Timed photos of each in an opening.
        plan: How many openings; `NUM_OPENINGS` unless it is given. One that is under way when the
            end is asked for is not kept.
        on_opening: Called after each, outside of any timing.

    Raises:
        EngineError: One does not open, or does not answer.
    """
    photos_ms: dict[str, list[float]] = {name: [] for name in models}
    order = deque(models)
    plan = plan or Plan.fixed(NUM_OPENINGS, 0)
    plan_of_one = dataclasses.replace(
        Plan.fixed(num_photos, _NUM_WARMUP), is_stopping=plan.is_stopping
    )

    def take_round() -> dict[str, float]:
        with contextlib.ExitStack() as stack:
            actions: dict[str, Callable[[], float]] = {}
            for name in order:
                engine = stack.enter_context(models[name].open())
                actions |= time_on_noise({name: engine}, models[name].input)
            times = take_turns(actions, plan_of_one)
        if plan.is_stopping():
            return {}
        order.rotate(-1)
        for name, times_ms in times.items():
            photos_ms[name] += times_ms
        return {name: statistics.median(times[name]) for name in models}

    medians = take_rounds(take_round, plan, on_opening)
    return Openings(medians, photos_ms)
