"""Fine-tuning from outside: check what was asked, read and split the photos, train, record."""

import dataclasses
import os
import re
import time
from pathlib import Path

import torch

from edgecat import atomic
from edgecat.bundle.manifest import ARCHS
from edgecat.errors import ConfigError, DatasetError, TrainError
from edgecat.photos.conflicts import CONFLICTS
from edgecat.photos.divide import divide_photos
from edgecat.photos.folder import count_labels, load_training_folder
from edgecat.photos.split import Split
from edgecat.progress import Progress, Silent
from edgecat.train import run as runs
from edgecat.train.cache import open_cache
from edgecat.train.network import build_network
from edgecat.train.recipe import Recipe
from edgecat.train.run import RunRecord
from edgecat.train.threads import limit_threads
from edgecat.train.trainer import Trainer
from edgecat.train.weights import load_weights

# Decoded photos while a run lasts; all that a run leaves that was killed while decoding.
_CACHE = "pixels.cache"


@dataclasses.dataclass(frozen=True)
class Job:
    """What to fine-tune, and on what.

    Attributes:
        data: Folder of labelled photos.
        run: Folder to write.
        arch: One of `edgecat.bundle.manifest.ARCHS`.
        weights: "imagenet", "scratch", a released model or another bundle, or a file.
        recipe: Every number of the training.
        seed: Of all chance, 0 or more.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        resume: Go on where a run in the same folder stopped.
        skip_broken: Leave broken photos out instead of refusing all.
        conflicts: What to do about the same photo in two classes: one of
            `edgecat.photos.conflicts.CONFLICTS`.
    """

    data: Path
    run: Path
    arch: str = "mobilenet_v3_small"
    weights: str = "imagenet"
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    skip_broken: bool = False
    conflicts: str = "stop"


def finetune(job: Job, progress: Progress | None = None) -> RunRecord:
    """Fine-tune a MobileNetV3 on a folder of labelled photos.

    Raises:
        ConfigError: An unknown network or device.
        DatasetError: The folder is no data set, or photos are broken.
        WeightsError: The pretrained weights are out of reach or do not fit.
        TrainError: The run's folder is taken, or holds another run than the one to resume.
        StorageError: The disk is full; the last checkpoint is intact.
    """
    progress = progress or Silent()
    started_s = time.perf_counter()
    if job.arch not in ARCHS:
        raise ConfigError(f"--arch {job.arch}: accepted are {', '.join(ARCHS)}")
    if job.conflicts not in CONFLICTS:
        raise ConfigError(f"--conflicts {job.conflicts}: accepted are {', '.join(CONFLICTS)}")
    device = choose_device(job.device)
    limit_threads()
    _check_folder(job)
    folder = load_training_folder(job.data)
    for line in (folder.understood, *folder.notes):
        progress.say(line)
    counts = count_labels(folder.photos)

    torch.manual_seed(job.seed)
    network = build_network(job.arch, len(counts))
    loaded = load_weights(network.network, job.arch, job.weights)
    progress.say(str(loaded))

    with atomic.storage_errors(job.run):
        job.run.mkdir(parents=True, exist_ok=True)
    with open_cache(
        job.run / _CACHE, folder.photos, progress, skip_broken=job.skip_broken
    ) as cache:
        split = divide_photos(
            folder.root,
            cache,
            seed=job.seed,
            val_ratio=job.recipe.val_ratio,
            test_ratio=job.recipe.test_ratio,
            conflicts=job.conflicts,
        )
        if unreadable := sorted(set(counts) - set(split.labels())):
            raise DatasetError(
                f"no photo of {', '.join(unreadable)} can be read; mend or remove them"
            )
        record = RunRecord(
            arch=job.arch,
            labels=split.labels(),
            weights=loaded.source,
            num_loaded=loaded.num_loaded,
            random=loaded.random,
            seed=job.seed,
            recipe=job.recipe,
            conflicts=job.conflicts,
            data=str(job.data.resolve()),
            data_sha256=runs.hash_data(split),
            num_photos={name: len(split.indices(name)) for name in ("train", "val", "test", "out")},
            device=_describe(device),
            versions=runs.measure_versions(),
        )
        progress.say(_describe_split(split, record))
        before = _load_earlier(job, record)
        if before is not None and before.outcome is not None:
            progress.say("this run is finished already; nothing to resume")
            return before
        atomic.write_text(job.run / runs.SPLIT, split.to_json())
        record.save(job.run)
        trainer = Trainer(
            job.run, job.recipe, job.seed, network.to(device), device, cache, split, progress
        )
        outcome = trainer.train(started_s)
    record = dataclasses.replace(record, outcome=outcome)
    record.save(job.run)
    return record


