"""Fit a bundle's out-of-distribution detector, and find where "unknown" begins."""

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from edgecat.bundle.reference import Answered, Reference
from edgecat.photos.labels import UNKNOWN
from edgecat.photos.pixels import Pixels
from edgecat.quantize.model import Model, open_all
from edgecat.runtime.engine import Engine
from edgecat.scores.answers import batches_of
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features, OodDetector, choose_threshold, fit_detector


@dataclasses.dataclass(frozen=True)
class FittedDetector:
    """A bundle's detector.

    Attributes:
        detector: What it knows of the features of known classes.
        thresholds: The OOD score above which each variant calls a photo unknown, in the order of
            the models; each has one of its own, since rounding moves features, too.
        train: float32 `[N, F]`, the float model's features of the photos that it learned from.
        held_out: The same of those that the thresholds were chosen by.
        answers: What each model answered to these: logits, float32 `[N, K]`, and OOD scores,
            float64 `[N]`.
    """

    detector: OodDetector
    thresholds: tuple[float, ...]
    train: Features
    held_out: Features
    answers: tuple[tuple[Logits, npt.NDArray[np.float64]], ...]

    def to_reference(self, names: Sequence[str], labels: Sequence[str]) -> Reference:
        """Return how photos of known classes are answered, for later comparison.

        Args:
            names: Of the models' variants.
            labels: In the order of the logits.
        """
        return Reference(
            {
                name: _count_answers(*answer, threshold, labels)
                for name, answer, threshold in zip(
                    names, self.answers, self.thresholds, strict=True
                )
            }
        )


def fit_to_models(
    models: Sequence[Model], calibration: Pixels, validation: Pixels
) -> FittedDetector:
    """Fit a detector to a bundle's models.

    Args:
        models: All of them; the first is a float one, of which the detector learns.
        calibration: uint8 `[N, H, W, 3]`, RGB: training photos, of every class.
        validation: uint8 `[N, H, W, 3]`, RGB: what the thresholds are chosen by.
    """
    with open_all(models) as engines:
        logits, train = answer_with_features(engines[0], calibration)
        detector = fit_detector(logits, train)
        answers = [answer_with_features(engine, validation) for engine in engines]
    scored = tuple((logits, detector.ood_score(logits, found)) for logits, found in answers)
    thresholds = tuple(choose_threshold(scores) for _, scores in scored)
    return FittedDetector(detector, thresholds, train, held_out=answers[0][1], answers=scored)


def _count_answers(
    logits: Logits, scores: npt.NDArray[np.float64], threshold: float, labels: Sequence[str]
) -> Answered:
    """Return scores and answers as a bundle's reference holds them."""
    likely = (labels[i] for i in logits.argmax(axis=1))
    told = (
        label if score <= threshold else UNKNOWN
        for label, score in zip(likely, scores, strict=True)
    )
    # Six digits: a score's own noise is larger, and the file a third of the size.
    return Answered(tuple(round(float(score), 6) for score in np.sort(scores)), dict(Counter(told)))


def answer_with_features(engine: Engine, photos: Pixels) -> tuple[Logits, Features]:
    """Return a model's logits, float32 `[N, K]`, and features, `[N, F]`, for any number of photos.

    Args:
        engine: Of a model with both outputs.
        photos: uint8 `[N, H, W, 3]`, RGB, N from 1.
    """
    pairs = (engine.run_with_features(batch) for batch in batches_of(photos))
    logits, features = zip(*pairs, strict=True)
    return np.concatenate(logits), np.concatenate(features)
