"""Is it known before a network learns how far it will be from what it was made of?

python -m benchmarks.optimize.expected_costs RUN0 RUN1 RUN2 --work FOLDER --epochs 12

Goes on where `search_against_random` ended, with the same arguments: each network that learned
there answers the validation photos, and how far that is from what its run answers is ranked with
what was to be expected of its edits: of each alone, added up; of all together, at once; and of all
together by the share that is to last (`edgecat.optimize.expected.expect_joint_cost`), which is what
a search goes by.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import click

from benchmarks.optimize.predicted_latency import correlate_ranks
from benchmarks.optimize.search_against_random import CONTROLS
from benchmarks.optimize.searches import SEARCH, search_options
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.optimize.candidate import Candidates
from edgecat.optimize.costs import CostMeter, Costs
from edgecat.optimize.expected import expect_cost, expect_joint_cost
from edgecat.optimize.job import COSTS, PLAN, SearchJob
from edgecat.optimize.kept import load_kept
from edgecat.optimize.plan import open_run_meter
from edgecat.train.finished import load_checkpoint


@dataclasses.dataclass(frozen=True)
class Learned:
    """A network that has learned, and what was to be expected of it; all in nats.

    Attributes:
        network: Seed, way of choosing it, and name.
        sum_of_edits: What each of its edits is expected to cost, added up.
        together_at_once: What all cost together before it learned.
        together_lasting: The share of that which is expected to last.
        left: What is left now.
    """

    network: str
    sum_of_edits: float
    together_at_once: float
    together_lasting: float
    left: float


def measure_learned(job: SearchJob, seed: int, meter: CostMeter) -> Iterator[Learned]:
    """Yield the networks of a search, and of what it was compared with, that have learned."""
    for way in (SEARCH, *CONTROLS):
        of_way = dataclasses.replace(job, out=job.out.parent / way)
        costs = load_kept(Costs, of_way.out / COSTS)
        for one in load_kept(Candidates, of_way.out / PLAN).networks.values():
            network = load_checkpoint(of_way.run_of(one.name)).network
            yield Learned(
                network=f"{seed}/{way}/{one.name}",
                sum_of_edits=sum(expect_cost(edit, costs.edits[edit]) for edit in one.edits),
                together_at_once=one.cost.divergence_nats,
                together_lasting=expect_joint_cost(one.edits, costs, one.cost),
                left=meter.compare(network).divergence_nats,
            )


def correlate(learned: list[Learned]) -> Mapping[str, float]:
    """Return how each expectation ranks networks, by how they rank once they have learned."""
    left = [one.left for one in learned]
    return {
        name: correlate_ranks([getattr(one, name) for one in learned], left)
        for name in ("sum_of_edits", "together_at_once", "together_lasting")
    }


@click.command()
@search_options
def main(searches: list[SearchJob]) -> None:
    """Ask what is left of all that learned, and rank it with what was expected."""
    progress = TerminalProgress()
    learned: list[Learned] = []
    for seed, job in enumerate(searches):
        meter = open_run_meter(job, load_checkpoint(job.run), progress)
        learned += measure_learned(job, seed, meter)
    values: dict[str, Any] = {
        "epochs": searches[0].epochs,
        "seeds": len(searches),
        "num_networks": len(learned),
        "rank_correlations": correlate(learned),
        "rows": [dataclasses.asdict(one) for one in learned],
    }
    write_result("expected_costs", values)


if __name__ == "__main__":
    main()
