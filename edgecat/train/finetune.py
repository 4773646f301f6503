"""Fine-tuning from outside: check what was asked, read and split the photos, teach and test."""

import dataclasses

import torch

from edgecat.errors import ConfigError
from edgecat.keep.reviewed import Reviewed, load_reviewed
from edgecat.photos.folder import are_unequal, count_labels, load_training_folder
from edgecat.progress import Progress, Silent
from edgecat.scores.metrics import describe_small_classes
from edgecat.train.allocator import keep_freed_memory
from edgecat.train.data import TrainingData, check_data, describe_data, split_data
from edgecat.train.device import choose_device
from edgecat.train.fit import fit, prepare
from edgecat.train.follow import follow
from edgecat.train.inits import INITS
from edgecat.train.job import CACHE, UNLABELLED_CACHE, Job, check_job, plan_jobs, settings_of
from edgecat.train.lock import lock_run
from edgecat.train.ranks import Ranks, join, read_ranks
from edgecat.train.recipe import Recipe
from edgecat.train.resized import open_resized
from edgecat.train.run import RunRecord, measure_versions
from edgecat.train.sampling import describe_unequal
from edgecat.train.shared_cache import open_shared_cache
from edgecat.train.threads import limit_threads
from edgecat.train.unlabelled import open_unlabelled
from edgecat.train.weights import load_labels


def finetune(job: Job, progress: Progress | None = None) -> RunRecord:
    """Fine-tune a network on a folder of labelled photos, and before it its teacher, if it has one.

    Raises:
        ConfigError: An unknown network or device, or weights that the init does not read.
        DatasetError: The folder is no data set, or photos are broken.
        WeightsError: The pretrained weights are out of reach or do not fit.
        TrainError: The run's folder is taken, or holds another run than the one to resume; the
            teacher is none; the ranks that torchrun started are not about the same.
        DivergedError: The run went wrong; its last good checkpoint stands.
        StorageError: The disk is full; the last checkpoint is intact.
    """
    ranks = read_ranks()
    device = ranks.own_device(choose_device(job.device))
    check_job(job)
    keep_freed_memory()
    limit_threads(ranks)
    ranks.check_restarts(resume=job.resume)
    _check_parts(job, ranks)
    with join(ranks, device):
        asked = {"--device": device.type, "--teacher": job.teacher} | settings_of(job)
        ranks.agree(asked | measure_versions())
        if not ranks.is_first:
            return _finetune(job, ranks, device, Silent())
        with lock_run(job.run):
            return _finetune(job, ranks, device, progress or Silent())


def _finetune(job: Job, ranks: Ranks, device: torch.device, progress: Progress) -> RunRecord:
    """Fine-tune with other ranks, of which all but the first one follow."""
    folder = load_training_folder(job.data, job.photo_list)
    for line in (folder.understood, *folder.notes):
        progress.say(line)
    reviewed = _load_reviewed(job, progress)
    photos = (*folder.photos, *(reviewed.photos if reviewed else ()))
    counts = count_labels(photos)
    jobs = plan_jobs(job, ranks)
    starts = [prepare(one, ranks, device, num_classes=len(counts)) for one in jobs]
    spec = starts[-1].network.input
    with (
        open_shared_cache(
            job.run / CACHE, photos, spec, progress, ranks, skip_broken=job.skip_broken
        ) as cache,
        open_unlabelled(
            job.run / UNLABELLED_CACHE, job.unlabelled, spec, progress, ranks
        ) as unlabelled,
    ):
        data = split_data(folder.root, cache, job, ranks, reviewed)
        check_data(data, counts)
        _tell(data, job.recipe, progress)
        for start in starts:
            progress.say(f"{start.job.arch}: {start.loaded}")
            _tell_output_layer(start.job, data.labels, progress)
            with open_resized(data, start.network.input, job.run, progress, ranks) as seen:
                if ranks.is_first:
                    record = fit(start, seen, unlabelled, progress)
                    ranks.tell(dataclasses.asdict(record))
                else:
                    record = follow(start, seen, unlabelled, progress)
        return record


def _check_parts(job: Job, ranks: Ranks) -> None:
    """Refuse parts of a batch where several ranks have parts of it already.

    Raises:
        ConfigError: Both were asked for.
    """
    if ranks.size > 1 and (job.fits_memory or job.recipe.batch_parts > 1):
        raise ConfigError(
            f"--batch auto, or batch_parts above 1, with {ranks.size} ranks: they share each batch "
            "already; start more of them, or give a smaller --batch"
        )


def _load_reviewed(job: Job, progress: Progress) -> Reviewed | None:
    """Return the reviewed photos to add, if there are any, and say how many.

    Raises:
        DatasetError: There are none where they were asked for.
    """
    if job.added is None:
        return None
    ratios = {"val_ratio": job.recipe.val_ratio, "test_ratio": job.recipe.test_ratio}
    reviewed = load_reviewed(job.added, **ratios)
    progress.say(reviewed.describe())
    return reviewed


def _tell(data: TrainingData, recipe: Recipe, progress: Progress) -> None:
    """Say what was found in the folder, and what is wrong with it."""
    progress.say(describe_data(data))
    if data.added is not None:
        progress.say(str(data.added))
    if are_unequal(data.counts("train").values()):
        progress.say(describe_unequal(data.counts("train"), recipe.balance_ratio))
    if warning := describe_small_classes(data.counts("test")):
        progress.say(f"test photos: {warning}")


def _tell_output_layer(job: Job, labels: tuple[str, ...], progress: Progress) -> None:
    """Say what it means that a network starts with a pretrained output layer, if it does."""
    if not INITS[job.init].output_layer:
        return
    progress.say("the output layer is pretrained, so it does not learn alone first (head_epochs 0)")
    before = load_labels(job.weights)
    if before is not None and before != labels:
        progress.say(
            "CAREFUL: the output layer learned other classes, or these in another order "
            f"({', '.join(before)}): it starts from wrong answers; leave --init out to start it "
            "from random numbers"
        )
