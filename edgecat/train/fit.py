"""One network, taught on photos that are decoded and split: train, test, record."""

import dataclasses
import time
from pathlib import Path

import torch

from edgecat import atomic
from edgecat.errors import DivergedError, TrainError
from edgecat.photos.split import Split
from edgecat.progress import Progress
from edgecat.scores.metrics import describe_top1, wilson_interval
from edgecat.train import run as runs
from edgecat.train.cache import PhotoCache
from edgecat.train.checkpoint import State
from edgecat.train.data import TrainingData
from edgecat.train.device import describe_device
from edgecat.train.job import Job, check_same, keep_parts, load_earlier, settle_init
from edgecat.train.learner import Learner, build_learner
from edgecat.train.loop import begin, train
from edgecat.train.memory import fit_memory, memory_errors
from edgecat.train.network import PhotoNetwork, build_network
from edgecat.train.origins import ParentRecord, TeacherRecord, UnlabelledRecord
from edgecat.train.outcome import measure_outcome
from edgecat.train.parent import (
    Parent,
    describe_weights,
    edit_parent,
    measure_val_top1,
    open_parent,
)
from edgecat.train.photo_store import PhotoStore
from edgecat.train.ranks import Ranks
from edgecat.train.resized import open_resized
from edgecat.train.run import RunRecord
from edgecat.train.session import Session
from edgecat.train.teacher import Teacher, ask_teacher, measure_teacher, open_teacher
from edgecat.train.unlabelled import choose_unlabelled
from edgecat.train.weights import LoadedWeights, load_weights


@dataclasses.dataclass(frozen=True)
class Start:
    """A network before its first step, and all that could be refused without the photos was not.

    Attributes:
        job: What to do.
        ranks: Who takes its steps.
        device: Where.
        earlier: The record of the run to go on with, if there is one.
        network: With its pretrained weights.
        loaded: What these are.
        parent: Whose network is edited before the first step, if it starts from one; known to the
            first rank, from which the others get the weights.
        started_s: When it was asked for, of `time.perf_counter`.
    """

    job: Job
    ranks: Ranks
    device: torch.device
    earlier: RunRecord | None
    network: PhotoNetwork
    loaded: LoadedWeights
    parent: Parent | None = None
    started_s: float = dataclasses.field(default_factory=time.perf_counter)


def prepare(job: Job, ranks: Ranks, device: torch.device, num_classes: int) -> Start:
    """Check what was asked for, and build the network.

    Raises:
        ConfigError: An unknown network.
        WeightsError: The pretrained weights are out of reach or do not fit.
        TrainError: The run's folder is taken, or holds another run than the one to resume.
        DivergedError: The run to resume went wrong with the same rates.
        StorageError: The run's folder cannot be made.
    """
    torch.manual_seed(job.seed)  # of the output layer
    network = build_network(job.arch, num_classes)
    job = settle_init(dataclasses.replace(job, recipe=job.recipe.fit_to(network.input)))
    earlier = load_earlier(job) if ranks.is_first else None  # whose alone the run's folder is
    if earlier is not None:
        check_same(job.run, "input", earlier.input.describe(), network.input.describe())
        job = keep_parts(job, earlier)
    if job.parent is None:
        loaded = load_weights(network, job.arch, job.weights, job.init)
        return Start(job, ranks, device, earlier, network, loaded)
    parent = open_parent(job.parent) if ranks.is_first else None
    return Start(job, ranks, device, earlier, network, describe_weights(job, network), parent)


