"""A run's photos at the size that its teacher takes, where the run's own network takes another."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path

from edgecat.photos.input import InputSpec
from edgecat.progress import Progress
from edgecat.train.cache import PhotoCache
from edgecat.train.data import TrainingData
from edgecat.train.job import TEACHER_CACHES
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.shared_cache import open_shared_cache


def size_like(spec: InputSpec, other: InputSpec) -> InputSpec:
    """Return what photos are made into at another network's size; mean and deviation stay."""
    return dataclasses.replace(spec, side_px=other.side_px, shorter_side_px=other.shorter_side_px)


@contextlib.contextmanager
def open_resized(
    data: TrainingData, other: InputSpec, run: Path, progress: Progress, ranks: Ranks = ALONE
) -> Iterator[TrainingData]:
    """Yield a run's photos at another network's size; if that is the run's, as they are.

    Args:
        data: The photos, with those without labels.
        other: What that network takes.
        run: Folder for what is decoded; it is removed in the end.
        progress: Told of each photo.
        ranks: Who wants the photos.

    Raises:
        DatasetError: A photo is gone, or broken by now.
        StorageError: The disk is full.
    """
    spec = size_like(data.cache.spec, other)
    if spec == data.cache.spec:
        yield data
        return
    with contextlib.ExitStack() as stack:

        def decode(cache: PhotoCache, name: str) -> PhotoCache:
            photos = cache.photos
            return stack.enter_context(
                open_shared_cache(run / name, photos, spec, progress, ranks, skip_broken=False)
            )

        unlabelled = data.unlabelled and decode(data.unlabelled, TEACHER_CACHES[1])
        cache = decode(data.cache, TEACHER_CACHES[0])
        yield dataclasses.replace(data, cache=cache, unlabelled=unlabelled)
