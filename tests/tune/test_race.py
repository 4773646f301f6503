"""Candidates take turns in processes of their own; who fails drops out."""

import os
import signal
import time

import numpy as np
import pytest

from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.errors import EngineError
from edgecat.machine.memory import FreeMemory
from edgecat.tune import race as module
from edgecat.tune.race import Race, run_race
from edgecat.tune.worker import Candidate

pytestmark = pytest.mark.slow  # starts processes

ONE, TWO, MANY = (Candidate("onnxruntime-fp32", threads) for threads in (1, 2, 3))


class FakeTimer:
    """Stands in a process of its own where a model would; its times are known."""

    def __init__(self, candidate, act=lambda num_turns: None):
        self.candidate, self.act, self.num_turns = candidate, act, 0

    def describe_precision(self):
        return "fp32"

    def measure_ms(self):
        self.num_turns += 1
        self.act(self.num_turns)
        time.sleep(0.001)
        return [1000.0, float(self.candidate.threads)]  # the first one was disturbed


@pytest.fixture
def fake(monkeypatch):
    """A function that lets fakes run the race; `acts` says what some do in each turn."""

    def start(acts):
        monkeypatch.setattr(
            module,
            "start_timer",
            lambda bundle, candidate, photos: module.Apart(
                candidate.describe(),
                lambda: FakeTimer(candidate, acts.get(candidate, lambda num_turns: None)),
            ),
        )

    return start


def die(num_turns):
    if num_turns == 2:
        os.kill(os.getpid(), signal.SIGKILL)


def make_race(max_s=0.0, **options):
    return Race(None, None, max_s, **options)


def test_ratios_are_those_of_the_least_disturbed_photo_of_each_turn(fake):
    fake({})
    outcome = run_race(make_race(), ONE, [TWO, MANY])
    assert {c: timing.ratio for c, timing in outcome.timings.items()} == {ONE: 1, TWO: 2, MANY: 3}
    assert outcome.timings[TWO].ratio_interval == (2, 2)
    assert outcome.timings[TWO].latency_ms["p99"] == pytest.approx(1000, rel=0.02)
    assert outcome.timings[MANY].num_photos == 2 * outcome.timings[MANY].num_rounds


def test_however_short_the_time_an_interval_holds_95_percent(fake):
    fake({})
    num_rounds = run_race(make_race(), ONE, [TWO]).timings[TWO].num_rounds
    assert 1 - 2 / 2**num_rounds >= 0.95  # how often the range of so many holds their median


def test_it_is_done_as_soon_as_all_ratios_are_certain(fake):
    fake({})
    started = time.monotonic()
    run_race(make_race(max_s=600), ONE, [TWO])
    assert time.monotonic() - started < 60


def test_who_crashes_under_way_drops_out_and_the_others_are_measured(fake):
    fake({TWO: die})
    outcome = run_race(make_race(), ONE, [TWO, MANY])
    assert set(outcome.timings) == {ONE, MANY}
    assert outcome.dropped == {TWO: "crashed (SIGKILL)"}


def test_without_its_reference_there_is_no_race(fake):
    fake({ONE: die})
    with pytest.raises(EngineError, match=r"^onnxruntime-fp32 with 1 thread: crashed"):
        run_race(make_race(), ONE, [TWO])


def test_where_memory_is_short_they_run_in_heats_each_with_the_reference(fake, monkeypatch):
    alive = []
    fake({})
    start = module.start_timer
    monkeypatch.setattr(
        module, "start_timer", lambda *given: [alive.append(given[1].threads), start(*given)][1]
    )
    monkeypatch.setattr(module, "read_free_memory", lambda: FreeMemory(300_000_000))
    outcome = run_race(make_race(), ONE, [TWO, MANY])
    assert alive == [1, 2, 1, 3]
    assert {timing.ratio for timing in outcome.timings.values()} == {1, 2, 3}


def test_a_later_heat_has_no_less_time_for_what_it_took_to_open_one_before(fake, monkeypatch):
    fake({})
    start, opened = module.start_timer, []
    monkeypatch.setattr(
        module, "start_timer", lambda *given: [opened.append(given), start(*given)][1]
    )
    now = time.monotonic  # to open a variant takes an hour of this clock
    monkeypatch.setattr(module.time, "monotonic", lambda: now() + 3600 * len(opened))
    monkeypatch.setattr(module, "read_free_memory", lambda: FreeMemory(300_000_000))
    timings = run_race(make_race(max_s=600), ONE, [TWO, MANY]).timings
    assert timings[TWO].num_rounds == timings[MANY].num_rounds


def test_who_asks_for_the_end_gets_what_was_measured(fake):
    asked = iter([False] * 25)
    fake({})
    race = make_race(max_s=600, is_stopping=lambda: next(asked, True))
    assert set(run_race(race, ONE, [TWO]).timings) == {ONE, TWO}


def test_who_asks_for_the_end_at_once_gets_nothing(fake):
    fake({})
    assert run_race(make_race(is_stopping=lambda: True), ONE, [TWO]).timings == {}


def test_real_variants_are_opened_and_timed(make_bundle, colour_model):
    variants = tuple(
        Variant(f"onnxruntime-{name}", (file,))
        for name, file in (("fp32", "model.onnx"), ("int8", "broken.onnx"))
    )
    files = {"model.onnx": colour_model, "broken.onnx": b"no model"}
    bundle = load_bundle(make_bundle(files=files, variants=variants))
    photos = np.zeros((2, 224, 224, 3), np.uint8)
    broken = Candidate("onnxruntime-int8", 1)
    outcome = run_race(Race(bundle, photos, 1.0), ONE, [TWO, broken])
    assert set(outcome.timings) == {ONE, TWO}
    assert outcome.timings[ONE].precision == "fp32"
    assert outcome.timings[TWO].latency_ms["p50"] > 0
    assert "refuses the model" in outcome.dropped[broken]