def fit(
    start: Start, data: TrainingData, unlabelled: PhotoCache | None, progress: Progress
) -> RunRecord:
    """Teach a network, test it, and keep the record of both.

    Args:
        start: The network.
        data: The photos.
        unlabelled: Photos without labels, for its teacher to answer.
        progress: Told of each step.

    Raises:
        ConfigError: More ranks than a batch has photos.
        TrainError: The run to resume had other photos, or its teacher is none.
        DivergedError: The run went wrong; its last good checkpoint stands.
        StorageError: The disk is full; the last checkpoint is intact.
    """
    job, ranks = start.job, start.ranks
    teacher = open_teacher(Path(job.teacher), data) if job.teacher else None
    record = _make_record(start, data, teacher)
    if teacher is not None and job.unlabelled is not None:
        data = dataclasses.replace(data, unlabelled=unlabelled)
        data, added = _choose_unlabelled(start, teacher, data, progress)
        record = dataclasses.replace(record, unlabelled=added)
    record = _follow(start, record, data.split)
    if record.outcome is not None:
        progress.say(f"{job.run}: this run is finished already; nothing to resume")
        ranks.tell(None)
        return record
    store = PhotoStore(data, start.device)
    session = Session(job.run, job.recipe, job.seed, data, store, progress, has_board=job.has_board)
    ranks.span(session.smallest_batch)  # refuses more ranks than it has photos
    ranks.tell(data.chosen.tolist())
    with atomic.storage_errors(job.run):
        job.run.mkdir(parents=True, exist_ok=True)  # of a teacher; a student's holds the photos
    atomic.write_text(job.run / runs.SPLIT, data.split.to_json())
    record.save(job.run)
    record = _edit_parent(start, record, data, progress)
    learner = build_learner(start.network, job.recipe, start.device, ranks)
    if job.fits_memory:
        session = fit_memory(session, learner)
        record = dataclasses.replace(record, recipe=session.recipe)
        record.save(job.run)
    try:
        with memory_errors(session, learner):
            state = begin(session, learner)
            before_s = sum(row["duration_s"] for row in state.history)  # in earlier processes
            if teacher is not None:
                session = _ask(teacher, start, session, learner, state)
            state = train(session, learner, state)
    except DivergedError as error:
        divergences = (*record.divergences, error.args[0])
        dataclasses.replace(record, divergences=divergences).save(session.run)
        raise
    outcome = measure_outcome(session, learner, state, start.started_s - before_s)
    record = dataclasses.replace(record, outcome=outcome)
    record.save(session.run)
    return record


def _make_record(start: Start, data: TrainingData, teacher: Teacher | None) -> RunRecord:
    job, ranks = start.job, start.ranks
    return RunRecord(
        arch=job.arch,
        labels=data.labels,
        weights=start.loaded.source,
        num_loaded=start.loaded.num_loaded,
        random=start.loaded.random,
        seed=job.seed,
        recipe=job.recipe,
        input=start.network.input,
        init=job.init,
        conflicts=job.conflicts,
        data=str(job.data.resolve()),
        data_sha256=runs.hash_data(data.split),
        num_photos=data.num_photos(),
        device=describe_device(start.device) + (f"; {ranks}" if ranks.size > 1 else ""),
        versions=runs.measure_versions(),
        teacher=teacher.record if teacher else None,
        added=data.added,
        parent=start.parent.record if start.parent else None,
    )


def _choose_unlabelled(
    start: Start, teacher: Teacher, data: TrainingData, progress: Progress
) -> tuple[TrainingData, UnlabelledRecord]:
    """Return the photos with those without labels to learn from, and what is recorded of these."""
    job = start.job
    assert job.unlabelled is not None
    with open_resized(data, teacher.network.input, job.run, progress) as seen:
        chosen, added = choose_unlabelled(seen, teacher.network, start.device)
    progress.say(str(added))
    added = dataclasses.replace(added, folder=str(job.unlabelled.resolve()))
    return dataclasses.replace(data, chosen=chosen), added


def _edit_parent(
    start: Start, record: RunRecord, data: TrainingData, progress: Progress
) -> RunRecord:
    """Edit the parent's network, if there is one and this run has not begun."""
    parent, run = start.parent, start.job.run
    if parent is None or (run / runs.CHECKPOINT).exists():
        return record
    start.network.load_state_dict(edit_parent(parent, start.job.arch, data).state_dict())
    ratio = measure_val_top1(start.network, data, start.device)
    progress.say(
        f"validation top-1: {100 * parent.record.val_top1_ratio:.1f} % of {start.job.parent}; "
        f"edited, before it learns: {100 * ratio:.1f} %"
    )
    record = dataclasses.replace(record, edited_val_top1_ratio=ratio)
    record.save(run)
    return record


