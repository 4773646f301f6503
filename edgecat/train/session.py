"""What stays the same through all epochs of a run."""

import dataclasses
from pathlib import Path

import numpy as np

from edgecat.progress import Progress
from edgecat.train.data import TrainingData
from edgecat.train.photo_store import PhotoStore
from edgecat.train.recipe import Recipe
from edgecat.train.teacher_answers import TeacherAnswers


@dataclasses.dataclass(frozen=True)
class Session:
    """What stays the same through all epochs of a run.

    Attributes:
        run: Folder to write.
        recipe: Every number of the training.
        seed: Of all chance.
        data: The photos.
        store: The same, where training computes.
        progress: Told of each step.
        answers: A teacher's, to the same views; None to learn from labels only.
        has_board: Whether TensorBoard is written for.
    """

    run: Path
    recipe: Recipe
    seed: int
    data: TrainingData
    store: PhotoStore
    progress: Progress
    answers: TeacherAnswers | None = None
    has_board: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Return how many steps an epoch has.

        Rounded, but never so many that one has a single photo: BatchNorm needs two.
        """
        num_photos = self.data.num_learned
        return max(1, min(round(num_photos / self.recipe.batch_size), num_photos // 2))

    @property
    def smallest_batch(self) -> int:
        """Return how many photos a step has at least."""
        return self.data.num_learned // self.steps_per_epoch

    def torch_seed(self, epoch: int) -> int:
        """Return what torch's chance starts an epoch with; 0 is the head's."""
        return int(np.random.SeedSequence([self.seed, epoch]).generate_state(1)[0])
