"""The Pareto front of two measures."""

from edgecat.scores.front import find_front


def test_the_front_is_what_nothing_beats_the_quickest_first():
    fast, best, beaten, equal = (1, 0.8), (4, 0.9), (2, 0.7), (5, 0.9)
    assert find_front([equal, beaten, best, fast], lambda model: model) == [fast, best]


def test_of_equally_quick_models_the_better_one_is_on_it():
    assert find_front([(1, 0.5), (1, 0.6)], lambda model: model) == [(1, 0.6)]
    assert find_front([], lambda model: model) == []
