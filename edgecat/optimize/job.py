"""What to search for, and the folder of a search.

DIR/search.json    whose network it is, and what does not change from one call to the next
DIR/savings.json   what each edit saves, as `edgecat edits --json` writes it
DIR/costs.json     what each edit costs
DIR/plan.json      the networks that were chosen
DIR/NAME/          the run of each, as `edgecat finetune` makes it
DIR/NAME.taken     lies there for the lock of the process that lets it learn, or exports it
DIR/NAME.edgecat   its export, where that was asked for
DIR/NAME.failed    why it has none, where it could not be exported
DIR/variants.json  what was measured of the exports
DIR/front.json     what came out; DIR/front.svg shows it
"""

import dataclasses
import math
from pathlib import Path
from typing import TYPE_CHECKING

from edgecat.errors import ConfigError, TrainError
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.scores.compare import DEFAULT_MAX_DROP_PP
from edgecat.train import run as runs
from edgecat.train.lock import LOCK
from edgecat.typed import command_line

if TYPE_CHECKING:  # `edgecat optimize --help` does without torch
    from edgecat.train.finished import Checkpoint

#: The network that the search started from, among those that it made.
PARENT = "as-it-is"

RECORD = "search.json"
SAVINGS = "savings.json"
COSTS = "costs.json"
PLAN = "plan.json"
VARIANTS = "variants.json"
FRONT = "front.json"
PICTURE = "front.svg"

#: How many times quicker the networks shall be, where nobody says; the middle one first and then
#: the ends, so that a search that is ended early has seen all of the range.
SPEEDUPS = (1.75, 2.5, 1.25, 2.0, 1.5)

#: Below, a network would be called x1.00: names have two decimals.
LEAST_SPEEDUP = 1.005


def name_target(ratio: float) -> str:
    """Return what a network is called: "x2.00" for two times quicker.

    Args:
        ratio: Time that it may take, by that of the network as it is.
    """
    return f"x{1 / ratio:.2f}"


@dataclasses.dataclass(frozen=True)
class SearchJob:
    """What to search for.

    Attributes:
        run: The finished run whose network is to become quicker.
        out: Folder of the search.
        speedups: How many times quicker, in the order in which networks learn; above 1.005, and no
            two of the same two decimals.
        target_latency_ms: Of a photo, in place of `speedups`; None for these.
        max_drop_pp: Most that validation top-1 may drop in a network that is recommended.
        budget_minutes: For all but exports, which begin only when all networks have learned within
            it; None for as long as it takes.
        epochs: That each network learns; None for as many as the run.
        variant: What to time, see `edgecat.optimize.timing.find_product`; None for the quickest
            float32 one here, or that of the table.
        rounds: Timed photos of each network.
        table: What each edit saves, measured before; None to measure it.
        is_other_machine: Whether the table is another machine's, for which the networks are made.
        data: Where the run's photos are now, if they were moved.
        photo_list: As for `edgecat.train.job.Job`.
        skip_broken: The same.
        teacher: The finished run of who teaches; None for the run's own.
        unlabelled: As for `edgecat.train.job.Job`.
        exports: Whether the networks on the front are exported, too, and measured in all variants.
    """

    run: Path
    out: Path
    speedups: tuple[float, ...] = SPEEDUPS
    target_latency_ms: float | None = None
    max_drop_pp: float = DEFAULT_MAX_DROP_PP
    budget_minutes: float | None = None
    epochs: int | None = None
    variant: str | None = None
    rounds: int = 200
    table: Path | None = None
    is_other_machine: bool = False
    data: Path | None = None
    photo_list: Path | None = None
    skip_broken: bool = False
    teacher: Path | None = None
    unlabelled: Path | None = None
    exports: bool = False

    def lock_of(self, name: str) -> Path:
        """Return the file that is locked by who lets a network learn, or exports it."""
        return self.out / f"{name}.taken"

    def run_of(self, name: str) -> Path:
        """Return the folder of a network's run."""
        return self.run if name == PARENT else self.out / name

    def bundle_of(self, name: str) -> Path:
        """Return the folder of a network's export."""
        return self.out / f"{name}.edgecat"

    def failure_of(self, name: str) -> Path:
        """Return the file that says why a network has no export."""
        return self.out / f"{name}.failed"


