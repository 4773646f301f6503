import numpy as np
import pytest

from edgecat.photos.folder import are_unequal
from edgecat.train.sampling import describe_unequal, draw_photos

FEW, MANY = 6, 40
UNEQUAL = np.array([0] * FEW + [1] * MANY)


def draw(balance_ratio, seed=0):
    return draw_photos(UNEQUAL, balance_ratio, np.random.default_rng(seed))


def times_drawn(balance_ratio):
    """How often each photo of the small class, and of the large one, is drawn."""
    drawn = np.bincount(draw(balance_ratio), minlength=len(UNEQUAL))
    return drawn[:FEW], drawn[FEW:]


@pytest.mark.parametrize("balance_ratio", [0, 0.5, 1])
def test_about_equal_classes_are_drawn_as_they_are_and_cost_no_chance(balance_ratio):
    rng = np.random.default_rng(0)
    targets = np.array([0] * 10 + [1] * 29)
    assert draw_photos(targets, balance_ratio, rng).tolist() == list(range(39))
    assert rng.random() == np.random.default_rng(0).random()


def test_unequal_classes_are_drawn_as_they_are_where_the_recipe_says_so():
    assert draw(0).tolist() == list(range(FEW + MANY))


@pytest.mark.parametrize(("balance_ratio", "num_few"), [(0.5, 13), (1, 23)])
def test_an_epoch_is_as_long_as_before_and_small_classes_have_their_share(balance_ratio, num_few):
    # 46 photos; square roots: 46 * sqrt(6) / (sqrt(6) + sqrt(40)) = 12.8.
    few, many = times_drawn(balance_ratio)
    assert (few.sum(), many.sum()) == (num_few, FEW + MANY - num_few)


@pytest.mark.parametrize("balance_ratio", [0.5, 1])
def test_no_photo_is_drawn_twice_more_than_another_of_its_class(balance_ratio):
    for drawn in times_drawn(balance_ratio):
        assert drawn.max() - drawn.min() <= 1


def test_the_same_seed_draws_the_same_and_another_one_others():
    assert draw(1).tolist() == draw(1).tolist()
    assert sorted(draw(1)) != sorted(draw(1, seed=1))


@pytest.mark.parametrize(("nums", "is_so"), [((10, 29), False), ((10, 30), True), ((5, 40), True)])
def test_classes_count_as_unequal_from_one_to_three_on(nums, is_so):
    assert are_unequal(nums) == is_so


def test_unequal_classes_are_told_with_what_is_done_about_them():
    line = describe_unequal({"Bombay": 5, "Siamese": 40}, 1.0)
    assert "5 training photos of 'Bombay', 40 of 'Siamese' (1:8.0)" in line
    assert "seen more often" in line
    assert "since balance_ratio is 0" in describe_unequal({"Bombay": 5, "Siamese": 40}, 0.0)
