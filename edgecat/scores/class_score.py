"""One class's part of an accuracy. Without numpy, since manifests hold it."""

import dataclasses
from collections.abc import Mapping

from edgecat.scores.bounds import RATIOS, check_count, check_within


@dataclasses.dataclass(frozen=True)
class ClassScore:
    """One class's part of an evaluation.

    Attributes:
        num_images: Photos of the class.
        recall_ratio: Share of them answered with the class, 0-1.
        precision_ratio: Share of the class's answers that are right, 0-1.
    """

    num_images: int
    recall_ratio: float
    precision_ratio: float

    def __post_init__(self) -> None:
        """Check that each number can be what it is called.

        Raises:
            ValueError: One that cannot.
        """
        check_count("num_images", self.num_images)
        check_within("recall_ratio", self.recall_ratio, RATIOS)
        check_within("precision_ratio", self.precision_ratio, RATIOS)


def describe_recalls(scores: Mapping[str, ClassScore], *, most: int, rest: str) -> str:
    """Return the recall of each class, the lowest first, in a line.

    Args:
        scores: By label.
        most: Classes to name, from 1; of the others the number is told.
        rest: Where the others are found, such as "in run.json".
    """
    lowest_first = sorted(scores.items(), key=lambda item: item[1].recall_ratio)
    told = [f"{k} {100 * c.recall_ratio:.0f} % of {c.num_images}" for k, c in lowest_first[:most]]
    num_more = len(scores) - len(told)
    return ", ".join([*told, f"{num_more} more {rest}"] if num_more else told)
