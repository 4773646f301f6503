"""Is the search of `edgecat optimize` better than networks that cost less thought to find?

python -m benchmarks.optimize.search_against_random RUN0 RUN1 RUN2 --work FOLDER --epochs 30

Of each run (one a seed) the search chooses a network for each speedup. A random control draws one
of the same predicted time for each from the same space; a plain one keeps the network, and takes
the largest input that is predicted to reach the speedup; a believer searches alike, but takes what
each edit saves as it was measured, with the clock's luck in it (`edgecat.optimize.expected`). All
learn alike. Fronts are compared by their hypervolume: the area, in the plane of time and validation
top-1, of what is no better than some network of theirs. A killed benchmark goes on with the same
command.
"""

import dataclasses
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import click
import numpy as np

from benchmarks.optimize.searches import SEARCH, search_options
from benchmarks.results import write_result
from edgecat.cli.output import TerminalProgress
from edgecat.optimize.candidate import Candidate, Candidates, Menu, build_menu, measure_candidate
from edgecat.optimize.choice import Choice
from edgecat.optimize.costs import CostMeter
from edgecat.optimize.front import Front, Row
from edgecat.optimize.job import COSTS, PLAN, RECORD, SAVINGS, SearchJob
from edgecat.optimize.kept import load_kept, save_kept
from edgecat.optimize.plan import (
    open_gauge,
    open_run_meter,
    open_search,
    plan_search,
)
from edgecat.optimize.savings import Savings
from edgecat.optimize.search import optimize
from edgecat.progress import Progress
from edgecat.scores.front import find_front
from edgecat.scores.metrics import paired_interval_pp
from edgecat.train.finished import load_checkpoint

RANDOM, PLAIN, BELIEVER = "random", "side", "as-measured"
CONTROLS = (RANDOM, PLAIN, BELIEVER)

# What is to be reached.
_TARGETS = {"gain_ratio": 0.10}

# A random network may be predicted to differ by so much from the time of the search's.
_BAND_RATIO = 0.015

# From there down a loss counts as total: nobody wants such a network, however quick.
_MAX_LOSS_PP = 10.0

_MAX_DRAWS = 100_000


def draw_choice(menu: Menu, wanted_ratio: float, rng: np.random.Generator) -> Choice:
    """Return random edits with which a network is predicted to take so much of its time.

    Each part is as likely to be left as it is as to be changed.
    """
    for _ in range(_MAX_DRAWS):
        scaling = menu.scalings[rng.integers(len(menu.scalings))]
        sets = [sets[rng.integers(len(sets))] for sets in menu.parts if rng.random() < 0.5]
        ratio = scaling.ratio * (1 - sum(one.saved_ratio for one in sets))
        if abs(ratio - wanted_ratio) <= _BAND_RATIO:
            edits = tuple(edit for one in (*sets, scaling) for edit in one.edits)
            return Choice(edits, ratio, sum(one.cost_nats for one in (*sets, scaling)))
    raise SystemExit(f"no random network takes {wanted_ratio:.2f} times the time: ask for less")


def choose_side(menu: Menu, target_ratio: float) -> Choice:
    """Return the largest input with which a network is predicted to take so much of its time."""
    within = [one for one in menu.scalings if one.ratio <= target_ratio]
    if not within:
        raise SystemExit(f"no input takes {target_ratio:.2f} times the time: ask for less")
    largest = max(within, key=lambda one: one.ratio)
    return Choice(largest.edits, largest.ratio, largest.cost_nats)


def prepare_controls(
    search: SearchJob, controls: Mapping[str, SearchJob], seed: int, progress: Progress
) -> None:
    """Fill controls' folders with the search's savings and costs, and with their networks."""
    if all((control.out / PLAN).exists() for control in controls.values()):
        return
    with open_search(search, progress) as parent:
        plan = plan_search(search, parent, progress)
        gauge = open_gauge(search, parent, plan.savings, progress)
    menu, rng = build_menu(plan.savings, gauge.costs, progress), np.random.default_rng(seed)
    choose: dict[str, Callable[[Candidate], Choice]] = {
        RANDOM: lambda one: draw_choice(menu, one.predicted_ratio, rng),
        PLAIN: lambda one: choose_side(menu, one.target_ratio),
    }
    for name, control in controls.items():
        if (control.out / PLAN).exists():
            continue
        chosen: dict[str, Candidate] = {}
        for one in plan.candidates:
            choice = choose[name](one)
            saving = gauge.time(choice.edits)
            chosen[one.name] = measure_candidate(one.name, one.target_ratio, choice, saving, gauge)
        control.out.mkdir(parents=True, exist_ok=True)
        for file in (RECORD, SAVINGS, COSTS):
            shutil.copy(search.out / file, control.out / file)
        save_kept(Candidates(chosen), control.out / PLAN)


def prepare_believer(search: SearchJob, control: SearchJob) -> None:
    """Fill the believer's folder with the savings of a search, as if no noise were in them."""
    if (control.out / SAVINGS).exists():
        return
    control.out.mkdir(parents=True, exist_ok=True)
    for file in (RECORD, COSTS):
        shutil.copy(search.out / file, control.out / file)
    savings = load_kept(Savings, search.out / SAVINGS)
    edits = {
        edit: dataclasses.replace(one, interval_ratio=(one.ratio, one.ratio))
        for edit, one in savings.edits.items()
    }
    save_kept(dataclasses.replace(savings, edits=edits), control.out / SAVINGS)


