"""What lies in a search's folder, whoever made it: networks that have learned, and their variants.

Nobody adds up what the front is: it is made anew of all that lies there, so no process has to know
of the others.
"""

import dataclasses
from collections.abc import Iterator

from edgecat.optimize.candidate import Candidate, Candidates
from edgecat.optimize.costs import Cost
from edgecat.optimize.front import Front, Measured, Row, build_front, make_row
from edgecat.optimize.job import FRONT, PARENT, PICTURE, PLAN, VARIANTS, SearchJob
from edgecat.optimize.judge import Judge
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.learn import is_learned
from edgecat.optimize.plots import plot_front
from edgecat.optimize.savings import Savings
from edgecat.scores.compare import AccuracyChange
from edgecat.train.edit import join_name


@dataclasses.dataclass(frozen=True)
class Variants:
    """What was measured of a search's exports.

    Attributes:
        networks: By network and variant.
    """

    networks: dict[str, dict[str, Measured]] = dataclasses.field(default_factory=dict)


def load_variants(job: SearchJob) -> Variants:
    """Return what was measured of a search's exports so far.

    Raises:
        ConfigError: The file is damaged.
    """
    file = job.out / VARIANTS
    return load_kept(Variants, file) if file.exists() else Variants()


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found, at one moment.

    Attributes:
        networks: Those that have learned.
        variants: Of those that were exported.
    """

    networks: tuple[Candidate, ...]
    variants: Variants


def find(job: SearchJob, arch: str) -> Found:
    """Look into a search's folder.

    Args:
        job: Of the search.
        arch: The network that it started from.

    Raises:
        ConfigError: A file in it is damaged.
        TrainError: A run in it is of another network than the plan says.
    """
    known = load_kept(Candidates, job.out / PLAN).networks.values()
    learned = (one for one in known if is_learned(job.run_of(one.name), join_name(arch, one.edits)))
    return Found(tuple(learned), load_variants(job))


class FrontWriter:
    """Writes a search's front."""

    def __init__(self, job: SearchJob, savings: Savings, judge: Judge) -> None:
        """Write nothing yet.

        Args:
            job: Of the search.
            savings: What its edits save.
            judge: Asks networks.
        """
        self._job, self._savings, self._judge = job, savings, judge
        self._changes: dict[str, AccuracyChange] = {}  # a finished run changes no more

    def write(self) -> Front:
        """Write the front of all that was found, as JSON and as a picture.

        Two processes that write at once lose nothing: who has written looks again, and the last one
        to write has seen all that was there before.

        Raises:
            StorageError: The disk is full; the old front is intact.
        """
        while True:
            found = find(self._job, self._savings.arch)
            front = self._build(found)
            save_kept(front, self._job.out / FRONT)
            plot_front(front, self._job.out / PICTURE)
            if find(self._job, self._savings.arch) == found:
                return front

    def build_networks(self) -> Front:
        """Return the front of networks alone, as if none of them had been exported."""
        found = find(self._job, self._savings.arch)
        return self._build(dataclasses.replace(found, variants=Variants()))

    def _build(self, found: Found) -> Front:
        return build_front(self._savings, self._list_rows(found), self._job.max_drop_pp)

    def _list_rows(self, found: Found) -> Iterator[Row]:
        parent = Candidate(PARENT, (), 1.0, 1.0, 0.0, Cost(0.0, 1.0, 1.0), None)
        for one in (parent, *found.networks):
            timed, plain = self._savings.variant, Measured(one.saving, self._judge_run(one))
            measured = found.variants.networks.get(one.name, {timed: plain})
            if one is parent:  # what all are compared with takes its own time
                itself = dataclasses.replace(measured.get(timed, plain), saving=None)
                measured = measured | {timed: itself}
            for variant, each in measured.items():
                yield make_row(one, variant, each)

    def _judge_run(self, candidate: Candidate) -> AccuracyChange:
        if candidate.name == PARENT:
            return self._judge.unchanged
        if candidate.name not in self._changes:
            run = self._job.run_of(candidate.name)
            self._changes[candidate.name] = self._judge.compare_run(run)
        return self._changes[candidate.name]
