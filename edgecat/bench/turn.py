"""A turn of something that answers photos, where several take turns in processes of their own."""

import gc
import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from edgecat.bench.clock import time_ms

T = TypeVar("T")

#: Photos at the beginning of a turn that are not timed: the caches hold another one's weights. What
#: is left beside the engines' own tools stands in benchmarks/results/*/clock.json.
NUM_UNTIMED = 2

_NUM_TIMED = 5

# Whoever had the turn before spins while it waits for more work, on cores that several threads
# need. When this was written, OpenVINO's fp32 behind ONNX Runtime's turn was hindered for more than
# 20 ms, with two threads of two cores, and not after 50 ms.
_REST_S = 0.05


class Turn(Generic[T]):
    """Answers photos, a few each time that it is its turn, and times them."""

    def __init__(self, run: Callable[[T], object], photos: Sequence[T], threads: int) -> None:
        """Collect no garbage from now on: nobody pays for litter, this process does nothing else.

        Args:
            run: Answers a photo.
            photos: As it takes them; answered one by one, again and again.
            threads: That it computes with.
        """
        self._run, self._photos = run, itertools.cycle(photos)
        self._rest_s = _REST_S if threads > 1 else 0.0
        gc.disable()

    def measure_ms(self) -> list[float]:
        """Return the milliseconds of each timed photo."""
        time.sleep(self._rest_s)
        for _ in range(NUM_UNTIMED):
            self._run(next(self._photos))
        photos = [next(self._photos) for _ in range(_NUM_TIMED)]
        return [time_ms(partial(self._run, photo)) for photo in photos]
