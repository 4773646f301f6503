"""Fit a bundle's out-of-distribution detector, and find where "unknown" begins."""

import numpy as np

from edgecat.photos.pixels import Pixels
from edgecat.runtime.engines.base import Engine
from edgecat.scores.answers import batches_of
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features, OodDetector, choose_threshold, fit_detector


def learn_detector(engine: Engine, photos: Pixels) -> OodDetector:
    """Fit a detector to the features of known classes.

    Args:
        engine: The float model.
        photos: uint8 `[N, 224, 224, 3]`, RGB: training photos, of every class.
    """
    return fit_detector(*answer_with_features(engine, photos))


def find_threshold(engine: Engine, detector: OodDetector, photos: Pixels) -> float:
    """Return the OOD score above which a variant calls a photo unknown.

    Args:
        engine: The variant; each has a threshold of its own, since rounding moves features, too.
        detector: What `learn_detector` learned from the float model.
        photos: uint8 `[N, 224, 224, 3]`, RGB: validation photos.
    """
    return choose_threshold(detector.ood_score(*answer_with_features(engine, photos)))


def answer_with_features(engine: Engine, photos: Pixels) -> tuple[Logits, Features]:
    """Return a model's logits, float32 `[N, K]`, and features, `[N, F]`, for any number of photos.

    Args:
        engine: Of a model with both outputs.
        photos: uint8 `[N, 224, 224, 3]`, RGB, N from 1.
    """
    pairs = (engine.run_with_features(batch) for batch in batches_of(photos))
    logits, features = zip(*pairs, strict=True)
    return np.concatenate(logits), np.concatenate(features)
