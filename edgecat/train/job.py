"""What to fine-tune, and whether that can be done: what is refused before any work."""

import dataclasses
import os
from pathlib import Path

from edgecat.errors import ConfigError, DivergedError, TrainError
from edgecat.photos.conflicts import CONFLICTS
from edgecat.train import run as runs
from edgecat.train.architecture import ARCHITECTURES, default_arch
from edgecat.train.lock import LOCK
from edgecat.train.recipe import Recipe
from edgecat.train.run import RunRecord

# Decoded photos while a run lasts, a file a machine.
_CACHES = "pixels*.cache"


@dataclasses.dataclass(frozen=True)
class Job:
    """What to fine-tune, and on what.

    Attributes:
        data: Folder of labelled photos.
        run: Folder to write.
        arch: One of `edgecat.train.architecture.ARCHITECTURES`.
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
    arch: str = dataclasses.field(default_factory=default_arch)
    weights: str = "imagenet"
    recipe: Recipe = dataclasses.field(default_factory=Recipe)
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    skip_broken: bool = False
    conflicts: str = "stop"


def check_job(job: Job) -> None:
    """Refuse what no run could do.

    Raises:
        ConfigError: An unknown network or way with conflicts, or a negative seed.
        TrainError: The run's folder lies among the photos, or holds something else.
    """
    if job.arch not in ARCHITECTURES:
        raise ConfigError(f"--arch {job.arch}: accepted are {', '.join(ARCHITECTURES.names)}")
    if job.conflicts not in CONFLICTS:
        raise ConfigError(f"--conflicts {job.conflicts}: accepted are {', '.join(CONFLICTS)}")
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


def _is_free(run: Path) -> bool:
    """Return whether a folder has nothing but what a run leaves that was killed while decoding."""
    return run.is_dir() and all(path.name == LOCK or path.match(_CACHES) for path in run.iterdir())


def place_cache(run: Path, machine: int = 0) -> Path:
    """Return the file of decoded photos.

    Args:
        run: The run's folder, which machines may share.
        machine: The number of this one.
    """
    return run / _CACHES.replace("*", f"-{machine}" if machine else "")


def settings_of(asked: Job | RunRecord) -> dict[str, object]:
    """Return what makes a run this one and no other, by what a person calls each."""
    return {
        "arch": asked.arch,
        "weights": asked.weights,
        "seed": asked.seed,
        "--conflicts": asked.conflicts,
        **{f"recipe's {key}": value for key, value in dataclasses.asdict(asked.recipe).items()},
    }


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
    before, now = settings_of(earlier), settings_of(job)
    for name in before:
        if name not in {f"recipe's {rate}" for rate in rates}:
            check_same(job.run, name, before[name], now[name])
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