def choose_device(name: str) -> torch.device:
    """Return the torch device of this name.

    Raises:
        ConfigError: Not one of the accepted names.
        TrainError: CUDA asked for where there is none.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if not re.fullmatch(r"cpu|cuda(:[0-9]+)?", name):
        raise ConfigError(f"--device {name}: accepted are auto, cpu, cuda, cuda:N")
    kind, _, number = name.partition(":")
    if kind == "cuda" and not torch.cuda.is_available():
        built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "a CPU-only build"
        raise TrainError(
            f"--device {name}: torch {torch.__version__} sees no CUDA device (it is {built}); "
            "use --device cpu, or install a driver and a CUDA build of torch"
        )
    if int(number or 0) >= max(1, torch.cuda.device_count()):
        raise TrainError(
            f"--device {name}: there are {torch.cuda.device_count()} CUDA devices, counted from 0"
        )
    return torch.device(name)


def _check_folder(job: Job) -> None:
    """Refuse a folder that holds anything but the run to resume.

    Raises:
        ConfigError: A negative seed.
        TrainError: The folder is taken, lies among the photos, or holds another run.
    """
    # realpath: unlike Path.resolve it bears a link to itself, which is refused later, by name.
    if Path(os.path.realpath(job.run)).is_relative_to(os.path.realpath(job.data)):
        raise TrainError(
            f"--out {job.run}: lies inside the photos' folder, where it would be taken for a "
            "class; give --out a folder beside it"
        )
    if job.seed < 0:
        raise ConfigError(f"--seed {job.seed}: must be 0 or more")
    if (job.run / runs.RECORD).exists():
        if not job.resume:
            raise TrainError(
                f"{job.run}: holds a run already; go on with it by adding --resume, or give --out "
                "another name"
            )
        before = runs.load_run(job.run)
        _check_same(job.run, "arch", before.arch, job.arch)
        _check_same(job.run, "weights", before.weights, job.weights)
        _check_same(job.run, "seed", before.seed, job.seed)
        _check_same(job.run, "--conflicts", before.conflicts, job.conflicts)
        for field in dataclasses.fields(Recipe):
            values = (getattr(recipe, field.name) for recipe in (before.recipe, job.recipe))
            _check_same(job.run, f"recipe's {field.name}", *values)
    elif job.run.exists() and (
        not job.run.is_dir() or any(path.name != _CACHE for path in job.run.iterdir())
    ):
        raise TrainError(f"{job.run}: exists and is not empty; give --out another name")


def _load_earlier(job: Job, record: RunRecord) -> RunRecord | None:
    """Return the record of the run to resume, if there is one.

    Raises:
        TrainError: It is another run than the one asked for.
    """
    if not (job.run / runs.RECORD).exists():
        return None
    before = runs.load_run(job.run)
    _check_same(job.run, "photos (SHA-256 of all)", before.data_sha256, record.data_sha256)
    return before


def _check_same(run: Path, what: str, before: object, now: object) -> None:
    """Refuse to resume a run with another setting.

    Raises:
        TrainError: The two differ.
    """
    if before != now:
        raise TrainError(
            f"{run}: --resume needs the same {what} as before: {before}, not {now}; or give --out "
            "another name"
        )


def _describe_split(split: Split, record: RunRecord) -> str:
    num = record.num_photos
    left_out = f", {num['out']} left out (copies in other splits or classes)" if num["out"] else ""
    return (
        f"{len(split.photos)} photos of {len(record.labels)} classes: {num['train']} train, "
        f"{num['val']} validate, {num['test']} test; {split.num_duplicates} near-duplicates kept "
        f"together{left_out}"
    )


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"
