"""Labels are judged by the other photos alone, exactly, and by no copy of the photo itself."""

import numpy as np
import pytest

from edgecat.audit import labels
from edgecat.audit.labels import _leave_out_scores, find_doubts, judge_labels

SCORE_TOLERANCE = 1e-5  # float32 scores of about 1

RNG = np.random.default_rng(0)
CENTRES = RNG.normal(0, 2, (3, 20))
TARGETS = np.arange(120) % 3
FEATURES = (CENTRES[TARGETS] + RNG.normal(0, 0.5, (120, 20))).astype(np.float32)


def refit_without(features, targets, left_out):
    """Fit ridge regression to all photos but some, and answer those."""
    x = (features - features.mean(axis=0)) / features.std(axis=0)
    x = np.c_[x, np.ones(len(x))].astype(np.float64)
    penalty = np.diag([*np.full(features.shape[1], len(x) * labels._RIDGE), 0])
    rest = np.setdiff1d(np.arange(len(x)), left_out)
    y = np.eye(3)[targets[rest]]
    return x[left_out] @ np.linalg.solve(x[rest].T @ x[rest] + penalty, x[rest].T @ y)


def test_scores_are_those_of_a_fit_without_the_photo_and_its_near_duplicates():
    groups = list(range(120))
    groups[5] = groups[8] = 2
    scores = _leave_out_scores(FEATURES, TARGETS, groups)
    assert scores[7] == pytest.approx(refit_without(FEATURES, TARGETS, [7])[0], abs=SCORE_TOLERANCE)
    expected = refit_without(FEATURES, TARGETS, [2, 5, 8])
    assert scores[[2, 5, 8]] == pytest.approx(expected, abs=SCORE_TOLERANCE)


def test_wrong_labels_have_the_lowest_probability_and_are_in_doubt():
    wrong = [3, 50, 77, 101]
    targets = TARGETS.copy()
    targets[wrong] = (targets[wrong] + 1) % 3
    likely = judge_labels(FEATURES, targets, range(120))
    assert likely.sum(axis=1) == pytest.approx(1)
    own = likely[np.arange(120), targets]
    assert set(np.argsort(own)[:4]) == set(wrong)
    assert set(wrong) <= set(find_doubts(likely, targets).nonzero()[0])


def test_copies_of_a_photo_do_not_speak_for_its_label():
    features = np.concatenate([FEATURES, np.repeat(FEATURES[:1], 20, axis=0)])
    targets = np.concatenate([TARGETS, np.full(20, 1)])  # the photo is of class 0
    groups = [*range(120), *[0] * 20]
    likely = judge_labels(features, targets, groups)
    assert find_doubts(likely, targets)[120:].all()


def test_a_days_frames_of_one_scene_are_judged_in_no_time():
    features = np.concatenate([FEATURES, np.repeat(FEATURES[:1], 3000, axis=0)])
    targets = np.concatenate([TARGETS, np.zeros(3000, np.int64)])
    likely = judge_labels(features, targets, [*range(120), *[0] * 3000])
    assert np.isfinite(likely).all()


def test_features_that_never_change_are_no_trouble():
    likely = judge_labels(np.ones((12, 5), np.float32), np.arange(12) % 3, range(12))
    assert likely == pytest.approx(1 / 3, abs=0.2)
