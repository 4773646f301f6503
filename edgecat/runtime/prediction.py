"""The answer to one photo."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class StageTimes:
    """Where the time of one answer went.

    Attributes:
        pixels: Milliseconds to read, decode, turn and scale the photo.
        model: Milliseconds in the engine.
        scores: Milliseconds from logits to probabilities.
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
        probability: Of that class, 0-1.
        top: The likeliest classes, likeliest first.
        stage_ms: Where the time went.
    """

    label: str
    probability: float
    top: tuple[Guess, ...]
    stage_ms: StageTimes

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `edgecat predict --json` prints them."""
        return dataclasses.asdict(self)
