"""Which of several models nothing beats in both of two measures."""

from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")


def find_front(models: Iterable[T], measure: Callable[[T], tuple[float, float]]) -> list[T]:
    """Return the Pareto front: the models than which nothing quicker is as good.

    Args:
        models: Any.
        measure: Returns a model's latency and its score.

    Returns:
        The quickest first.
    """
    front: list[T] = []
    for model in sorted(models, key=lambda one: (measure(one)[0], -measure(one)[1])):
        if not front or measure(model)[1] > measure(front[-1])[1]:
            front.append(model)
    return front
