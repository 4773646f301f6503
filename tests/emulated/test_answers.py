"""Raspberry Pis see the same pixels as x86, name the same breeds, and need no more work for it."""

import json

import numpy as np
import pytest
from answers import BASELINE, answer_here, answer_on_pi, draw_photos
from processors import PROCESSORS

from edgecat.runtime.engine import ENGINES

pytestmark = pytest.mark.emulated

# Counts repeat to 0.1 %; a lost fusion or a copy more of the pixels costs more than this.
MAX_GROWTH_RATIO = 0.03


@pytest.fixture(scope="module")
def photos(ten_photos, tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("counted")) + ten_photos


@pytest.fixture(scope="module")
def here(photos, tmp_path_factory):
    return answer_here(photos, tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module", params=PROCESSORS)
def there(request, get_pi, install, photos, tmp_path_factory):
    pi, site = get_pi(request.param, "12"), install("12", "ncnn")
    work = tmp_path_factory.mktemp(request.param)
    return request.param, answer_on_pi(pi, [site], photos, work)


def test_the_pixels_are_those_of_x86_bit_for_bit(here, there):
    assert np.array_equal(here.pixels, there[1].pixels)


def test_only_a_pi_5_computes_in_fp16(there):
    name, answers = there
    assert ("ncnn-fp16" in answers.logits) == (name == "pi5")
    assert {"onnxruntime-fp32", "onnxruntime-int8", "ncnn-fp32"} <= answers.logits.keys()


def test_the_likeliest_breed_is_that_of_x86(here, there):
    for variant, logits in there[1].logits.items():
        # x86 has no fp16 arithmetic.
        expected = here.logits.get(variant, here.logits["ncnn-fp32"])
        assert np.array_equal(expected.argmax(axis=1), logits.argmax(axis=1)), variant


def test_a_photo_takes_no_more_instructions_than_it_did(there):
    name, answers = there
    baseline = json.loads(BASELINE.read_text())[name]
    assert answers.instructions.keys() == baseline.keys()
    for stage, count in answers.instructions.items():
        assert count <= (1 + MAX_GROWTH_RATIO) * baseline[stage], (
            f"{stage}; if that is worth it: python tests/emulated/answers.py"
        )


# By the best variant, of the instructions of ONNX Runtime's fp32.
LARGEST_RATIO = {"pi3": 0.46, "pi4": 0.30, "pi5": 0.17}


def test_the_rule_by_which_a_pi_chooses_is_what_is_counted(there):
    name, answers = there
    count = answers.instructions
    ratios = {variant: count[variant] / count["onnxruntime-fp32"] for variant in answers.logits}
    assert min(ratios.values()) <= LARGEST_RATIO[name]
    for variant, ratio in ratios.items():
        engine, precision = variant.split("-")
        (rule,) = ENGINES.load(engine).instruction_ratios.values()
        assert ratio <= rule[precision] + 0.01, variant  # the rule has the most, in hundredths
