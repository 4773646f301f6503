"""A finished run whose network another run starts from, edited.

Edited is the trained network, since an edit before the first training costs far more accuracy, and
the edited one learns on: on the same split, by the same recipe, from the same teacher, who also
says what the same photos without labels show.
"""

import copy
import dataclasses
from collections.abc import Iterable
from pathlib import Path

import torch

from edgecat.errors import ConfigError, TrainError
from edgecat.scores.metrics import describe_top1, top1_ratio
from edgecat.train import run as runs
from edgecat.train.architecture import find_architecture
from edgecat.train.data import TrainingData
from edgecat.train.edit import apply_edit, join_name, split_name
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.job import Job
from edgecat.train.look import TrainingPhotos
from edgecat.train.network import PhotoNetwork, predict_both
from edgecat.train.origins import ParentRecord
from edgecat.train.recipe import MIN_CROP_PX, Recipe
from edgecat.train.run import RunRecord, load_run
from edgecat.train.weights import LoadedWeights


@dataclasses.dataclass(frozen=True)
class Parent:
    """A finished run to start from.

    Attributes:
        checkpoint: Its network, split and record.
        record: What the record of the run that starts from it says of it.
    """

    checkpoint: Checkpoint
    record: ParentRecord


def inherit(job: Job, parent: Path, edits: tuple[str, ...]) -> Job:
    """Return a job that starts from a finished run's network, edited.

    Args:
        job: What else to do; its recipe is taken as it is.
        parent: The finished run.
        edits: As `edgecat.train.edit.apply_edit` knows them.

    Raises:
        TrainError: No run there, one whose teacher or photos without labels are elsewhere, one
            that reviewed photos were added to, or one of an earlier edgecat, with another input.
        ConfigError: This edgecat does not know its network, or the recipe splits the photos
            otherwise.
    """
    record = load_run(parent)
    if record.added is not None:
        raise TrainError(
            f"--from {parent}: it has learned reviewed photos, too (--add {record.added.folder}), "
            "on which an edited network does not learn on; start from a run without --add"
        )
    for name in ("val_ratio", "test_ratio"):
        if getattr(job.recipe, name) != getattr(record.recipe, name):
            raise ConfigError(
                f"recipe: {name} {getattr(job.recipe, name):g} with --from {parent}: an edited "
                f"network learns on that run's split ({getattr(record.recipe, name):g}), so that "
                f"the two can be compared; leave {name} out"
            )
    before, now = record.input, find_architecture(record.arch).input
    if before != now:  # of one photo they would see two parts, and not be comparable
        raise TrainError(
            f"--from {parent}: its network takes {before.describe()}, those of this edgecat "
            f"{now.describe()}; fine-tune it again first"
        )
    return dataclasses.replace(
        job,
        arch=join_name(record.arch, edits),
        weights=str(parent / runs.MODEL),
        init="full",
        parent=parent,
        seed=record.seed,
        conflicts=record.conflicts,
        teacher=job.teacher or _find_teacher(parent, record),
        unlabelled=job.unlabelled or _find_unlabelled(parent, record),
    )


def _find_teacher(run: Path, record: RunRecord) -> str | None:
    """Return the run of the teacher of a run, if it had one; its own, or that of its parents.

    Raises:
        TrainError: It is not there.
    """
    if record.teacher is None:
        return None
    if (run / runs.TEACHER / runs.RECORD).exists():
        return str(run / runs.TEACHER)
    if record.parent is not None and (Path(record.parent.run) / runs.RECORD).exists():
        return _find_teacher(Path(record.parent.run), load_run(Path(record.parent.run)))
    raise TrainError(
        f"--from {run}: it was taught by a {record.teacher.arch} that does not lie in it; say "
        "where the run of that teacher is: --teacher DIR"
    )


