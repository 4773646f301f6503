"""The answer to one photo."""

import dataclasses
from types import MappingProxyType
from typing import Any


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
        stage_ms: Milliseconds by stage: "pixels" (decode, turn, scale), "model", "scores".
    """

    label: str
    probability: float
    top: tuple[Guess, ...]
    stage_ms: MappingProxyType[str, float]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, as `edgecat predict --json` prints them."""
        return {
            "label": self.label,
            "probability": self.probability,
            "top": [dataclasses.asdict(guess) for guess in self.top],
            "stage_ms": dict(self.stage_ms),
        }
