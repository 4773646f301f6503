"""Fine-tuning from outside: check what was asked, read and split the photos, train, record."""

import dataclasses
import time
from pathlib import Path

import torch

from edgecat import atomic
from edgecat.errors import DivergedError
from edgecat.photos.folder import count_labels, load_training_folder
from edgecat.progress import Progress, Silent
from edgecat.scores.metrics import describe_small_classes
from edgecat.train import run as runs
from edgecat.train.architecture import ARCHITECTURES
from edgecat.train.cache import open_cache
from edgecat.train.data import TrainingData, check_data, describe_data, split_data
from edgecat.train.device import choose_device, describe_device
from edgecat.train.follow import follow, share_data
from edgecat.train.job import (
    Job,
    check_job,
    check_same,
    load_earlier,
    place_cache,
    settings_of,
)
from edgecat.train.learner import Learner, build_learner
from edgecat.train.lock import lock_run
from edgecat.train.loop import train
from edgecat.train.network import PhotoNetwork, build_network
from edgecat.train.outcome import measure_outcome
from edgecat.train.ranks import Ranks, join, read_ranks
from edgecat.train.recipe import Recipe
from edgecat.train.run import RunRecord
from edgecat.train.sampling import are_unequal, describe_unequal
from edgecat.train.session import Session
from edgecat.train.threads import limit_threads
from edgecat.train.weights import LoadedWeights, load_weights


def finetune(job: Job, progress: Progress | None = None) -> RunRecord:
    """Fine-tune a network on a folder of labelled photos.

    Raises:
        ConfigError: An unknown network or device.
        DatasetError: The folder is no data set, or photos are broken.
        WeightsError: The pretrained weights are out of reach or do not fit.
        TrainError: The run's folder is taken, or holds another run than the one to resume, or the
            ranks that torchrun started are not about the same.
        DivergedError: The run went wrong; its last good checkpoint stands.
        StorageError: The disk is full; the last checkpoint is intact.
    """
    started_s, ranks = time.perf_counter(), read_ranks()
    device = ranks.own_device(choose_device(job.device))
    check_job(job)
    spec = ARCHITECTURES.load(job.arch).input
    job = dataclasses.replace(job, recipe=job.recipe.fit_to(spec))
    limit_threads(ranks)
    with join(ranks, device):
        ranks.agree({"device": device.type} | settings_of(job) | runs.measure_versions())
        if not ranks.is_first:
            return follow(job, ranks, device)
        ranks.check_restarts(resume=job.resume)
        with lock_run(job.run):
            record = _finetune(job, ranks, device, progress or Silent(), started_s)
        ranks.tell(dataclasses.asdict(record))
        return record


def _finetune(
    job: Job, ranks: Ranks, device: torch.device, progress: Progress, started_s: float
) -> RunRecord:
    """Fine-tune as the first rank, whose alone the run's folder is."""
    spec = ARCHITECTURES.load(job.arch).input
    earlier = load_earlier(job)
    folder = load_training_folder(job.data)
    for line in (folder.understood, *folder.notes):
        progress.say(line)
    counts = count_labels(folder.photos)
    network, loaded = _build_pretrained(job, num_classes=len(counts))
    progress.say(str(loaded))
    with open_cache(
        place_cache(job.run), folder.photos, spec, progress, skip_broken=job.skip_broken
    ) as cache:
        data = split_data(folder.root, cache, job)
        check_data(data, counts)
        _tell(data, job.recipe, progress)
        record = _follow(earlier, _make_record(job, data, loaded, device), job.run)
        if record.outcome is not None:
            progress.say("this run is finished already; nothing to resume")
            ranks.tell(None)
            return record
        session = Session(job.run, job.recipe, job.seed, data, progress)
        ranks.check_batch(session.smallest_batch)
        share_data(ranks, data)
        atomic.write_text(job.run / runs.SPLIT, data.split.to_json())
        record.save(job.run)
        learner = build_learner(network, job.recipe, device, ranks)
        return _train_and_test(session, learner, record, started_s)


def _build_pretrained(job: Job, num_classes: int) -> tuple[PhotoNetwork, LoadedWeights]:
    torch.manual_seed(job.seed)  # of the output layer
    network = build_network(job.arch, num_classes)
    return network, load_weights(network, job.arch, job.weights)


def _tell(data: TrainingData, recipe: Recipe, progress: Progress) -> None:
    """Say what was found in the folder, and what is wrong with it."""
    progress.say(describe_data(data))
    if are_unequal(data.counts("train").values()):
        progress.say(describe_unequal(data.counts("train"), recipe.balance_ratio))
    if warning := describe_small_classes(data.counts("test")):
        progress.say(f"test photos: {warning}")


def _make_record(
    job: Job, data: TrainingData, loaded: LoadedWeights, device: torch.device
) -> RunRecord:
    return RunRecord(
        arch=job.arch,
        labels=data.labels,
        weights=loaded.source,
        num_loaded=loaded.num_loaded,
        random=loaded.random,
        seed=job.seed,
        recipe=job.recipe,
        input=data.cache.spec,
        conflicts=job.conflicts,
        data=str(job.data.resolve()),
        data_sha256=runs.hash_data(data.split),
        num_photos=data.num_photos(),
        device=describe_device(device),
        versions=runs.measure_versions(),
    )


def _follow(earlier: RunRecord | None, record: RunRecord, run: Path) -> RunRecord:
    """Return the record to go on with: the earlier one, if that run is finished.

    Raises:
        TrainError: The earlier run had other photos.
    """
    if earlier is None:
        return record
    check_same(run, "photos (SHA-256 of all)", earlier.data_sha256, record.data_sha256)
    if earlier.outcome is not None:
        return earlier
    return dataclasses.replace(record, divergences=earlier.divergences)


def _train_and_test(
    session: Session, learner: Learner, record: RunRecord, started_s: float
) -> RunRecord:
    """Train, test and finish the record; a run that goes wrong is recorded as that.

    Raises:
        DivergedError: The run went wrong.
    """
    try:
        state = train(session, learner)
    except DivergedError as error:
        divergences = (*record.divergences, error.args[0])
        dataclasses.replace(record, divergences=divergences).save(session.run)
        raise
    outcome = measure_outcome(session, learner, state, started_s)
    record = dataclasses.replace(record, outcome=outcome)
    record.save(session.run)
    return record
