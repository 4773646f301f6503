"""The photos of a run: decoded, split, and numbered by class."""

import dataclasses
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgecat.errors import DatasetError, TrainError
from edgecat.keep.reviewed import Reviewed, check_new_classes, check_unchanged
from edgecat.photos.added import FirstPhotos, add_photos
from edgecat.photos.divide import divide_photos
from edgecat.photos.pixels import Pixels
from edgecat.photos.split import MIN_PHOTOS, Split, SplitPhoto
from edgecat.scores.metrics import Indices
from edgecat.train.cache import PhotoCache
from edgecat.train.job import Job
from edgecat.train.origins import AddedRecord
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.run import load_run, load_split

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
        added: What is to be said of reviewed photos, which stand behind all others; None where
            there are none.
        num_own: Photos of the data set itself: positions from here on are of reviewed ones.
    """

    cache: PhotoCache
    split: Split
    labels: tuple[str, ...]
    targets: Indices
    unlabelled: PhotoCache | None = None
    chosen: Indices = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    added: AddedRecord | None = None
    num_own: int = sys.maxsize

    @property
    def num_learned(self) -> int:
        """How many photos an epoch sees."""
        return len(self.indices("train")) + len(self.chosen)

    def scaled(self, index: int) -> Pixels:
        """Return a photo to cut random crops from: uint8 `[H, W, 3]`, RGB.

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
        return count_splits(self.split.photos)


def count_splits(photos: Iterable[SplitPhoto]) -> dict[str, int]:
    """Return how many photos each split has; "out" are in none."""
    nums = Counter(photo.split for photo in photos)
    return {name: nums[name] for name in ("train", "val", "test", "out")}


def split_data(
    root: Path,
    cache: PhotoCache,
    job: Job,
    ranks: Ranks = ALONE,
    reviewed: Reviewed | None = None,
) -> TrainingData:
    """Split the photos, or keep the split that their folders or a parent make, without leaks.

    Of several ranks the first one does it, which alone has the fingerprints.

    Args:
        root: The folder that the photos' paths start from.
        cache: The photos, reviewed ones last.
        job: With the seed, the shares, what to do about conflicts, and the parent.
        ranks: Who learns from the photos.
        reviewed: Where the last of the photos are from.

    Raises:
        ConfigError: A reviewed photo's label is none.
        DatasetError: A class has too few different photos, or labels contradict each other.
        TrainError: The photos are not those of the parent.
    """
    paths = {photo.path for photo in reviewed.photos} if reviewed else set()
    num_own = sum(photo.path not in paths for photo in cache.photos)

    def divide() -> str:
        if job.parent is not None:
            return _divide_as(job.parent, root, cache).to_json()
        split = divide_photos(
            root,
            FirstPhotos(cache, num_own),
            seed=job.seed,
            val_ratio=job.recipe.val_ratio,
            test_ratio=job.recipe.test_ratio,
            conflicts=job.conflicts,
        )
        return (add_photos(split, cache, job.conflicts) if reviewed else split).to_json()

    split = Split.from_json(ranks.first(divide), "first rank")
    labels = split.labels()
    number_of = {label: number for number, label in enumerate(labels)}
    targets = np.array([number_of[photo.label] for photo in split.photos], np.int64)
    data = TrainingData(cache, split, labels, targets, num_own=num_own)
    return data if reviewed is None else dataclasses.replace(data, added=_record(data, reviewed))


def _divide_as(parent: Path, root: Path, cache: PhotoCache) -> Split:
    """Split photos as a run did whose network is edited, so that the two can be compared.

    Dealt anew they could fall otherwise: at another size other photos are near-duplicates.

    Raises:
        TrainError: They are not those of the run.
    """
    before, left = load_split(parent), defaultdict[tuple[str, str], list[str]](list)
    for photo in before.photos:
        left[photo.sha256, photo.label].append(photo.split)
    rows, num_new = [], 0
    for found, sha256 in zip(cache.photos, cache.hashes, strict=True):
        if splits := left[sha256, found.label]:
            path = found.path.relative_to(root).as_posix()
            rows.append(SplitPhoto(path, found.label, sha256, splits.pop(0)))
        else:
            num_new += 1
    if num_others := num_new + sum(map(len, left.values())):
        raise TrainError(
            f"--from {parent}: {num_others} photos are new, gone, or in another class than in that "
            "run, so the two could not be compared; give the folder of its photos, "
            f"{load_run(parent).data}, with its --list if it had one, or fine-tune that network "
            "again first"
        )
    return dataclasses.replace(before, photos=tuple(rows))


def _record(data: TrainingData, reviewed: Reviewed) -> AddedRecord:
    """Return what is to be said of the reviewed photos of a run.

    Raises:
        ConfigError: A new class has a label that is none.
        DatasetError: Some were changed since, or a new class has too few.
    """
    added = data.cache.photos[data.num_own :]
    check_unchanged(added, data.cache.hashes[data.num_own :])
    rows = data.split.photos[data.num_own :]
    pairs = zip(added, rows, strict=True)
    used = [photo for photo, row in pairs if row.split != "out"]
    own_labels = {photo.label for photo in data.split.photos[: data.num_own]}
    return AddedRecord(
        folder=str(reviewed.folder.resolve()),
        num_photos=count_splits(rows),
        num_gone=reviewed.num_gone,
        new_labels=check_new_classes(own_labels, used, MIN_PHOTOS),
    )


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
