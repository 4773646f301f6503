import gc
import time

import pytest

from edgecat.bench.clock import measure_interleaved_ms, median_ratio, percentiles


def test_actions_take_turns_and_warm_up_untimed():
    calls, rounds = [], []
    actions = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = measure_interleaved_ms(actions, 4, 2, lambda: rounds.append(len(calls)))
    assert "".join(calls) == "abc" * 6
    assert rounds == [3, 6, 9, 12, 15, 18]
    assert {name: len(values) for name, values in times.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(value >= 0 for values in times.values() for value in values)


def test_each_action_is_timed_alone_in_milliseconds():
    """The slow one's sleep is in its own times and in nobody else's."""
    times = measure_interleaved_ms({"slow": lambda: time.sleep(0.02), "fast": lambda: None}, 5, 0)
    # A sleep is never shorter than asked; a shared machine may make one empty call slow, not five.
    assert min(times["slow"]) >= 20
    assert min(times["fast"]) < 20


def test_what_happens_between_rounds_is_not_timed():
    times = measure_interleaved_ms({"a": lambda: None}, 3, 0, lambda: time.sleep(0.02))
    assert min(times["a"]) < 20


def test_collecting_garbage_waits_and_comes_back_even_after_an_error():
    seen = []

    def fail():
        seen.append(gc.isenabled())
        raise KeyError

    assert gc.isenabled()
    with pytest.raises(KeyError):
        measure_interleaved_ms({"a": fail}, 1, 0)
    assert seen == [False]
    assert gc.isenabled()


def test_who_had_switched_garbage_collection_off_keeps_it_off():
    gc.disable()
    try:
        measure_interleaved_ms({"a": lambda: None}, 1, 0)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_percentiles_of_known_times():
    # Of 0, 1, ..., 100 the p-th percentile is p.
    assert percentiles([float(i) for i in range(101)]) == {"p50": 50.0, "p95": 95.0, "p99": 99.0}
    assert percentiles([3.0]) == {"p50": 3.0, "p95": 3.0, "p99": 3.0}


def test_a_ratio_is_taken_round_by_round():
    # The machine got ten times slower in round two: the rounds' ratios do not care.
    assert median_ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0
    assert median_ratio([1.0, 9.0, 4.0], [1.0, 3.0, 2.0]) == 2.0
