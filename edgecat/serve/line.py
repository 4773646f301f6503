"""Where photos wait for a worker: a line of limited length."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgecat.serve.refusal import Refusal

# One photo is decoded while the model looks at another. Measured on 2 cores: 1 worker gives 13 %
# fewer answers a second, and with more than 2 photos just wait for cores instead of in line.
NUM_WORKERS = 2

_Result = TypeVar("_Result")


class Line:
    """Worker threads and the line before them; whoever finds it full is turned away.

    All methods are called on the event loop, so that counting needs no lock.
    """

    def __init__(self, max_waiting: int) -> None:
        """Start the workers.

        Args:
            max_waiting: How many may wait beside those that are being worked on.
        """
        self._workers = ThreadPoolExecutor(NUM_WORKERS, thread_name_prefix="edgecat-worker")
        self._max_inside = NUM_WORKERS + max_waiting
        self._num_inside = 0

    @property
    def num_waiting(self) -> int:
        """Return how many requests wait for a worker or send their photo."""
        return max(0, self._num_inside - NUM_WORKERS)

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place; take it before the body is read, so that bodies do not pile up either.

        Raises:
            Refusal: The line is full.
        """
        if self._num_inside >= self._max_inside:
            raise Refusal(
                503,
                "busy",
                f"{self._num_inside} photos are being answered or wait, and no more are taken; "
                "send it again in a second",
                {"Retry-After": "1"},
            )
        self._num_inside += 1
        try:
            yield
        finally:
            self._num_inside -= 1

    async def work(self, task: Callable[[], _Result]) -> _Result:
        """Return what a worker makes of a task."""
        return await asyncio.get_running_loop().run_in_executor(self._workers, task)

    def close(self) -> None:
        """Wait for the task in each worker's hands; drop the others."""
        self._workers.shutdown(cancel_futures=True)
