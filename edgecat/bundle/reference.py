"""How a bundle answers photos like those that it was trained on: the reference of drift.

These are its validation photos, which its thresholds were chosen by, too.
"""

import dataclasses

from edgecat.bundle.store import Bundle
from edgecat.errors import BundleError
from edgecat.scores.bounds import OOD_SCORES, check_count, check_within
from edgecat.strict import build, read_json, to_json

REFERENCE_FILE = "reference.json"


@dataclasses.dataclass(frozen=True)
class Answered:
    """What a variant answered to the reference photos.

    Attributes:
        ood_scores: Of each photo, sorted.
        num_answers: How often it answered each class, or "unknown".
    """

    ood_scores: tuple[float, ...]
    num_answers: dict[str, int]

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: No photo, scores that are none, or counts that do not fit.
        """
        for score in self.ood_scores:
            check_within("ood_scores", score, OOD_SCORES)
        for answer, num in self.num_answers.items():
            check_count(f"num_answers {answer!r}", num)
        if not self.ood_scores or sum(self.num_answers.values()) != len(self.ood_scores):
            raise ValueError("ood_scores and num_answers are not of the same photos, 1 or more")


@dataclasses.dataclass(frozen=True)
class Reference:
    """What `reference.json` holds.

    Attributes:
        variants: By the variant's name; each has scores of its own, since rounding moves them.
    """

    variants: dict[str, Answered]

    def of(self, variant: str) -> Answered:
        """Return what a variant answered.

        Raises:
            BundleError: The reference is not about it.
        """
        if variant not in self.variants:
            raise BundleError(
                f"{REFERENCE_FILE}: nothing about {variant!r}; it has {', '.join(self.variants)}"
            )
        return self.variants[variant]

    def to_json(self) -> str:
        """Return the file's text."""
        return to_json(dataclasses.asdict(self), indent=0) + "\n"


def load_reference(bundle: Bundle) -> Reference:
    """Read a bundle's reference.

    Raises:
        BundleError: It has none, or the file does not read.
    """
    if REFERENCE_FILE not in bundle.spec.files:
        raise BundleError(
            f"{bundle.name}: does not say how it answers photos like those that it was trained on: "
            "it was exported by an older edgecat, or enrolled a class since; export its run again: "
            "edgecat export RUN --out BUNDLE"
        )
    where = str(bundle.path / REFERENCE_FILE)
    values = read_json(bundle.read(REFERENCE_FILE), where, BundleError)
    return build(Reference, values, where, BundleError)
