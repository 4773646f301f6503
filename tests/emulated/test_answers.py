"""Raspberry Pis see the same pixels as x86, name the same breeds, and need no more work for it."""

import json

import numpy as np
import pytest
from answer_photos import VARIANTS
from answers import BASELINE, answer_here, answer_on_pi, draw_photos
from processors import PROCESSORS

pytestmark = pytest.mark.emulated

# Counts repeat to 0.1 %; a lost fusion or a copy more of the pixels costs more than this.
MAX_GROWTH_RATIO = 0.03


@pytest.fixture(scope="module")
def photos(ten_photos, tmp_path_factory):
    return draw_photos(tmp_path_factory.mktemp("counted")) + ten_photos


@pytest.fixture(scope="module")
def here(photos, tmp_path_factory):
    return answer_here(photos, tmp_path_factory.mktemp("here") / "answers.npz")


@pytest.fixture(scope="module", params=PROCESSORS)
def there(request, get_pi, install, photos, tmp_path_factory):
    pi, site = get_pi(request.param, "12"), install("12")
    out = tmp_path_factory.mktemp(request.param) / "answers.npz"
    return request.param, answer_on_pi(pi, [site], photos, out)


def test_the_pixels_are_those_of_x86_bit_for_bit(here, there):
    assert np.array_equal(here.pixels, there[1].pixels)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_likeliest_breed_is_that_of_x86(here, there, variant):
    assert np.array_equal(
        here.logits[variant].argmax(axis=1), there[1].logits[variant].argmax(axis=1)
    )


@pytest.mark.parametrize("stage", ["pixels", *VARIANTS])
def test_a_photo_takes_no_more_instructions_than_it_did(there, stage):
    name, answers = there
    baseline = json.loads(BASELINE.read_text())[name][stage]
    assert answers.instructions[stage] <= (1 + MAX_GROWTH_RATIO) * baseline, (
        "if that is worth it: python tests/emulated/answers.py"
    )
