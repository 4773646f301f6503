"""The photos of a run: decoded, split, and numbered by class."""

import dataclasses
import functools
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgecat.errors import DatasetError
from edgecat.photos.divide import divide_photos
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import Split
from edgecat.scores.metrics import Indices
from edgecat.train.cache import PhotoCache
from edgecat.train.job import Job
from edgecat.train.ranks import ALONE, Ranks

#: The class of a photo without a label. Source: what torch's losses leave out.
NO_TARGET = -100


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Decoded photos and what they are for.

    Attributes:
        cache: The pixels, by position.
        split: Which photo trains, which validates, which tests; in the cache's order.
        labels: The classes, in the order of the logits.
        targets: int64 `[N]`: the class of each photo, by its number in `labels`.
        unlabelled: Further pixels, of photos without labels.
        chosen: int64 `[n]`: the positions in `unlabelled` of those to learn from.
    """

    cache: PhotoCache
    split: Split
    labels: tuple[str, ...]
    targets: Indices
    unlabelled: PhotoCache | None = None
    chosen: Indices = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def num_learned(self) -> int:
        """How many photos an epoch sees."""
        return len(self.indices("train")) + len(self.chosen)

    def scaled(self, index: int) -> Pixels:
        """Return a photo to learn from as `scale_photo` does: uint8 `[H, W, 3]`, RGB.

        Args:
            index: Of a labelled photo, or of one without a label, which are counted on from these.
        """
        num = len(self.cache.photos)
        if index < num or self.unlabelled is None:
            return self.cache.scaled(index)
        return self.unlabelled.scaled(index - num)

    def targets_of(self, indices: Indices) -> Indices:
        """Return the classes of photos to learn from, int64 `[n]`: `NO_TARGET` without a label."""
        known = indices < len(self.targets)
        return np.where(known, self.targets[np.where(known, indices, 0)], NO_TARGET)

    def indices(self, split: str) -> Indices:
        """Return the positions of the photos of a split: int64 `[n]`."""
        return np.array(self.split.indices(split), np.int64)

    def counts(self, split: str) -> dict[str, int]:
        """Return how many photos of each class a split has."""
        nums = np.bincount(self.targets[self.indices(split)], minlength=len(self.labels))
        return dict(zip(self.labels, nums.tolist(), strict=True))

    def num_photos(self) -> dict[str, int]:
        """Return how many photos each split has; "out" are in none."""
        nums = Counter(photo.split for photo in self.split.photos)
        return {name: nums[name] for name in ("train", "val", "test", "out")}


def split_data(root: Path, cache: PhotoCache, job: Job, ranks: Ranks = ALONE) -> TrainingData:
    """Split the photos, or keep the split that their folders make, without leaks.

    Of several ranks the first one does it, which alone has the fingerprints.

    Args:
        root: The folder that the photos' paths start from.
        cache: The photos.
        job: With the seed, the shares and what to do about conflicts.
        ranks: Who learns from the photos.

    Raises:
        DatasetError: A class has too few different photos, or labels contradict each other.
    """
    divide = functools.partial(
        divide_photos,
        seed=job.seed,
        val_ratio=job.recipe.val_ratio,
        test_ratio=job.recipe.test_ratio,
        conflicts=job.conflicts,
    )
    told = ranks.first(lambda: divide(root, cache).to_json())
    split = Split.from_json(told, "first rank")
    labels = split.labels()
    number_of = {label: number for number, label in enumerate(labels)}
    targets = np.array([number_of[photo.label] for photo in split.photos], np.int64)
    return TrainingData(cache, split, labels, targets)


def check_data(data: TrainingData, wanted: Iterable[str]) -> None:
    """Refuse a data set that lacks whole classes.

    Args:
        data: What was read.
        wanted: The classes of the folder.

    Raises:
        DatasetError: Classes without a whole photo; they are named.
    """
    if unreadable := sorted(set(wanted) - set(data.labels)):
        raise DatasetError(f"no photo of {', '.join(unreadable)} can be read; mend or remove them")


def describe_data(data: TrainingData) -> str:
    """Return the line that a run prints."""
    num = data.num_photos()
    left_out = f", {num['out']} left out (copies in other splits or classes)" if num["out"] else ""
    return (
        f"{len(data.split.photos)} photos of {len(data.labels)} classes: {num['train']} train, "
        f"{num['val']} validate, {num['test']} test; {data.split.num_duplicates} near-duplicates "
        f"kept together{left_out}"
    )