def measure_volume(points: Iterable[tuple[float, float]], least_ratio: float) -> float:
    """Return the hypervolume of networks: the area of what is no better than one of them.

    Args:
        points: Time by that of the network as it is, and top-1, 0-1.
        least_ratio: Top-1 from which the area counts; a time counts up to 1.
    """
    inside = [point for point in points if point[0] < 1 and point[1] > least_ratio]
    best = find_front(inside, lambda point: point)
    ends = [*(time for time, _ in best[1:]), 1.0][: len(best)]
    return sum(
        (end - time) * (score - least_ratio) for (time, score), end in zip(best, ends, strict=True)
    )


def list_points(front: Front) -> list[tuple[float, float]]:
    """Return time and top-1 of the networks that have learned."""
    return [(row.latency_ratio, row.change.top1_ratio) for row in front.rows if row.edits]


def measure_divergences(job: SearchJob, front: Front, meter: CostMeter) -> dict[str, float]:
    """Return how far the networks that have learned are from the run's answers, nats, by name.

    Fewer photos tell it than top-1, of which each photo says one of two things.
    """
    networks = {row.name: job.run_of(row.name) for row in front.rows if row.edits}
    return {
        name: meter.compare(load_checkpoint(run).network).divergence_nats
        for name, run in networks.items()
    }


def pool_losses(
    fronts: Iterable[Front], divergences: Iterable[Mapping[str, float]]
) -> list[dict[str, Any]]:
    """Return what networks of the same speedup lost in all seeds together, and their mean time.

    Args:
        fronts: One a seed.
        divergences: Of each, see `measure_divergences`.
    """
    of_speedup: dict[float, list[tuple[Row, float]]] = {}
    for front, nats in zip(fronts, divergences, strict=True):
        for row in front.rows:
            if row.edits:
                of_speedup.setdefault(1 / row.target_ratio, []).append((row, nats[row.name]))
    pooled = []
    for speedup, pairs in sorted(of_speedup.items()):
        rows = [row for row, _ in pairs]
        changes = [row.change for row in rows]
        lost, gained, num_images = (
            sum(getattr(change, name) for change in changes)
            for name in ("num_lost", "num_gained", "num_images")
        )
        pooled.append(
            {
                "speedup": speedup,
                "latency_ratio": mean(row.latency_ratio for row in rows),
                "num_images": num_images,
                "drop_pp": 100 * (lost - gained) / num_images,
                "drop_interval_pp": paired_interval_pp(lost, gained, num_images),
                "divergence_nats": mean(nats for _, nats in pairs),
            }
        )
    return pooled


def measure_pooled(losses: list[dict[str, Any]]) -> float:
    """Return the hypervolume of what `pool_losses` returns."""
    points = [(one["latency_ratio"], -one["drop_pp"] / 100) for one in losses]
    return measure_volume(points, -_MAX_LOSS_PP / 100)


@click.command()
@search_options
def main(searches: list[SearchJob]) -> None:
    """Search, choose the controls, let all learn, compare."""
    rows, progress = [], TerminalProgress()
    fronts: dict[str, list[Front]] = {name: [] for name in (SEARCH, *CONTROLS)}
    divergences: dict[str, list[dict[str, float]]] = {name: [] for name in fronts}
    for seed, search in enumerate(searches):
        controls = {
            name: dataclasses.replace(search, out=search.out.parent / name) for name in CONTROLS
        }
        prepare_controls(search, {one: controls[one] for one in (RANDOM, PLAIN)}, seed, progress)
        prepare_believer(search, controls[BELIEVER])
        meter = open_run_meter(search, load_checkpoint(search.run), progress)
        for name, job in {SEARCH: search, **controls}.items():
            front = optimize(job, progress)
            fronts[name].append(front)
            divergences[name].append(measure_divergences(job, front, meter))
        rows.append(describe_seed(search.run, {name: found[-1] for name, found in fronts.items()}))
        print(seed, rows[-1]["hypervolume"], flush=True)
    pooled = {name: pool_losses(fronts[name], divergences[name]) for name in fronts}
    values = {
        "epochs": searches[0].epochs,
        "speedups": searches[0].speedups,
        "reference_point": {"time_ratio": 1.0, "lost_pp": _MAX_LOSS_PP},
        "rows": rows,
        "pooled": pooled,
        "pooled_gain_ratio": compare_volumes(
            {name: measure_pooled(losses) for name, losses in pooled.items()}
        ),
        "targets": _TARGETS,
    }
    write_result("search_against_random", values)


def describe_seed(run: Path, fronts: Mapping[str, Front]) -> dict[str, Any]:
    """Return what came of one run."""
    least_ratio = fronts[SEARCH].rows[0].change.reference_top1_ratio - _MAX_LOSS_PP / 100
    volumes = {
        name: measure_volume(list_points(front), least_ratio) for name, front in fronts.items()
    }
    return {
        "run": run.name,
        "hypervolume": volumes,
        "gain_ratio": compare_volumes(volumes),
        "fronts": {name: dataclasses.asdict(front) for name, front in fronts.items()},
    }


def compare_volumes(volumes: Mapping[str, float]) -> dict[str, float | None]:
    """Return how much more the search has than each control; None where that has nothing."""
    return {
        name: volumes[SEARCH] / volumes[name] - 1 if volumes[name] else None for name in CONTROLS
    }


if __name__ == "__main__":
    main()
