"""The answer to one photo."""

import dataclasses
from typing import Any

from edgecat.photos.labels import UNKNOWN
from edgecat.scores.metrics import Logits


@dataclasses.dataclass(frozen=True)
class Answer:
    """What a model computes for one photo, before anything is made of it.

    Attributes:
        logits: float32 `[K]`.
        ood_score: How far the photo is from those of the known classes (`edgecat.scores.ood`);
            None where the bundle has no detector.
    """

    logits: Logits
    ood_score: float | None


@dataclasses.dataclass(frozen=True)
class StageTimes:
    """Where the time of one answer went.

    Attributes:
        pixels: Milliseconds to read, decode, turn and scale the photo.
        model: Milliseconds in the engine.
        scores: Milliseconds from logits to OOD score and probabilities.
    """

    pixels: float
    model: float
    scores: float


@dataclasses.dataclass(frozen=True)
class Guess:
    """One of the classes and how likely the model finds it.

    Attributes:
        label: The class.
        probability: 0-1; those of all classes sum to 1.
    """

    label: str
    probability: float


@dataclasses.dataclass(frozen=True)
class Prediction:
    """What a classifier says of one photo.

    Attributes:
        label: The likeliest class.
        probability: Of that class among the known ones, 0-1.
        top: The likeliest classes, likeliest first.
        is_known: Whether the photo shows one of the known classes at all; None where the bundle
            has no threshold to tell.
        stage_ms: Where the time went; None where several photos were averaged.
        ood_score: How far the photo is from those of the known classes, the larger the farther;
            None where the bundle has no detector.
    """

    label: str
    probability: float
    top: tuple[Guess, ...]
    is_known: bool | None = None
    stage_ms: StageTimes | None = None
    ood_score: float | None = None

    @property
    def answer(self) -> str:
        """Return what to tell a person: the label, or "unknown"."""
        return UNKNOWN if self.is_known is False else self.label

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `edgecat predict --json` prints them."""
        return {"answer": self.answer} | dataclasses.asdict(self)
