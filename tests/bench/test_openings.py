"""Openings: what an opening does to a model's time is seen, and hits all models alike."""

import contextlib
import dataclasses
import itertools
import time

import pytest

from edgecat.bench.clock import Plan, interval_margin, median_interval
from edgecat.bench.openings import NUM_OPENINGS, Openings, Timed, time_openings
from edgecat.photos.input import IMAGENET


class Opened:
    """Answers after a time that it has for as long as it is open."""

    def __init__(self, duration_s):
        self._duration_s = duration_s

    def run(self, batch):
        time.sleep(self._duration_s)


def placed(durations_s, opened=None, name=""):
    """Return a model that takes another time each time that it is opened."""
    left = iter(durations_s)

    @contextlib.contextmanager
    def open_it():
        if opened is not None:
            opened.append(name)
        yield Opened(next(left))

    return Timed(open_it, IMAGENET)


def test_a_round_is_an_opening_and_all_photos_are_kept():
    times = time_openings({"a": placed([0.0] * 5), "b": placed([0.0] * 5)}, 3, Plan.fixed(5, 0))
    assert {name: len(ms) for name, ms in times.medians_ms.items()} == {"a": 5, "b": 5}
    assert {name: len(ms) for name, ms in times.photos_ms.items()} == {"a": 15, "b": 15}


def test_each_model_is_opened_first_as_often_as_the_others():
    opened = []
    models = {name: placed([0.0] * NUM_OPENINGS, opened, name) for name in "abc"}
    times = time_openings(models, 1)
    first = opened[::3]
    assert len(first) == NUM_OPENINGS
    assert {first.count(name) for name in "abc"} == {NUM_OPENINGS / 3}
    assert [*times.medians_ms] == ["a", "b", "c"]


def test_an_end_that_is_asked_for_keeps_whole_openings_alone():
    asked = itertools.chain([False] * 40, itertools.repeat(True))
    plan = dataclasses.replace(Plan.fixed(NUM_OPENINGS, 0), is_stopping=lambda: next(asked))
    models = {name: placed([0.0] * NUM_OPENINGS) for name in "ab"}
    times = time_openings(models, 3, plan)
    num_openings = len(times.medians_ms["a"])
    assert 0 < num_openings < NUM_OPENINGS
    assert {len(ms) for ms in times.medians_ms.values()} == {num_openings}
    assert {len(ms) for ms in times.photos_ms.values()} == {3 * num_openings}


@pytest.mark.parametrize(("num_openings", "is_told"), [(1, False), (5, False), (6, True)])
def test_of_too_few_openings_nothing_is_told_apart(num_openings, is_told):
    ms = {name: [1.0] * num_openings for name in "ab"}
    assert (Openings(ms, {}).list_margins() == [0.0]) == is_told


def test_what_differs_between_openings_widens_the_interval_however_many_photos_there_are():
    # Every second opening of `b` is half as quick: photos of one opening would never tell.
    models = {"a": placed([0.002] * 12), "b": placed([0.002, 0.004] * 6)}
    times = time_openings(models, 5)
    low, high = median_interval(times.list_ratios("b", "a"))
    assert low < 1.3 < 1.6 < high
    assert times.list_margins()[0] > 0.2


@pytest.mark.parametrize(
    ("plan", "num_openings"),
    [
        (Plan(max_warmup=0, min_rounds=2, max_s=0), 2),
        (Plan(max_warmup=0, min_rounds=2, margin_ratio=0.9, max_rounds=30), 20),
        (Plan(max_warmup=0, min_rounds=2, margin_ratio=1e-9, max_rounds=30), 30),
    ],
    ids=["time is up", "certain", "never certain"],
)
def test_a_plan_says_how_many_openings_there_are(plan, num_openings):
    models = {name: placed(itertools.repeat(0.0005)) for name in "ab"}
    assert len(time_openings(models, 1, plan).medians_ms["a"]) == num_openings


def test_a_model_that_is_alone_has_the_margin_of_its_own_times():
    times = Openings({"a": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}, {"a": []})
    assert times.list_margins() == [pytest.approx(interval_margin((1.0, 6.0), 3.5))]
