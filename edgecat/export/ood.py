"""Fit a bundle's out-of-distribution detector, and find where "unknown" begins."""

import dataclasses
from collections.abc import Sequence

import numpy as np

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
    """

    detector: OodDetector
    thresholds: tuple[float, ...]
    train: Features
    held_out: Features


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
    thresholds = tuple(choose_threshold(detector.ood_score(*answer)) for answer in answers)
    return FittedDetector(detector, thresholds, train, held_out=answers[0][1])


def answer_with_features(engine: Engine, photos: Pixels) -> tuple[Logits, Features]:
    """Return a model's logits, float32 `[N, K]`, and features, `[N, F]`, for any number of photos.

    Args:
        engine: Of a model with both outputs.
        photos: uint8 `[N, H, W, 3]`, RGB, N from 1.
    """
    pairs = (engine.run_with_features(batch) for batch in batches_of(photos))
    logits, features = zip(*pairs, strict=True)
    return np.concatenate(logits), np.concatenate(features)
