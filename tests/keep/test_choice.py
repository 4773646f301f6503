"""Which photos are worth a look."""

import hashlib

import pytest

from edgecat.keep.choice import SAMPLE_RATIO, find_reason
from edgecat.runtime.prediction import Guess, Prediction
from tests.keep.conftest import predict

IN_SAMPLE, NOT_IN_SAMPLE = "0" * 64, "f" * 64


@pytest.mark.parametrize(
    ("first", "second", "is_known", "sha256", "why"),
    [
        (0.9, 0.1, False, NOT_IN_SAMPLE, "unknown"),
        (0.4, 0.3, False, IN_SAMPLE, "unknown"),
        (0.4, 0.3, True, IN_SAMPLE, "unsure"),
        (0.74, 0.26, None, NOT_IN_SAMPLE, "unsure"),  # a bundle that never says unknown
        (0.76, 0.24, True, NOT_IN_SAMPLE, None),
        (0.76, 0.24, True, IN_SAMPLE, "sample"),
    ],
)
def test_a_photo_is_kept_if_it_is_unknown_unsure_or_in_the_sample(
    first, second, is_known, sha256, why
):
    assert find_reason(predict(first, second, is_known), sha256) == why


def test_the_sample_is_a_share_and_the_same_photos_each_time():
    hashes = [hashlib.sha256(bytes([i % 256, i // 256])).hexdigest() for i in range(20_000)]
    kept = {sha256 for sha256 in hashes if find_reason(predict(0.9, 0.1), sha256)}
    assert kept == {sha256 for sha256 in hashes if find_reason(predict(1.0, 0.0), sha256)}
    # 400 are expected; five standard deviations of a binomial are 100.
    assert abs(len(kept) - SAMPLE_RATIO * len(hashes)) < 100


def test_one_guess_alone_has_its_probability_as_margin():
    alone = Prediction("Siamese", 0.4, (Guess("Siamese", 0.4),))
    assert find_reason(alone, NOT_IN_SAMPLE) == "unsure"
