"""The line before the workers."""

import asyncio
import contextlib
import threading

import pytest

from edgecat.serve.line import NUM_WORKERS, Line
from edgecat.serve.refusal import Refusal


def test_places_end_and_become_free_again():
    line = Line(max_waiting=2)
    for _ in range(2):
        with contextlib.ExitStack() as places:
            for number in range(NUM_WORKERS + 2):
                places.enter_context(line.place())
                assert line.num_waiting == max(0, number + 1 - NUM_WORKERS)
            with pytest.raises(Refusal) as caught, line.place():
                pass
            assert (caught.value.status_code, caught.value.code) == (503, "busy")
        assert line.num_waiting == 0
    line.close()


def test_the_workers_work_side_by_side():
    async def meet():
        line = Line(max_waiting=2)
        barrier = threading.Barrier(NUM_WORKERS)  # passed only by all of them at once
        await asyncio.gather(*[line.work(lambda: barrier.wait(30)) for _ in range(NUM_WORKERS)])
        line.close()

    asyncio.run(meet())


def test_an_error_of_a_task_comes_back():
    async def fail():
        line = Line(max_waiting=2)
        try:
            await line.work(lambda: 1 / 0)
        finally:
            line.close()

    with pytest.raises(ZeroDivisionError):
        asyncio.run(fail())
