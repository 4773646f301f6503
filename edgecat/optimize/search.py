"""The whole search: plan, let one network after another learn, and show what came out."""

import time
from collections.abc import Iterator
from pathlib import Path

from edgecat.errors import DivergedError
from edgecat.optimize.front import Front, build_front, open_judge
from edgecat.optimize.job import FRONT, PICTURE, SearchJob
from edgecat.optimize.kept import save_kept
from edgecat.optimize.learn import check_budget, estimate_duration_s, is_learned, make_job
from edgecat.optimize.plan import SearchPlan, open_search, plan_search
from edgecat.optimize.plots import plot_front
from edgecat.progress import Progress, Silent
from edgecat.train.finetune import finetune
from edgecat.train.history import describe_duration


def optimize(job: SearchJob, progress: Progress | None = None) -> Front:
    """Find quicker networks, let them learn on, and compare them; goes on where it was stopped.

    The front is written anew after each network, so that a search that is stopped has one.

    Raises:
        ConfigError: Numbers that are not accepted, a budget too small, a latency out of reach, or
            a table that does not fit.
        DatasetError: The run's photos are not what they were.
        EngineError: The engine is not installed.
        TrainError: The run is none, or the folder is another's or in use.
        StorageError: The disk is full; what was found before is kept.
    """
    started_s, progress = time.monotonic(), progress or Silent()
    with open_search(job) as parent:
        check_budget(job, estimate_duration_s(job, parent))
        plan = plan_search(job, parent, progress)
        judge = open_judge(parent, job.data)
        front, changes = build_front(plan, judge, {}, job.max_drop_pp), {}
        for name, run in _learn(job, plan, started_s, progress):
            changes[name] = judge.compare(run)
            front = build_front(plan, judge, changes, job.max_drop_pp)
            save_kept(front, job.out / FRONT)
            plot_front(front, job.out / PICTURE)
        return front


def _learn(
    job: SearchJob, plan: SearchPlan, started_s: float, progress: Progress
) -> Iterator[tuple[str, Path]]:
    """Yield the runs of networks that have learned, as long as the budget lasts.

    Args:
        job: With the budget.
        plan: With the networks.
        started_s: When the search began, of `time.monotonic`.
        progress: Told of each step.
    """
    duration_s, num_learned = estimate_duration_s(job, plan.parent), 0
    for position, candidate in enumerate(plan.candidates):
        run = make_job(job, plan.parent, candidate.name, candidate.edits)
        if not is_learned(run):
            # One fits: that was checked before edits were measured.
            if num_learned and not _has_time(job, started_s, duration_s):
                left = ", ".join(one.name for one in plan.candidates[position:])
                progress.say(f"the budget is used up; left are {left}: the same command goes on")
                return
            progress.say(f"{candidate.name} learns on: about {describe_duration(duration_s)}")
            begun_s = time.monotonic()
            try:
                finetune(run, progress)
            except DivergedError as error:
                progress.say(f"{candidate.name}: left out: {error}")
                continue
            duration_s = time.monotonic() - begun_s
        num_learned += 1
        yield candidate.name, run.run


def _has_time(job: SearchJob, started_s: float, duration_s: float) -> bool:
    if job.budget_minutes is None:
        return True
    return time.monotonic() - started_s + duration_s <= 60 * job.budget_minutes
