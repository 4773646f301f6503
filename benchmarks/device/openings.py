"""Does a model that is opened again take the same time, and does the clock know if it does not?

python -m benchmarks.device.openings cats12

The same model, opened four times in one process, takes turns with itself: what differs is where it
lies in memory. Then the ratio of two variants is measured again and again, by as many photos each
time, in one opening and in many. Intervals are honest if 95 of 100 hold what all measurements
together say.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from benchmarks.results import write_result
from edgecat.bench.clock import Plan, median_interval, ratios_by_round
from edgecat.bench.effort import NUM_ROUNDS
from edgecat.bench.openings import NUM_OPENINGS, Timed, time_openings
from edgecat.bench.run import ONE_THREAD, prepare
from edgecat.bundle.store import load_bundle

_NUM_COPIES = 4


def time_copies(model: Timed, num_openings: int) -> dict[str, Any]:
    """Return the times of copies by their mean: by which was opened first, and their range."""
    models = {str(number): model for number in range(_NUM_COPIES)}
    times = time_openings(models, 60, Plan.fixed(num_openings, 0)).medians_ms
    by_place: list[list[float]] = [[] for _ in models]
    for opening, each_ms in enumerate(zip(*times.values(), strict=True)):
        for number, time_ms in enumerate(each_ms):
            place = (number - opening) % _NUM_COPIES  # each opening starts with the next one
            by_place[place].append(time_ms / statistics.mean(each_ms))
    ratios = [ratio for place in by_place for ratio in place]
    return {
        "by_place": [statistics.mean(place) for place in by_place],
        "range_ratio": max(ratios) / min(ratios) - 1,
    }


def measure_once(models: dict[str, Timed], num_openings: int) -> list[float]:
    """Return the rounds of a measurement, ratios of the second model to the first.

    Of a single opening the rounds are its photos, as the clock had it before.
    """
    times = time_openings(models, NUM_ROUNDS // num_openings, Plan.fixed(num_openings, 0))
    found = times.photos_ms if num_openings == 1 else times.medians_ms
    first, second = found.values()
    return ratios_by_round(second, first)


def summarize(measurements: Sequence[Sequence[float]]) -> dict[str, Any]:
    """Return how far the ratios of measurements lie apart, and how often an interval is right."""
    ratios = [statistics.median(rounds) for rounds in measurements]
    intervals = [median_interval(rounds) for rounds in measurements]
    truth = statistics.median(ratios)
    return {
        "num": len(ratios),
        "ratio": truth,
        "spread_ratio": max(ratios) / min(ratios) - 1,
        "num_right": sum(low <= truth <= high for low, high in intervals),
        "interval_width": statistics.median(high - low for low, high in intervals),
    }


@click.command()
@click.argument("bundle")
@click.option("--openings", default=24, show_default=True, help="Of the copies.")
@click.option("--measurements", default=20, show_default=True, help="In each of the two ways.")
def main(bundle: str, openings: int, measurements: int) -> None:
    """Measure BUNDLE's first variant against itself, then the second against the first."""
    opened = load_bundle(bundle)
    names = [variant.name for variant in opened.spec.variants][:2]
    models = {name: prepare(opened, name, ONE_THREAD) for name in names}
    copies = {name: time_copies(model, openings) for name, model in models.items()}
    in_one: list[list[float]] = []
    in_many: list[list[float]] = []
    for _ in range(measurements):
        in_one.append(measure_once(models, 1))
        in_many.append(measure_once(models, NUM_OPENINGS))
    result = {
        "bundle": Path(bundle).name,
        "variants": names,
        "copies": copies,
        "ways": {
            "one opening": summarize(in_one),
            f"{NUM_OPENINGS} openings": summarize(in_many),
        },
    }
    write_result("openings", result)


if __name__ == "__main__":
    main()
