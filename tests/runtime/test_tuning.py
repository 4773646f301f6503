"""What follows from a tuning, and what is believed of one."""

import dataclasses
import json

import pytest

from edgecat.bundle.store import load_bundle
from edgecat.errors import BundleError
from edgecat.runtime.tuning import Tuning, find_fastest

FP32, INT8 = "onnxruntime-fp32", "onnxruntime-int8"


# Timings as (variant, threads, ratio, why unfit), and the one that is chosen.
CHOICES = {
    "the fastest": ([(FP32, 1, 1.0), (INT8, 1, 0.8)], (INT8, 1)),
    "slower int8 is not taken": ([(FP32, 1, 1.0), (INT8, 1, 1.2)], (FP32, 1)),
    "slower with more threads": ([(INT8, 1, 0.8), (INT8, 2, 1.0)], (INT8, 1)),
    "a thread that gains much": ([(INT8, 1, 0.8), (INT8, 2, 0.5)], (INT8, 2)),
    "a thread that gains little": ([(INT8, 1, 0.8), (INT8, 2, 0.77)], (INT8, 1)),
    "fewer threads that are almost as fast": (
        [(INT8, 1, 1.0), (INT8, 2, 0.97), (INT8, 3, 0.955), (INT8, 4, 0.94)],
        (INT8, 2),
    ),
    "of as many threads the fastest": (
        [(FP32, 1, 0.51), (INT8, 1, 0.5), (INT8, 4, 0.49)],
        (INT8, 1),
    ),
    "unfit, however fast": ([(FP32, 1, 1.0), (INT8, 1, 0.5, "it loses 3 pp")], (FP32, 1)),
}


@pytest.mark.parametrize(("timings", "chosen"), CHOICES.values(), ids=CHOICES)
def test_the_fastest_is_chosen_that_may_be_and_no_thread_that_gains_nothing(
    make_timing, timings, chosen
):
    found = find_fastest([make_timing(*timing) for timing in timings])
    assert (found.variant, found.threads) == chosen


def test_where_all_are_unfit_nothing_is_chosen(make_timing):
    assert find_fastest([make_timing(FP32, 1, 1.0, "wrong")]) is None
    assert find_fastest([]) is None


def test_whoever_asks_for_a_variant_gets_the_best_threads_of_it_unfit_or_not(make_timing):
    timings = [make_timing(FP32, 1, 0.5), *(make_timing(INT8, n, 1 / n, "slow") for n in (1, 2))]
    assert find_fastest(timings, INT8).threads == 2
    assert find_fastest(timings, INT8, max_threads=1).threads == 1


@pytest.fixture
def tuning(make_bundle, make_tuning):
    bundle = load_bundle(make_bundle())
    return make_tuning(bundle, (FP32, 1, 1.0), (FP32, 2, 1.3))


def test_a_tuning_is_read_back_as_it_was(tuning):
    assert Tuning.from_json(tuning.to_json().encode(), "x") == tuning


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: v.update(threads=2), "not what follows from its own measurements"),
        (lambda v: v.update(variant=INT8), "not what follows"),
        (lambda v: v.update(timings=[]), "not what follows"),
        (lambda v: v.update(schema_version=2), "schema_version 2: read is 1"),
        (lambda v: v.update(run="rm -rf /"), "unknown key 'run'"),
        (lambda v: v.pop("noise"), "'noise' is missing"),
        (lambda v: v.update(date="yesterday"), "yesterday"),
        (lambda v: v.update(reference="\x1b[2J"), "control characters"),
        (lambda v: v["timings"][0].update(threads=0), "threads 0 is not from 1"),
        (lambda v: v["timings"][0].update(threads=10**9), "threads 1000000000"),
        (lambda v: v["timings"][0].update(ratio=-1.0), "ratio -1.0"),
        (lambda v: v["timings"][0].update(ratio_interval=[2.0, 1.0]), "two ends"),
        (lambda v: v["timings"][0]["latency_ms"].update(p50=-1), "latency_ms p50"),
        (lambda v: v["timings"][0]["latency_ms"].pop("p95"), "latency_ms p95 0.0"),
        (lambda v: v["noise"].update(verdict="silent"), "expected one of 'quiet'"),
        (lambda v: v["setting"].update(num_cores="2"), "num_cores: expected int"),
    ],
)
def test_what_no_tuning_says_is_refused(tuning, change, words):
    values = json.loads(tuning.to_json())
    change(values)
    with pytest.raises(BundleError, match=words):
        Tuning.from_json(json.dumps(values).encode(), "file")


@pytest.mark.parametrize("size", [0, 1, 100, -2])
def test_a_tuning_that_is_cut_off_is_refused(tuning, size):
    with pytest.raises(BundleError, match="not JSON"):
        Tuning.from_json(tuning.to_json().encode()[:size], "file")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"manifest_sha256": "0" * 64}, "another bundle"),
        ({"processor": "Cortex-A72"}, "another processor: "),
        ({"num_cores": 99}, "with 99 cores"),
        ({"features": ("asimd",)}, "another processor"),
        ({"versions": {"edgecat": "0.0.1"}}, "edgecat was 0.1.0 and is 0.0.1 now; onnxruntime was"),
        ({}, ""),
    ],
)
def test_what_is_another_one_now_is_named(tuning, change, words):
    found = tuning.setting.find_difference(dataclasses.replace(tuning.setting, **change))
    assert words in found
    assert bool(found) == bool(change)


def test_an_engine_that_was_installed_since_is_a_change(tuning):
    more = {**tuning.setting.versions, "openvino": "2026.4.1"}
    now = dataclasses.replace(tuning.setting, versions=more)
    assert tuning.setting.find_difference(now) == ("openvino was not installed and is 2026.4.1 now")
