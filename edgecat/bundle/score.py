"""A variant's accuracy as a manifest tells it."""

import dataclasses

from edgecat.scores.bounds import DROPS_PP, RATIOS, check_count, check_interval, check_within
from edgecat.scores.class_score import ClassScore

_RATIOS = (
    "top1_ratio", "agreement_ratio", "mcnemar_p", "reference_calibration_error_ratio",
    "calibration_error_ratio",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Flips:
    """Answers of one class that changed between the checkpoint and a variant.

    Attributes:
        num_lost: Right before, wrong now.
        num_gained: Wrong before, right now.
    """

    num_lost: int
    num_gained: int

    def __post_init__(self) -> None:
        """Check the counts.

        Raises:
            ValueError: A negative one.
        """
        check_count("num_lost", self.num_lost)
        check_count("num_gained", self.num_gained)


@dataclasses.dataclass(frozen=True)
class Score:
    """An accuracy as measured: an estimate from `num_images` photos.

    Attributes:
        split: The photos: "test" or "validation".
        num_images: How many.
        top1_ratio: Share of photos whose first answer is right, 0-1.
        top1_interval_ratio: Its 95 % interval, low and high (Wilson's).
        agreement_ratio: Share of photos with the same first answer as the checkpoint.
        drop_pp: Top-1 lost against the checkpoint, percentage points; negative is a gain.
        drop_interval_pp: Its paired 95 % interval, low and high.
        mcnemar_p: How likely such a difference, or a larger one, is by chance, 0-1.
        reference_calibration_error_ratio: How far the checkpoint's confidence and accuracy are
            apart (`edgecat.scores.metrics.calibration_error_ratio`).
        calibration_error_ratio: The same of the variant.
        flips: By label, where answers changed between right and wrong.
        macro_f1_ratio: Mean F1 of the classes, each of the same weight, 0-1; None in bundles that
            are older.
        per_class: By label, recall and precision of each class; empty in bundles that are older.
    """

    split: str
    num_images: int
    top1_ratio: float
    top1_interval_ratio: tuple[float, float]
    agreement_ratio: float
    drop_pp: float
    drop_interval_pp: tuple[float, float]
    mcnemar_p: float
    reference_calibration_error_ratio: float
    calibration_error_ratio: float
    flips: dict[str, Flips]
    macro_f1_ratio: float | None = None
    per_class: dict[str, ClassScore] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that each number can be what it is called.

        Raises:
            ValueError: One that cannot.
        """
        check_count("num_images", self.num_images)
        for name in _RATIOS:
            check_within(name, getattr(self, name), RATIOS)
        check_within("macro_f1_ratio", self.macro_f1_ratio or 0.0, RATIOS)
        check_within("drop_pp", self.drop_pp, DROPS_PP)
        check_interval("top1_interval_ratio", self.top1_interval_ratio, RATIOS)
        check_interval("drop_interval_pp", self.drop_interval_pp, DROPS_PP)
