"""Where photos wait for the worker: a line of limited length."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgecat.serve.refusal import Refusal

_Result = TypeVar("_Result")


class Line:
    """The worker thread and the line before it; whoever finds it full is turned away.

    One worker, because on 2 cores more of them give no more answers a second, only a longer tail
    (benchmarks/results/*/serve_workers.json), and a hostile photo takes its memory only once.

    All methods are called on the event loop, so that counting needs no lock.
    """

    def __init__(self, max_waiting: int) -> None:
        """Start the worker.

        Args:
            max_waiting: How many may wait beside the one that is being worked on.
        """
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="edgecat-worker")
        self._max_inside = 1 + max_waiting
        self._num_inside = 0
        self._moved = asyncio.Event()

    @property
    def num_waiting(self) -> int:
        """Return how many requests wait for the worker or send their photo."""
        return max(0, self._num_inside - 1)

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
        """Return what the worker makes of a task."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._worker, task)
        finally:
            self._moved.set()

    async def move(self) -> None:
        """Return as soon as the worker is done with a task, whichever; at once if it has none.

        To wait for a task of one's own would be to wait for the whole line, which may be long.
        """
        self._moved.clear()
        pulse = asyncio.create_task(self.work(lambda: None))
        try:
            await self._moved.wait()
        finally:
            pulse.cancel()

    def close(self) -> None:
        """Wait for the task in the worker's hands; drop the others."""
        self._worker.shutdown(cancel_futures=True)
