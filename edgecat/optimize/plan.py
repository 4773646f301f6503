"""Before any network learns: what edits save and cost, and which networks are worth learning."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from edgecat.errors import ConfigError
from edgecat.optimize.candidate import Candidate, Candidates, Gauge, build_menu, find_candidate
from edgecat.optimize.choice import Space
from edgecat.optimize.costs import CostMeter, Costs, open_meter
from edgecat.optimize.expected import list_quicker
from edgecat.optimize.job import (
    COSTS,
    LEAST_SPEEDUP,
    PLAN,
    SearchJob,
    check_search,
    claim_folder,
    name_target,
)
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.learn import make_job
from edgecat.optimize.photos import find_photos
from edgecat.optimize.savings import Savings
from edgecat.optimize.shared import wait_for_folder
from edgecat.optimize.table import (
    check_machine,
    describe_noise,
    open_stopwatch,
    settle_savings,
)
from edgecat.progress import Progress
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.job import check_job


@dataclasses.dataclass(frozen=True)
class SearchPlan:
    """Which networks shall learn.

    Attributes:
        parent: The run that the search starts from.
        savings: What each edit saves.
        candidates: The networks, in the order in which they learn.
    """

    parent: Checkpoint
    savings: Savings
    candidates: tuple[Candidate, ...]


@contextlib.contextmanager
def open_search(job: SearchJob, progress: Progress) -> Iterator[Checkpoint]:
    """Check what was asked, yield the run to start from, and let no other process plan meanwhile.

    Args:
        job: What to search for.
        progress: Told who else plans, until that is done.

    Raises:
        ConfigError: As `check_search`.
        TrainError: The run is none, its teacher is elsewhere, or the folder lies among the photos
            or holds something else.
        StorageError: The folder cannot be written.
    """
    check_search(job)
    parent = load_checkpoint(job.run)
    asked = make_job(job, parent, "any", ())
    check_job(asked)
    teacher = load_checkpoint(Path(asked.teacher)).weights_sha256 if asked.teacher else None
    with wait_for_folder(job.out, progress):
        claim_folder(job, parent, teacher)
        yield parent


def plan_search(job: SearchJob, parent: Checkpoint, progress: Progress) -> SearchPlan:
    """Choose the networks that shall learn, within minutes; what was chosen before stays.

    Args:
        job: What to search for.
        parent: As `open_search` yields it.
        progress: Told of each step.

    Raises:
        ConfigError: A table that does not fit, or no network is as quick.
        DatasetError: The run's photos are not what they were.
        EngineError: The engine is not installed.
        StorageError: The disk is full; what was found before is kept.
    """
    savings = settle_savings(job, parent, progress)
    if warning := describe_noise(savings):
        progress.say(warning)
    targets, file = _list_targets(job, savings), job.out / PLAN
    known = load_kept(Candidates, file) if file.exists() else Candidates()
    if lacking := {name: ratio for name, ratio in targets.items() if known.lack(name)}:
        check_machine(job, savings)
        gauge = open_gauge(job, parent, savings, progress)
        space = build_menu(savings, gauge.costs, progress).combine()
        for name, ratio in lacking.items():
            known = _choose_network(name, ratio, known, space, gauge, progress)
            save_kept(known, file)
            if name in known.networks:
                progress.say(_describe(known.networks[name]))
    left_out = [f"{name}: {known.left_out[name]}" for name in targets if name in known.left_out]
    if len(left_out) == len(targets):
        raise ConfigError("; ".join(left_out))
    for line in left_out:
        progress.say(f"left out: {line}")
    return SearchPlan(parent, savings, _drop_same(targets, known.networks, progress))


def _choose_network(
    name: str,
    ratio: float,
    known: Candidates,
    space: Space,
    gauge: Gauge,
    progress: Progress,
) -> Candidates:
    """Return the networks that are known, with one more; or why there is none that is as quick."""
    try:
        candidate = find_candidate(name, ratio, space, gauge, progress)
        reason = "" if candidate else _describe_reach(space, gauge)
    except ConfigError as error:
        candidate, reason = None, str(error)
    if candidate is None:
        return dataclasses.replace(known, left_out=known.left_out | {name: reason})
    return dataclasses.replace(known, networks=known.networks | {name: candidate})


def _describe_reach(space: Space, gauge: Gauge) -> str:
    quickest = space.find_quickest()
    cost = gauge.cost(quickest.edits)
    return (
        f"out of reach; the quickest network that edits make of {gauge.meter.arch} is predicted to "
        f"take {quickest.ratio:.2f} times its time (x{1 / quickest.ratio:.2f}), and before it "
        f"learns on it answers {100 * cost.top1_ratio:.1f} % of the validation photos rightly; ask "
        "for less"
    )


def _drop_same(
    names: Iterable[str], known: Mapping[str, Candidate], progress: Progress
) -> tuple[Candidate, ...]:
    """Return the networks of these names, as far as they are known, each once."""
    firsts: dict[tuple[str, ...], Candidate] = {}
    for one in known.values():
        firsts.setdefault(one.edits, one)
    chosen: dict[str, Candidate] = {}
    for one in (known[name] for name in names if name in known):
        first = firsts[one.edits]  # the same one for all processes, in whatever order they ask
        if first is not one:
            progress.say(f"{one.name}: the same network as {first.name}")
        chosen[first.name] = first
    return tuple(chosen.values())


def _list_targets(job: SearchJob, savings: Savings) -> dict[str, float]:
    """Return the time that each network may take, by that of the network as it is.

    Raises:
        ConfigError: The network is as quick already.
    """
    ratios = [1 / speedup for speedup in job.speedups]
    if job.target_latency_ms is not None:
        ratios = [job.target_latency_ms / savings.latency_ms]
        if 1 / ratios[0] <= LEAST_SPEEDUP:
            raise ConfigError(
                f"--target-latency-ms {job.target_latency_ms:g}: {savings.arch} takes "
                f"{savings.latency_ms:.2f} ms as it is ({savings.variant}, 1 thread, "
                f"{savings.cpu}); give less"
            )
    return {name_target(ratio): ratio for ratio in ratios}


def describe_plan(plan: SearchPlan) -> list[str]:
    """Return the lines that tell a plan."""
    savings = plan.savings
    return [
        f"{savings.arch}, {savings.variant}, 1 thread, {savings.cpu}: {savings.latency_ms:.2f} ms",
        *map(_describe, plan.candidates),
    ]


def _describe(candidate: Candidate) -> str:
    measured = ""
    if candidate.saving is not None:
        low, high = candidate.saving.interval_ratio
        measured = f", measured {candidate.saving.ratio:.2f} ({low:.2f} to {high:.2f})"
    return (
        f"{candidate.name}: predicted {candidate.predicted_ratio:.2f} times the time{measured}; "
        f"at once {100 * candidate.cost.agreement_ratio:.1f} % of answers as before: "
        f"{' '.join(candidate.edits)}"
    )


def open_gauge(job: SearchJob, parent: Checkpoint, savings: Savings, progress: Progress) -> Gauge:
    """Measure what each quicker edit costs, and return what measures networks with several.

    Args:
        job: Of the search.
        parent: As `open_search` yields it.
        savings: What each edit saves.
        progress: Told of each photo that is decoded, and of each edit.

    Raises:
        ConfigError: This machine cannot time what the savings were measured in.
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full; costs that were found before are kept.
    """
    stopwatch = (
        None
        if job.is_other_machine
        else open_stopwatch(parent, savings.variant, job.rounds, progress)
    )
    meter = open_run_meter(job, parent, progress)
    return Gauge(meter, settle_costs(job, list_quicker(savings), meter, progress), stopwatch)


def open_run_meter(job: SearchJob, parent: Checkpoint, progress: Progress) -> CostMeter:
    """Return what asks the network of a run, and others, the same validation photos.

    Args:
        job: Of the search.
        parent: As `open_search` yields it.
        progress: Told of each photo that is decoded.

    Raises:
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full.
    """
    photos = find_photos(parent.record, parent.split, job.data, job.out, progress)
    return open_meter(parent.record.arch, parent.network, photos)


def settle_costs(
    job: SearchJob, edits: Sequence[str], meter: CostMeter, progress: Progress
) -> Costs:
    """Return what edits cost, and keep each as soon as it is known.

    Args:
        job: Of the search.
        edits: As `edgecat.train.edit.apply_edit` knows them.
        meter: What measures costs.
        progress: Told of each edit.

    Returns:
        Without those that do not fit.

    Raises:
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full; costs that were found before are kept.
    """
    file = job.out / COSTS
    costs = load_kept(Costs, file) if file.exists() else Costs()
    wanted = [(edit,) for edit in edits if edit not in costs.edits]
    with progress.phase("what edits cost", len(wanted)) as step:
        for (edit,), cost in meter.measure(wanted):
            if isinstance(cost, ConfigError):
                progress.say(f"left out: {cost}")
            else:
                costs = Costs(costs.edits | {edit: cost})
                save_kept(costs, file)
            step()
    return Costs({edit: cost for edit, cost in costs.edits.items() if edit in edits})
