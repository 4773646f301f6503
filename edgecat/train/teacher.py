"""A bigger network that has learned the same photos, and teaches a small one what it sees in them.

Source: Beyer et al., "Knowledge distillation: A good teacher is patient and consistent" (2021,
arXiv 2106.05237): both see the same views, for many epochs.
"""

import contextlib
import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from edgecat.errors import TrainError
from edgecat.graph.bulk import Arrays, open_in_bulk
from edgecat.scores.metrics import Logits, top1_ratio
from edgecat.train import run as runs
from edgecat.train.batches import make_batches
from edgecat.train.cache import open_cache
from edgecat.train.data import TrainingData
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.job import TEACHER_CACHES
from edgecat.train.network import PhotoNetwork, predict_both, predict_logits
from edgecat.train.origins import TeacherRecord
from edgecat.train.photo_store import PhotoStore
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.recipe import Recipe
from edgecat.train.resized import open_resized, size_like
from edgecat.train.run import RunRecord
from edgecat.train.session import Session
from edgecat.train.teacher_answers import TeacherAnswers, make_key

# What a view is made of; and this edgecat's way of making them, counted up when that changes.
_VIEW_KEYS = ("crop_side_px", "crop_scale_min", "flip_ratio", "colour_jitter", "balance_ratio")
_VIEWS_VERSION = 3


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A finished run whose network answers.

    Attributes:
        run: Its folder.
        network: With its kept weights.
        record: What a student's record says of it.
    """

    run: Path
    network: PhotoNetwork
    record: TeacherRecord


def open_teacher(run: Path, data: TrainingData) -> Teacher:
    """Open a finished run as teacher of photos.

    Raises:
        TrainError: As `load_checkpoint`; of other classes, or it has learned photos that this run
            validates or tests with.
        ConfigError: This edgecat does not know its network.
    """
    checkpoint = load_checkpoint(run)
    record = checkpoint.record
    _check_classes(run, record, data)
    _check_split(run, checkpoint, data)
    assert record.outcome is not None  # load_checkpoint refuses others
    found = TeacherRecord(
        record.arch,
        record.weights,
        checkpoint.weights_sha256,
        record.outcome.val_top1_ratio,
        record.outcome.test_top1_ratio,
    )
    return Teacher(run, checkpoint.network, found)


def _check_classes(run: Path, record: RunRecord, data: TrainingData) -> None:
    if record.labels != data.labels:
        lacks = sorted(set(data.labels) - set(record.labels)) or "nothing"
        more = sorted(set(record.labels) - set(data.labels)) or "nothing"
        raise TrainError(
            f"--teacher {run}: of other classes: it lacks {lacks}, and has {more} more; give a run "
            "on the same classes, or one of timm's names, which is fine-tuned first"
        )


def _check_split(run: Path, checkpoint: Checkpoint, data: TrainingData) -> None:
    """Refuse a teacher that knows photos by heart which are to test its student.

    Raises:
        TrainError: There are such photos.
    """
    record = checkpoint.record
    learned = {p.sha256 for p in checkpoint.split.photos if p.split == "train"}
    held = [p for p in data.split.photos if p.split in ("val", "test") and p.sha256 in learned]
    if held:
        raise TrainError(
            f"--teacher {run}: it has learned {len(held)} photos that this run would validate or "
            f"test with, such as {held[0].path}; split the photos as it did: --seed {record.seed} "
            f"--set val_ratio={record.recipe.val_ratio} --set test_ratio={record.recipe.test_ratio}"
            "; or, of a run that another one starts from, give a teacher that learned on its split"
        )


def measure_teacher(teacher: Teacher, session: Session, device: torch.device) -> float:
    """Return the share of a run's validation photos that a teacher answers rightly, 0-1.

    They are decoded at the size that it takes. Its own record may be of other photos.

    Raises:
        StorageError: The disk is full.
    """
    data, indices = session.data, session.data.indices("val")
    spec = size_like(data.cache.spec, teacher.network.input)
    photos = [data.cache.photos[index] for index in indices]
    file = session.run / TEACHER_CACHES[0]
    with open_cache(file, photos, spec, session.progress, skip_broken=False) as cache:
        everything = np.arange(len(photos))
        logits, _ = predict_both(teacher.network.to(device), cache, everything, device)
    return top1_ratio(logits, data.targets[indices])


def ask_teacher(
    teacher: Teacher, session: Session, device: torch.device, ranks: Ranks = ALONE
) -> TeacherAnswers:
    """Return a teacher's answers to all views of a run; those that are kept are not asked again.

    It sees them at the size that its own network takes, also where the student's is another one.

    Args:
        teacher: Who answers.
        session: The run.
        device: Where it computes.
        ranks: The others are told None after each epoch's: who waits too long counts as hung.

    Raises:
        StorageError: The disk is full.
    """
    shape = (session.data.num_learned, len(session.data.labels))
    recipe = _size_crops(teacher, session)
    folder = teacher.run / runs.ANSWERS / _make_key(teacher, session, recipe)
    answers = TeacherAnswers(folder, min(session.recipe.num_views, session.recipe.epochs), shape)
    epochs = [e for e in range(1, answers.num_views + 1) if answers.load(e) is None]
    if damaged := sum(map(answers.has, epochs)):
        session.progress.say(f"{folder}: {damaged} files are damaged; the teacher is asked again")
    if not epochs:
        return answers
    num_steps = len(epochs) * session.steps_per_epoch
    with (
        _open_views(teacher, session) as views,
        session.progress.phase("teacher's answers", num_steps) as step,
    ):
        answer = _open_network(teacher.network, device, recipe.crop_side_px)
        for epoch in epochs:
            parts: list[Logits] = []
            for batch in make_batches(views, epoch):
                parts.append(answer(batch.photos.cpu().numpy()))
                step()
            answers.save(epoch, np.concatenate(parts))
            ranks.tell(None)
    return answers


def _size_crops(teacher: Teacher, session: Session) -> Recipe:
    """Return what makes a run's views at the size that a teacher takes."""
    own, spec, recipe = teacher.network.input, session.data.cache.spec, session.recipe
    crop_px = round(recipe.crop_side_px * own.side_px / spec.side_px)
    return dataclasses.replace(recipe, crop_side_px=crop_px)


