"""What networks answer to the validation photos, against the one that they were made of."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from edgecat.export.photos import RunPhotos
from edgecat.photos.input import InputSpec
from edgecat.photos.pixels import Pixels
from edgecat.progress import Silent
from edgecat.scores.answers import Answers
from edgecat.scores.compare import AccuracyChange, compare_accuracy
from edgecat.scores.metrics import Indices, Logits
from edgecat.train.finished import Checkpoint, load_checkpoint


@dataclasses.dataclass(frozen=True)
class Judge:
    """Asks networks what the validation photos show.

    Attributes:
        parent: The run that the search started from.
        data: Where its photos are.
        logits: What its network answers: float32 `[N, K]`.
        targets: int64 `[N]`: the classes of the photos.
    """

    parent: Checkpoint
    data: Path
    logits: Logits
    targets: Indices

    @property
    def unchanged(self) -> AccuracyChange:
        """Return how the network that the search started from answers."""
        return compare_accuracy(self.logits, self.logits, self.targets)

    def compare_run(self, run: Path) -> AccuracyChange:
        """Return how a network that has learned answers, against that which it was made of.

        Raises:
            TrainError: The run is none, or has not finished.
            DatasetError: The photos are not what they were.
        """
        found = load_checkpoint(run)
        [change] = self.compare([found.answer], found.network.input)
        return change

    def compare(
        self, models: Sequence[Callable[[Pixels], Logits]], spec: InputSpec
    ) -> list[AccuracyChange]:
        """Return how models answer, against the network that the search started from.

        Args:
            models: Each answers uint8 `[N, H, W, 3]`.
            spec: What they take.

        Raises:
            DatasetError: The photos are not what they were.
        """
        found = _ask(self.parent, self.data, models, spec).logits
        return [compare_accuracy(self.logits, logits, self.targets) for logits in found]


def open_judge(parent: Checkpoint, data: Path | None) -> Judge:
    """Ask the network that a search starts from.

    Args:
        parent: Its run.
        data: Where that run's photos are, if not where it found them.

    Raises:
        DatasetError: They are not what they were.
    """
    data = data or Path(parent.record.data)
    answers = _ask(parent, data, [parent.answer], parent.network.input)
    return Judge(parent, data, answers.logits[0], answers.targets)


def _ask(
    parent: Checkpoint, data: Path, models: Sequence[Callable[[Pixels], Logits]], spec: InputSpec
) -> Answers:
    photos = RunPhotos(parent.split, data, spec, Silent())
    return photos.answers("val", parent.record.labels, models)
