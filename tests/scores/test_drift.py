"""Two-sample tests: samples of one distribution pass as often as they should, others do not."""

import numpy as np
import pytest

from edgecat.scores.drift import ALPHA, compare_scores, compare_shares, count_photos_to_notice


def draw(seed, num, shift=0.0):
    return np.random.default_rng(seed).normal(shift, 1, num)


def test_scores_of_one_distribution_have_any_p_equally_often():
    p = [compare_scores(draw(seed, 40), draw(1000 + seed, 30)) for seed in range(30)]
    # Of 30 uniform numbers 5 to 25 lie below a half, but once in 30,000 times.
    assert 5 <= sum(value < 0.5 for value in p) <= 25
    assert min(p) > 1e-3


def test_scores_that_lie_higher_are_told_with_the_least_p_there_is():
    assert compare_scores(draw(0, 200), draw(1, 200, shift=1)) == 2 / 2000


def test_strangers_at_the_end_of_the_distribution_are_told():
    recent = draw(1, 200)
    recent[:20] += 8
    assert compare_scores(draw(0, 285), recent) < ALPHA


@pytest.mark.parametrize(("num_reference", "num_recent"), [(6, 40), (30, 300), (300, 30)])
def test_that_all_are_strangers_is_told_however_small_a_sample_is(num_reference, num_recent):
    assert compare_scores(draw(0, num_reference), draw(1, num_recent, shift=9)) < ALPHA


def test_ties_are_no_difference():
    assert compare_scores(np.zeros(50), np.zeros(30)) == 1
    first = np.repeat([0.0, 1.0, 2.0], 20)
    assert compare_scores(first, first) > 0.9


def test_p_does_not_depend_on_the_order_or_the_scale():
    first, second = draw(0, 50), draw(1, 60, shift=0.4)
    expected = compare_scores(first, second)
    assert compare_scores(first * 1000 + 5, second * 1000 + 5) == expected
    assert compare_scores(first[::-1], second) == expected


@pytest.mark.parametrize("num", [1, 2])
def test_one_photo_tells_nothing(num):
    assert compare_scores(draw(0, 20), draw(1, num)) > ALPHA


def test_shares_are_compared():
    before = np.repeat([0, 1, 2], 100)
    assert compare_shares(before, np.repeat([0, 1, 2], 30)) > 0.9
    assert compare_shares(before, np.repeat([0, 1, 2], [60, 20, 10])) == 1 / 2000
    assert compare_shares(before, np.array([3])) == pytest.approx(1 / 301, abs=0.005)  # a new one


def test_p_of_shares_agrees_with_the_exact_one():
    # Fisher's exact test of (8, 2), (1, 5); Source: Agresti, "A Survey of Exact Inference" (1992),
    # where all tables at least as far from what is expected have 0.0350 together.
    before, now = np.repeat([0, 1], [8, 2]), np.repeat([0, 1], [1, 5])
    assert compare_shares(before, now) == pytest.approx(0.035, abs=0.015)


def test_more_strangers_are_noticed_from_fewer_photos_on():
    many, some, few = (count_photos_to_notice(285, ratio) for ratio in (0.5, 0.25, 0.1))
    assert many <= some <= few
    assert count_photos_to_notice(285, 0.001) is None


def test_what_is_promised_of_the_number_is_so():
    num = count_photos_to_notice(285, 0.25)
    noticed = 0
    for seed in range(20):
        rng = np.random.default_rng(100 + seed)
        recent = rng.normal(0, 1, num) + 9 * (rng.random(num) < 0.25)
        noticed += compare_scores(rng.normal(0, 1, 285), recent) < ALPHA
    assert noticed >= 11  # of 20 at 80 %, fewer once in 400 times
