import dataclasses

import numpy as np
import pytest

from edgecat.scores.compare import compare_accuracy, compare_logits

REFERENCE = np.array([[3, 1], [0, 2], [5, 4], [1, 0]], np.float32)
OTHER = np.array([[3, 1.5], [0, 2], [4, 4.5], [1, 0]], np.float32)


def test_the_gap_is_the_largest_difference_of_any_logit():
    found = compare_logits(REFERENCE, OTHER)
    assert (found.num_images, found.logit_gap, found.agreement_ratio) == (4, 1.0, 0.75)


def test_no_photos_have_no_gap():
    none = np.empty((0, 2), np.float32)
    assert compare_logits(none, none).logit_gap == 0.0
    assert compare_accuracy(none, none, np.array([], np.int64)).drop_pp == 0.0


def test_a_drop_is_counted_in_photos_and_points():
    change = compare_accuracy(REFERENCE, OTHER, np.array([0, 1, 0, 1]))
    assert change.reference_top1_ratio == 0.75
    assert change.top1_ratio == 0.5
    assert (change.num_lost, change.num_gained, change.drop_pp) == (1, 0, 25.0)
    assert change.agreement_ratio == 0.75
    assert change.drop_interval_pp[0] <= 25.0 <= change.drop_interval_pp[1]


def test_a_gain_is_negative():
    change = compare_accuracy(OTHER, REFERENCE, np.array([0, 1, 0, 1]))
    assert (change.num_lost, change.num_gained, change.drop_pp) == (0, 1, -25.0)


def test_nan_logits_are_no_small_gap():
    gap = compare_logits(REFERENCE, np.full_like(REFERENCE, np.nan)).logit_gap
    assert not gap <= 1e9


def test_reports_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        compare_logits(REFERENCE, OTHER).logit_gap = 0.0
