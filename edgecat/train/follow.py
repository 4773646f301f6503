"""What all ranks but the first do: have the photos at hand, and take every step with it.

Each machine decodes its photos once, whichever of its ranks use them. The first rank says which
photo is in which split; where another machine has other photos, both say so.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch

from edgecat import atomic
from edgecat.errors import TrainError
from edgecat.photos.folder import load_training_folder
from edgecat.photos.split import Split
from edgecat.progress import Silent
from edgecat.strict import build
from edgecat.train.architecture import ARCHITECTURES
from edgecat.train.cache import PhotoCache, open_cache
from edgecat.train.data import TrainingData, number_classes
from edgecat.train.job import Job, place_cache
from edgecat.train.learner import build_learner
from edgecat.train.loop import train
from edgecat.train.network import build_network
from edgecat.train.ranks import Ranks
from edgecat.train.run import RunRecord
from edgecat.train.session import Session

# What a person calls the fact that all ranks must agree on.
_PHOTOS = "photos"


def share_data(ranks: Ranks, data: TrainingData) -> None:
    """Tell the other ranks, as the first one, what the photos are for.

    Raises:
        TrainError: Another machine has other photos.
    """
    if ranks.size > 1:
        ranks.tell({"split": dataclasses.asdict(data.split), "shapes": data.cache.shapes})
        ranks.agree({_PHOTOS: _describe(data.cache)})


def follow(job: Job, ranks: Ranks, device: torch.device) -> RunRecord:
    """Learn with the first rank, and return the record that it has written.

    Raises:
        DatasetError: This machine's photos are no data set, or broken.
        TrainError: They are others than the first rank's, or another rank has ended.
        DivergedError: The run went wrong.
        StorageError: The disk is full.
    """
    with _decode(job, ranks) as cache:
        plan = ranks.hear()
        if plan is not None:  # else the run was finished before
            own = {_PHOTOS: _describe(cache)} if cache.photos else {}
            ranks.agree(own)
            cache.attach(place_cache(job.run, ranks.machine), plan["shapes"])
            data = number_classes(cache, build(Split, plan["split"], "first rank", TrainError))
            network = build_network(job.arch, len(data.labels))
            session = Session(job.run, job.recipe, job.seed, data, Silent())
            train(session, build_learner(network, job.recipe, device, ranks))
        return build(RunRecord, ranks.hear(), "first rank", TrainError)


@contextlib.contextmanager
def _decode(job: Job, ranks: Ranks) -> Iterator[PhotoCache]:
    """Decode this machine's photos, or yield an empty cache if another of its ranks does."""
    spec = ARCHITECTURES.load(job.arch).input
    if ranks.rank_here != 0:
        yield PhotoCache(spec)
        return
    photos = load_training_folder(job.data).photos
    with atomic.storage_errors(job.run):
        job.run.mkdir(parents=True, exist_ok=True)
    file = place_cache(job.run, ranks.machine)
    try:
        with open_cache(file, photos, spec, Silent(), skip_broken=job.skip_broken) as cache:
            yield cache
    finally:
        _remove_if_empty(job.run)


def _describe(cache: PhotoCache) -> str:
    """Return what tells the photos of one machine from those of another: which ones, in order."""
    lines = (
        f"{sha256} {photo.label}" for photo, sha256 in zip(cache.photos, cache.hashes, strict=True)
    )
    sha256 = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return f"{len(cache.photos)} with the SHA-256 {sha256[:16]}"


def _remove_if_empty(run: Path) -> None:
    """Remove a folder in which only this machine's decoded photos lay."""
    with contextlib.suppress(OSError):
        run.rmdir()
