"""Which variant is opened, with how many threads, and who chose it."""

import contextlib
import dataclasses

import pytest

from edgecat.bundle.manifest import Variant
from edgecat.bundle.store import load_bundle
from edgecat.bundle.verdict import Verdict
from edgecat.machine.cores import Cores, count_threads
from edgecat.runtime.choice import AtMost, list_choices, open_choice
from edgecat.runtime.classifier import Classifier
from edgecat.runtime.target import TARGETS
from edgecat.runtime.tuned import keep_tuning

FP32, INT8 = "onnxruntime-fp32", "onnxruntime-int8"
EVERYWHERE = Verdict(TARGETS.names, {}, "arm", 1.0)
VARIANTS = tuple(Variant(name, ("model.onnx",), verdict=EVERYWHERE) for name in (FP32, INT8))


@pytest.fixture
def bundle(make_bundle, colour_model):
    return load_bundle(make_bundle(files={"model.onnx": colour_model}, variants=VARIANTS))


@pytest.fixture
def tuned(bundle, make_tuning, monkeypatch):
    """The bundle, on two cores; float was the fastest there, which no rule would say."""
    monkeypatch.setattr("edgecat.machine.cores.read_cores", lambda: Cores(2, 2))
    keep_tuning(bundle, make_tuning(bundle, (FP32, 1, 0.9), (INT8, 1, 1.0), (INT8, 2, 0.2)))
    return bundle


def first(bundle, *asked):
    choice = next(list_choices(bundle, *asked))
    return choice.variant, choice.threads, choice.origin


def test_without_a_tuning_a_rule_decides(bundle):
    assert first(bundle)[1:] == (count_threads(), "rule")
    assert next(list_choices(bundle)).reason.startswith("by the bundle's verdicts for ")
    assert next(list_choices(bundle)).news == ""


# What is asked for (variant, threads) and what is opened.
ASKED = {
    "nothing but one thread": ((None, AtMost(1)), (FP32, 1, "measured")),
    "two threads at most": ((None, AtMost(2)), (INT8, 2, "measured")),
    "two threads": ((None, 2), (INT8, 2, "measured")),
    "one thread": ((None, 1), (FP32, 1, "measured")),
    "a variant, two threads at most": ((INT8, AtMost(2)), (INT8, 2, "asked")),
    "a variant, one thread at most": ((INT8, AtMost(1)), (INT8, 1, "asked")),
    "a variant and threads": ((INT8, 1), (INT8, 1, "asked")),
    "threads that were not measured": ((None, 3), (FP32, 3, "rule")),
}


@pytest.mark.parametrize(("asked", "opened"), ASKED.values(), ids=ASKED)
def test_what_was_measured_counts_as_far_as_nobody_asks_for_something_else(tuned, asked, opened):
    found = first(tuned, *asked)
    if opened[2] == "rule":  # which one depends on this processor
        assert found[1:] == opened[1:]
    else:
        assert found == opened


def test_a_rule_follows_should_the_measured_one_not_open(tuned):
    choices = list(list_choices(tuned, None, AtMost(1)))
    assert [choice.origin for choice in choices] == ["measured", "rule", "rule"]


def test_a_tuning_that_counts_no_more_is_named_by_the_rule_that_replaces_it(tuned):
    tuned.path.with_name("bundle.tuned.json").write_text("{")
    choice = next(list_choices(tuned))
    assert choice.origin == "rule"
    assert "bundle.tuned.json: not JSON" in choice.dropped
    assert "; not by what was measured here: " in choice.describe()
    assert choice.news == f"answers come from {choice.describe()}"


def test_an_open_classifier_says_what_it_is_and_why(tuned):
    with Classifier.open(tuned.path, threads=AtMost(1)) as classifier:
        assert (classifier.variant, classifier.choice.origin) == (FP32, "measured")
        assert classifier.engine.describe()["threads"] == 1
        assert classifier.choice.describe() == (
            "onnxruntime-fp32 with 1 thread, measured here on 2026-11-28T10:20:30Z"
        )


def test_the_threads_that_were_measured_are_those_of_the_engine(tuned):
    engine, choice = open_choice(tuned, threads=AtMost(2))
    assert (engine.name, choice.threads, engine.describe()["threads"]) == (INT8, 2, 2)


def test_a_device_that_only_a_tuning_names_keeps_no_bundle_from_opening(bundle, make_tuning):
    """It is forged, or was taken out: the rule says what comes next."""
    for device in ("NONSENSE", "GPU"):
        tuning = make_tuning(bundle, (FP32, 1, 0.1), (FP32, 2, 1.0))
        timings = tuple(
            dataclasses.replace(timing, device=device) if timing.threads == 1 else timing
            for timing in tuning.timings
        )
        keep_tuning(bundle, dataclasses.replace(tuning, timings=timings, device=device))
        for variant in (None, FP32):
            with contextlib.closing(open_choice(bundle, variant)[0]) as engine:
                assert engine.describe().get("device", "CPU") == "CPU"


def test_a_device_that_is_none_is_passed_over_as_all_else_that_is_wrong_with_a_tuning(
    make_bundle, colour_model, make_tuning
):
    variants = (VARIANTS[0], dataclasses.replace(VARIANTS[1], name="openvino-fp32"))
    bundle = load_bundle(make_bundle(files={"model.onnx": colour_model}, variants=variants))
    tuning = make_tuning(bundle, ("openvino-fp32", 1, 0.1))
    timings = (dataclasses.replace(tuning.timings[0], device="NONSENSE"),)
    keep_tuning(bundle, dataclasses.replace(tuning, timings=timings, device="NONSENSE"))
    with contextlib.closing(open_choice(bundle)[0]) as engine:
        assert engine.name == FP32


def test_who_asks_for_a_variant_gets_no_answers_of_a_device_where_nobody_proved_it(
    bundle, make_tuning
):
    tuning = make_tuning(bundle, (FP32, 1, 1.0), (INT8, 1, 2.0))
    on_gpu = dataclasses.replace(
        tuning.timings[1], device="GPU", ratio=0.1, unfit="nobody measured its answers on GPU"
    )
    keep_tuning(bundle, dataclasses.replace(tuning, timings=(on_gpu, *tuning.timings)))
    assert next(list_choices(bundle, INT8, AtMost(1))).device == "CPU"
    assert next(list_choices(bundle, INT8, AtMost(1), "GPU")).device == "GPU"
