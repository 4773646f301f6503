"""What to fine-tune, and whether that can be done: what is refused before any work."""

import dataclasses
import os
from pathlib import Path

from edgecat.errors import ConfigError, DivergedError, TrainError
from edgecat.photos.conflicts import CONFLICTS
from edgecat.train import run as runs
from edgecat.train.architecture import ARCHITECTURES, default_arch
from edgecat.train.inits import INITS
from edgecat.train.recipe import Recipe
from edgecat.train.run import RunRecord

#: Decoded photos while a run lasts; all that a run leaves that was killed while decoding.
CACHE = "pixels.cache"


@dataclasses.dataclass(frozen=True)
class Job:
    """What to fine-tune, and on what.

    Attributes:
        data: Folder of labelled photos.
        run: Folder to write.
        arch: One of `edgecat.train.architecture.ARCHITECTURES`.
        weights: "imagenet", a released model or another bundle, or a file.
        recipe: Every number of the training.
        seed: Of all chance, 0 or more.
        device: "auto" (CUDA where there is one), "cpu", "cuda" or "cuda:N".
        resume: Go on where a run in the same folder stopped.
        skip_broken: Leave broken photos out instead of refusing all.
        conflicts: What to do about the same photo in two classes: one of
            `edgecat.photos.conflicts.CONFLICTS`.
        init: Which layers start from the weights: one of `edgecat.train.inits.INITS`.
    """

    data: Path
    run: Path
    arch: str = dataclasses.field(default_factory=default_arch)
    weights: str = "imagenet"
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    skip_broken: bool = False
    conflicts: str = "stop"
    init: str = "transfer"


def check_job(job: Job) -> None:
    """Refuse what no run could do.

    Raises:
        ConfigError: An unknown network, init or way with conflicts, or a negative seed.
        TrainError: The run's folder lies among the photos, or holds something else.
    """
    if job.arch not in ARCHITECTURES:
        raise ConfigError(f"--arch {job.arch}: accepted are {', '.join(ARCHITECTURES.names)}")
    if job.conflicts not in CONFLICTS:
        raise ConfigError(f"--conflicts {job.conflicts}: accepted are {', '.join(CONFLICTS)}")
    if job.init not in INITS:
        raise ConfigError(f"--init {job.init}: accepted are {', '.join(INITS)}")
    if job.seed < 0:
        raise ConfigError(f"--seed {job.seed}: must be 0 or more")
    # realpath: unlike Path.resolve it bears a link to itself, which is refused later, by name.
    if Path(os.path.realpath(job.run)).is_relative_to(os.path.realpath(job.data)):
        raise TrainError(
            f"--out {job.run}: lies inside the photos' folder, where it would be taken for a "
            "class; give --out a folder beside it"
        )
    if not (job.run / runs.RECORD).exists() and job.run.exists() and not _is_free(job.run):
        raise TrainError(f"{job.run}: exists and is not empty; give --out another name")


def settle_init(job: Job) -> Job:
    """Return the job in the form that runs record, however its init was said.

    `--weights scratch`, older than --init, says what `--init scratch` says. A pretrained output
    layer never learns alone first: that would replace the weights that were asked for, before a
    random backbone by noise.

    Raises:
        ConfigError: Weights are to be read, and none are.
    """
    if "scratch" in (job.init, job.weights):
        if job.init not in ("scratch", Job.init) or job.weights not in ("scratch", Job.weights):
            raise ConfigError(
                f"--init {job.init} --weights {job.weights}: one starts all layers from random "
                "numbers, the other reads weights; leave one of the two out"
            )
        return dataclasses.replace(job, init="scratch", weights="scratch")
    if INITS[job.init].output_layer:
        recipe = dataclasses.replace(job.recipe, head_epochs=0)
        return dataclasses.replace(job, recipe=recipe)
    return job


def _is_free(run: Path) -> bool:
    return run.is_dir() and all(path.name == CACHE for path in run.iterdir())


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
    for name in ("arch", "weights", "seed"):
        check_same(job.run, name, getattr(earlier, name), getattr(job, name))
    check_same(job.run, "--init", earlier.init, job.init)
    check_same(job.run, "--conflicts", earlier.conflicts, job.conflicts)
    # After a divergence other rates are not only allowed: the same ones would diverge again.
    rates = earlier.divergences[-1].rates if earlier.is_diverged else {}
    for name in (field.name for field in dataclasses.fields(Recipe) if field.name not in rates):
        before, now = (getattr(recipe, name) for recipe in (earlier.recipe, job.recipe))
        check_same(job.run, f"recipe's {name}", before, now)
    if earlier.is_diverged and job.recipe == earlier.recipe:
        raise DivergedError(earlier.divergences[-1])
    return earlier


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
