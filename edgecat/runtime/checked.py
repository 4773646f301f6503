"""An engine whose every answer is looked at before anybody uses it."""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from edgecat.errors import EdgecatError, EngineError, NotFiniteError, describe_failure
from edgecat.photos.pixels import Pixels
from edgecat.runtime.operators import OperatorTime, profile_operators
from edgecat.scores.heat import FeatureMap
from edgecat.scores.metrics import Logits
from edgecat.scores.ood import Features

if TYPE_CHECKING:
    from edgecat.runtime.engine import Engine

T = TypeVar("T")


class CheckedEngine:
    """Another engine, each of whose answers is float32, a row a photo, and finite, or an error.

    A model can overflow on one photo in a million, and a forged one whenever it likes: NaN would
    make every probability NaN, and every comparison false, without a word.

    Attributes:
        name: The variant's.
    """

    def __init__(self, engine: "Engine") -> None:
        """Stand before an engine."""
        self.name = engine.name
        self._engine = engine

    def run(self, batch: Pixels) -> Logits:
        """Return float32 logits `[N, K]` for uint8 `[N, H, W, 3]`, RGB.

        Raises:
            EngineError: The model answered something else, or its library gave up.
            NotFiniteError: A number in the answer is not finite.
        """
        return self._check("logits", self._ask(self._engine.run, batch), len(batch))

    def run_with_features(self, batch: Pixels) -> tuple[Logits, Features]:
        """Return float32 logits `[N, K]` and features `[N, F]` for uint8 `[N, H, W, 3]`, RGB.

        Raises:
            EngineError: As `run`.
            NotFiniteError: The same.
        """
        logits, features = self._ask(self._engine.run_with_features, batch)
        return (
            self._check("logits", logits, len(batch)),
            self._check("features", features, len(batch)),
        )

    def run_with_map(self, batch: Pixels) -> tuple[Logits, Features, FeatureMap]:
        """Return logits, features and what these are the mean of, float32 `[N, F, h, w]`.

        Raises:
            EngineError: As `run`; or the engine tells no map.
            NotFiniteError: As `run`.
        """
        from edgecat.runtime.engine import run_with_map

        logits, features, feature_map = self._ask(partial(run_with_map, self._engine), batch)
        return (
            self._check("logits", logits, len(batch)),
            self._check("features", features, len(batch)),
            self._check("feature map", feature_map, len(batch), num_axes=4),
        )

    def describe(self) -> dict[str, Any]:
        """Return what the engine says of itself."""
        return self._engine.describe()

    def profile(self, photo: Pixels, num_runs: int) -> tuple[OperatorTime, ...]:
        """Return the time of each operator, as `edgecat.runtime.operators.ProfilingEngine` does.

        Raises:
            EngineError: The engine's library does not tell.
        """
        return profile_operators(self._engine, photo, num_runs)

    def close(self) -> None:
        """Give the model's memory back."""
        self._engine.close()

    def _ask(self, run: Callable[[Pixels], T], batch: Pixels) -> T:
        try:
            return run(batch)
        except EdgecatError:
            raise
        except Exception as error:  # the libraries' exceptions share no public base class
            raise EngineError(
                f"{self.name} does not answer {batch.dtype} {list(batch.shape)} "
                f"({describe_failure(error)}); choose another --variant, or export the bundle again"
            ) from error

    def _check(
        self, what: str, found: npt.NDArray[np.float32], num_photos: int, *, num_axes: int = 2
    ) -> npt.NDArray[np.float32]:
        if found.dtype != np.float32 or found.ndim != num_axes or len(found) != num_photos:
            raise EngineError(
                f"{self.name}: {what} of {num_photos} photos are {found.dtype}"
                f"{list(found.shape)}, expected float32 with a row a photo; export it again"
            )
        if not np.isfinite(found).all():
            raise NotFiniteError(
                f"{self.name}: {what} of a photo are not finite (NaN or infinite), so it has no "
                "answer to it; choose another --variant, or export the bundle again"
            )
        return found
