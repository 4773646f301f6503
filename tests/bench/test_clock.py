import gc
import math
import time
from functools import partial

import numpy as np
import pytest

from edgecat.bench.clock import (
    Median,
    Plan,
    interval_margin,
    is_steady,
    judge_speed,
    median_interval,
    median_ratio,
    percentiles,
    take_turns,
    time_ms,
)


def measure_ms(actions, num_rounds, num_warmup, on_round=lambda: None):
    timed = {name: partial(time_ms, action) for name, action in actions.items()}
    return take_turns(timed, Plan.fixed(num_rounds, num_warmup), on_round)


def test_actions_take_turns_and_warm_up_untimed():
    calls, rounds = [], []
    actions = {name: lambda name=name: calls.append(name) for name in "abc"}
    times = measure_ms(actions, 4, 2, lambda: rounds.append(len(calls)))
    assert "".join(calls) == "abc" * 6
    assert rounds == [3, 6, 9, 12, 15, 18]
    assert {name: len(values) for name, values in times.items()} == {"a": 4, "b": 4, "c": 4}
    assert all(value >= 0 for values in times.values() for value in values)


def test_each_action_is_timed_alone_in_milliseconds():
    """The slow one's sleep is in its own times and in nobody else's."""
    times = measure_ms({"slow": lambda: time.sleep(0.02), "fast": lambda: None}, 5, 0)
    # A sleep is never shorter than asked; a shared machine may make one empty call slow, not five.
    assert min(times["slow"]) >= 20
    assert min(times["fast"]) < 20


def test_what_happens_between_rounds_is_not_timed():
    times = measure_ms({"a": lambda: None}, 3, 0, lambda: time.sleep(0.02))
    assert min(times["a"]) < 20


def test_collecting_garbage_waits_and_comes_back_even_after_an_error():
    seen = []

    def fail():
        seen.append(gc.isenabled())
        raise KeyError

    assert gc.isenabled()
    with pytest.raises(KeyError):
        measure_ms({"a": fail}, 1, 0)
    assert seen == [False]
    assert gc.isenabled()


def test_who_had_switched_garbage_collection_off_keeps_it_off():
    gc.disable()
    try:
        measure_ms({"a": lambda: None}, 1, 0)
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


def from_list(values):
    """Return a function that says one value after the other, the last one for ever."""
    left = list(values)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_rounds_are_not_timed_before_every_function_is_as_fast_as_it_gets():
    actions = {"a": lambda: 1.0, "b": from_list([*range(40, 10, -1), 10.0])}
    times = take_turns(actions, Plan(max_rounds=5))
    assert times == {"a": [1.0] * 5, "b": [10.0] * 5}


def test_what_never_gets_steady_is_timed_all_the_same():
    falling = from_list(1000 * 0.8**number for number in range(200))
    assert len(take_turns({"a": falling}, Plan(max_warmup=30, max_rounds=5))["a"]) == 5


@pytest.mark.parametrize(
    ("times", "steady"),
    [
        ([1.0] * 9, False),
        ([1.0] * 10, True),
        ([2.0] * 5 + [1.0] * 5, False),
        ([1.0] * 5 + [2.0] * 5, True),
        ([1.0, 9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 1.0, 1.0], True),
    ],
)
def test_steady_is_what_is_not_faster_than_a_moment_before(times, steady):
    assert is_steady(times) == steady


def test_it_is_done_as_soon_as_every_ratio_is_certain():
    quiet = {"a": lambda: 1.0, "b": lambda: 2.0}
    plan = Plan(margin_ratio=0.01)
    assert len(take_turns(quiet, plan)["a"]) == 20
    noisy = {"a": lambda: 1.0, "b": from_list([1.0, 3.0] * 200)}
    assert len(take_turns(noisy, Plan(margin_ratio=0.01, max_rounds=100))["a"]) == 100


def test_a_function_alone_is_done_when_its_own_time_is_certain():
    plan = Plan(margin_ratio=0.01, max_rounds=100)
    assert len(take_turns({"a": lambda: 1.0}, plan)["a"]) == 20
    assert len(take_turns({"a": from_list([1.0, 3.0] * 200)}, plan)["a"]) == 100


def test_when_time_is_up_it_ends_but_not_before_the_least_number_of_rounds():
    assert len(take_turns({"a": lambda: 1.0}, Plan(max_s=0, min_rounds=3))["a"]) == 3


def test_the_end_that_somebody_asks_for_comes_at_once_and_only_whole_rounds_count():
    asked = iter([False] * 7)
    plan = Plan(min_warmup=2, max_warmup=2, is_stopping=lambda: next(asked, True))
    times = take_turns({"a": lambda: 1.0, "b": lambda: 2.0}, plan)
    assert times == {"a": [1.0] * 5, "b": [2.0] * 5}


def test_of_nothing_nothing_is_measured():
    assert take_turns({}, Plan()) == {}


@pytest.mark.parametrize("num", [*range(6, 100), 240, 1001])
def test_the_interval_holds_95_percent_and_hardly_more(num):
    low, high = median_interval(range(num))
    assert high == num - 1 - low
    assert share_held(num, low) >= 0.95
    assert share_held(num, low + 2) < 0.95


def share_held(num, rank):
    """How often the median lies between the values of a rank from below and from above: exactly."""
    return 1 - 2 * sum(math.comb(num, below) for below in range(rank + 1)) / 2**num


def test_the_interval_of_few_values_is_their_range():
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)
    assert median_interval([2.0]) == (2.0, 2.0)
    assert interval_margin((1.0, 3.0), 2.0) == 0.5


# Two runs of one model, of as many openings, and how an opening's time varies.
@pytest.mark.parametrize("num", [12, 60])
@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, num: rng.lognormal(0, 0.01, num),
        # It lies in memory in one of two ways: half of all medians are at an interval's end.
        lambda rng, num: np.where(rng.random(num) < 0.5, 1, 1.05) * rng.lognormal(0, 0.003, num),
        lambda rng, num: 1 + rng.exponential(0.05, num),
    ],
    ids=["even", "two times", "a long tail"],
)
def test_two_runs_of_the_same_model_are_told_apart_in_5_percent_at_most(num, draw):
    rng, num_pairs = np.random.default_rng(0), 500
    pairs = [[Median.of(draw(rng, num)) for _ in range(2)] for _ in range(num_pairs)]
    told = sum(judge_speed(after.by(before)) != "same" for before, after in pairs)
    assert told <= 0.05 * num_pairs


def test_the_interval_of_a_ratio_has_the_sides_of_what_it_is_made_of():
    """As shares of 1 % and 2 % on one side, and of 4 % and 3 % on the other."""
    ratio = Median(3.0, (3 / 1.01, 3 * 1.04)).by(Median(2.0, (2 / 1.03, 2 * 1.02)))
    assert ratio.value == 1.5
    assert ratio.interval == pytest.approx((1.5 / 1.0224, 1.5 * 1.0502), rel=1e-3)


def test_a_median_beside_its_interval_widens_it():
    """The median of all photos of a run may lie beyond those of its openings."""
    low, high = Median(0.9, (1.0, 1.1)).by(Median(1.0, (1.0, 1.0))).interval
    assert (low, high) == pytest.approx((0.9, 1.1))
