"""A class from a few photos, in numbers: what is found, what old classes lose, and never more."""

import numpy as np
import pytest

from edgecat.scores.head import Head, Layer, add_enrolled
from edgecat.scores.new_class import (
    MAX_CLAIMED_RATIO,
    Known,
    claims,
    count_found_when_left_out,
    fit_class,
)

NUM_FEATURES = 40
NUM_CLASSES = 4


def draw(rng, centre, num):
    return (centre + rng.normal(0, 1, (num, NUM_FEATURES))).astype(np.float32)


def make_world(distance, seed=0):
    """Old classes around centres of their own, and a new one at a distance from the first."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1.5, (NUM_CLASSES, NUM_FEATURES))
    weights, biases = 0.1 * centres, -0.05 * np.square(centres).sum(axis=1)  # logits up to 10
    head = Head((Layer(weights.astype(np.float32), biases.astype(np.float32)),))

    def see(num):
        features = np.concatenate([draw(rng, centre, num) for centre in centres])
        return Known(features, head.logits(features), np.repeat(np.arange(NUM_CLASSES), num))

    aside = rng.normal(0, 1, NUM_FEATURES)
    centre = centres[0] + distance * aside / np.linalg.norm(aside)
    return head, see(25), see(60), see(100), draw(rng, centre, 10), draw(rng, centre, 200)


@pytest.mark.parametrize("seed", range(3))
def test_a_class_of_its_own_is_found_and_the_old_ones_stay(seed):
    head, old, held_out, test, new, later = make_world(8, seed)
    fitted = fit_class(old, held_out, new, head.logits(new))
    assert claims(fitted.unit, later, head.logits(later)).mean() > 0.95
    assert claims(fitted.unit, test.features, test.logits).mean() < 0.01
    logits = add_enrolled(fitted.unit, test.logits, test.features)
    assert np.array_equal(logits[:, :NUM_CLASSES], test.logits)


@pytest.mark.parametrize("distance", [0, 1, 3])
def test_a_class_like_an_old_one_claims_few_of_its_photos_all_the_same(distance):
    head, old, held_out, _, new, _ = make_world(distance)
    fitted = fit_class(old, held_out, new, head.logits(new))
    right = held_out.logits.argmax(axis=1) == held_out.targets
    claimed = claims(fitted.unit, held_out.features, held_out.logits) & right
    assert fitted.num_claimed == claimed.sum() <= MAX_CLAIMED_RATIO * right.sum()
    assert fitted.num_held_out == right.sum()


def test_photos_of_an_old_class_are_not_found_when_they_are_left_out():
    head, old, held_out, _, new, _ = make_world(0)
    assert count_found_when_left_out(old, held_out, new, head.logits(new)) <= 3
    head, old, held_out, _, new, _ = make_world(8)
    assert count_found_when_left_out(old, held_out, new, head.logits(new)) == len(new)


def test_the_solution_is_that_of_the_regression():
    """No small step in any direction makes the loss smaller."""
    from edgecat.scores import new_class

    rng = np.random.default_rng(0)
    photos, is_new = rng.normal(0, 1, (30, 50)), np.arange(30) >= 20
    against, weights = rng.normal(0, 1, 30), np.where(is_new, 2.0, 1.0)
    solution = new_class._regress(new_class._Data(photos, is_new, against, weights, ridge=0.5))

    def loss(w):
        leads = photos @ w - against
        loss = np.logaddexp(0, -np.where(is_new, 1, -1) * leads)
        return (weights * loss).sum() + 0.25 * w @ w

    for _ in range(50):
        step = rng.normal(0, 1e-2, 50)
        assert loss(solution + step) > loss(solution)


def test_photos_that_are_all_the_same_are_fitted_without_a_number_that_is_not_finite():
    same = np.ones((6, NUM_FEATURES), np.float32)
    logits = np.zeros((6, 2), np.float32)
    known = Known(same, logits, np.array([0, 1] * 3))
    fitted = fit_class(known, known, same, logits)
    assert np.isfinite(fitted.unit.weights).all()
    assert np.isfinite(fitted.unit.biases).all()
