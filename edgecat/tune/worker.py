"""A variant in a process of its own, which times itself when it is its turn.

Threads that wait for work spin, so that two variants with several threads in one process slow each
other down; and one that crashes takes nobody with it.
"""

import dataclasses

from edgecat.bench.turn import Turn
from edgecat.bundle.store import Bundle
from edgecat.errors import EdgecatError
from edgecat.photos.pixels import Pixels
from edgecat.progress import describe_count
from edgecat.runtime.apart import Apart
from edgecat.runtime.choice import open_engine
from edgecat.runtime.device import CPU, name_on
from edgecat.runtime.engine import Engine
from edgecat.runtime.selftest import run_self_test


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A variant with a number of threads, on a device."""

    variant: str
    threads: int
    device: str = CPU

    @property
    def place(self) -> str:
        """Return the variant, and the device if it is another one than the CPU."""
        return name_on(self.variant, self.device)

    def describe(self) -> str:
        """Return it in words."""
        return f"{self.place} with {describe_count(self.threads, 'thread')}"

    def describe_fall(self, error: EdgecatError) -> str:
        """Return why it cannot be measured, without its name."""
        return error.without(self.describe(), self.variant)

    def open(self, bundle: Bundle) -> Engine:
        """Open it, as `edgecat.runtime.choice.open_engine` does."""
        return open_engine(bundle, self.variant, self.threads, device=self.device)


class Timer:
    """An open variant that has passed its self-test."""

    def __init__(self, bundle: Bundle, candidate: Candidate, photos: Pixels) -> None:
        """Open it.

        Args:
            bundle: Verified.
            candidate: Of its variants.
            photos: uint8 `[N, H, W, 3]`, RGB; answered one by one, again and again.

        Raises:
            BundleError: As `edgecat.runtime.choice.open_engine`.
            EngineError: The same.
            SelfTestError: It answers otherwise here than where the bundle was exported.
        """
        self._engine = candidate.open(bundle)
        run_self_test(bundle, self._engine, candidate.device)
        single = [photos[i : i + 1] for i in range(len(photos))]
        self._turn = Turn(self._engine.run, single, candidate.threads)

    def describe_precision(self) -> str:
        """Return what the engine says that it computes in."""
        precision: str = self._engine.describe()["effective_precision"]
        return precision

    def measure_ms(self) -> list[float]:
        """Return the milliseconds of each timed photo of a turn."""
        return self._turn.measure_ms()


def start_timer(bundle: Bundle, candidate: Candidate, photos: Pixels) -> Apart:
    """Return a `Timer` in a process of its own, which opens the variant with the first call."""
    return Apart(candidate.describe(), lambda: Timer(bundle, candidate, photos))