def _find_unlabelled(run: Path, record: RunRecord) -> Path | None:
    """Return the folder of the photos without labels that a run learned from, if there were any.

    Raises:
        TrainError: It is not there.
    """
    if record.unlabelled is None:
        return None
    folder = record.unlabelled.folder
    if folder is None or not Path(folder).is_dir():
        raise TrainError(
            f"--from {run}: it learned from {record.unlabelled.num_learned} photos without labels, "
            f"too, which do not lie in {folder or 'any folder that it names'}; say where they are: "
            "--unlabelled DIR"
        )
    return Path(folder)


def inherit_recipe(record: RunRecord, edits: tuple[str, ...]) -> Recipe:
    """Return the recipe by which a run's network learns on: crops shrink with what it takes.

    Args:
        record: Of the run.
        edits: As `edgecat.train.edit.apply_edit` knows them.

    Raises:
        ConfigError: This edgecat does not know the network, or an edit.
    """
    side_px = find_architecture(join_name(record.arch, edits)).input.side_px
    crop_px = round(record.recipe.crop_side_px * side_px / record.input.side_px)
    return dataclasses.replace(record.recipe, crop_side_px=max(crop_px, MIN_CROP_PX))


def open_parent(run: Path) -> Parent:
    """Read a run to start from.

    Raises:
        TrainError: As `load_checkpoint`.
        ConfigError: This edgecat does not know its network.
    """
    checkpoint = load_checkpoint(run)
    outcome = checkpoint.record.outcome
    assert outcome is not None  # load_checkpoint refuses others
    record = ParentRecord(
        run=str(run.resolve()),
        arch=checkpoint.record.arch,
        model_sha256=checkpoint.weights_sha256,
        val_top1_ratio=outcome.val_top1_ratio,
    )
    return Parent(checkpoint, record)


def describe_weights(job: Job, network: PhotoNetwork) -> LoadedWeights:
    """Return what the weights of a network are that is made from a parent: none is random."""
    return LoadedWeights(job.weights, len(network.network.state_dict()), ())


def edit_parent(parent: Parent, arch: str, data: TrainingData) -> PhotoNetwork:
    """Return a parent's network, edited: what it does to training photos, it does nearly still.

    Args:
        parent: Left as it is.
        arch: The parent's network with further edits.
        data: Photos at the size that the edited network takes.

    Raises:
        ConfigError: An edit does not fit.
    """
    num_before = len(split_name(parent.record.arch)[1])
    return edit_network(parent.checkpoint.network, split_name(arch)[1][num_before:], data)


def edit_network(network: PhotoNetwork, edits: Iterable[str], data: TrainingData) -> PhotoNetwork:
    """Return a trained network with edits, which learns nothing.

    Args:
        network: Left as it is.
        edits: As `edgecat.train.edit.apply_edit` knows them.
        data: Photos at the size that the edited network takes; those to train with are shown to it.

    Raises:
        ConfigError: An edit does not fit.
    """
    edited = copy.deepcopy(network)
    look = TrainingPhotos(data, edited.architecture)
    for edit in edits:
        apply_edit(edited.network, edit, look)
    return edited


def describe_scores(record: RunRecord) -> list[str]:
    """Return what a run that starts from another one tells at its end: the validation scores."""
    if record.parent is None or record.edited_val_top1_ratio is None or record.outcome is None:
        return []
    ratios = {
        record.parent.run: record.parent.val_top1_ratio,
        "edited": record.edited_val_top1_ratio,
        "now": record.outcome.val_top1_ratio,
    }
    num = record.num_photos["val"]
    return [
        f"validation top-1, {name}: {describe_top1(round(ratio * num), num)}"
        for name, ratio in ratios.items()
    ]


def measure_val_top1(network: PhotoNetwork, data: TrainingData, device: torch.device) -> float:
    """Return the share of validation photos that a network answers rightly, 0-1."""
    indices = data.indices("val")
    logits, _ = predict_both(network.to(device), data.cache, indices, device)
    return top1_ratio(logits, data.targets[indices])
