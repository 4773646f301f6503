"""Whose features photos are compared by: those of a network that has learned to see."""

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from edgecat.bundle.ood import load_detector
from edgecat.bundle.photo_record import load_photo_record
from edgecat.bundle.store import Bundle
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels
from edgecat.runtime.engine import Engine
from edgecat.scores.ood import Features

#: float64 `[N]`, see `edgecat.scores.ood`.
OodScores = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class FeatureModel:
    """A network that turns photos into features.

    Attributes:
        name: For people.
        input: What it takes.
        run: Returns features, float32 `[N, F]`, and OOD scores, float64 `[N]`, or None where it
            knows no classes, of uint8 `[N, H, W, 3]`, RGB.
        labels: The classes that the OOD scores are about; none without scores.
        ood_threshold: Above it a photo shows none of these; None without scores.
        was_trained: Whether the photo of a hex SHA-256 had a say in it, with its label.
    """

    name: str
    input: InputSpec
    run: Callable[[Pixels], tuple[Features, OodScores | None]]
    labels: tuple[str, ...] = ()
    ood_threshold: float | None = None
    was_trained: Callable[[str], bool] = lambda sha256: False


def features_of_bundle(bundle: Bundle, engine: Engine) -> FeatureModel:
    """Return a bundle's own features.

    Args:
        bundle: Verified.
        engine: One of its variants, open.

    Raises:
        BundleError: Its file of directions, or of the photos it was trained on, does not read.
        EngineError: The model has no second output; bundles of before there was one have none.
    """
    detector = load_detector(bundle)
    engine.run_with_features(np.zeros((1, *bundle.spec.input.shape), np.uint8))  # refused early

    def run(photos: Pixels) -> tuple[Features, OodScores | None]:
        logits, features = engine.run_with_features(photos)
        return features, None if detector is None else detector.ood_score(logits, features)

    return FeatureModel(
        name=f"{bundle.spec.name}, {engine.name}",
        input=bundle.spec.input,
        run=run,
        labels=bundle.spec.labels if detector else (),
        ood_threshold=bundle.spec.variant(engine.name).ood_threshold if detector else None,
        was_trained=load_photo_record(bundle).was_trained,
    )
