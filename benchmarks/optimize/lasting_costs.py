"""What is left of what edits cost at once, after the network has learned on?

python -m benchmarks.optimize.lasting_costs RUN0 RUN1 RUN2 --work FOLDER --epochs 12

Of each run (one a seed) a network for each kind of edit, which has several of that kind, and one
without edits. All learn on alike. Told is how far their answers to the validation photos are then
from the run's, and how far the edits' were at once; that learning on alone moves the answers, too,
the network without edits says. A killed benchmark goes on with the same command.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import click

from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.optimize.costs import CostMeter
from edgecat.optimize.job import SearchJob
from edgecat.optimize.learn import is_learned, make_job
from edgecat.optimize.plan import open_run_meter, settle_costs
from edgecat.optimize.space import group_edits, list_edits
from edgecat.train.edit import EDITS, kind_of
from edgecat.train.finetune import finetune
from edgecat.train.finished import Checkpoint, load_checkpoint

UNEDITED = "unedited"

# Edits of a kind are added until they cost so much, several times what learning alone moves
# (`unedited_nats` of the result): of less, little could be told.
_ENOUGH_NATS = 0.3


def choose_edits(costs_nats: dict[str, float]) -> dict[str, tuple[str, ...]]:
    """Return edits of each kind, the cheapest first, until they cost enough.

    Of a part of the network it is the one that changes it most; of an edit that changes all of it
    the dearest that is not too dear.

    Args:
        costs_nats: By edit, at once.
    """
    chosen: dict[str, tuple[str, ...]] = {}
    for kind in dict.fromkeys(map(kind_of, costs_nats)):
        edits = [edit for edit in costs_nats if kind_of(edit) == kind]
        if EDITS.load(kind).scales_all:
            dearest = [edit for edit in edits if costs_nats[edit] <= _ENOUGH_NATS]
            chosen[kind] = (max(dearest, key=costs_nats.__getitem__),)
            continue
        most = [max(group, key=costs_nats.__getitem__) for group in group_edits(edits)]
        taken: list[str] = []
        for edit in sorted(most, key=costs_nats.__getitem__):
            if sum(costs_nats[one] for one in taken) < _ENOUGH_NATS:
                taken.append(edit)
        chosen[kind] = tuple(edit for edit in most if edit in taken)
    return chosen


def learn_on(
    search: SearchJob, parent: Checkpoint, meter: CostMeter, name: str, edits: tuple[str, ...]
) -> float:
    """Return how far a network's answers are from the run's, nats, when it has learned on."""
    job = make_job(search, parent, name, edits)
    if not is_learned(job.run, job.arch):
        finetune(job, TerminalProgress())
    return meter.compare(load_checkpoint(job.run).network).divergence_nats


def measure_run(search: SearchJob, wanted: Sequence[str]) -> dict[str, Any]:
    """Return what edits of each kind cost a run's network at once, and what is left of that.

    Args:
        search: With the run.
        wanted: The kinds; none for all.
    """
    parent, progress = load_checkpoint(search.run), TerminalProgress()
    meter = open_run_meter(search, parent, progress)
    groups = group_edits(list_edits(meter.arch))
    edits = [one for group in groups for one in group if not wanted or kind_of(one) in wanted]
    costs = settle_costs(search, edits, meter, progress).edits
    costs_nats = {edit: cost.divergence_nats for edit, cost in costs.items()}
    moved_nats = learn_on(search, parent, meter, UNEDITED, ())
    kinds = []
    for kind, edits in choose_edits(costs_nats).items():
        alone_nats = sum(costs_nats[edit] for edit in edits)
        after_nats = learn_on(search, parent, meter, kind, edits)
        kinds.append(
            {"kind": kind, "edits": edits, "alone_nats": alone_nats, "after_nats": after_nats}
        )
        print(search.run.name, kinds[-1], f"unedited {moved_nats:.3f}", flush=True)
    return {"run": search.run.name, "unedited_nats": moved_nats, "kinds": kinds}


def summarize(runs: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what share of its cost is left of each kind, over all runs together."""
    summary = {}
    for kind in {one["kind"]: None for run in runs for one in run["kinds"]}:
        pairs = [
            (one["alone_nats"], one["after_nats"] - run["unedited_nats"])
            for run in runs
            for one in run["kinds"]
            if one["kind"] == kind
        ]
        alone, left = (mean(values) for values in zip(*pairs, strict=True))
        summary[kind] = {
            "alone_nats": alone,
            "left_nats": left,
            "lasting_ratio": left / alone,
            "of_runs": [after / before for before, after in pairs],
        }
    return summary


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder to work in.")
@click.option("--epochs", type=int, help="That each network learns; default: as the run.")
@click.option(
    "--kind", "wanted", type=click.Choice(EDITS.names), multiple=True, help="Default: all."
)
def main(runs: tuple[Path, ...], work: Path, epochs: int | None, wanted: tuple[str, ...]) -> None:
    """Edit, let all learn on, ask."""
    rows = []
    for seed, run in enumerate(runs):
        out = work / str(seed)
        out.mkdir(parents=True, exist_ok=True)
        rows.append(measure_run(SearchJob(run, out, epochs=epochs), wanted))
    name = "_".join(("lasting_costs", *sorted(set(wanted))))
    write_result(name, {"epochs": epochs, "runs": rows, "kinds": summarize(rows)})


if __name__ == "__main__":
    main()
