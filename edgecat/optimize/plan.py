"""Before any network learns: what edits save and cost, and which networks are worth learning."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from edgecat.errors import ConfigError
from edgecat.optimize.candidate import Candidate, Candidates, Gauge, build_menu, find_candidate
from edgecat.optimize.choice import Space
from edgecat.optimize.costs import CostMeter, Costs, open_meter
from edgecat.optimize.job import COSTS, PLAN, SearchJob, check_search, claim_folder
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.learn import make_job
from edgecat.optimize.photos import find_photos
from edgecat.optimize.savings import Savings
from edgecat.optimize.table import describe_noise, list_quicker, make_clock, settle_savings
from edgecat.optimize.timing import find_product
from edgecat.progress import Progress
from edgecat.train.finished import Checkpoint, load_checkpoint
from edgecat.train.job import check_job
from edgecat.train.lock import lock_run


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
def open_search(job: SearchJob) -> Iterator[Checkpoint]:
    """Check what was asked, yield the run to start from, and keep other searches out.

    Raises:
        ConfigError: As `check_search`.
        TrainError: The run is none, its teacher is elsewhere, or the folder lies among the photos,
            holds something else or is in use.
        StorageError: The folder cannot be written.
    """
    check_search(job)
    parent = load_checkpoint(job.run)
    check_job(make_job(job, parent, "any", ()))
    with lock_run(job.out):
        claim_folder(job, parent)
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
    savings = settle_savings(job, parent.record.arch, progress)
    if warning := describe_noise(savings):
        progress.say(warning)
    targets, file = _list_targets(job, savings), job.out / PLAN
    known = load_kept(Candidates, file).networks if file.exists() else {}
    if lacking := {name: ratio for name, ratio in targets.items() if name not in known}:
        gauge = open_gauge(job, parent, savings, progress)
        costs = settle_costs(job, savings, gauge.meter, progress)
        space = build_menu(savings, costs, progress).combine()
        for candidate in _choose_networks(lacking, space, gauge, progress):
            known = known | {candidate.name: candidate}
            save_kept(Candidates(known), file)
        if not targets.keys() & known.keys():
            raise ConfigError(
                f"{', '.join(targets)}: out of reach; {_describe_reach(space, gauge)}"
            )
    return SearchPlan(parent, savings, _drop_same(targets, known, progress))


def _choose_networks(
    targets: Mapping[str, float], space: Space, gauge: Gauge, progress: Progress
) -> Iterator[Candidate]:
    """Yield a network for each target that is in reach, and tell those that are not."""
    for name, ratio in targets.items():
        try:
            candidate = find_candidate(name, ratio, space, gauge)
        except ConfigError as error:
            progress.say(f"{name}: left out: {error}")
            continue
        if candidate is None:
            progress.say(f"{name}: left out: no edits are predicted to make it so quick")
            continue
        progress.say(_describe(candidate))
        yield candidate


def _describe_reach(space: Space, gauge: Gauge) -> str:
    quickest = space.find_quickest()
    cost = gauge.cost(quickest.edits)
    return (
        f"the quickest network that edits make of {gauge.meter.arch} is predicted to take "
        f"{quickest.ratio:.2f} times its time (x{1 / quickest.ratio:.2f}), and before it learns on "
        f"it answers {100 * cost.top1_ratio:.1f} % of the validation photos rightly; ask for less"
    )


def _drop_same(
    names: Iterable[str], known: Mapping[str, Candidate], progress: Progress
) -> tuple[Candidate, ...]:
    """Return the networks of these names, as far as they are known, each once."""
    chosen: dict[tuple[str, ...], Candidate] = {}
    for one in (known[name] for name in names if name in known):
        if (first := chosen.setdefault(one.edits, one)) is not one:
            progress.say(f"{one.name}: the same network as {first.name}")
    return tuple(chosen.values())


def _list_targets(job: SearchJob, savings: Savings) -> dict[str, float]:
    """Return the time that each network may take, by that of the network as it is.

    Raises:
        ConfigError: The network is as quick already.
    """
    ratios = [1 / speedup for speedup in job.speedups]
    if job.target_latency_ms is not None:
        ratios = [job.target_latency_ms / savings.latency_ms]
        if ratios[0] >= 1:
            raise ConfigError(
                f"--target-latency-ms {job.target_latency_ms:g}: {savings.arch} takes "
                f"{savings.latency_ms:.2f} ms as it is ({savings.variant}, 1 thread, "
                f"{savings.cpu}); give less"
            )
    return {f"x{1 / ratio:.2f}": ratio for ratio in ratios}


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
    """Return what measures networks with several edits.

    Args:
        job: Of the search.
        parent: As `open_search` yields it.
        savings: What each edit saves.
        progress: Told of each photo that is decoded.

    Raises:
        ConfigError: This machine cannot time what the savings were measured in.
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full.
    """
    product = None if job.is_other_machine else find_product(savings.variant)
    photos = find_photos(parent.record, parent.split, job.data, job.out, progress)
    meter = open_meter(parent.record.arch, parent.network, photos)
    return Gauge(meter, product, make_clock(job))


def settle_costs(job: SearchJob, savings: Savings, meter: CostMeter, progress: Progress) -> Costs:
    """Return what the edits that save time cost, and keep each as soon as it is known.

    Args:
        job: Of the search.
        savings: What each edit saves.
        meter: What measures costs.
        progress: Told of each edit.

    Raises:
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full; costs that were found before are kept.
    """
    file = job.out / COSTS
    costs = load_kept(Costs, file) if file.exists() else Costs()
    useful = list_quicker(savings)
    wanted = [(edit,) for edit in useful if edit not in costs.edits]
    with progress.phase("what edits cost", len(wanted)) as step:
        for (edit,), cost in meter.measure(wanted):
            if isinstance(cost, ConfigError):
                progress.say(f"left out: {cost}")
            else:
                costs = Costs(costs.edits | {edit: cost})
                save_kept(costs, file)
            step()
    return Costs({edit: cost for edit, cost in costs.edits.items() if edit in useful})
