"""The table of what edits save that a search goes by: kept, given, or measured."""

from pathlib import Path

from edgecat.errors import ConfigError
from edgecat.optimize.job import SAVINGS, SearchJob
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.savings import Savings, measure_savings
from edgecat.optimize.space import list_edits
from edgecat.optimize.timing import Stopwatch, find_product, find_quickest, list_timeable
from edgecat.progress import Progress
from edgecat.train.finished import Checkpoint
from edgecat.typed import command_line

# Half an interval from which a machine counts as noisy: many an edit of one block saves as much.
_NOISY_RATIO = 0.02


def settle_savings(job: SearchJob, parent: Checkpoint, progress: Progress) -> Savings:
    """Return what each edit of a network saves, and keep it.

    Args:
        job: Of the search.
        parent: The run that it starts from.
        progress: Told of each edit.

    Raises:
        ConfigError: A table of another network, engine or machine.
        EngineError: The engine is not installed.
        StorageError: The disk is full.
    """
    kept, arch = job.out / SAVINGS, parent.record.arch
    if kept.exists():
        return _load(job, arch, kept)
    if job.table is not None:
        savings = _load(job, arch, job.table)
        check_machine(job, savings)
    else:
        stopwatch = open_stopwatch(parent, job.variant, job.rounds, progress)
        savings = measure_savings(stopwatch, list_edits(arch), progress)
    save_kept(savings, kept)
    return savings


def open_stopwatch(
    network: Checkpoint | str, variant: str | None, num_rounds: int, progress: Progress
) -> Stopwatch:
    """Return what times a network and what edits make of it.

    Args:
        network: A run, or a network's name: then it has random weights.
        variant: What to time, see `edgecat.optimize.timing.find_product`; None for the float32 one
            that answers soonest here, since an edit that pays in one engine need not in another.
            What computes otherwise has to be asked for: an export leaves it out where it loses too
            much.
        num_rounds: Timed photos of each edited network.
        progress: Told of the search for the quickest.

    Raises:
        ConfigError: There is no such variant here.
        EngineError: The engine is not installed.
    """
    exact = [one for one in list_timeable() if one.precision.made == "exact"]
    products = [find_product(variant)] if variant else exact
    arch, trained = (
        (network, None) if isinstance(network, str) else (network.record.arch, network.network)
    )
    stopwatches = [Stopwatch(arch, one, num_rounds, trained) for one in products]
    return stopwatches[0] if len(stopwatches) == 1 else find_quickest(stopwatches, progress)


def _load(job: SearchJob, arch: str, file: Path) -> Savings:
    """Read a table.

    Raises:
        ConfigError: It is that of another network or engine.
    """
    savings = load_kept(Savings, file)
    mend = _describe_mend(job)
    if job.table is not None and savings != load_kept(Savings, job.table):
        raise ConfigError(f"--table {job.table}: the search in {job.out} has another table; {mend}")
    if savings.arch != arch:
        raise ConfigError(f"{file}: savings of {savings.arch}, not of {arch}; {mend}")
    if job.variant not in (None, savings.variant):
        raise ConfigError(f"{file}: savings in {savings.variant}, not {job.variant}; {mend}")
    return savings


def check_machine(job: SearchJob, savings: Savings) -> None:
    """Refuse to choose networks by what another machine gains, where nobody said so.

    Raises:
        ConfigError: The table is another machine's, or an engine's of another version.
    """
    if job.is_other_machine:
        return
    try:
        savings.check_here()
    except ConfigError as error:
        raise ConfigError(
            f"{job.table or job.out / SAVINGS}: {error}, so other edits may pay; "
            f"{_describe_mend(job)}; or, if the networks are for that machine, add --other-machine"
        ) from error


def _describe_mend(job: SearchJob) -> str:
    variant = () if job.variant is None else ("--variant", job.variant)
    measure = command_line("edits", job.run, *variant, "--json", "FILE")
    return f"measure them: {measure}; give --out another name"


def describe_noise(savings: Savings) -> str:
    """Return a warning where times are too uncertain to tell edits apart; else ""."""
    if savings.margin_ratio <= _NOISY_RATIO:
        return ""
    return (
        f"CAREFUL: a noisy machine: times are known to {100 * savings.margin_ratio:.1f} % only, so "
        "an edit counts as little else than the mean of its kind; a quiet machine, or more "
        "--rounds, tells more, in another --out"
    )
