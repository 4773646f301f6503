"""Predicted against measured latency of random networks of the space that edits span.

python -m benchmarks.optimize.predicted_latency mobilenet_v3_small

First what each edit saves alone, as `edgecat edits` measures it, and what it is expected to save
then; after it networks with several, at most one for each block, in turns with the network as it
is.
"""

import dataclasses
import statistics
from collections.abc import Iterable, Mapping

import click
import numpy as np

from benchmarks.results import write_result
from edgecat.optimize.expected import expect_savings
from edgecat.optimize.savings import Savings, measure_savings, summarize
from edgecat.optimize.space import list_edits
from edgecat.optimize.timing import Stopwatch, find_product
from edgecat.train.edit import EDITS, kind_of

# What is to be reached.
_TARGETS = {"error_ratio": 0.05, "rank_correlation": 0.98}


def draw_edits(savings: Savings, rng: np.random.Generator) -> tuple[str, ...]:
    """Return edits of different blocks, each taken or not; all that have no block count as one."""
    by_block: dict[str, list[str]] = {}
    for edit in savings.edits:
        name, _, argument = edit.partition(":")
        block = argument.partition("=")[0] if name != "side" else name
        if argument or name == "no-hidden-head":
            by_block.setdefault(block or name, []).append(edit)
    return tuple(str(rng.choice(edits)) for edits in by_block.values() if rng.random() < 0.5)


def predict_ratio(saved: Mapping[str, float], edits: Iterable[str]) -> float:
    """Return the time of a network with several edits by its time without.

    Savings of parts add up; what makes all of the network quicker scales what they leave.

    Args:
        saved: Share of the time that each edit is expected to save.
        edits: Some of these.
    """
    of_parts, scale = 0.0, 1.0
    for edit in edits:
        if EDITS.load(kind_of(edit)).scales_all:
            scale *= 1 - saved[edit]
        else:
            of_parts += saved[edit]
    return scale * (1 - of_parts)


def correlate_ranks(one: list[float], other: list[float]) -> float:
    """Return Spearman's rank correlation; no two values are equal."""
    ranks = [np.argsort(np.argsort(values)) for values in (one, other)]
    return float(np.corrcoef(*ranks)[0, 1])


@click.command()
@click.argument("arch")
@click.option("--variant", default="onnxruntime-fp32", show_default=True)
@click.option("--networks", default=50, show_default=True, help="How many random networks.")
@click.option("--rounds", default=240, show_default=True, help="Timed photos of each.")
@click.option("--seed", default=0, show_default=True)
def main(arch: str, variant: str, networks: int, rounds: int, seed: int) -> None:
    """Measure what edits save alone, then networks with several."""
    stopwatch = Stopwatch(arch, find_product(variant), rounds)
    savings = measure_savings(stopwatch, list_edits(arch))
    saved, rng = expect_savings(savings), np.random.default_rng(seed)
    drawn = {draw_edits(savings, rng) for _ in range(networks)} - {()}
    rows = []
    for times in stopwatch.time(sorted(drawn)):
        for edits in times.keys() - {()}:
            measured = summarize(times[edits], times[()]).ratio
            predicted = predict_ratio(saved, edits)
            rows.append({"edits": edits, "predicted": predicted, "measured": measured})
            print(f"{measured:.3f} measured, {predicted:.3f} predicted: {' '.join(edits)}")
    errors = [abs(row["predicted"] / row["measured"] - 1) for row in rows]
    values = {
        "savings": dataclasses.asdict(savings),
        "networks": rows,
        "error_ratio": {
            "median": statistics.median(errors),
            "p90": float(np.quantile(errors, 0.9)),
            "max": max(errors),
        },
        "rank_correlation": correlate_ranks(
            [row["predicted"] for row in rows], [row["measured"] for row in rows]
        ),
        "targets": _TARGETS,
    }
    write_result("predicted_latency", values)


if __name__ == "__main__":
    main()
