"""What to fine-tune, and whether that can be done: what is refused before any work."""

import dataclasses
import os
from pathlib import Path

from edgecat import atomic
from edgecat.errors import ConfigError, DivergedError, TrainError
from edgecat.photos.conflicts import CONFLICTS
from edgecat.train import run as runs
from edgecat.train.architecture import default_arch, find_architecture
from edgecat.train.board import check_board
from edgecat.train.inits import INITS, SCRATCH
from edgecat.train.lock import LOCK
from edgecat.train.ranks import ALONE, Ranks
from edgecat.train.recipe import Recipe
from edgecat.train.run import RunRecord
from edgecat.train.timm_networks import PREFIX

#: Decoded photos while a run lasts.
CACHE = "pixels.cache"

#: The same of photos without labels.
UNLABELLED_CACHE = "unlabelled.cache"

#: Both at the size that a teacher sees, while it learns or is asked, if it is not the student's.
TEACHER_CACHES = ("teacher.cache", "teacher-unlabelled.cache")

# All that a run may have that was killed before it wrote its record, or that writes it just now;
# each machine has caches of its own.
_LEFTOVERS = (
    LOCK,
    "pixels*.cache",
    "unlabelled*.cache",
    "teacher*.cache",
    runs.SPLIT,
    *(f".{name}.*{atomic.UNFINISHED}" for name in (runs.SPLIT, runs.RECORD)),
)

# `torch.manual_seed` takes 64 bits.
_END_OF_SEEDS = 2**64

#: How a teacher is fine-tuned. It knows much, so few epochs are enough; without label smoothing,
#: which makes a teacher that scores better and teaches worse (Müller et al., "When Does Label
#: Smoothing Help?", 2019). What it and its student score: benchmarks/results/*/finetune_good.json.
TEACHER_RECIPE = Recipe(epochs=4, crop_scale_min=0.25, backbone_rate=1e-3, label_smoothing=0.0)


@dataclasses.dataclass(frozen=True)
class Job:
    """What to fine-tune, and on what.

    Attributes:
        data: Folder of labelled photos.
        run: Folder to write.
        arch: As `edgecat.train.architecture.find_architecture` knows it.
        weights: "imagenet", a released model or another bundle, or a file.
        recipe: Every number of the training.
        teacher: Who is asked what it sees in the photos: the folder of a finished run, or a name of
            timm's, whose network is fine-tuned first, into the run's `teacher` folder.
        teacher_weights: What that network starts from: "imagenet" or a file.
        teacher_recipe: How it is fine-tuned.
        unlabelled: Folder of photos without labels, which a teacher answers, too.
        has_board: Whether to write for TensorBoard, too.
        fits_memory: Whether to take batches in as many parts as memory needs
            (`edgecat.train.memory`); the recipe's `batch_parts` is the least.
        seed: Of all chance, 0 or more, of 64 bits.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        resume: Go on where a run in the same folder stopped.
        skip_broken: Leave broken photos out instead of refusing all.
        conflicts: What to do about the same photo in two classes: one of
            `edgecat.photos.conflicts.CONFLICTS`.
        init: Which layers start from the weights: one of `edgecat.train.inits.INITS`.
        parent: The finished run whose network is edited and learns on, if it is one: see
            `edgecat.train.parent.inherit`.
        photo_list: File that says which of the photos to use (`edgecat.photos.photo_list`); None
            for all.
        added: Folder of kept photos (`edgecat.keep.kept`): those that were reviewed count, too.
    """

    data: Path
    run: Path
    arch: str = dataclasses.field(default_factory=default_arch)
    weights: str = "imagenet"
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    teacher: str | None = None
    teacher_weights: str = "imagenet"
    teacher_recipe: Recipe = TEACHER_RECIPE
    unlabelled: Path | None = None
    has_board: bool = False
    fits_memory: bool = False
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    skip_broken: bool = False
    conflicts: str = "stop"
    init: str = "transfer"
    parent: Path | None = None
    photo_list: Path | None = None
    added: Path | None = None


def check_job(job: Job) -> None:
    """Refuse what no run could do.

    Raises:
        ConfigError: An unknown network, init or way with conflicts, weights that the init does not
            read, a seed out of range, photos without labels that no teacher answers, or weights of
            a teacher that does not learn.
        TrainError: The run's folder lies among the photos, or holds something else; timm or
            TensorBoard is asked for and not installed.
    """
    find_architecture(job.arch)
    if job.unlabelled is not None and job.teacher is None:
        raise ConfigError(
            f"--unlabelled {job.unlabelled}: nobody says what these photos show; add --teacher "
            "NAME, such as tf_efficientnet_lite2"
        )
    if job.teacher_weights != Job.teacher_weights and (
        job.teacher is None or (Path(job.teacher) / runs.RECORD).exists()
    ):
        raise ConfigError(
            f"--teacher-weights {job.teacher_weights}: no teacher is fine-tuned here that could "
            "start from it; add --teacher NAME, such as tf_efficientnet_lite2, or leave it out"
        )
    if job.added is not None and job.parent is not None:
        raise ConfigError(
            f"--add {job.added} with --from {job.parent}: an edited network learns on the photos "
            "of its run, so that the two can be compared; fine-tune with --add first"
        )
    if job.has_board:
        check_board()
    if job.init not in INITS:
        raise ConfigError(f"--init {job.init}: accepted are {', '.join(INITS)}")
    if SCRATCH in (job.init, job.weights) and not _is_scratch(job):
        raise ConfigError(
            f"--init {job.init} --weights {job.weights}: one starts all layers from random "
            "numbers, the other reads weights; leave one of the two out"
        )
    if job.conflicts not in CONFLICTS:
        raise ConfigError(f"--conflicts {job.conflicts}: accepted are {', '.join(CONFLICTS)}")
    if not 0 <= job.seed < _END_OF_SEEDS:
        raise ConfigError(f"--seed {job.seed}: must be 0 or more, and below {_END_OF_SEEDS}")
    _check_folders(job)


