"""The line before the workers."""

import asyncio
import contextlib
import threading
from functools import partial

import pytest

from edgecat.serve.line import Line
from edgecat.serve.refusal import Refusal


def test_places_end_and_become_free_again():
    line = Line(max_waiting=2)
    for _ in range(2):
        with contextlib.ExitStack() as places:
            for number in range(3):
                places.enter_context(line.place())
                assert line.num_waiting == number
            with pytest.raises(Refusal) as caught, line.place():
                pass
            assert (caught.value.status_code, caught.value.code) == (503, "busy")
        assert line.num_waiting == 0
    line.close()


def test_the_worker_does_one_task_at_a_time_and_in_order():
    running, done = threading.Lock(), []

    def task(number):
        assert running.acquire(blocking=False)
        done.append(number)
        running.release()

    async def fill():
        line = Line(max_waiting=2)
        await asyncio.gather(*[line.work(partial(task, number)) for number in range(100)])
        line.close()

    asyncio.run(fill())
    assert done == list(range(100))


def test_an_error_of_a_task_comes_back():
    async def fail():
        line = Line(max_waiting=2)
        try:
            await line.work(lambda: 1 / 0)
        finally:
            line.close()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())


def test_a_long_line_does_not_hide_that_the_worker_moves():
    async def move():
        line, gate = Line(max_waiting=2), threading.Semaphore(0)
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
