"""A variant's files in memory, on their way into a bundle."""

import contextlib
import dataclasses
from collections.abc import Iterator, Sequence

from edgecat.bundle.manifest import Variant
from edgecat.runtime.checked import CheckedEngine
from edgecat.runtime.engine import Engine, open_model
from edgecat.scores.compare import AccuracyChange


@dataclasses.dataclass(frozen=True)
class Model:
    """A variant that was made, and what is known of it so far.

    Attributes:
        variant: Its name and its files' names.
        files: The files' bytes, in that order.
        change: What it loses on the validation photos; None where it answers as the checkpoint.
        imitation: Answers in its place, since this processor does not compute so; None where it
            runs itself.
    """

    variant: Variant
    files: tuple[bytes, ...]
    change: AccuracyChange | None = None
    imitation: Engine | None = None

    @contextlib.contextmanager
    def open(self, threads: int | None = None) -> Iterator[Engine]:
        """Open it for a block.

        Args:
            threads: To compute with; None for one per physical core.
        """
        if self.imitation is not None:
            yield CheckedEngine(self.imitation)
            return
        with contextlib.closing(open_model(self.variant, self.files, threads)) as engine:
            yield engine

    def describe_loss(self) -> str:
        """Return what it loses, for a message; "" where it answers as the checkpoint."""
        if self.change is None:
            return ""
        return (
            f"{self.variant.name} lost {self.change.drop_pp:.1f} pp of "
            f"{100 * self.change.reference_top1_ratio:.1f} % "
            f"({self.change.num_images} validation photos)"
        )


@contextlib.contextmanager
def open_all(models: Sequence[Model], threads: int | None = None) -> Iterator[list[Engine]]:
    """Open several models for a block, in their order.

    Args:
        models: To open.
        threads: Each computes with; None for one per physical core.
    """
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(model.open(threads)) for model in models]
