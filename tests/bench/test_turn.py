"""A turn of something that answers photos."""

import gc
import time

from edgecat.bench import turn
from edgecat.bench.turn import Turn


def test_a_turn_of_several_threads_begins_when_those_of_others_sleep():
    begun = []
    started = time.monotonic()
    try:
        times_ms = Turn(lambda _: begun.append(time.monotonic()), [0], threads=2).measure_ms()
    finally:
        gc.enable()
    assert begun[0] - started >= turn._REST_S
    assert 0 < len(times_ms) < len(begun)
