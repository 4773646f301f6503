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
