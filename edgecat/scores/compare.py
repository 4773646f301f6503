"""Two models, the same photos: how far apart are their answers?"""

import dataclasses

import numpy as np

from edgecat.scores import metrics
from edgecat.scores.metrics import Indices, Logits

#: Most that top-1 may drop where nobody says otherwise, percentage points.
DEFAULT_MAX_DROP_PP = 1.0


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What another model answers, seen from a reference.

    Attributes:
        num_images: Photos that both answered.
        logit_gap: Largest difference of any logit.
        agreement_ratio: Share of photos with the same first answer, 0-1.
    """

    num_images: int
    logit_gap: float
    agreement_ratio: float


@dataclasses.dataclass(frozen=True)
class AccuracyChange:
    """How a model's accuracy differs from its reference's.

    Attributes:
        num_images: Photos with a known class.
        reference_top1_ratio: The reference's share of right answers, 0-1.
        top1_ratio: The other's.
        agreement_ratio: Share of photos with the same first answer.
        num_lost: Photos that only the reference has right.
        num_gained: Photos that only the other has right.
        drop_pp: Those lost less those gained, percentage points; negative is a gain.
        drop_interval_pp: Its paired 95 % interval.
        mcnemar_p: How likely such a difference, or a larger one, is by chance, 0-1.
        reference_calibration_error_ratio: How far the reference's confidence and accuracy are
            apart, 0-1.
        calibration_error_ratio: The other's.
    """

    num_images: int
    reference_top1_ratio: float
    top1_ratio: float
    agreement_ratio: float
    num_lost: int
    num_gained: int
    drop_pp: float
    drop_interval_pp: tuple[float, float]
    mcnemar_p: float
    reference_calibration_error_ratio: float
    calibration_error_ratio: float

    def is_within(self, max_drop_pp: float) -> bool:
        """Tell whether the drop, as measured, is within a budget of percentage points.

        One single photo never counts as over it, unless a gain is asked for: few photos cannot
        tell it from none.
        """
        is_one = max_drop_pp >= 0 and self.num_lost - self.num_gained <= 1
        return self.drop_pp <= max_drop_pp or is_one


def compare_logits(reference: Logits, other: Logits) -> Comparison:
    """Compare answers to the same photos; both float32 `[N, K]`."""
    return Comparison(
        num_images=len(reference),
        logit_gap=float(np.abs(reference - other).max()) if len(reference) else 0.0,
        agreement_ratio=metrics.agreement_ratio(reference, other),
    )


def compare_accuracy(reference: Logits, other: Logits, targets: Indices) -> AccuracyChange:
    """Compare accuracies on the same photos; logits float32 `[N, K]`, targets int64 `[N]`."""
    num_lost, num_gained = map(int, metrics.count_flips(reference, other, targets).sum(axis=0))
    num_images = len(targets)
    return AccuracyChange(
        num_images=num_images,
        reference_top1_ratio=metrics.top1_ratio(reference, targets),
        top1_ratio=metrics.top1_ratio(other, targets),
        agreement_ratio=metrics.agreement_ratio(reference, other),
        num_lost=num_lost,
        num_gained=num_gained,
        drop_pp=100 * (num_lost - num_gained) / max(1, num_images),
        drop_interval_pp=metrics.paired_interval_pp(num_lost, num_gained, num_images),
        mcnemar_p=metrics.mcnemar_p(num_lost, num_gained),
        reference_calibration_error_ratio=metrics.calibration_error_ratio(reference, targets),
        calibration_error_ratio=metrics.calibration_error_ratio(other, targets),
    )
