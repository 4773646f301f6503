"""Where photos wait for the worker: a line of limited length, whose bodies hold limited memory."""

import asyncio
import contextlib
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgecat.serve.limits import Limits
from edgecat.serve.refusal import Refusal

_Result = TypeVar("_Result")

_AGAIN = "send it again in a second"
_RETRY = {"Retry-After": "1"}


@dataclasses.dataclass(eq=False)
class Place:
    """The place of one photo.

    Attributes:
        client: Whose photo it is: an IP address.
        num_bytes: What its body holds, or will hold when it is there.
        since_s: When it was taken, by the event loop's clock.
        patience: Ends when somebody else gets the place.
        is_arriving: Whether the body is still on its way.
        is_begun: Whether the worker has begun with it.
        is_held: Whether it still is this photo's place.
    """

    client: str
    num_bytes: int
    since_s: float
    patience: asyncio.Timeout
    is_arriving: bool = True
    is_begun: bool = False
    is_held: bool = True


class Line:
    """The worker thread and the line before it.

    Whoever finds it full is turned away, unless another client holds more of it, or has a body
    that does not arrive: then that one has to go.

    One worker, because on 2 cores more of them give no more answers a second, only a longer tail
    (benchmarks/results/*/serve_workers.json), and a hostile photo takes its memory only once.

    All methods are called on the event loop, so that counting needs no lock.
    """

    def __init__(self, limits: Limits) -> None:
        """Start the worker."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="edgecat-worker")
        self._limits = limits
        self._places: list[Place] = []  # the longest held first
        self._moved = asyncio.Event()

    @property
    def num_waiting(self) -> int:
        """Return how many requests wait for the worker or send their photo."""
        return max(0, len(self._places) - 1)

    @property
    def num_bytes(self) -> int:
        """Return what the bodies of all of them hold."""
        return sum(place.num_bytes for place in self._places)

    @contextlib.asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[Place]:
        """Hold a place; take it before the body is read, so that bodies do not pile up either.

        Args:
            client: Who asks: an IP address.

        Raises:
            Refusal: The line is full, or somebody else got the place.
        """
        place = Place(client, 0, asyncio.get_running_loop().time(), asyncio.timeout(None))
        while len(self._places) >= self._limits.max_places:
            other = self._who_leaves(place, lambda _: 1)
            if other is None:
                number = len(self._places)
                text = f"{number} photos are being answered or wait, and no more are taken"
                raise Refusal(503, "busy", f"{text}; {_AGAIN}", _RETRY)
            self._send_away(other)
        self._places.append(place)
        try:
            async with place.patience:
                yield place
        except TimeoutError:
            text = f"the photo had to make room for another one; {_AGAIN}"
            raise Refusal(503, "made_room", text, _RETRY) from None
        finally:
            self._leave(place)

    def hold(self, place: Place, num_bytes: int) -> None:
        """Let the body of a photo hold memory, which is that of all bodies.

        Args:
            place: The photo's.
            num_bytes: All that it holds, or will hold.

        Raises:
            Refusal: There is not so much left.
        """
        if num_bytes <= place.num_bytes:
            return
        place.num_bytes = num_bytes
        while self.num_bytes > self._limits.all_bodies_bytes:
            other = self._who_leaves(place, lambda one: one.num_bytes)
            if other is None:
                text = (
                    f"all photos under way may hold {self._limits.all_bodies_bytes / 2**20:g} MiB "
                    f"together, and {num_bytes / 2**20:.1f} MiB more do not fit"
                )
                raise Refusal(503, "no_room", f"{text}; {_AGAIN}", _RETRY)
            self._send_away(other)

    async def answer(self, place: Place, task: Callable[[], _Result]) -> _Result:
        """Return what the worker makes of a photo that has arrived."""
        place.is_arriving = False

        def begin() -> _Result:
            place.is_begun = True
            return task()

        return await self.work(begin)

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

    def _who_leaves(self, newcomer: Place, weigh: Callable[[Place], int]) -> Place | None:
        """Return who has to make room for a newcomer; None if it is the newcomer who must go.

        The client that holds most, counted with what the newcomer asks for, has to give: a body
        that arrives slowly or, if that is not the newcomer's own client, the photo that came last.
        """
        held: Counter[str] = Counter()
        for place in dict.fromkeys([*self._places, newcomer]):  # it may have a place already
            held[place.client] += weigh(place)
        most = max(held, key=lambda client: (held[client], client == newcomer.client))
        theirs = [
            place
            for place in self._places
            if place.client == most and place is not newcomer and not place.is_begun
        ]
        latest_s = asyncio.get_running_loop().time() - self._limits.slow_s
        slow = [place for place in theirs if place.is_arriving and place.since_s < latest_s]
        others = theirs if most != newcomer.client else []
        return next(iter([*slow, *reversed(others)]), None)

    def _send_away(self, place: Place) -> None:
        self._leave(place)
        place.patience.reschedule(asyncio.get_running_loop().time())

    def _leave(self, place: Place) -> None:
        place.is_held = False
        with contextlib.suppress(ValueError):  # who was sent away has left already
            self._places.remove(place)
