"""How a network of a search learns on: as `edgecat finetune --from` has it, and how long."""

import dataclasses
import statistics
from pathlib import Path

from edgecat.errors import ConfigError
from edgecat.optimize.job import SearchJob
from edgecat.progress import describe_duration
from edgecat.train.divergence import Divergence
from edgecat.train.finished import Checkpoint
from edgecat.train.history import read_metrics
from edgecat.train.job import Job, check_same
from edgecat.train.parent import inherit, inherit_recipe
from edgecat.train.recipe import load_recipe
from edgecat.train.run import RECORD, load_run
from edgecat.typed import command_line


def make_job(job: SearchJob, parent: Checkpoint, name: str, edits: tuple[str, ...]) -> Job:
    """Return what a network's run is asked to do: the parent's recipe, its split, its teacher.

    Args:
        job: Of the search.
        parent: The run that it starts from.
        name: Of the network.
        edits: Of it.

    Raises:
        ConfigError: Epochs that are none.
        TrainError: The parent's teacher, or its photos without labels, are elsewhere.
    """
    settings = () if job.epochs is None else (f"epochs={job.epochs}",)
    asked = Job(
        data=job.data or Path(parent.record.data),
        run=job.run_of(name),
        recipe=load_recipe(None, settings, inherited=inherit_recipe(parent.record, edits)),
        teacher=None if job.teacher is None else str(job.teacher),
        unlabelled=job.unlabelled,
        resume=True,
        skip_broken=job.skip_broken,
        photo_list=job.photo_list,
    )
    return inherit(asked, job.run, edits)


def keep_rates(run: Job) -> Job:
    """Return a job at the rates of its run, where that has diverged and a person gave it others.

    Args:
        run: Of a network, as `make_job` returns it.

    Raises:
        TrainError: The run's record does not read.
    """
    if not (run.run / RECORD).exists() or not (record := load_run(run.run)).divergences:
        return run
    names = record.divergences[-1].rates
    rates = {name: getattr(record.recipe, name) for name in names}
    return dataclasses.replace(run, recipe=dataclasses.replace(run.recipe, **rates))


def describe_mend(job: SearchJob, run: Job, edits: tuple[str, ...], divergence: Divergence) -> str:
    """Return what a person can do for a network that went wrong.

    Args:
        job: Of the search.
        run: Of the network, as `make_job` returns it.
        edits: Of it.
        divergence: How it went wrong.
    """
    options = {
        "--out": run.run,
        "--from": job.run,
        "--epochs": job.epochs,
        "--teacher": job.teacher,
        "--unlabelled": job.unlabelled,
        "--list": job.photo_list,
    }
    given = [word for pair in options.items() if pair[1] is not None for word in pair]
    given += [word for edit in edits for word in ("--edit", edit)]
    given += ["--skip-broken"] if job.skip_broken else []
    by_hand = command_line("finetune", run.data, *given, "--resume", *divergence.lower_rates)
    longer = "" if divergence.high_rates else "give more --epochs, in another --out, or "
    return f"{longer}let it learn by hand, at a lower rate, and the search will find it: {by_hand}"


def estimate_duration_s(job: SearchJob, parent: Checkpoint) -> float:
    """Return how long one network takes to learn: as long for an epoch as the parent took.

    Raises:
        TrainError: The parent's metrics.csv does not read.
    """
    rows = read_metrics(job.run)
    outcome, epochs = parent.record.outcome, parent.record.recipe.epochs
    assert outcome is not None  # load_checkpoint refuses others
    known_s = [row["duration_s"] for row in rows if "duration_s" in row]
    epoch_s = statistics.median(known_s) if known_s else outcome.duration_s / epochs
    return (job.epochs or epochs) * epoch_s


def check_budget(job: SearchJob, duration_s: float) -> None:
    """Refuse a budget that is too small for one network.

    Args:
        job: With the budget.
        duration_s: That one takes to learn.

    Raises:
        ConfigError: It is.
    """
    if job.budget_minutes is not None and 60 * job.budget_minutes < duration_s:
        raise ConfigError(
            f"--budget-minutes {job.budget_minutes:g}: one network takes about "
            f"{describe_duration(duration_s)} to learn on, as {job.run} did; give more, or fewer "
            "--epochs"
        )


def is_learned(run: Path, arch: str) -> bool:
    """Return whether a network's run is finished.

    Args:
        run: Its folder.
        arch: The network's name, with its edits.

    Raises:
        TrainError: The folder holds the run of another network.
    """
    if not (run / RECORD).exists():
        return False
    record = load_run(run)
    check_same(run, "arch", record.arch, arch)
    return record.outcome is not None
