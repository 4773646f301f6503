"""The networks of a front in every precision and engine: exported, then timed and asked."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from edgecat import atomic
from edgecat.bench.openings import Timed
from edgecat.bench.run import ONE_THREAD, open_all, prepare
from edgecat.bundle.store import Bundle, load_bundle
from edgecat.errors import ConfigError, ExportError, NotFiniteError, QuantizeError
from edgecat.export.job import export_run
from edgecat.optimize.found import Variants, load_variants
from edgecat.optimize.front import Front, Measured
from edgecat.optimize.job import PARENT, VARIANTS, SearchJob
from edgecat.optimize.judge import Judge
from edgecat.optimize.kept import save_kept
from edgecat.optimize.savings import Savings, summarize
from edgecat.optimize.shared import Task, share_tasks, wait_for_folder
from edgecat.optimize.timing import time_in_groups
from edgecat.progress import Progress


def export_front(job: SearchJob, front: Front, data: Path, progress: Progress) -> tuple[str, ...]:
    """Export the networks of a front, each by one of the processes that share the search.

    Args:
        job: Of the search.
        data: Where the photos are on this machine.
        front: Of networks that have learned; what it started from is always exported, since all
            others are compared with it.
        progress: Told of each step.

    Returns:
        The names of those that have an export: it was made now or before. One that failed is not
        tried again, here or elsewhere: after minutes the same network would fail again.

    Raises:
        ExportError: What the search started from cannot be exported.
        QuantizeError: The same.
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full; exports that were finished are kept.
    """
    names = dict.fromkeys([PARENT, *(row.name for row in front.rows if row.is_on_front)])
    tasks = [
        Task(
            name,
            job.lock_of(name),
            is_done=partial(_is_settled, job, name),
            do=partial(_export, job, name, data, progress),
        )
        for name in names
    ]
    done = [one.name for one in share_tasks(tasks, "exported", lambda _: True, progress)]
    exported = tuple(name for name in done if job.bundle_of(name).exists())
    for name in (name for name in done if name not in exported):
        file = job.failure_of(name)
        reason = file.read_text(encoding="utf-8").strip()
        progress.say(f"{name} has no export: {reason}; to try again, remove {file}")
    return exported


def _is_settled(job: SearchJob, name: str) -> bool:
    return job.bundle_of(name).exists() or job.failure_of(name).exists()


def _export(job: SearchJob, name: str, data: Path, progress: Progress) -> None:
    bundle = job.bundle_of(name)
    progress.say(f"{name} is exported, with int8: some minutes")
    try:
        export_run(job.run_of(name), bundle, int8=True, data=data, progress=progress)
    except (ExportError, QuantizeError, NotFiniteError) as error:
        if bundle.exists():  # without a variant that is over budget
            progress.say(f"{name}: {error}")
        elif name == PARENT:  # nothing could be compared
            raise
        else:
            atomic.write_text(job.failure_of(name), f"{error}\n")


def measure_variants(
    job: SearchJob, savings: Savings, judge: Judge, names: Sequence[str], progress: Progress
) -> None:
    """Time the variants of exports, ask them the validation photos, and keep what comes out.

    Another machine than that of the savings leaves it to that one, and says so.

    Args:
        job: Of the search.
        savings: Of the search: in their variant the network that it started from is the reference.
        judge: Asks models.
        names: Of networks that were exported.
        progress: Told of each.

    Raises:
        BundleError: An export is damaged.
        DatasetError: The run's photos are not what they were.
        StorageError: The disk is full; what was measured before is kept.
    """
    try:
        savings.check_here()
    except ConfigError as error:
        progress.say(f"variants are timed where edits were: {error}; run the same command there")
        return
    parent = load_bundle(job.bundle_of(PARENT))
    if savings.variant not in {one.name for one in parent.spec.variants}:
        progress.say(
            f"no variant is timed: edits were in {savings.variant}, which the export of {job.run} "
            "left out; search in another --variant, and another --out"
        )
        return
    with wait_for_folder(job.out, progress):
        found = load_variants(job).networks
        lacking = [name for name in names if name not in found]
        reference = prepare(parent, savings.variant, ONE_THREAD)
        with progress.phase("variants", len(lacking)) as step:
            for name in lacking:
                bundle = load_bundle(job.bundle_of(name))
                found |= {name: _measure(bundle, reference, judge, job.rounds)}
                save_kept(Variants(found), job.out / VARIANTS)
                step()


def _measure(
    bundle: Bundle, reference: Timed, judge: Judge, num_photos: int
) -> dict[str, Measured]:
    """Return what was measured of those variants of an export that this machine computes."""
    with open_all(bundle, ONE_THREAD) as (engines, _):
        answers = [engine.run for engine in engines.values()]
        changes = dict(zip(engines, judge.compare(answers, bundle.spec.input), strict=True))
    models = {"": reference} | {
        variant: prepare(bundle, variant, ONE_THREAD) for variant in changes
    }
    return {
        variant: Measured(summarize(times[variant], times[""]), changes[variant])
        for times in time_in_groups([*models], models.__getitem__, num_photos)
        for variant in times
        if variant
    }
