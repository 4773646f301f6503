"""One class's part of an accuracy. Without numpy, since manifests hold it."""

import dataclasses


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
