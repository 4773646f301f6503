"""What does an explanation cost beside the answer alone?

python -m benchmarks.device.explain_time BUNDLE PHOTO.jpg

Answers and explanations of one photo take turns, one thread; the picture is not drawn, since that
is for people, who wait longer. What drawing takes stands beside it.
"""

import dataclasses
from functools import partial
from pathlib import Path

import click
import numpy as np

from benchmarks.results import write_result
from edgecat.bench.clock import Plan, median_ratio, take_turns, time_ms
from edgecat.errors import EngineError
from edgecat.machine.conditions import read_conditions
from edgecat.runtime.classifier import Classifier


@click.command()
@click.argument("bundle")
@click.argument("photo", type=click.Path(exists=True, path_type=Path))
@click.option("--rounds", default=200, show_default=True)
def main(bundle: str, photo: Path, rounds: int) -> None:
    """Time every variant of a bundle."""
    data, rows = photo.read_bytes(), []
    with Classifier.open(bundle) as first:
        names = [variant.name for variant in first.bundle.spec.variants]
    for name in names:
        try:
            classifier = Classifier.open(bundle, name, threads=1)
        except EngineError as error:
            click.echo(f"left out: {error}")
            continue
        with classifier:
            explanation = classifier.explain(data)
            actions = {
                "predict": partial(classifier.predict, data),
                "explain": partial(classifier.explain, data),
                "draw": explanation.draw,
            }
            times = take_turns(
                {title: partial(time_ms, action) for title, action in actions.items()},
                Plan.fixed(rounds, 20),
            )
        ratio = median_ratio(times["explain"], times["predict"])
        medians = {title: float(np.median(taken)) for title, taken in times.items()}
        rows.append({"variant": name, "ratio_to_predict": ratio, "median_ms": medians})
        click.echo(f"{name}: explain takes {ratio:.2f} times predict, {medians}")
    conditions = dataclasses.asdict(read_conditions())
    write_result("explain_time", {"rows": rows, "conditions": conditions})


if __name__ == "__main__":
    main()
