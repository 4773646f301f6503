"""The photos of a run: decoded, split, and numbered by class."""

import dataclasses
from collections import Counter
from collections.abc import Iterable

import numpy as np

from edgecat.errors import DatasetError
from edgecat.photos.split import (
    Split,
    SplitPhoto,
    group_photos,
    keep_ready_split,
    split_photos,
)
from edgecat.scores.metrics import Indices
from edgecat.train.cache import PhotoCache
from edgecat.train.job import Job


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Decoded photos and what they are for.

    Attributes:
        cache: The pixels, by position.
        split: Which photo trains, which validates, which tests; in the cache's order.
        labels: The classes, in the order of the logits.
        targets: int64 `[N]`: the class of each photo, by its number in `labels`.
    """

    cache: PhotoCache
    split: Split
    labels: tuple[str, ...]
    targets: Indices

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


def divide_photos(cache: PhotoCache, job: Job) -> TrainingData:
    """Split the photos, or keep the split that their folders make, without leaks.

    Raises:
        DatasetError: A class has too few different photos.
    """
    groups = group_photos(cache.fingerprints)
    ready = [photo.split for photo in cache.photos]
    if all(ready):
        splits = keep_ready_split([str(split) for split in ready], groups)
    else:
        splits = split_photos(
            [photo.label for photo in cache.photos],
            groups,
            seed=job.seed,
            val_ratio=job.recipe.val_ratio,
            test_ratio=job.recipe.test_ratio,
        )
    split = Split(
        seed=job.seed,
        num_duplicates=sum(group != i for i, group in enumerate(groups)),
        photos=tuple(
            SplitPhoto(photo.path.relative_to(job.data).as_posix(), photo.label, sha256, split)
            for photo, sha256, split in zip(cache.photos, cache.hashes, splits, strict=True)
        ),
    )
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
        DatasetError: Classes without a whole photo, or without one to train with; they are named.
    """
    if unreadable := sorted(set(wanted) - set(data.labels)):
        raise DatasetError(f"no photo of {', '.join(unreadable)} can be read; mend or remove them")
    if untaught := [label for label, num in data.counts("train").items() if not num]:
        raise DatasetError(
            f"no photo of {', '.join(untaught)} to train with (copies of photos to validate or "
            "test with do not count); add some to the training folder"
        )


def describe_data(data: TrainingData) -> str:
    """Return the line that a run prints."""
    num = data.num_photos()
    left_out = f", {num['out']} left out of training (copies of test photos)" if num["out"] else ""
    return (
        f"{len(data.split.photos)} photos of {len(data.labels)} classes: {num['train']} train, "
        f"{num['val']} validate, {num['test']} test; {data.split.num_duplicates} near-duplicates "
        f"kept together{left_out}"
    )
