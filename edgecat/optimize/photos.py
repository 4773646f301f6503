"""Some of a run's photos, at the size of any network: they train and validate, and never test."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgecat.errors import DatasetError
from edgecat.photos.folder import PhotoFolder, load_folder
from edgecat.photos.input import InputSpec
from edgecat.photos.split import Split, SplitPhoto
from edgecat.progress import Progress
from edgecat.train.cache import PhotoCache, open_cache
from edgecat.train.data import TrainingData
from edgecat.train.job import CACHE
from edgecat.train.run import RunRecord

# Shown to a network that is edited: means over some hundred photos say what channels do.
_MAX_TRAIN = 512

# Asked what an edit costs: an answer's probabilities tell more than whether it is right.
_MAX_VAL = 1024


@dataclasses.dataclass(frozen=True)
class JudgedPhotos:
    """Some of the photos of a run.

    Attributes:
        folder: Where they are.
        split: Those of them that are used.
        labels: The run's classes, in the order of the logits.
        file: Holds decoded photos while they are open.
        progress: Told of each photo that is decoded.
    """

    folder: PhotoFolder
    split: Split
    labels: tuple[str, ...]
    file: Path
    progress: Progress

    @contextlib.contextmanager
    def open(self, spec: InputSpec) -> Iterator[TrainingData]:
        """Decode the photos for a network that takes these.

        Raises:
            DatasetError: A photo is gone, broken, or not what it was in the run.
            StorageError: The disk is full.
        """
        photos = [self.folder.photo(photo.path, photo.label) for photo in self.split.photos]
        with open_cache(self.file, photos, spec, self.progress, skip_broken=False) as cache:
            self._check(cache)
            targets = [self.labels.index(photo.label) for photo in self.split.photos]
            yield TrainingData(cache, self.split, self.labels, np.array(targets, np.int64))

    def _check(self, cache: PhotoCache) -> None:
        """Refuse photos that changed.

        Raises:
            DatasetError: There are some; the first is named.
        """
        for photo, sha256 in zip(self.split.photos, cache.hashes, strict=True):
            if photo.sha256 != sha256:
                raise DatasetError(
                    f"{self.folder.root / photo.path}: changed since the run; fine-tune again, or "
                    "say where the run's photos are with --data DIR"
                )


def find_photos(
    record: RunRecord, split: Split, data: Path | None, out: Path, progress: Progress
) -> JudgedPhotos:
    """Return photos of a run to judge edits by: validation photos, and training photos to show.

    Args:
        record: Of the run.
        split: Of the run.
        data: Where the photos are, if not where the run found them.
        out: Folder for what is decoded.
        progress: Told of each photo.

    Raises:
        DatasetError: They are gone.
    """
    root = data or Path(record.data)
    if not root.exists():
        raise DatasetError(
            f"{root}: the run's photos are gone; say where they are now with --data DIR"
        )
    chosen = (*_choose(split, "train", _MAX_TRAIN), *_choose(split, "val", _MAX_VAL))
    return JudgedPhotos(
        load_folder(root),
        dataclasses.replace(split, photos=chosen),
        record.labels,
        out / CACHE,
        progress,
    )


def _choose(split: Split, name: str, most: int) -> list[SplitPhoto]:
    """Return the photos of a split, or as many of them as are enough, evenly."""
    indices = np.array(split.indices(name))
    places = np.linspace(0, len(indices) - 1, min(len(indices), most)).astype(int)
    return [split.photos[index] for index in indices[places]]
