"""Some of a run's photos, at the size of any network: they train and validate, and never test."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from edgecat.export.photos import check_unchanged, open_folder
from edgecat.photos.folder import PhotoFolder
from edgecat.photos.input import InputSpec
from edgecat.photos.split import Split, SplitPhoto
from edgecat.photos.spread import spread
from edgecat.progress import Progress
from edgecat.train.cache import open_cache
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
            for photo, sha256 in zip(self.split.photos, cache.hashes, strict=True):
                check_unchanged(self.folder, photo, sha256)
            targets = [self.labels.index(photo.label) for photo in self.split.photos]
            yield TrainingData(cache, self.split, self.labels, np.array(targets, np.int64))


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
    chosen = (*_choose(split, "train", _MAX_TRAIN), *_choose(split, "val", _MAX_VAL))
    return JudgedPhotos(
        open_folder(data or Path(record.data)),
        dataclasses.replace(split, photos=chosen),
        record.labels,
        out / CACHE,
        progress,
    )


def _choose(split: Split, name: str, most: int) -> list[SplitPhoto]:
    """Return the photos of a split, or as many of them as are enough, evenly."""
    indices = np.array(split.indices(name))
    return [split.photos[index] for index in indices[spread(len(indices), most)]]
