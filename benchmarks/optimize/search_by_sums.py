"""Does it pay to choose among networks by what their edits cost together?

python -m benchmarks.optimize.search_by_sums RUN0 RUN1 RUN2 --work FOLDER --epochs 30 --speedup 2.4

`edgecat optimize` builds a network for each size of the input, and takes that whose edits cost the
least together. Its control builds one only: that whose edits cost the least one by one, added up.
Of each run (one a seed) both choose a network for each speedup, from the same table of savings and
costs, and all learn alike. A killed benchmark goes on with the same command.
"""

import dataclasses
import shutil
from typing import Any

import click

from benchmarks.optimize.search_against_random import measure_divergences, pool_losses
from benchmarks.optimize.searches import SEARCH, search_options
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.optimize.candidate import (
    Candidate,
    Candidates,
    Gauge,
    build_menu,
    choose_quick,
    measure_candidate,
)
from edgecat.optimize.choice import Space
from edgecat.optimize.front import Front
from edgecat.optimize.job import COSTS, PLAN, RECORD, SAVINGS, SearchJob
from edgecat.optimize.kept import save_kept
from edgecat.optimize.plan import open_gauge, open_run_meter, open_search, plan_search
from edgecat.optimize.search import optimize
from edgecat.progress import Progress
from edgecat.train.finished import load_checkpoint

BY_SUMS = "by-sums"


def choose_by_sum(one: Candidate, space: Space, gauge: Gauge) -> Candidate:
    """Return the network that sums alone choose where another was chosen."""
    choice, saving = choose_quick(one.target_ratio, space, gauge)
    return measure_candidate(one.name, one.target_ratio, choice, saving, gauge)


def prepare_control(search: SearchJob, control: SearchJob, progress: Progress) -> None:
    """Plan a search, and fill the control's folder with what that measured, and its networks."""
    if (control.out / PLAN).exists():
        return
    with open_search(search, progress) as parent:
        plan = plan_search(search, parent, progress)
        gauge = open_gauge(search, parent, plan.savings, progress)
    space = build_menu(plan.savings, gauge.costs, progress).combine()
    chosen = {one.name: choose_by_sum(one, space, gauge) for one in plan.candidates}
    control.out.mkdir(parents=True, exist_ok=True)
    for file in (RECORD, SAVINGS, COSTS):
        shutil.copy(search.out / file, control.out / file)
    save_kept(Candidates(chosen), control.out / PLAN)


@click.command()
@search_options
def main(searches: list[SearchJob]) -> None:
    """Choose in both ways, let all learn, compare."""
    progress = TerminalProgress()
    fronts: dict[str, list[Front]] = {SEARCH: [], BY_SUMS: []}
    divergences: dict[str, list[dict[str, float]]] = {SEARCH: [], BY_SUMS: []}
    for search in searches:
        control = dataclasses.replace(search, out=search.out.parent / BY_SUMS)
        prepare_control(search, control, progress)
        meter = open_run_meter(search, load_checkpoint(search.run), progress)
        for name, job in {SEARCH: search, BY_SUMS: control}.items():
            front = optimize(job, progress)
            fronts[name].append(front)
            divergences[name].append(measure_divergences(job, front, meter))
    values: dict[str, Any] = {
        "epochs": searches[0].epochs,
        "speedups": searches[0].speedups,
        "seeds": len(searches),
        "pooled": {name: pool_losses(fronts[name], divergences[name]) for name in fronts},
        "fronts": {name: list(map(dataclasses.asdict, fronts[name])) for name in fronts},
    }
    write_result("search_by_sums", values)


if __name__ == "__main__":
    main()
