"""Minutes without a pause: what is kept of them, what is compared, what an early end leaves."""

import dataclasses
import itertools
import json

import pytest

from edgecat.bench.results import load_sustained
from edgecat.bench.sustained import _Log, run_sustained
from edgecat.bench.sustained_text import format_sustained
from edgecat.errors import ConfigError
from edgecat.machine.conditions import Conditions
from edgecat.progress import Silent
from edgecat.runtime.device import Resources

ONE_THREAD = Resources(1)
NAME = "onnxruntime-fp32"

# Long enough for several turns of a second each.
DURATION_S = 2.5


@pytest.fixture
def colours(make_bundle, colour_model):
    return make_bundle(files={"model.onnx": colour_model})


@pytest.fixture
def run(colours):
    return run_sustained(colours, DURATION_S, ONE_THREAD, Silent())


def test_a_run_is_told_span_by_span_without_a_gap(run):
    assert run.duration_s >= DURATION_S
    assert not run.is_partial
    assert [span.start_s for span in run.spans] == [0, *(span.end_s for span in run.spans[:-1])]
    assert run.spans[-1].end_s == run.duration_s
    for span in run.spans:
        assert span.num_photos > 0
        assert list(span.latency_ms) == [NAME]
        found = span.latency_ms[NAME]
        assert 0 < found["p50"] <= found["p90"] <= found["p99"]


def test_a_short_run_is_not_called_quiet(run):
    assert "nothing is told apart" in run.noise.describe()


def test_it_is_read_back_as_it_was(run, tmp_path):
    path = tmp_path / "run.json"
    path.write_text(json.dumps(run.to_dict()))
    assert load_sustained(path) == run


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v["spans"][0].update(latency_ms={}), f"latency_ms {NAME} p50 0.0"),
        (lambda v: v["settings"].pop("duration_s"), "settings: .*'duration_s'"),
        (lambda v: v["host"].update(versions=None), "host: versions: expected named values"),
    ],
)
def test_what_no_run_says_is_refused(run, tmp_path, change, words):
    path, values = tmp_path / "run.json", run.to_dict()
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError, match=words):
        load_sustained(path)


def log_of(seconds_ms):
    """What is kept of a run, of whose seconds each has these milliseconds a photo."""
    log = _Log(len(seconds_ms))
    for number, duration_ms in enumerate(seconds_ms, 1):
        log.add({"a": [duration_ms] * 3}, float(number))
    log.close_span()
    return log


def jitter(middle_ms, num):
    """Seconds about so long, none like the next one."""
    return [middle_ms * (1 + 0.01 * (number % 5 - 2)) for number in range(num)]


@pytest.mark.parametrize(
    ("seconds_ms", "edge_s", "ratio", "speed"),
    [
        (jitter(2.0, 60) + jitter(9.0, 60) + jitter(3.0, 60), 60, 1.5, "slower"),
        (jitter(3.0, 60) + jitter(9.0, 60) + jitter(2.0, 60), 60, 2 / 3, "faster"),
        (jitter(2.0, 60) + jitter(9.0, 60) + jitter(2.0, 60), 60, 1.0, "same"),
        (jitter(2.0, 10) + jitter(9.0, 10) + jitter(3.0, 10), 10, 1.5, "slower"),
        (jitter(2.0, 5) + jitter(9.0, 5) + jitter(3.0, 5), 5, 1.5, "too short to tell"),
        ([2.0], 1 / 3, 1.0, "too short to tell"),
    ],
)
def test_the_first_minute_is_compared_with_the_last_one(seconds_ms, edge_s, ratio, speed):
    found_s, slowdowns = log_of(seconds_ms).compare_edges()
    assert found_s == pytest.approx(edge_s)
    one = slowdowns["a"]
    assert (one.ratio, one.speed) == (pytest.approx(ratio), speed)
    assert one.interval[0] <= one.ratio <= one.interval[1]
    assert one.last_ms / one.first_ms == pytest.approx(one.ratio)


@pytest.mark.parametrize(
    ("duration_s", "num"), [(6, 6), (60, 6), (600, 60), (3600, 60), (3605, 60)]
)
def test_a_long_run_has_no_more_lines_than_a_screen_holds(duration_s, num):
    spans = log_of([1.0] * duration_s).spans
    assert len(spans) == num
    assert sum(span.num_photos for span in spans) == 3 * duration_s
    assert spans[-1].end_s == duration_s


def test_an_early_end_keeps_what_was_measured_and_marks_it(colours):
    # The first answers of `is_stopping` are the warm-up's.
    asked = itertools.chain([False] * 30, itertools.repeat(True))
    run = run_sustained(colours, 600, ONE_THREAD, Silent(), lambda: next(asked))
    assert run.is_partial
    assert 0 < run.duration_s < 600
    assert run.spans
    assert format_sustained(run).splitlines()[-1].startswith("PARTIAL: ended after ")


def test_an_end_before_the_first_photo_leaves_nothing(colours):
    assert run_sustained(colours, 600, ONE_THREAD, Silent(), lambda: True) is None


HOT = Conditions("ondemand", 1500.0, 84.5, 0x50005, 4.0)


def under(run, conditions):
    spans = [dataclasses.replace(span, conditions=conditions) for span in run.spans]
    return format_sustained(dataclasses.replace(run, spans=tuple(spans)))


def test_heat_stands_beside_the_latency(run):
    head, _, first, *_ = under(run, HOT).splitlines()
    assert head.split() == f"until s {NAME} p50 ms MHz degrees C board says".split()
    assert first.split()[2:] == ["1500", "84.5", "under-voltage,", "throttled"]
    cool = under(run, dataclasses.replace(HOT, throttled=0x50000))
    assert cool.splitlines()[2].split()[-1] == "well"


def test_what_a_machine_does_not_tell_has_no_column_and_is_named(run):
    text = under(run, dataclasses.replace(HOT, frequency_mhz=None, throttled=None))
    assert text.splitlines()[0].split()[-2:] == ["degrees", "C"]
    assert "not told by this machine: MHz, board says" in text.splitlines()
