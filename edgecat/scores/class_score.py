"""One class's part of an accuracy. Without numpy, since manifests hold it."""

import dataclasses

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