def _follow(start: Start, record: RunRecord, split: Split) -> RunRecord:
    """Return the record to go on with: the earlier one, if that run is finished.

    Raises:
        TrainError: The earlier run had other photos, split them otherwise, or had another teacher.
    """
    earlier, run = start.earlier, start.job.run
    if earlier is None:
        return record
    if _list_photos(runs.load_split(run)) != _list_photos(split):
        raise TrainError(
            f"{run}: --resume needs the same photos as before, and some are new, gone, changed, "
            f"renamed, or in another class or split; give those of then, {earlier.data}, with its "
            "--list if it had one, or give --out another name"
        )
    check_same(run, "--teacher", *(_name_run(one.teacher) for one in (earlier, record)))
    check_same(run, "photos of --unlabelled", *map(_name_unlabelled, (earlier, record)))
    check_same(run, "network of --from", *(_name_run(one.parent) for one in (earlier, record)))
    if earlier.outcome is not None:
        return earlier
    return dataclasses.replace(
        record,
        divergences=earlier.divergences,
        edited_val_top1_ratio=earlier.edited_val_top1_ratio,
    )


def _list_photos(split: Split) -> list[tuple[str, str, str]]:
    """Return what decides a run's chance: the photos in order, and what each is for.

    In order, since by its place a photo is dealt to train, validate or test with, and is cut.
    """
    return [(photo.sha256, photo.label, photo.split) for photo in split.photos]


def _name_run(one: TeacherRecord | ParentRecord | None) -> str:
    """Return what tells a teacher or parent from others, wherever it lies now."""
    return "none" if one is None else f"{one.arch} (SHA-256 of its weights: {one.model_sha256})"


def _name_unlabelled(record: RunRecord) -> str:
    """Return what tells a run's photos without labels from others, wherever they lie now."""
    one = record.unlabelled
    return "none" if one is None else f"{one.num_learned} photos (SHA-256 of all: {one.sha256})"


def _ask(
    teacher: Teacher, start: Start, session: Session, learner: Learner, state: State
) -> Session:
    """Return a run with what its teacher answers, and tell the other ranks of what form that is.

    Raises:
        TrainError: Nothing can be learned from it.
        StorageError: The disk is full.
    """
    # Who has begun may have overtaken it, and so may who starts from what it has taught.
    before = start.parent.checkpoint.record.teacher if start.parent else None
    is_known = before is not None and before.model_sha256 == teacher.record.model_sha256
    if not state.epoch and not is_known:
        _check_teacher(teacher, session, learner)
    answers = ask_teacher(teacher, session, start.device, start.ranks)
    start.ranks.tell({"num_views": answers.num_views, "shape": answers.shape})
    return dataclasses.replace(session, answers=answers)


def knows_less(num_right: int, num_other: int, num: int) -> bool:
    """Return whether who has so many of the photos right surely knows less than another.

    Some photos less may be chance.
    """
    return wilson_interval(num_right, num)[1] < wilson_interval(num_other, num)[0]


def _check_teacher(teacher: Teacher, session: Session, learner: Learner) -> None:
    """Refuse a teacher from which nothing can be learned, before it is asked.

    Raises:
        TrainError: The student surely knows more before it has begun.
    """
    num = len(session.data.indices("val"))
    num_known = round(num * measure_val_top1(learner.network, session.data, learner.device))
    num_taught = round(num * measure_teacher(teacher, session, learner.device))
    session.progress.say(
        f"teacher {teacher.record.arch}: validation top-1 {describe_top1(num_taught, num)}; the "
        f"student before it is taught: {describe_top1(num_known, num)}"
    )
    if knows_less(num_taught, num_known, num):
        raise TrainError(
            f"--teacher {teacher.run}: with {describe_top1(num_taught, num)} it knows less of the "
            f"validation photos than the student before it is taught ({num_known} right); give a "
            "better one, or leave --teacher out, and --out another name"
        )
