"""The whole search: plan, let one network after another learn, and show what came out.

Processes that are given the same folder share the work: the first one plans, and each learns what
nobody else learns. What they share lies in the folder, and nowhere else.
"""

import time
from collections.abc import Iterator
from functools import partial

from edgecat.errors import DivergedError
from edgecat.optimize.candidate import Candidate
from edgecat.optimize.found import FrontWriter
from edgecat.optimize.front import Front
from edgecat.optimize.job import PLAN, SearchJob
from edgecat.optimize.judge import open_judge
from edgecat.optimize.learn import (
    check_budget,
    describe_mend,
    estimate_duration_s,
    is_learned,
    keep_rates,
    make_job,
)
from edgecat.optimize.plan import SearchPlan, open_search, plan_search
from edgecat.optimize.shared import Task, share_tasks
from edgecat.optimize.variants import export_front, measure_variants
from edgecat.progress import Progress, Silent, describe_duration
from edgecat.train.divergence import Divergence
from edgecat.train.finetune import finetune
from edgecat.train.job import Job


def optimize(job: SearchJob, progress: Progress | None = None) -> Front:
    """Find quicker networks, let them learn on, and compare them; goes on where it was stopped.

    The front is written anew after each network, so that a search that is stopped has one.

    Raises:
        ConfigError: Numbers that are not accepted, a budget too small, a latency out of reach, or
            a table that does not fit.
        DatasetError: The run's photos are not what they were.
        EngineError: The engine is not installed.
        TrainError: The run is none, or the folder is another's.
        StorageError: The disk is full; what was found before is kept.
    """
    started_s, progress = time.monotonic(), progress or Silent()
    with open_search(job, progress) as parent:
        if not (job.out / PLAN).exists():  # else it may be that nothing is left to learn
            check_budget(job, estimate_duration_s(job, parent))
        plan = plan_search(job, parent, progress)
    judge = open_judge(parent, job.data)
    writer = FrontWriter(job, plan.savings, judge)
    writer.write()
    school = _School(job, plan, started_s, progress)
    for _ in school.learn():
        writer.write()
    if job.exports and not school.is_over:
        names = export_front(job, writer.build_networks(), judge.data, progress)
        measure_variants(job, plan.savings, judge, names, progress)
    return writer.write()


class _School:
    """Lets networks learn, as long as the budget lasts.

    Attributes:
        is_over: Whether the budget ended before all had learned.
    """

    def __init__(
        self, job: SearchJob, plan: SearchPlan, started_s: float, progress: Progress
    ) -> None:
        """Let nothing learn yet.

        Args:
            job: With the budget.
            plan: With the networks.
            started_s: When the search began, of `time.monotonic`.
            progress: Told of each step.
        """
        self._job, self._plan, self._progress = job, plan, progress
        self._started_s, self._num_ended = started_s, 0
        self._duration_s = estimate_duration_s(job, plan.parent)
        self.is_over = False

    def learn(self) -> Iterator[Task]:
        """Yield each network that has learned, here or elsewhere.

        Raises:
            ConfigError: Some are left, and the budget is too small for one.
        """
        tasks = [self._make_task(one) for one in self._plan.candidates]
        if not all(task.is_done() for task in tasks):
            check_budget(self._job, self._duration_s)
        for task in share_tasks(tasks, "learned", self._may_go_on, self._progress):
            self._num_ended += 1
            yield task

    def _make_task(self, candidate: Candidate) -> Task:
        run = make_job(self._job, self._plan.parent, candidate.name, candidate.edits)
        return Task(
            candidate.name,
            self._job.lock_of(candidate.name),
            is_done=partial(is_learned, run.run, run.arch),
            do=partial(self._teach, candidate, run),
        )

    def _may_go_on(self, left: list[str]) -> bool:
        # One fits: that was checked.
        if not self._num_ended or _has_time(self._job, self._started_s, self._duration_s):
            return True
        self._progress.say(
            f"the budget is used up; left are {', '.join(left)}: the same command goes on"
        )
        self.is_over = True
        return False

    def _teach(self, candidate: Candidate, run: Job) -> None:
        name = candidate.name
        self._progress.say(f"{name} learns on: about {describe_duration(self._duration_s)}")
        try:
            record = finetune(keep_rates(run), self._progress)
        except DivergedError as error:
            self._num_ended += 1
            divergence: Divergence = error.args[0]
            mend = describe_mend(self._job, run, candidate.edits, divergence)
            self._progress.say(f"{name}: left out: {divergence.describe()}; {mend}")
        else:
            assert record.outcome is not None  # it has finished
            self._duration_s = record.outcome.duration_s


def _has_time(job: SearchJob, started_s: float, duration_s: float) -> bool:
    if job.budget_minutes is None:
        return True
    return time.monotonic() - started_s + duration_s <= 60 * job.budget_minutes
