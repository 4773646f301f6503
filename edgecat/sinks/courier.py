"""Brings answers from the queue to a sink, in a thread of its own: nobody waits for it.

Lines are brought in order, one at a time: the next is not sent before the sink has confirmed the
one before and that is noted on the disk. So, whatever is killed, a line that is sent twice comes
twice in a row, with the same id and number; none is left out.
"""

import contextlib
import threading
import time
from collections.abc import Sequence

from edgecat.progress import Progress, describe_count
from edgecat.sinks.queue import Queue
from edgecat.sinks.sink import Rejected, Sink, Unreachable

# How long to wait after a failure: doubled after each, up to the second value, until a connection
# has lasted so many times as long. Two services that throw each other out slow down so, too.
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.5, 60.0
_STABLE_RATIO = 10

# So many reasons are told until all is well again: the text of an error may differ each time.
_MAX_TOLD = 10

# How long the end of the service waits for a sink that is in the midst of something.
_HANG_UP_S = 5.0


class Courier(threading.Thread):
    """One sink's courier."""

    def __init__(self, queue: Queue, sink: Sink, progress: Progress) -> None:
        """Prepare.

        Args:
            queue: Knows the sink's name.
            sink: Used by this thread alone.
            progress: Told of troubles and their ends.
        """
        super().__init__(name=f"edgecat-{sink.name}", daemon=True)
        self._queue = queue
        self._sink = sink
        self._progress = progress
        self._told: set[str] = set()  # what is wrong at the moment
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._wait_s = _FIRST_WAIT_S
        self._is_connected = False
        self._connected_s = 0.0  # since when

    def run(self) -> None:
        """Bring lines until the end."""
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                self._step()
            except Unreachable as error:
                self._bear(str(error))
            except Exception as error:
                # A disk that is full, and whatever a library makes of garbage from the network:
                # answers must go on.
                self._bear(f"{type(error).__name__}: {error}")
            else:
                self._recover()
        self._hang_up(is_over=True)

    def wake(self) -> None:
        """Tell of a new line."""
        self._wake.set()

    def finish(self, patience_s: float) -> None:
        """Let the thread end, once all is brought or its time is over.

        Args:
            patience_s: How long lines may still be brought.
        """
        end_s = time.monotonic() + patience_s
        while (num_left := self._queue.count_waiting(self._sink.name)) and time.monotonic() < end_s:
            time.sleep(0.05)
        self._stopping.set()
        self._wake.set()
        self.join(_HANG_UP_S)
        if num_left:
            self._progress.say(
                f"{self._sink.address}: {describe_count(num_left, 'answer')} left in the queue, "
                "which the next start sends"
            )

    def _step(self) -> None:
        """Bring one line, or rest if there is none."""
        name = self._sink.name
        if not self._is_connected:
            self._sink.connect(self._queue.find_recent(name))
            self._is_connected, self._connected_s = True, time.monotonic()
        entry = self._queue.find_next(name)
        if entry is None:
            self._sink.rest(self._wake)
            return
        if num_missed := self._queue.count_missed(name, entry):
            self._progress.say(
                f"{self._sink.address}: {describe_count(num_missed, 'answer')} too many for the "
                "queue and not sent; the results have all"
            )
            self._queue.mark_taken(name, entry.number - 1)
        try:
            self._sink.take(entry)
        except Rejected as error:
            self._progress.say(f"{self._sink.address}: answer {entry.number} is left out: {error}")
        self._queue.mark_taken(name, entry.number)

    def _bear(self, reason: str) -> None:
        """Tell of a trouble, once, and wait before the next trial."""
        if self._stopping.is_set():
            return
        if reason not in self._told and len(self._told) < _MAX_TOLD:
            self._told.add(reason)
            is_last = len(self._told) == _MAX_TOLD
            self._progress.say(
                f"{self._sink.address}: {reason}; answers wait in the queue"
                f"{'; more is told once it is well again' if is_last else ''}"
            )
        lasted_s = time.monotonic() - self._connected_s if self._is_connected else 0
        if lasted_s > _STABLE_RATIO * self._wait_s:
            self._wait_s = _FIRST_WAIT_S
        self._hang_up(is_over=False)
        self._stopping.wait(self._wait_s)
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)

    def _hang_up(self, *, is_over: bool) -> None:
        self._is_connected = False
        with contextlib.suppress(Exception):  # the connection is given up in any case
            self._sink.hang_up(is_over=is_over)

    def _recover(self) -> None:
        """Tell that all is well, if it was not."""
        if self._told:
            self._told.clear()
            self._progress.say(f"{self._sink.address}: well again")


class Couriers:
    """The couriers of all sinks, for as long as the block lasts."""

    def __init__(
        self, queue: Queue, sinks: Sequence[Sink], progress: Progress, *, patience_s: float
    ) -> None:
        """Prepare.

        Args:
            queue: Knows the names of all sinks.
            sinks: Not used by anybody else.
            progress: As for `Courier`.
            patience_s: How long, at the end, what waits may still be brought.
        """
        self._couriers = [Courier(queue, sink, progress) for sink in sinks]
        self._patience_s = patience_s

    def __enter__(self) -> "Couriers":
        """Start them."""
        for courier in self._couriers:
            courier.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Let them end."""
        for courier in self._couriers:
            courier.finish(self._patience_s)

    def wake(self) -> None:
        """Tell of a new line."""
        for courier in self._couriers:
            courier.wake()
