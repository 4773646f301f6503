"""One class's part of an accuracy."""

from edgecat.scores.class_score import ClassScore, describe_recalls

RATIOS = {"a": 0.9, "b": 0.5, "c": 0.7}
SCORES = {name: ClassScore(10, ratio, 1.0) for name, ratio in RATIOS.items()}


def test_recalls_are_told_from_the_lowest_on():
    told = "b 50 % of 10, c 70 % of 10, a 90 % of 10"
    assert describe_recalls(SCORES, most=3, rest="in run.json") == told


def test_recalls_that_are_too_many_are_counted():
    told = "b 50 % of 10, 2 more in run.json"
    assert describe_recalls(SCORES, most=1, rest="in run.json") == told
