"""The line before the workers."""

import asyncio
import contextlib
import threading
from functools import partial

import pytest

from edgecat.serve.limits import Limits
from edgecat.serve.line import Line
from edgecat.serve.refusal import Refusal


def test_places_end_and_become_free_again():
    async def fill():
        line = Line(Limits(max_waiting=2))
        for _ in range(2):
            async with contextlib.AsyncExitStack() as places:
                for number in range(3):
                    await places.enter_async_context(line.place("one"))
                    assert line.num_waiting == number
                with pytest.raises(Refusal) as caught:
                    async with line.place("one"):
                        pass
                assert (caught.value.status_code, caught.value.code) == (503, "busy")
            assert line.num_waiting == 0
        line.close()

    asyncio.run(fill())


class Held:
    """A place that a task holds until it is sent away or told to leave."""

    def __init__(self, line, client, num_bytes=0):
        self._line, self._client, self._num_bytes = line, client, num_bytes
        self.place = None
        self.task = asyncio.create_task(self._hold())

    async def _hold(self):
        async with self._line.place(self._client) as self.place:
            self._line.hold(self.place, self._num_bytes)
            await asyncio.sleep(30)

    async def outcome(self):
        """Return the code of the refusal; None while the place is held."""
        done, _ = await asyncio.wait([self.task], timeout=0.05)
        return self.task.exception().code if done else None


async def hold(line, *clients, num_bytes=0):
    held = []
    for client in clients:
        held.append(Held(line, client, num_bytes))
        await asyncio.sleep(0)
    return held


def outcomes_of(limits, fill):
    """Return what becomes of the places that `fill` takes in a line."""

    async def run():
        line = Line(limits)
        held = await fill(line)
        outcomes = [await one.outcome() for one in held]
        for one in held:
            one.task.cancel()
        assert line.num_bytes <= limits.all_bodies_bytes
        line.close()
        return outcomes

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("clients", "outcomes"),
    [
        ("aaaab", [None, None, None, "made_room", None]),  # who holds most gives his last
        ("aaaabb", [None, None, "made_room", "made_room", None, None]),
        ("aaaabbb", [None, None, "made_room", "made_room", None, None, "busy"]),  # as much
        ("aabbc", [None, "made_room", None, None, None]),
        ("abcda", [None, None, None, None, "busy"]),
        ("aaaaa", [None, None, None, None, "busy"]),
    ],
)
def test_nobody_holds_more_of_the_line_than_another_who_wants_it(clients, outcomes):
    found = outcomes_of(Limits(max_waiting=3), lambda line: hold(line, *clients))
    assert found == outcomes


@pytest.mark.parametrize(
    ("clients", "outcomes"),
    [
        ("aaab", [None, None, "made_room", None]),
        ("abca", [None, None, None, "no_room"]),
        ("aaaa", [None, None, None, "no_room"]),
    ],
)
def test_nobody_holds_more_of_the_memory_than_another_who_wants_it(clients, outcomes):
    limits = Limits(max_body_bytes=10, max_bodies_bytes=30)
    assert outcomes_of(limits, lambda line: hold(line, *clients, num_bytes=10)) == outcomes


def test_a_body_that_arrives_slowly_makes_room_for_one_of_the_same_client():
    async def fill(line):
        slow = await hold(line, *"aaa")
        await asyncio.sleep(0.1)
        return slow + await hold(line, *"aa")

    limits = Limits(max_waiting=2, slow_s=0.05)
    assert outcomes_of(limits, fill) == ["made_room", "made_room", None, None, None]


def test_what_the_worker_has_begun_makes_room_for_nobody():
    async def fill(line):
        held = await hold(line, *"aa")
        for one in held:
            one.place.is_begun = True
        return held + await hold(line, *"b")

    assert outcomes_of(Limits(max_waiting=1), fill) == [None, None, "busy"]


def test_the_answer_to_a_photo_that_was_sent_away_is_not_computed():
    async def run():
        line, gate, computed = Line(Limits(max_waiting=1)), threading.Semaphore(0), []

        async def answer(client, task):
            async with line.place(client) as place:
                return await line.answer(place, task)

        first = asyncio.create_task(answer("a", gate.acquire))
        second = asyncio.create_task(answer("a", lambda: computed.append("a")))
        await asyncio.sleep(0.05)
        third = asyncio.create_task(answer("b", lambda: computed.append("b")))
        await asyncio.sleep(0.05)
        gate.release()
        outcomes = await asyncio.gather(first, second, third, return_exceptions=True)
        line.close()
        return [getattr(outcome, "code", outcome) for outcome in outcomes], computed

    assert asyncio.run(run()) == ([True, "made_room", None], ["b"])


def test_the_worker_does_one_task_at_a_time_and_in_order():
    running, done = threading.Lock(), []

    def task(number):
        assert running.acquire(blocking=False)
        done.append(number)
        running.release()

    async def fill():
        line = Line(Limits(max_waiting=2))
        await asyncio.gather(*[line.work(partial(task, number)) for number in range(100)])
        line.close()

    asyncio.run(fill())
    assert done == list(range(100))


def test_an_error_of_a_task_comes_back():
    async def fail():
        line = Line(Limits(max_waiting=2))
        try:
            await line.work(lambda: 1 / 0)
        finally:
            line.close()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())


def test_a_long_line_does_not_hide_that_the_worker_moves():
    async def move():
        line, gate = Line(Limits(max_waiting=2)), threading.Semaphore(0)
        tasks = [asyncio.create_task(line.work(gate.acquire)) for _ in range(3)]
        await asyncio.sleep(0)  # they stand in the line
        move = asyncio.create_task(line.move())
        done, _ = await asyncio.wait([move], timeout=0.1)
        moved_while_it_hangs = bool(done)
        gate.release()  # one of three
        await asyncio.wait_for(move, 30)
        num_done = sum(task.done() for task in tasks)
        gate.release(2)
        await asyncio.gather(*tasks)
        await line.move()  # at once, with nothing to do
        line.close()
        return moved_while_it_hangs, num_done

    assert asyncio.run(move()) == (False, 1)
