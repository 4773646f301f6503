"""Photos without labels, such as a camera's: a teacher says what they show.

Left out are near-duplicates, of each other and of labelled photos (so that nothing is learned of a
photo that validates or tests), and what the teacher takes for none of the classes.
"""

import contextlib
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from edgecat.errors import DatasetError
from edgecat.photos.folder import LabelledPhoto
from edgecat.photos.input import InputSpec
from edgecat.photos.split import find_new as find_new_photos
from edgecat.photos.tree import list_folder
from edgecat.progress import Progress
from edgecat.scores.metrics import Indices
from edgecat.scores.ood import choose_threshold, fit_detector
from edgecat.train.cache import PhotoCache
from edgecat.train.data import TrainingData
from edgecat.train.network import PhotoNetwork, predict_both
from edgecat.train.origins import UnlabelledRecord
from edgecat.train.ranks import Ranks
from edgecat.train.shared_cache import open_shared_cache


def list_unlabelled(folder: Path) -> list[LabelledPhoto]:
    """List all files below a folder, whatever their folders are called.

    Raises:
        DatasetError: No such folder, or it is empty.
    """
    if not folder.is_dir():
        raise DatasetError(f"--unlabelled {folder}: no such folder; give one of photos")
    photos = [LabelledPhoto(folder / path, label="") for path in list_folder(folder).all_files()]
    if not photos:
        raise DatasetError(f"--unlabelled {folder}: no photos in it; leave the option out")
    return photos


@contextlib.contextmanager
def open_unlabelled(
    file: Path, folder: Path | None, spec: InputSpec, progress: Progress, ranks: Ranks
) -> Iterator[PhotoCache | None]:
    """Decode photos without labels into `file`; what is none is listed and left out.

    Args:
        file: To write; it is removed in the end.
        folder: Of the photos; None yields None.
        spec: What the network takes.
        progress: Told of each photo.
        ranks: Who wants the photos.

    Raises:
        DatasetError: There is no photo.
        TrainError: Another rank has other photos.
        StorageError: The disk is full.
    """
    if folder is None:
        yield None
        return
    photos = list_unlabelled(folder)
    with open_shared_cache(file, photos, spec, progress, ranks, skip_broken=True) as cache:
        yield cache


def choose_unlabelled(
    data: TrainingData, teacher: PhotoNetwork, device: torch.device
) -> tuple[Indices, UnlabelledRecord]:
    """Return the positions of the photos without labels to learn from, and what was left out.

    Args:
        data: Photos with labels and without, at the size that the teacher takes.
        teacher: Has learned the labelled ones.
        device: Where it computes.
    """
    assert data.unlabelled is not None
    photos, new = data.unlabelled, find_new(data.cache, data.unlabelled)
    chosen = new[~_are_unknown(data, new, teacher, device)] if len(new) else new
    hashes = "\n".join(photos.hashes[i] for i in chosen)  # in order: by its place each is cut
    return chosen, UnlabelledRecord(
        sha256=hashlib.sha256(hashes.encode()).hexdigest(),
        num_learned=len(chosen),
        num_duplicates=len(photos.photos) - len(new),
        num_unknown=len(new) - len(chosen),
    )


def find_new(labelled: PhotoCache, photos: PhotoCache) -> Indices:
    """Return the positions of photos that are like no labelled one, and none before it.

    Args:
        labelled: Photos with labels, whatever they are for.
        photos: Photos without.
    """
    num = len(labelled.photos)
    new = find_new_photos([*labelled.fingerprints, *photos.fingerprints], num)
    return np.array(new, np.int64) - num


def _are_unknown(
    data: TrainingData, indices: Indices, teacher: PhotoNetwork, device: torch.device
) -> np.ndarray:
    """Return bool `[n]`: whether the teacher takes an unlabelled photo for none of the classes."""
    assert data.unlabelled is not None
    predict = functools.partial(predict_both, teacher.to(device), device=device)
    detector = fit_detector(*predict(data.cache, data.indices("train")))
    threshold = choose_threshold(detector.ood_score(*predict(data.cache, data.indices("val"))))
    return detector.ood_score(*predict(data.unlabelled, indices)) > threshold
