"""The search of `edgecat optimize` against networks drawn at random from the same space.

python -m benchmarks.optimize.search_against_random RUN0 RUN1 RUN2 --work FOLDER --epochs 30

Of each run (one a seed) the search chooses a network for each speedup, and the control draws one
of the same predicted time for each. All learn alike. The two fronts are compared by their
hypervolume: the area, in the plane of time and validation top-1, of what is no better than some
network of theirs. A killed benchmark goes on with the same command.
"""

import dataclasses
import shutil
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import click
import numpy as np

from benchmarks.results import write_result
from edgecat.optimize.candidate import Candidate, Candidates, Menu, build_menu, measure_candidate
from edgecat.optimize.choice import Choice
from edgecat.optimize.front import Front, Row
from edgecat.optimize.job import COSTS, PLAN, RECORD, SAVINGS, SPEEDUPS, SearchJob
from edgecat.optimize.kept import save_kept
from edgecat.optimize.plan import open_gauge, open_search, plan_search, settle_costs
from edgecat.optimize.search import optimize
from edgecat.progress import Progress, Silent
from edgecat.scores.front import find_front
from edgecat.scores.metrics import paired_interval_pp

# Of issue H.
_TARGETS = {"gain_ratio": 0.10}

# A random network may be predicted to differ by so much from the time of the search's.
_BAND_RATIO = 0.015

# From there down a loss counts as total: nobody wants such a network, however quick.
_MAX_LOSS_PP = 10.0

_MAX_DRAWS = 100_000


class Says(Silent):
    """Progress as lines."""

    def say(self, line: str) -> None:
        """Print a line."""
        print(line, flush=True)


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


def prepare_control(search: SearchJob, control: SearchJob, seed: int, progress: Progress) -> None:
    """Fill the control's folder with the search's savings and costs, and random networks."""
    if (control.out / PLAN).exists():
        return
    with open_search(search, progress) as parent:
        plan = plan_search(search, parent, progress)
        gauge = open_gauge(search, parent, plan.savings, progress)
        costs = settle_costs(search, plan.savings, gauge.meter, progress)
    menu, rng = build_menu(plan.savings, costs, progress), np.random.default_rng(seed)
    drawn: dict[str, Candidate] = {}
    for one in plan.candidates:
        choice = draw_choice(menu, one.predicted_ratio, rng)
        saving = gauge.time(choice.edits)
        drawn[one.name] = measure_candidate(one.name, one.target_ratio, choice, saving, gauge)
    control.out.mkdir(parents=True, exist_ok=True)
    for name in (RECORD, SAVINGS, COSTS):
        shutil.copy(search.out / name, control.out / name)
    save_kept(Candidates(drawn), control.out / PLAN)


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


def pool_losses(fronts: Iterable[Front]) -> list[dict[str, Any]]:
    """Return what networks of the same speedup lost in all seeds together, and their mean time."""
    of_speedup: dict[float, list[Row]] = {}
    for front in fronts:
        for row in front.rows:
            if row.edits:
                of_speedup.setdefault(1 / row.target_ratio, []).append(row)
    pooled = []
    for speedup, rows in sorted(of_speedup.items()):
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
            }
        )
    return pooled


def measure_pooled(losses: list[dict[str, Any]]) -> float:
    """Return the hypervolume of what `pool_losses` returns."""
    points = [(one["latency_ratio"], -one["drop_pp"] / 100) for one in losses]
    return measure_volume(points, -_MAX_LOSS_PP / 100)


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--work", required=True, type=click.Path(path_type=Path), help="Folder to work in.")
@click.option("--epochs", type=int, help="That each network learns; default: as the run.")
@click.option("--speedup", "speedups", multiple=True, type=float, default=SPEEDUPS)
@click.option("--variant", default="onnxruntime-fp32", show_default=True)
@click.option("--rounds", default=200, show_default=True, help="Timed photos of each network.")
def main(
    runs: tuple[Path, ...],
    work: Path,
    epochs: int | None,
    speedups: tuple[float, ...],
    variant: str,
    rounds: int,
) -> None:
    """Search, draw, let all learn, compare."""
    rows, progress = [], Says()
    found: dict[str, list[Front]] = {"search": [], "random": []}
    for seed, run in enumerate(runs):
        search = SearchJob(
            run, work / str(seed) / "search", speedups,
            epochs=epochs, variant=variant, rounds=rounds,
        )  # fmt: skip
        control = dataclasses.replace(search, out=work / str(seed) / "random")
        prepare_control(search, control, seed, progress)
        fronts = {"search": optimize(search, progress), "random": optimize(control, progress)}
        parent_ratio = fronts["search"].rows[0].change.reference_top1_ratio
        least_ratio = parent_ratio - _MAX_LOSS_PP / 100
        for name, front in fronts.items():
            found[name].append(front)
        volumes = {
            name: measure_volume(list_points(front), least_ratio) for name, front in fronts.items()
        }
        print(seed, volumes, flush=True)
        rows.append(
            {
                "run": run.name,
                "hypervolume": volumes,
                "gain_ratio": volumes["search"] / volumes["random"] - 1
                if volumes["random"]
                else None,
                "fronts": {name: dataclasses.asdict(front) for name, front in fronts.items()},
            }
        )
    pooled = {name: pool_losses(of_seeds) for name, of_seeds in found.items()}
    volumes = {name: measure_pooled(losses) for name, losses in pooled.items()}
    values = {
        "epochs": epochs,
        "speedups": speedups,
        "reference_point": {"time_ratio": 1.0, "lost_pp": _MAX_LOSS_PP},
        "rows": rows,
        "pooled": pooled,
        "pooled_gain_ratio": measure_pooled(pooled["search"]) / measure_pooled(pooled["random"])
        - 1,
        "targets": _TARGETS,
    }
    write_result("search_against_random", values)


if __name__ == "__main__":
    main()
