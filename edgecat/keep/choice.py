"""Which answered photos are worth a person's look: one rule, with its reasons."""

from collections.abc import Sequence
from typing import Literal

from edgecat.runtime.prediction import Guess, Prediction

#: Why a photo is kept: it shows none of the known classes, the two likeliest ones are close, or it
#: stands for all others.
Reason = Literal["unknown", "unsure", "sample"]

#: The two best probabilities differ by less: with a pair of classes 0.75 and 0.25, so that a model
#: whose probabilities hold is wrong in one of four photos at least.
UNSURE_MARGIN = 0.5

#: Share of the others. Without them nobody learns of mistakes that a model is sure of; one in 50 is
#: a few photos a day of a camera that sees a hundred.
SAMPLE_RATIO = 0.02

#: Hex digits of a SHA-256 that chance is taken from: 32 bits.
_NUM_DIGITS = 8


def find_reason(prediction: Prediction, sha256: str) -> Reason | None:
    """Return why a photo is worth a look; None if it is not.

    Args:
        prediction: The answer to it.
        sha256: Of its bytes, hex: the sample is drawn by it, so that a photo is in it or not,
            whenever and wherever it comes.
    """
    if prediction.is_known is False:
        return "unknown"
    if measure_margin(prediction.top) < UNSURE_MARGIN:
        return "unsure"
    return "sample" if draw_from(sha256[:_NUM_DIGITS]) < SAMPLE_RATIO else None


def measure_margin(top: Sequence[Guess]) -> float:
    """Return how far the likeliest class is before the next one, 0-1.

    Args:
        top: The likeliest classes, likeliest first; 1 or more.
    """
    first, *others = top
    return first.probability - (others[0].probability if others else 0.0)


def draw_from(digits: str) -> float:
    """Return the number from 0 up to 1 that hex digits of a hash stand for: chance that stays."""
    return float(int(digits, 16) / 16 ** len(digits))