def _check_folders(job: Job) -> None:
    """Refuse folders that lie in each other, and one to write that holds something else.

    Raises:
        ConfigError: Photos without labels count as a class.
        TrainError: The run's folder lies among the photos, or holds something else.
    """
    if job.unlabelled is not None and _real(job.data) in _real(job.unlabelled).parents:
        raise ConfigError(
            f"--unlabelled {job.unlabelled}: lies inside {job.data}, where a folder is a class; "
            "move it beside that folder"
        )
    for photos in filter(None, (job.data, job.unlabelled)):
        if _real(job.run).is_relative_to(_real(photos)):
            raise TrainError(
                f"--out {job.run}: lies inside the photos' folder {photos}, where what it holds "
                "would be taken for photos; give --out a folder beside it"
            )
    if not (job.run / runs.RECORD).exists() and job.run.exists() and not _is_free(job):
        is_begun = _is_free(dataclasses.replace(job, resume=True))
        mend = "go on with it by adding --resume, or " if is_begun else ""
        raise TrainError(f"{job.run}: exists and is not empty; {mend}give --out another name")


def _real(path: Path) -> Path:
    """Return where links lead; one to itself, on which `Path.resolve` fails, is refused later."""
    return Path(os.path.realpath(path))


def _is_scratch(job: Job) -> bool:
    """Return whether all layers start from random numbers, whichever option says so."""
    return job.init in (SCRATCH, Job.init) and job.weights in (SCRATCH, Job.weights)


def settle_init(job: Job) -> Job:
    """Return a job that `check_job` let pass in the form that runs record, however it was said.

    A pretrained output layer never learns alone first: that would replace the weights that were
    asked for, before a random backbone by noise.
    """
    if SCRATCH in (job.init, job.weights):
        return dataclasses.replace(job, init=SCRATCH, weights=SCRATCH)
    if INITS[job.init].output_layer:
        recipe = dataclasses.replace(job.recipe, head_epochs=0)
        return dataclasses.replace(job, recipe=recipe)
    return job


def _is_free(job: Job) -> bool:
    # A run that was killed while its teacher learned has no record of its own yet.
    known = [*_LEFTOVERS, *([runs.TEACHER] if job.resume else [])]
    return job.run.is_dir() and all(
        any(path.match(pattern) for pattern in known) for path in job.run.iterdir()
    )


def settings_of(asked: Job | RunRecord) -> dict[str, object]:
    """Return what makes a run this one and no other, by what a person calls each."""
    return {
        "arch": asked.arch,
        # Those of a parent lie where it lies now; that it is the same, its hash tells.
        "weights": asked.weights if asked.parent is None else "of --from",
        "--init": asked.init,
        "seed": asked.seed,
        "--conflicts": asked.conflicts,
        **{f"recipe's {key}": value for key, value in dataclasses.asdict(asked.recipe).items()},
    }


def plan_jobs(job: Job, ranks: Ranks = ALONE) -> tuple[Job, ...]:
    """Return what is to be fine-tuned: first the teacher, if it is no finished run."""
    if job.teacher is None or ranks.first((Path(job.teacher) / runs.RECORD).exists):
        return (job,)
    recipe = dataclasses.replace(
        job.teacher_recipe,
        val_ratio=job.recipe.val_ratio,
        test_ratio=job.recipe.test_ratio,
        sync_batch_norm=job.recipe.sync_batch_norm,
    )
    teacher = dataclasses.replace(
        job,
        run=job.run / runs.TEACHER,
        arch=f"{PREFIX}{job.teacher}",
        weights=job.teacher_weights,
        recipe=recipe,
        init=Job.init,
        parent=None,
        teacher=None,
        unlabelled=None,
    )
    return teacher, dataclasses.replace(job, teacher=str(teacher.run))


def load_earlier(job: Job) -> RunRecord | None:
    """Return the record of the run to resume; None if the folder holds none.

    Raises:
        TrainError: `job.resume` is not set, or it is another run than the one asked for.
        DivergedError: It went wrong with the same rates.
    """
    if not (job.run / runs.RECORD).exists():
        return None
    if not job.resume:
        raise TrainError(
            f"{job.run}: holds a run already; go on with it by adding --resume, or give --out "
            "another name"
        )
    earlier = runs.load_run(job.run)
    # After a divergence other rates are not only allowed: the same ones would diverge again.
    rates = earlier.divergences[-1].rates if earlier.is_diverged else {}
    job = keep_parts(job, earlier)
    before, now = settings_of(earlier), settings_of(job)
    for name in before:
        if name not in {f"recipe's {rate}" for rate in rates}:
            check_same(job.run, name, before[name], now[name])
    if earlier.is_diverged and job.recipe == earlier.recipe:
        raise DivergedError(earlier.divergences[-1])
    return earlier


def keep_parts(job: Job, earlier: RunRecord) -> Job:
    """Return a job that takes batches in as many parts as before, or more, where memory says it.

    Memory is not the same every day, and other parts give other statistics to BatchNorm.
    """
    if not job.fits_memory:
        return job
    recipe = dataclasses.replace(job.recipe, batch_parts=earlier.recipe.batch_parts)
    return dataclasses.replace(job, recipe=recipe)


def check_same(run: Path, what: str, before: object, now: object) -> None:
    """Refuse to resume a run with another setting.

    Raises:
        TrainError: The two differ.
    """
    if before != now:
        raise TrainError(
            f"{run}: --resume needs the same {what} as before: {before}, not {now}; or give --out "
            "another name"
        )
