"""How long each operator of a model takes, as its engine reports it."""

import dataclasses
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from edgecat.errors import EngineError

if TYPE_CHECKING:
    from edgecat.photos.pixels import Pixels
    from edgecat.runtime.engine import Engine


@dataclasses.dataclass(frozen=True)
class OperatorTime:
    """One operator, or several that the engine computes as one.

    Attributes:
        name: In the model.
        kind: What it does, in the engine's words: "Conv".
        precision: What it computes in, where the engine tells; else "".
        times_us: Microseconds of each run.
    """

    name: str
    kind: str
    precision: str
    times_us: tuple[float, ...]


@runtime_checkable
class ProfilingEngine(Protocol):
    """An engine that can tell what its operators take; it need not."""

    def profile(self, photo: "Pixels", num_runs: int) -> tuple[OperatorTime, ...]:
        """Return the time of each operator, of the same model compiled to be measured.

        Args:
            photo: uint8 `[1, H, W, 3]`, RGB, 0-255.
            num_runs: Timed answers, 1 or more; a few more come before.
        """


#: Answers before the timed ones: the first are slower.
NUM_UNTIMED_RUNS = 5


def profile_operators(engine: "Engine", photo: "Pixels", num_runs: int) -> tuple[OperatorTime, ...]:
    """Return what `ProfilingEngine.profile` does.

    Raises:
        EngineError: The engine does not offer it.
    """
    if not isinstance(engine, ProfilingEngine):
        raise EngineError(
            f"{engine.name}: the library of this engine does not tell what its operators take; "
            "choose a --variant of another one, or measure the whole: edgecat benchmark"
        )
    return engine.profile(photo, num_runs)