@contextlib.contextmanager
def _open_views(teacher: Teacher, session: Session) -> Iterator[Session]:
    """Yield a run whose views are as large as its teacher takes them."""
    with open_resized(session.data, teacher.network.input, session.run, session.progress) as data:
        if data is session.data:
            yield session
            return
        store = PhotoStore(data, session.store.device)
        recipe = _size_crops(teacher, session)
        yield dataclasses.replace(session, data=data, store=store, recipe=recipe)


def _make_key(teacher: Teacher, session: Session, recipe: Recipe) -> str:
    spec = size_like(session.data.cache.spec, teacher.network.input)
    return make_key(
        {
            "model": teacher.record.model_sha256,
            "unlabelled": [session.data.unlabelled.hashes[i] for i in session.data.chosen]
            if session.data.unlabelled
            else [],
            "split": hashlib.sha256(session.data.split.to_json().encode()).hexdigest(),
            "input": dataclasses.asdict(spec),
            "seed": session.seed,
            "views_version": _VIEWS_VERSION,
            **{key: getattr(recipe, key) for key in _VIEW_KEYS},
        }
    )


def _open_network(network: PhotoNetwork, device: torch.device, side_px: int) -> Arrays:
    """Return what computes float32 logits `[N, K]` of uint8 `[N, side, side, 3]`, fast."""
    network = network.to(device).eval()
    if device.type != "cpu":
        return lambda photos: predict_logits(network, photos, device)
    network.memory_format = torch.contiguous_format
    return open_in_bulk(network, torch.zeros(2, side_px, side_px, 3, dtype=torch.uint8))
