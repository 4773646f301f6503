"""An engine with the classes that were enrolled after the export."""

from typing import TYPE_CHECKING, Any

from edgecat.runtime.engine import Engine, run_with_map
from edgecat.runtime.operators import OperatorTime, profile_operators
from edgecat.scores.head import Layer, add_enrolled

if TYPE_CHECKING:
    from edgecat.photos.pixels import Pixels
    from edgecat.scores.heat import FeatureMap
    from edgecat.scores.metrics import Logits
    from edgecat.scores.ood import Features


class EnrolledEngine:
    """Another engine, whose logits are followed by those of enrolled classes.

    Their units read the features, so that one file of numbers serves every engine and precision,
    and what was proven of a variant's own logits stays true.

    Attributes:
        name: The variant's.
    """

    def __init__(self, engine: Engine, units: Layer) -> None:
        """Stand before an engine."""
        self.name = engine.name
        self._engine, self._units = engine, units

    def run(self, batch: "Pixels") -> "Logits":
        """Return float32 logits `[N, K]` for uint8 `[N, H, W, 3]`, RGB."""
        return self.run_with_features(batch)[0]

    def run_with_features(self, batch: "Pixels") -> "tuple[Logits, Features]":
        """Return float32 logits `[N, K]` and features `[N, F]` for uint8 `[N, H, W, 3]`."""
        logits, features = self._engine.run_with_features(batch)
        return add_enrolled(self._units, logits, features), features

    def run_with_map(self, batch: "Pixels") -> "tuple[Logits, Features, FeatureMap]":
        """Return logits, features and what these are the mean of, float32 `[N, F, h, w]`."""
        logits, features, feature_map = run_with_map(self._engine, batch)
        return add_enrolled(self._units, logits, features), features, feature_map

    def profile(self, photo: "Pixels", num_runs: int) -> tuple[OperatorTime, ...]:
        """Return the time of each operator of the engine; the enrolled units take next to none."""
        return profile_operators(self._engine, photo, num_runs)

    def describe(self) -> dict[str, Any]:
        """Return what the engine says of itself."""
        return self._engine.describe()

    def close(self) -> None:
        """Give the model's memory back."""
        self._engine.close()
