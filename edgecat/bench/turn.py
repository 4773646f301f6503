"""A turn of something that answers photos, where several take turns in processes of their own."""

import gc
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Generic, TypeVar

from edgecat.bench.clock import time_ms

T = TypeVar("T")

# Photos of a turn. The first ones are not timed: the caches hold another one's weights, and its
# threads may still spin.
_NUM_UNTIMED, _NUM_TIMED = 2, 5


class Turn(Generic[T]):
    """Answers photos, a few each time that it is its turn, and times them."""

    def __init__(self, run: Callable[[T], object], photos: Sequence[T]) -> None:
        """Collect no garbage from now on: nobody pays for litter, this process does nothing else.

        Args:
            run: Answers a photo.
            photos: As it takes them; answered one by one, again and again.
        """
        self._run, self._photos = run, itertools.cycle(photos)
        gc.disable()

    def measure_ms(self) -> list[float]:
        """Return the milliseconds of each timed photo."""
        for _ in range(_NUM_UNTIMED):
            self._run(next(self._photos))
        photos = [next(self._photos) for _ in range(_NUM_TIMED)]
        return [time_ms(partial(self._run, photo)) for photo in photos]