@dataclasses.dataclass(frozen=True)
class SearchRecord:
    """What makes a search this one and no other.

    Attributes:
        arch: The network of the run that it started from.
        model_sha256: Of that run's weights.
        epochs: That each network learns.
        teacher_sha256: Of the weights of who teaches them; None if nobody does.
    """

    arch: str
    model_sha256: str
    epochs: int
    teacher_sha256: str | None


def claim_folder(job: SearchJob, parent: "Checkpoint", teacher_sha256: str | None) -> None:
    """Make a folder this search's, or find it to be.

    Args:
        job: Of the search.
        parent: The run that it starts from.
        teacher_sha256: Of the weights of who teaches.

    Raises:
        TrainError: It holds something else, or another search.
        StorageError: The disk is full.
    """
    file = job.out / RECORD
    record = SearchRecord(
        parent.record.arch,
        parent.weights_sha256,
        job.epochs or parent.record.recipe.epochs,
        teacher_sha256,
    )
    if not file.exists():
        own = (LOCK, f".{RECORD}.*")  # a search that was killed as it began
        if not all(any(path.match(name) for name in own) for path in job.out.iterdir()):
            raise TrainError(f"{job.out}: exists and is not empty; give --out another name")
        save_kept(record, file)
        return
    found = dataclasses.asdict(load_kept(SearchRecord, file))
    for name, now in dataclasses.asdict(record).items():
        if found[name] != now:
            raise TrainError(
                f"{job.out}: holds a search with another {name}: {found[name]}, not {now}; give "
                "--out another name"
            )


def check_search(job: SearchJob) -> None:
    """Refuse what no search could do.

    Raises:
        ConfigError: A number that is none of those that are accepted, two speedups that read the
            same, a file in place of a folder, or a teacher that is no run, or is to be taught.
    """
    named: dict[str, float] = {}
    for speedup in job.speedups:
        _check_above(LEAST_SPEEDUP, "--speedup", speedup)
        other = named.setdefault(name_target(1 / speedup), speedup)
        if other != speedup:
            raise ConfigError(
                f"--speedup {other} --speedup {speedup}: both networks would be called "
                f"{name_target(1 / speedup)}; leave one of the two out"
            )
    _check_above(0, "--target-latency-ms", job.target_latency_ms)
    _check_above(0, "--budget-minutes", job.budget_minutes)
    _check_above(-100, "--max-drop", job.max_drop_pp)
    if job.out.exists() and not job.out.is_dir():
        raise ConfigError(f"--out {job.out}: is a file; give the name of a folder")
    if job.is_other_machine and job.table is None:
        raise ConfigError(
            "--other-machine: whose table? Add --table FILE, made there by: "
            f"{command_line('edits', job.run, '--json', 'FILE')}"
        )
    if job.is_other_machine and job.exports:
        raise ConfigError(
            "--export with --other-machine: variants are timed here, not there; leave one of the "
            "two out, or export a network by hand: "
            f"{command_line('export', job.out / 'NAME', '--out', 'BUNDLE')}"
        )
    if job.teacher is None:
        return
    if not (job.teacher / runs.RECORD).exists():
        raise ConfigError(
            f"--teacher {job.teacher}: no run lies there; let one of timm's networks learn once "
            "for all networks of the search: edgecat finetune DATA --out TEACHER --arch timm/NAME, "
            "and give --teacher TEACHER"
        )
    if job.teacher.resolve().is_relative_to(job.out.resolve()):
        raise ConfigError(
            f"--teacher {job.teacher}: is one of the networks that are to be taught; give another "
            "run, or leave it out: the teacher of the run that the search starts from teaches"
        )


def _check_above(least: float, option: str, value: float | None) -> None:
    """Refuse a number that is too small or no number; None was not given.

    Raises:
        ConfigError: It is.
    """
    if value is not None and not least < value < math.inf:
        raise ConfigError(f"{option} {value:g}: accepted are numbers above {least:g}")
